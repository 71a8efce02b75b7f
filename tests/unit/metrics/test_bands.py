"""Bands of the ROC, against the bootstrap of one rate and against repeating pairs."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics.bands import roc_band
from facebench.metrics.bootstrap import bootstrap
from facebench.metrics.verification import tar_at_far

LABELS = np.tile([1, 0, 0], 30)
PEOPLE = np.repeat([f"p{i}" for i in range(10)], 9)
OTHERS = np.where(LABELS == 1, PEOPLE, np.roll(PEOPLE, 17))


def scores(seed: int, decimals: int) -> np.ndarray:
    found = np.random.default_rng(seed).normal(LABELS, 0.8).round(decimals)
    found[seed] = np.nan
    return found


@pytest.mark.parametrize("by", ["pair", "identity"])
@pytest.mark.parametrize("decimals", [1, 8])
def test_each_interval_is_that_of_its_rate_alone(by: str, decimals: int) -> None:
    given = {"by": by, "members1": PEOPLE, "members2": OTHERS, "n_resamples": 300, "seed": 4}
    values = scores(7, decimals)
    band = roc_band(LABELS, values, [0.05, 0.2, 1.0], **given)
    for rate, low, high in zip(*band, strict=True):
        alone = bootstrap(LABELS, values, f"tar@{rate}", **given)
        assert (low, high) == pytest.approx(alone, abs=1e-12)


def test_against_pairs_repeated_one_by_one() -> None:
    values = scores(5, 1)
    band = roc_band(LABELS, values, [0.1], n_resamples=200, seed=9)
    repeated = bootstrap(
        LABELS, values, lambda y, s: tar_at_far(y, s, 0.1).tar, n_resamples=200, seed=9
    )
    assert (band.low[0], band.high[0]) == pytest.approx(repeated)


def test_distances_are_similarities_turned() -> None:
    values = scores(3, 2)
    one = roc_band(LABELS, values, [0.1, 0.5], n_resamples=50)
    other = roc_band(LABELS, -values, [0.1, 0.5], n_resamples=50, higher_is_better=False)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("labels", "rates", "message"),
    [
        ([1, 1, 1], [0.1], "both classes"),
        ([1, 0, 0], [1.1], "within 0 and 1"),
        ([1, 0, 0], [0.1], "undefined in"),
    ],
)
def test_what_has_no_band_is_told(labels: list[int], rates: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roc_band(labels, [0.1, 0.2, 0.3], rates)
