"""Score normalisation against loops over pairs and cohort."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics.score_normalisation import NormKind, cohort_statistics, normalise

RNG = np.random.default_rng(0)


def by_loop(d: float, a: np.ndarray, b: np.ndarray, kind: str, top: int | None) -> float:
    if top is not None:
        a, b = np.sort(a)[:top], np.sort(b)[:top]
    z = (d - sum(a) / len(a)) / np.sqrt(sum((a - sum(a) / len(a)) ** 2) / len(a))
    t = (d - sum(b) / len(b)) / np.sqrt(sum((b - sum(b) / len(b)) ** 2) / len(b))
    return float({"z": z, "t": t, "s": (z + t) / 2, "as": (z + t) / 2}[kind])


@pytest.mark.parametrize(("kind", "top"), [("z", None), ("t", None), ("s", None), ("as", 7)])
def test_against_a_loop(kind: NormKind, top: int | None) -> None:
    distances = RNG.random(30)
    first, second = RNG.random((30, 20)), RNG.random((30, 20))
    found = normalise(
        distances, cohort_statistics(first, top), cohort_statistics(second, top), kind
    )
    expected = [by_loop(*row, kind, top) for row in zip(distances, first, second, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_adaptive_with_the_whole_cohort_is_symmetric() -> None:
    cohort = RNG.random((5, 9))
    d = RNG.random(5)
    whole = [cohort_statistics(cohort, top) for top in (None, 9)]
    symmetric = normalise(d, whole[0], whole[0], "s")
    np.testing.assert_allclose(normalise(d, whole[1], whole[1], "as"), symmetric)


def test_similarities_give_the_same_with_the_other_sign() -> None:
    d, cohort = RNG.random(4), RNG.random((4, 6))
    statistics, mirrored = (cohort_statistics(sign * cohort + 1) for sign in (1, -1))
    one, other = (
        normalise(d + 1, statistics, statistics, "s"),
        normalise(1 - d, mirrored, mirrored, "s"),
    )
    np.testing.assert_allclose(one, -other)


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="equally far"):
        cohort_statistics(np.full((1, 4), 0.3))
    for top in (1, 5):
        with pytest.raises(ValueError, match="'top'"):
            cohort_statistics(np.ones((1, 4)), top)
    with pytest.raises(ValueError, match="2 images or more"):
        cohort_statistics(np.ones((1, 1)))
    statistics = cohort_statistics(RNG.random((1, 4)))
    with pytest.raises(ValueError, match="one of z, t, s, as"):
        normalise(np.ones(1), statistics, statistics, "zt")  # type: ignore[arg-type]
