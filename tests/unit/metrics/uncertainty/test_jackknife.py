"""Leaving out groups: brute force, coverage by simulation, order, and what has no error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.metrics.uncertainty.correlation_influence import kendall_influence
from facebench.metrics.uncertainty.influence import (
    interval,
    linear_replicates,
    mean_influence,
    standard_error,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.replicates import (
    verification_jackknife,
    verification_replicates,
    youden_accuracy_jackknife,
)
from facebench.metrics.uncertainty.spread import Replicates, jackknife_error
from facebench.metrics.verification import accuracy_at, auc, eer, youden_threshold

PEOPLE = 60


def pairs_of(rng, n_pairs=400):
    first = rng.integers(0, PEOPLE, n_pairs)
    same = np.arange(n_pairs) % 2
    second = np.where(same, first, (first + rng.integers(1, PEOPLE, n_pairs)) % PEOPLE)
    return same, first, second


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=40),
    st.integers(1, 12),
)
def test_every_group_is_left_out_whole_and_once(rows, n_groups):
    first, second = (np.array(side) for side in zip(*rows, strict=True))
    groups = JackknifeGroups(first, second, n_groups=n_groups)
    # Who is in every comparison is never left out.
    n_of = {m: int(((first == m) | (second == m)).sum()) for m in {*first, *second}}
    left_out = {member for member, n in n_of.items() if n < max(first.size, 2)}
    assert groups.n_resamples == min(n_groups, len(left_out))
    assert groups.kept.shape == (len(rows), groups.n_resamples)
    left = {
        member: {
            group
            for group, kept in enumerate(groups.kept.T)
            if not kept[(first == member) | (second == member)].any()
        }
        for member in left_out
    }
    assert all(left.values())
    n_left = (~groups.kept).sum(axis=1)
    assert (n_left <= 2).all()
    assert (n_left[first == second] <= 1).all()


def test_order_and_sides_do_not_matter():
    rng = np.random.default_rng(0)
    _, first, second = pairs_of(rng)
    order = rng.permutation(first.size)
    one, other = JackknifeGroups(first, second), JackknifeGroups(second[order], first[order])
    np.testing.assert_array_equal(one.kept[order], other.kept)
    names = (first.astype(str), second.astype(str))
    moved = tuple(side[order] for side in names)
    assert one.digest(*names) == one.digest(*moved)
    assert one.digest(*names) != one.digest(*names[::-1])
    chosen = first < 30
    np.testing.assert_array_equal(one.part(chosen).kept, one.kept[chosen])
    np.testing.assert_allclose(one.sums(np.ones((400, 1)))[:, 0], one.kept.sum(axis=0))


def test_weights_measure_what_is_left():
    rng = np.random.default_rng(1)
    same, first, second = pairs_of(rng)
    distances = np.round(rng.normal(size=400) - same, 1)
    groups = JackknifeGroups(first, second)
    found = verification_replicates(same, distances, groups, higher_is_better=False)
    for group in (0, 17, 39):
        kept = groups.kept[:, group]
        rest = (same[kept], distances[kept])
        assert found["auc"][group] == pytest.approx(auc(*rest, higher_is_better=False))
        assert found["eer"][group] == pytest.approx(eer(*rest, higher_is_better=False).rate)


def covered(measure, truth, runs, seed):
    """Share of intervals that hold the truth, of pairs whose people matter."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(runs):
        same, first, second = pairs_of(rng)
        person = rng.normal(size=PEOPLE)
        distances = 1 + 0.5 * (person[first] + person[second]) - 1.2 * same
        distances += 0.5 * rng.normal(size=400)
        groups = JackknifeGroups(first, second)
        whole, parts = measure(same, distances, groups)
        low, high = Replicates(whole, parts).interval()
        hits += low <= truth <= high
    return hits / runs


def mean_square(_same, distances, groups):
    columns = np.stack((distances**2, np.ones(distances.size)), axis=1)
    sums = groups.sums(columns)
    return float((distances**2).mean()), sums[:, 0] / sums[:, 1]


def equal_errors(same, distances, groups):
    found = verification_replicates(same, distances, groups, higher_is_better=False)
    return eer(same, distances, higher_is_better=False).rate, found["eer"]


def areas(same, distances, groups):
    found = verification_replicates(same, distances, groups, higher_is_better=False)
    return auc(same, distances, higher_is_better=False), found["auc"]


@pytest.mark.slow
@pytest.mark.parametrize("measure", [mean_square, equal_errors, areas])
def test_intervals_cover_the_truth(measure):
    rng = np.random.default_rng(2)
    n = 400_000
    same = np.arange(n) % 2
    # Independent pairs have the same distribution: what one person adds to both sides.
    one, other = rng.normal(size=(2, n))
    other = np.where(same, one, other)
    distances = 1 + 0.5 * (one + other) - 1.2 * same + 0.5 * rng.normal(size=n)
    truth = measure(same, distances, JackknifeGroups(np.arange(n) % 4))[0]
    assert 0.89 <= covered(measure, truth, 150, 3) <= 0.995


def test_kendalls_intervals_cover_the_truth():
    rng = np.random.default_rng(4)
    # tau of a bivariate normal is 2/pi asin(r).
    truth = 2 / np.pi * np.arcsin(0.6)
    hits = 0
    for _ in range(300):
        x = rng.normal(size=150)
        y = 0.6 * x + 0.8 * rng.normal(size=150)
        made = kendall_influence(x, y)
        low, high = interval(made.estimate, standard_error(made.values), "fisher")
        hits += low <= truth <= high
    assert 0.91 <= hits / 300 <= 0.98


def test_equal_systems_are_rarely_told_apart():
    rng = np.random.default_rng(5)
    told = 0
    for _ in range(120):
        same, first, second = pairs_of(rng)
        common = 0.5 * rng.normal(size=PEOPLE)[first]
        groups = JackknifeGroups(first, second)
        one, other = (
            equal_errors(same, common - 1.2 * same + rng.normal(size=400), groups) for _ in "ab"
        )
        made = Replicates(*one).minus(Replicates(*other))
        told += made.p_value < 0.05
    assert told <= 12


def test_what_has_no_error():
    assert np.isnan(jackknife_error([1.0, 2.0]))
    assert np.isnan(jackknife_error([1.0, 2.0, np.nan]))
    constant = np.ones(4)
    assert np.isnan(Replicates(1.0, np.ones(3)).interval()).all()
    assert Replicates(1.0, constant).minus(Replicates(0.5, constant / 2)) is None
    known = Replicates(1.0, np.arange(3.0))
    assert Replicates(np.nan, np.arange(3.0)).minus(known) is None
    assert Replicates(np.inf, np.full(3, np.inf)).minus(known) is None


@pytest.mark.parametrize("digits", [1, 8])
def test_thresholds_are_chosen_anew_without_each_group_and_dyad(digits):
    rng = np.random.default_rng(6)
    same, first, second = pairs_of(rng)
    similarities = np.round(rng.normal(size=400) + same, digits)
    similarities[::50] = np.nan
    groups = JackknifeGroups(first, second)
    made = youden_accuracy_jackknife(same, similarities, groups)
    slow = verification_jackknife(same, similarities, groups)["youden accuracy"]
    np.testing.assert_allclose(made.units, slow.units)
    np.testing.assert_allclose(made.dyads, slow.dyads)
    for group in (0, 11, 39):
        kept = groups.kept[:, group]
        rest = (same[kept], similarities[kept])
        assert made.units[group] == pytest.approx(accuracy_at(*rest, youden_threshold(*rest)))
    between = first != second
    rows, group = groups.left_out
    # Every pair of two people is left out once as such; those of one person never.
    of_dyads = rows[group >= groups.n_resamples]
    assert sorted(of_dyads) == np.flatnonzero(between).tolist()


def test_a_unit_in_every_comparison_is_never_left_out():
    groups = JackknifeGroups(np.zeros(30, dtype=int), np.arange(1, 31))
    assert groups.n_resamples == 30
    assert groups.kept.any(axis=0).all()


def test_groups_are_left_out_to_first_order() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 90, (2, 600))
    values = rng.normal(size=600)
    groups = JackknifeGroups(first, second)
    made = groups.linear(mean_influence(values))
    # Of a mean it is exact.
    expected = [values[kept].mean() for kept in groups.kept.T]
    np.testing.assert_allclose(made.units, expected)
    assert made.dyads.size == groups.n_dyad_groups
    few = JackknifeGroups(first % 9, second % 9)
    alone = linear_replicates(mean_influence(values), few.shared)
    np.testing.assert_allclose(
        np.sort(few.linear(mean_influence(values)).units), np.sort(alone.units)
    )


def test_triplets_of_the_same_images_are_left_out_together():
    triplets = np.array([[0, 1, 2], [2, 0, 1], [1, 2, 3], [0, 0, 1]])
    groups = JackknifeGroups(*triplets.T)
    rows, group = groups.left_out
    of_triplets = group >= groups.n_resamples
    numbers = dict(zip(rows[of_triplets].tolist(), group[of_triplets].tolist(), strict=True))
    assert groups.n_dyad_groups == 2
    assert numbers[0] == numbers[1] != numbers[2]
    assert 3 not in numbers
