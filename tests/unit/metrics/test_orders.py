"""Agreement of orders against SciPy and a loop."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from facebench.metrics.orders import kendalls_w, order_agreement


def test_tau_b_is_scipys_with_ties_and_missing_alternatives() -> None:
    rng = np.random.default_rng(0)
    one, other = (
        rng.integers(0, 4, (40, 5)).astype(float),
        rng.integers(0, 4, (40, 5)).astype(float),
    )
    one[::3, 4] = np.nan
    found = order_agreement(one, other)
    for k, (x, y) in enumerate(zip(one, other, strict=True)):
        kept = ~np.isnan(x)
        expected = stats.kendalltau(x[kept], y[kept]).statistic
        assert_allclose(found.tau_b[k], expected)
        pairs = [(i, j) for i in range(kept.sum()) for j in range(i) if y[i] != y[j]]
        alike = [(1 + np.sign((x[i] - x[j]) * (y[i] - y[j]))) / 2 for i, j in pairs]
        assert_allclose(found.concordance[k], np.mean(alike) if alike else np.nan)


def test_w_follows_from_the_mean_correlation_of_ranks() -> None:
    rng = np.random.default_rng(1)
    ranks = np.array([stats.rankdata(row) for row in rng.integers(0, 4, (6, 5))])
    ties = sum((t**3 - t).sum() for t in (np.unique(row, return_counts=True)[1] for row in ranks))
    found = kendalls_w([ranks.sum(axis=0)], [6], [ties])[0]
    # Friedman's statistic, which SciPy corrects for ties, is m (k - 1) W.
    friedman = stats.friedmanchisquare(*ranks.T).statistic
    assert found == pytest.approx(friedman / (6 * 4))
    assert np.isnan(kendalls_w([ranks[0]], [1], [0])[0])
