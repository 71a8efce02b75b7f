"""Re-weighted features: weights against SciPy's, and nothing of what is predicted in the fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from facebench.metrics.predictors import image_blocks
from facebench.metrics.reweighting import (
    _fit,
    _sums,
    component_design,
    feature_design,
    reweighted,
)

FIRST, SECOND = np.triu_indices(15, 1)
RNG = np.random.default_rng(4)
ROWS = RNG.normal(size=(15, 5))
WEIGHTS = np.array([3.0, 0.0, 1.0, 0.0, 0.5])
TARGET = (ROWS[FIRST] - ROWS[SECOND]) ** 2 @ WEIGHTS + RNG.normal(size=FIRST.size)


@pytest.mark.parametrize("penalty", [1e-3, 1.0])
def test_weights_are_the_least_of_the_criterion(penalty: float) -> None:
    x = (ROWS[FIRST] - ROWS[SECOND]) ** 2
    y = TARGET - 2 * x[:, 1]
    weights, intercept = _fit(_sums(x, y), penalty)
    size = penalty * ((x - x.mean(axis=0)) ** 2).sum() / x.shape[1]

    def criterion(values: np.ndarray) -> float:
        return float(((y - values[0] - x @ values[1:]) ** 2).sum() + size * (values[1:] ** 2).sum())

    best = minimize(criterion, np.ones(6), bounds=[(None, None), *[(0, None)] * 5], tol=1e-14)
    np.testing.assert_allclose(weights, best.x[1:], atol=2e-3)
    assert weights[1] == 0
    assert criterion(np.r_[intercept, weights]) <= best.fun + 1e-6


@pytest.mark.parametrize("make", [feature_design, component_design])
def test_a_pair_is_predicted_without_its_images(make) -> None:
    found = reweighted(make(ROWS, FIRST, SECOND), TARGET, FIRST, SECOND)
    blocks = image_blocks(FIRST, SECOND, 5, 0)
    tested = blocks.of_pair == 2
    changed = TARGET.copy()
    # All pairs with an image of the block, however wrong, leave its prediction as it is.
    changed[~blocks.training(2)] += 100 * RNG.normal(size=int((~blocks.training(2)).sum()))
    again = reweighted(make(ROWS, FIRST, SECOND), changed, FIRST, SECOND)
    np.testing.assert_array_equal(found.predicted[tested], again.predicted[tested])
    assert found.r2(TARGET)[0] > 0.1
    assert found.penalties[2] == again.penalties[2]


def test_weights_help_where_people_weigh_features_otherwise() -> None:
    equal = (ROWS[FIRST] - ROWS[SECOND]) ** 2
    plain = reweighted(equal.sum(axis=1, keepdims=True), TARGET, FIRST, SECOND, penalties=[1e-3])
    weighed = reweighted(feature_design(ROWS, FIRST, SECOND), TARGET, FIRST, SECOND)
    assert weighed.r2(TARGET)[0] > plain.r2(TARGET)[0] + 0.1


def test_noise_is_not_predicted() -> None:
    noise = np.random.default_rng(0).normal(size=FIRST.size)
    rows = np.random.default_rng(1).normal(size=(15, 60))
    for make in (feature_design, component_design):
        assert reweighted(make(rows, FIRST, SECOND), noise, FIRST, SECOND).r2(noise)[0] < 0.15


def test_too_few_images_are_not_predicted() -> None:
    few = SECOND < 3
    found = reweighted(np.ones((3, 1)), TARGET[few], FIRST[few], SECOND[few])
    assert np.isnan(found.predicted).all()
    with pytest.raises(ValueError, match="finite"):
        reweighted(np.full((FIRST.size, 1), np.nan), TARGET, FIRST, SECOND)
