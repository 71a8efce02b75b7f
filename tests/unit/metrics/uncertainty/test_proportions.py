"""Intervals of shares next to 0 and 1, by hand, by property and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from facebench.metrics.uncertainty.influence import (
    auc_influence,
    linear_replicates,
    mean_influence,
    standard_error,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    ClassUnits,
    EffectiveCounts,
    auc_score_interval,
    effective_counts,
    effective_number,
    jackknife_proportion,
    no_narrower,
    score_interval,
)
from facebench.metrics.uncertainty.resamples import Interval

PLENTY = EffectiveCounts(30, 30, 40, 40, 20)


@given(st.integers(0, 30), st.integers(1, 30))
def test_score_interval_is_wilsons(k: int, n: int) -> None:
    k = min(k, n)
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert score_interval(k / n, n) == pytest.approx(tuple(expected), abs=1e-9)


@given(st.floats(0, 1), st.floats(2, 500), st.floats(2, 500))
def test_auc_interval_ends_where_the_area_is_two_errors_off(area: float, g: float, i: float):
    for end in auc_score_interval(area, g, i):
        # Hanley and McNeil's variance, written as they do.
        q1, q2 = end / (2 - end), 2 * end**2 / (1 + end)
        half = (g + i) / 2 - 1
        variance = (end * (1 - end) + half * (q1 - end**2 + q2 - end**2)) / (g * i)
        if 0 < end < 1:
            assert abs(area - end) == pytest.approx(1.959964 * variance**0.5, abs=1e-6)
    low, high = auc_score_interval(area, g, i)
    assert low <= area <= high
    assert (1 - high, 1 - low) == pytest.approx(auc_score_interval(1 - area, g, i), abs=1e-9)


def test_effective_number_is_that_of_the_robust_variance() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 12, (2, 80))
    values = rng.normal(size=12)[first] + rng.normal(size=12)[second] + rng.normal(size=80)
    influence = mean_influence(values).values
    # The people's own mean was taken off.
    error = standard_error(influence, first, second) * (12 / 11) ** 0.5
    assert effective_number(values, first, second) == pytest.approx(
        80 * (influence**2).sum() / error**2
    )
    assert effective_number(np.ones(80), first, second) == 80
    alone = np.arange(80)
    assert effective_number(values, alone, alone) == 80


@pytest.mark.parametrize("share", ["auc", "accuracy", "tar", "fnmr", "fmr", "eer"])
def test_no_jump_towards_one(share) -> None:
    values = 1 - np.array([0.02, 0.01, 0.005, 0.002, 0.001, 1e-4, 1e-6, 0])
    found = [
        no_narrower(share, value, Interval(value, value), (1 - value) * 1e-3, PLENTY)
        for value in values
    ]
    lows = np.array([interval.low for interval in found])
    assert np.abs(np.diff(lows)).max() < 0.02
    assert all(low < value <= high for value, (low, high) in zip(values, found, strict=True))
    zero = no_narrower(share, 0.0, Interval(0.0, 0.0), 0.0, PLENTY)
    assert zero.high == pytest.approx(1 - found[-1].low, abs=1e-9)


def test_intervals_of_many_errors_are_left_as_they_are() -> None:
    own = Interval(0.7, 0.88)
    counts = EffectiveCounts(300, 300, 300, 300, 200)
    assert no_narrower("auc", 0.8, own, 0.05**2, counts) == own


@pytest.mark.parametrize("area", [0.97, 0.99, 0.999])
def test_intervals_hold_the_true_area(area: float) -> None:
    # Eight people of three photographs, of whom an image, a person and a pair have effects.
    gap = {0.97: 3.05, 0.99: 3.77, 0.999: 5.01}[area]
    images = np.arange(24)
    genuine = [(a, b) for a in images for b in images if a < b and a // 3 == b // 3]
    rng = np.random.default_rng(2)
    impostor = [(a, b) for a in images for b in images if a // 3 < b // 3]
    impostor = [impostor[i] for i in rng.permutation(len(impostor))[:24]]
    first, second = np.array(genuine + impostor).T
    labels = np.arange(48) < 24
    groups = JackknifeGroups(first // 3, second // 3)
    covered, lows, perfect = 0, [], 0
    for _ in range(60):
        image, person = 0.6 * rng.normal(size=24), 0.4 * rng.normal(size=8)
        distances = image[first] + image[second] + person[first // 3] + person[second // 3]
        distances = distances + 0.8 * rng.normal(size=48) - gap * labels
        made = linear_replicates(auc_influence(labels, -distances), groups.shared)
        counts = effective_counts(labels, distances, groups.first, groups.second)
        low, high = jackknife_proportion("auc", made, counts)
        covered += low <= area <= high
        perfect += made.value == 1
        lows.append(low)
    assert covered >= 55
    assert 0.75 < np.mean(lows) < 0.95
    assert perfect or area < 0.99


@given(st.integers(0, 10_000), st.sampled_from([0, 1, 6]))
def test_effective_counts_are_of_the_pairs_next_to_the_other_class(seed: int, decimals) -> None:
    rng = np.random.default_rng(seed)
    genuine = np.arange(90) % 3 == 0
    people = rng.integers(0, 12, (2, 90))
    kept = ClassUnits(genuine, *people)
    for _ in range(2):
        # The units are known already the second time.
        distances = rng.normal(size=90).round(decimals)
        distances[rng.random(90) < 0.1] = np.nan
        found = kept.counts(distances)
        for number, of_class, turned in ((found[0], True, -1), (found[1], False, 1)):
            rows = np.flatnonzero(genuine == of_class)
            keys = turned * np.nan_to_num(distances[rows], nan=np.inf)
            hard = sorted(range(rows.size), key=lambda row: (keys[row], row))[:8]
            expected = effective_number(np.isin(np.arange(rows.size), hard), *people[:, rows])
            assert number == pytest.approx(expected, rel=1e-12)
        assert found[2:] == (30, 60, np.unique(people).size)
