"""Intervals over participants, items and both, against ANOVA and known observers."""

import os

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from facebench.errors import InputError
from facebench.people.intervals import (
    between_over,
    mean_over,
    means_over,
    over_participants,
    paired_over,
)
from facebench.people.simulation import Observers
from facebench.people.trials import Trials

NIGHTLY = bool(os.environ.get("FACEBENCH_NIGHTLY"))


def ratings(n_people, n_items, seed, sd_person=1.0, sd_item=1.0):
    generator = np.random.default_rng(seed)
    table = (
        generator.normal(0, sd_person, (n_people, 1))
        + generator.normal(0, sd_item, n_items)
        + generator.normal(0, 1, (n_people, n_items))
    )
    return table, Trials(
        pd.DataFrame(
            {
                "participant": np.repeat([f"p{n}" for n in range(n_people)], n_items),
                "img1": "a",
                "img2": [f"b{n}" for n in range(n_items)] * n_people,
                "response": table.ravel(),
            }
        ),
        "rating",
    )


def test_a_complete_design_gives_what_its_anova_does():
    table, trials = ratings(7, 9, seed=1)
    p, i = table.shape
    people, items = table.mean(axis=1), table.mean(axis=0)
    rest = table - people[:, None] - items + table.mean()
    single = (rest**2).sum() / ((p - 1) * (i - 1))
    of_people, of_items = people.var(ddof=1) / p, items.var(ddof=1) / i

    for over, variance, df in (
        ("participants", of_people, p - 1),
        ("items", of_items, i - 1),
        ("both", of_people + of_items - single / (p * i), None),
    ):
        found = mean_over(trials, "Mean Rating", over)
        if df is None:
            parts = (of_people**2 / (p - 1), of_items**2 / (i - 1))
            df = variance**2 / (sum(parts) + (single / (p * i)) ** 2 / ((p - 1) * (i - 1)))
        half = stats.t.ppf(0.975, df) * np.sqrt(variance)
        assert found.value == pytest.approx(table.mean())
        assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_items_that_each_participant_sees_alone_have_no_interval():
    table = pd.DataFrame(
        {"participant": ["a", "a", "b", "b"], "img1": "x", "img2": list("stuv"),
         "response": [1.0, 2, 3, 5]}
    )  # fmt: skip
    found = mean_over(Trials(table, "rating"), "Mean Rating", "both")
    assert np.isnan(found.low)
    assert found.method.startswith("none")


def test_paired_differences_are_those_of_a_t_test():
    trials = Observers({"upright": 2.0, "inverted": 1.0}).trials(12, 30, seed=4)
    wide = trials.table.groupby(["participant", "condition"])["correct"].mean().unstack()
    gap = wide["upright"] - wide["inverted"]

    found = paired_over(trials, "Accuracy", "condition", ("upright", "inverted"))

    low, high = stats.ttest_1samp(gap, 0).confidence_interval()
    assert (found.estimate.low, found.estimate.high) == pytest.approx((low, high))
    assert found.dz == pytest.approx(gap.mean() / gap.std())
    assert found.participants == 12
    wider = paired_over(trials, "Accuracy", "condition", ("upright", "inverted"), "both").estimate
    assert wider.high - wider.low >= high - low - 1e-9


def test_samples_are_compared_by_welch():
    table, trials = ratings(9, 6, seed=3)
    group = np.repeat(np.where(np.arange(9) < 4, "a", "b"), 6)
    both = Trials(trials.table.assign(group=group), "rating")
    people, items = table.mean(axis=1), table[:4].mean(axis=0) - table[4:].mean(axis=0)
    welch = stats.ttest_ind(people[:4], people[4:], equal_var=False)
    found = between_over(both, "Mean Rating", "group", ("a", "b"))
    interval = welch.confidence_interval()
    assert (found.estimate.low, found.estimate.high) == pytest.approx(tuple(interval))
    assert found.participants == (4, 5)
    pooled = np.sqrt((people[:4].var(ddof=1) + people[4:].var(ddof=1)) / 2)
    assert 0.8 < found.g / ((people[:4].mean() - people[4:].mean()) / pooled) < 1
    # The items are the same: their differences.
    over_items = between_over(both, "Mean Rating", "group", ("a", "b"), "items").estimate
    interval = stats.ttest_1samp(items, 0).confidence_interval()
    assert (over_items.low, over_items.high) == pytest.approx(tuple(interval))
    crossed = between_over(both, "Mean Rating", "group", ("a", "b"), "both").estimate
    assert crossed.high - crossed.low > 0
    with pytest.raises(InputError, match="between_over"):
        paired_over(both, "Mean Rating", "group", ("a", "b"))
    half = np.where(np.arange(54) % 6 < 3, "x", "y")
    with pytest.raises(InputError, match="9 participants have trials of both 'x' and 'y'"):
        between_over(Trials(trials.table.assign(c=half), "rating"), "Mean Rating", "c", ("x", "y"))


def test_medians_have_intervals_over_items():
    rng = np.random.default_rng(0)
    p, i = 12, 25
    rt = np.exp(rng.normal(0, 0.2, (p, 1)) + rng.normal(0, 0.3, i) + rng.normal(0, 0.3, (p, i)))
    table = ratings(p, i, 0)[1].table.assign(rt=rt.ravel())
    found = mean_over(Trials(table, "rating"), "Median RT", "items")
    drawn = [np.median(rt[:, rng.integers(i, size=i)], axis=1).mean() for _ in range(1000)]
    width = 2 * stats.t.ppf(0.975, i - 1) * np.std(drawn)
    assert found.high - found.low == pytest.approx(width, rel=0.3)


def test_participants_with_one_condition_do_not_count():
    trials = Observers({"upright": 2.0, "inverted": 1.0}).trials(5, 20, seed=5)
    table = trials.table
    partly = table[~((table["participant"] == "p01") & (table["condition"] == "inverted"))]
    found = paired_over(
        Trials(partly, trials.kind), "d'", "condition", ("upright", "inverted"), "both"
    )
    assert found.participants == 4
    others = Trials(table[table["participant"] != "p01"], trials.kind)
    assert found.estimate.value == pytest.approx(
        paired_over(others, "d'", "condition", ("upright", "inverted")).estimate.value
    )


def test_a_table_of_means_has_a_row_per_condition():
    trials = Observers({"upright": 2.0, "inverted": 1.0}).trials(5, 20, seed=6)
    found = means_over(trials, ["condition"], "both", ["Accuracy", "d'"])
    assert list(found.columns) == [
        "condition", "Accuracy", "Accuracy CI Low", "Accuracy CI High", "d'", "d' CI Low",
        "d' CI High", "CI Method", "Participants", "Items",
    ]  # fmt: skip
    assert list(found["Participants"]) == [5, 5]
    assert list(found["Items"]) == [20, 20]


def test_a_condition_without_any_response_has_no_means():
    trials = Observers({"upright": 2.0, "inverted": 1.0}).trials(3, 8)
    table = trials.table.copy()
    table.loc[table["condition"] == "inverted", ["response", "correct"]] = np.nan
    found = means_over(Trials(table, trials.kind), ["condition"], "both")
    assert np.isnan(found["Accuracy"].iloc[1])
    assert list(found["Participants"]) == [3, 0]


def test_shares_stay_between_0_and_1():
    found = over_participants([1.0, 1.0, 0.9], "Accuracy")
    assert found.high == 1
    assert np.isnan(over_participants([0.5, np.nan], "Accuracy").low)


@pytest.mark.parametrize(
    ("conditions", "over", "says"),
    [
        (("upright", "tilted"), "both", "No trial has condition = 'tilted'. There are: 'upright'"),
        (("upright", "inverted"), "people", "'over' must be"),
    ],
)
def test_wrong_arguments_are_errors(conditions, over, says):
    trials = Observers({"upright": 2.0, "inverted": 1.0}).trials(3, 8)
    with pytest.raises(InputError, match=says):
        paired_over(trials, "d'", "condition", conditions, over)


@pytest.mark.skipif(not NIGHTLY, reason="takes minutes (set FACEBENCH_NIGHTLY)")
@pytest.mark.parametrize("over", ["participants", "items", "both"])
def test_coverage_of_means_of_ratings(over):
    # What varies is what the interval is over; the other is the same in all experiments.
    sd = {"participants": (1.0, 0.0), "items": (0.0, 1.0), "both": (1.0, 1.0)}[over]
    held = []
    for seed in range(1000):
        found = mean_over(ratings(15, 20, seed, *sd)[1], "Mean Rating", over)
        held.append(found.low <= 0 <= found.high)
    assert 0.93 <= np.mean(held) <= 0.98
