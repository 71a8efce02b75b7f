"""Standard errors of correlations by influence, against resampling."""

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from facebench.metrics.uncertainty import correlation_influence, influence


def resampled(measure, *arrays, n=600, seed=0):
    rng = np.random.default_rng(seed)
    size = len(arrays[0])
    draws = (rng.integers(0, size, size) for _ in range(n))
    return np.std([measure(*(array[rows] for array in arrays)).estimate for rows in draws])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("measure", "reference"),
    [
        (correlation_influence.pearson_influence, pearsonr),
        (correlation_influence.spearman_influence, spearmanr),
        (correlation_influence.kendall_influence, kendalltau),
    ],
)
@pytest.mark.parametrize("digits", [8, 0])
def test_correlations_and_their_errors(measure, reference, digits):
    rng = np.random.default_rng(2)
    x = np.round(rng.normal(size=300), digits)
    y = np.round(0.7 * x + rng.normal(size=300), digits)
    made = measure(x, y)
    assert made.estimate == pytest.approx(reference(x, y)[0])
    assert made.values.sum() == pytest.approx(0, abs=1e-12)
    error = influence.standard_error(made.values)
    assert error == pytest.approx(resampled(measure, x, y), rel=0.1)
