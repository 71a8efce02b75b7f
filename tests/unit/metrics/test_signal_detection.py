"""Signal detection against its definitions."""

import numpy as np
import pytest
from scipy.stats import norm

from facebench.metrics.signal_detection import a_prime, criterion, dprime, log_linear


def test_rates_of_0_and_1_are_drawn_in():
    np.testing.assert_allclose(log_linear([0, 5, 10], 10), [0.5 / 11, 0.5, 10.5 / 11])
    assert np.isnan(log_linear(0, 0))


def test_dprime_and_criterion_recover_a_gaussian_observer():
    for sensitivity, bias in ((0.0, 0.5), (1.7, -0.3), (3.0, 1.0)):
        hit = norm.sf(bias - sensitivity / 2)
        false = norm.sf(bias + sensitivity / 2)
        assert dprime(hit, false) == pytest.approx(sensitivity)
        assert criterion(hit, false) == pytest.approx(bias)


def test_a_prime_is_that_of_snodgrass_and_corwin():
    def published(h, f):
        if h == f:
            return 0.5
        if h > f:
            return 0.5 + (h - f) * (1 + h - f) / (4 * h * (1 - f))
        return 0.5 - (f - h) * (1 + f - h) / (4 * f * (1 - h))

    rates = [(h, f) for h in (0, 0.2, 0.7, 1) for f in (0, 0.1, 0.7, 1)]
    expected = [published(h, f) for h, f in rates]
    np.testing.assert_allclose(a_prime(*zip(*rates, strict=True)), expected)
