"""Centring and whitening against NumPy, SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import fractional_matrix_power
from sklearn.covariance import LedoitWolf, ShrunkCovariance

from facebench.metrics.whitening import fit_whitening

RNG = np.random.default_rng(0)
ROWS = (RNG.standard_normal((60, 5)) @ RNG.standard_normal((5, 5)) + 3).astype(np.float32)


def test_centring() -> None:
    found = fit_whitening(ROWS, whiten=False)
    np.testing.assert_allclose(found.apply(ROWS), ROWS - ROWS.mean(axis=0), atol=1e-5)
    assert found.shrinkage is None


def test_whitening_without_shrinkage_gives_unit_covariance() -> None:
    found = fit_whitening(ROWS, shrinkage=0.0)
    mapped = found.apply(ROWS).astype(np.float64)
    np.testing.assert_allclose(mapped.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(mapped.T @ mapped / len(mapped), np.eye(5), atol=1e-5)


@pytest.mark.parametrize("shrinkage", [None, 0.0, 0.3, 1.0])
def test_matrix_is_the_inverse_root_of_the_shrunk_covariance(shrinkage: float | None) -> None:
    exact = ROWS.astype(np.float64)
    fitted = (
        LedoitWolf().fit(exact)
        if shrinkage is None
        else ShrunkCovariance(shrinkage=shrinkage).fit(exact)
    )
    found = fit_whitening(ROWS, shrinkage=shrinkage)
    expected = fractional_matrix_power(fitted.covariance_, -0.5)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-8)
    if shrinkage is None:
        assert found.shrinkage == pytest.approx(fitted.shrinkage_)
    else:
        assert found.shrinkage == shrinkage
    np.testing.assert_allclose(
        found.apply(ROWS), (exact - exact.mean(axis=0)) @ expected, atol=1e-4
    )


def test_few_images_of_many_numbers() -> None:
    rows = RNG.standard_normal((4, 9))
    assert np.isfinite(fit_whitening(rows).apply(rows)).all()
    with pytest.raises(ValueError, match="4 embeddings of 9 numbers cannot be inverted"):
        fit_whitening(rows, shrinkage=0.0)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="two images or more"):
        fit_whitening(ROWS[:1])
    with pytest.raises(ValueError, match="cannot be inverted"):
        fit_whitening(np.ones((5, 3)))
