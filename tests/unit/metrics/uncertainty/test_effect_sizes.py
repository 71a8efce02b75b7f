"""Standardised effects with intervals of the noncentral t distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nct

from facebench.metrics.uncertainty.effect_intervals import ZeroTest
from facebench.metrics.uncertainty.effect_sizes import standardised
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.uncertainty.stratified_jackknife import Error
from facebench.metrics.verification_report import Estimate


class TestSizes:
    @pytest.mark.parametrize(("statistic", "df"), [(0.3, 7), (2.5, 11), (-6.0, 19), (25.0, 9)])
    def test_noncentrality(self, statistic: float, df: float) -> None:
        test = ZeroTest(Estimate(1.0, Interval(0, 2)), 0.5, statistic, Error(1 / statistic, df))
        found = standardised(test, (statistic**-2,), [int(df) + 1]).size
        n = df + 1
        assert found.value == pytest.approx(statistic / n**0.5)
        for end, level in zip(found.interval, (0.975, 0.025), strict=True):
            assert nct.cdf(statistic, df, end * n**0.5) == pytest.approx(level, abs=1e-4)

    def test_only_the_estimate_of_g_is_corrected_for_few_people(self) -> None:
        test = ZeroTest(Estimate(2.0, Interval(0, 4)), 0.05, 2.0, Error(1.0, 6))
        # Of two groups of four with a variance of 2: g = J d, with six degrees of freedom.
        found = standardised(test, (0.5, 0.5), [4, 4]).size
        assert found.value == pytest.approx(2.0 * 0.5**0.5 * 0.8686, abs=1e-3)
        for end, level in zip(found.interval, (0.975, 0.025), strict=True):
            assert nct.cdf(2.0, 6, end * 2**0.5) == pytest.approx(level, abs=1e-4)

    def test_without_spread(self) -> None:
        test = ZeroTest(Estimate(1.0, Interval(1, 1)), 0.1, np.nan, Error(0.0, 5))
        assert np.isnan(standardised(test, (0.0,), [6]).size.value)
