"""The jackknife of strata is Welch's test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from facebench.metrics.conditions import (
    ConditionScores,
    condition_estimates,
    condition_replicates,
    condition_values,
)
from facebench.metrics.uncertainty.effect_intervals import ConditionValues, effect_of
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from support.conditions import SIMPLE


@pytest.mark.parametrize("sizes", [(8, 8), (12, 5), (300, 250)])
def test_strata_are_welch(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    sides = [rng.normal(0.3, 2, sizes[0]), rng.normal(0, 1, sizes[1])]
    people = np.arange(sum(sizes))
    cells = ConditionScores(
        "mean distance",
        np.repeat([0, 1], sizes),
        np.ones(people.size, bool),
        np.concatenate(sides),
    )
    jackknife = StratifiedJackknife(people, people, cells.cell)
    values, replicates = condition_values(cells)[0], condition_replicates(cells, jackknife)
    estimates = condition_estimates(cells, values, replicates, jackknife, (people, people))
    found = effect_of(ConditionValues(values, replicates, estimates, jackknife, False), SIMPLE).test
    expected = ttest_ind(*sides, equal_var=False)
    assert found.statistic == pytest.approx(
        expected.statistic, rel=1e-6 if people.size < 50 else 0.1
    )
    assert found.error.df == pytest.approx(expected.df, rel=1e-6 if people.size < 50 else 0.5)


def test_variances_are_those_of_errors_and_dyads_are_left_out_together() -> None:
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(8, 0)
    jackknife = StratifiedJackknife(first, second, np.zeros(first.size, dtype=int))
    replicates = rng.normal(size=(jackknife.n_resamples, 3))
    expected = [jackknife.error(column).standard ** 2 for column in replicates.T]
    np.testing.assert_allclose(jackknife.variances(replicates), expected)
    left = ~jackknife.kept_dyads
    # Every pair of two people is in one group, none of one person in any.
    assert (left.sum(axis=1) == (first != second)).all()


@pytest.mark.parametrize(("most", "left"), [(30, 2.0), (8, 3.0)])
def test_uneven_people_have_fewer_degrees_of_freedom(most: int, left: float) -> None:
    """Kish's effective numbers are 1.7 and 4.0."""
    people = np.repeat(np.arange(10), [1] * 9 + [most])
    jackknife = StratifiedJackknife(people, people, np.zeros(people.size, dtype=int))
    error = jackknife.error(np.arange(10.0))
    assert jackknife.uneven == error.df == left
    assert StratifiedJackknife(np.arange(10), np.arange(10), np.zeros(10, dtype=int)).uneven is None
