"""Fairness: pseudo-values by hand, exact permutations, and intervals at the ends of the range."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from facebench.metrics.groups import fairness_replicates
from facebench.metrics.uncertainty.fairness_intervals import (
    GroupRate,
    equality_p,
    fairness_intervals,
    pseudo_values,
)

NAMES = ("fdr", "garbe", "fmr max/min", "fmr max/geomean", "fnmr max/min", "fnmr max/geomean")


def drawn(rng: np.random.Generator, rates: list[float], n_people: list[int]) -> GroupRate:
    """Draw ten comparisons of each person."""
    people = [rng.binomial(10, p, m) / 10 for p, m in zip(rates, n_people, strict=True)]
    totals = 10.0 * np.array(n_people)
    return GroupRate(np.array([own.mean() for own in people]), people, totals)


def test_pseudo_values_against_leaving_people_out() -> None:
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(7, 1)
    wrong = rng.random(first.size) < 0.3
    found = pseudo_values(wrong, first, second)
    for person in range(7):
        left = (first != person) & (second != person)
        assert found[person] == pytest.approx(7 * wrong.mean() - 6 * wrong[left].mean())
    # Without person 0 nothing is left.
    hub = pseudo_values(np.array([True, False, False]), np.zeros(3, int), np.arange(1, 4))
    np.testing.assert_allclose(hub, 1 / 3)


def test_every_permutation_by_hand() -> None:
    people = [np.array([0.1, 0.2, 0.0]), np.array([0.3, 0.5, 0.25])]
    rate = GroupRate(np.array([0.1, 0.35]), people, np.full(2, 30.0))
    pooled = np.concatenate(people)

    def statistic(values: np.ndarray) -> float:
        parts, shared = (values[:3], values[3:]), pooled.var(ddof=1)
        spread = [(((part - part.mean()) ** 2).sum() + 2 * shared) / 4 for part in parts]
        weights, means = 3 / np.array(spread), np.array([part.mean() for part in parts])
        return float(weights @ (means - weights @ means / weights.sum()) ** 2)

    every = np.array([statistic(pooled[list(order)]) for order in permutations(range(6))])
    exact = np.mean(every >= statistic(pooled) - 1e-9)
    assert equality_p([rate], n_permutations=4000) == pytest.approx(exact, abs=0.02)


def test_ends_of_the_range() -> None:
    none = GroupRate(np.zeros(3), [np.zeros(8)] * 3, np.full(3, 80.0))
    some = drawn(np.random.default_rng(0), [0.3] * 3, [8] * 3)
    found = fairness_intervals(none, some, dict.fromkeys(NAMES, 1.0), n_draws=200)
    assert np.isnan(found["fmr max/min"].low)
    assert found["fdr"].high == 1 > found["fdr"].low
    assert found["garbe"].low == 0
    assert found["fnmr max/min"].low == 1
    one = GroupRate(np.array([0.0, 0.3, 0.3]), some.people, some.totals)
    found = fairness_intervals(one, some, dict.fromkeys(NAMES, 0.01), n_draws=200)
    assert found["fmr max/min"].high == np.inf
    assert 1 < found["fmr max/min"].low < 30
    alone = GroupRate(
        np.array([0.1, 0.2]), [np.array([0.1]), np.array([0.1, 0.3])], np.full(2, 9.0)
    )
    assert np.isnan(equality_p([alone]))


@pytest.mark.slow
@pytest.mark.parametrize("rates", [[0.2] * 4, [0.1, 0.15, 0.25, 0.4]], ids=["equal", "unequal"])
def test_coverage(rates: list[float]) -> None:
    sizes = [8, 12, 20, 30]
    truth = fairness_replicates(np.array([rates]), np.array([rates]))
    covered, rejected = dict.fromkeys(NAMES, 0), 0
    n_worlds = 120
    for seed in range(n_worlds):
        rng = np.random.default_rng([seed, 2])
        fmr, fnmr = drawn(rng, rates, sizes), drawn(rng, rates, sizes)
        p_values = [equality_p(part, n_permutations=99) for part in ([fmr], [fnmr], [fmr, fnmr])]
        p_of = {name: p_values[{"fmr": 0, "fnm": 1}.get(name[:3], 2)] for name in NAMES}
        found = fairness_intervals(fmr, fnmr, p_of, n_draws=200)
        rejected += p_values[2] < 0.05
        for name in NAMES:
            low, high = found[name]
            covered[name] += low - 1e-9 <= truth[name][0] <= high + 1e-9
            fair = float(name not in ("garbe",))
            assert (p_of[name] >= 0.05) == (low <= fair <= high), name
    # Of 120 intervals 114 are expected, 106 or fewer in one of four hundred.
    assert min(covered.values()) > 106, covered
    assert (rejected <= 13) == (rates[0] == rates[3])
