"""Rows of people and layers' differences from them, by brute force and by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from facebench import AccuracyTask, EffectTask, InversionEffect, VerificationTask
from facebench.errors import InputError
from facebench.metrics.verification import auc
from support.people_worlds import answers_to, pairs_of, trials_of


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    pairs = pairs_of()
    pairs.to_csv(folder / "pairs.csv", index=False)
    table, latent = answers_to(pairs)
    network = latent + np.random.default_rng(5).normal(0, 0.5, len(pairs))
    return folder, pairs, table, network


def made(world, people, cls=InversionEffect, **options):
    folder = world[0]
    return cls("inversion", folder / "pairs.csv", folder, people=people, **options)


def against(task, network):
    return task.against_people(task.pairs_df.assign(model_computed_distance=network))


def without_confidence(table):
    return trials_of(table.drop(columns="confidence"))


def test_the_row_of_people_is_that_of_paired_t_tests(world):
    task = made(world, trials_of(world[2]), measure="accuracy")
    [row] = task.people_rows().to_dict("records")
    right = world[2].assign(
        right=(world[2]["response"] == np.tile(world[1]["same"], 6)).astype(float),
        condition=np.tile(world[1]["condition"], 6),
    )
    by = right.groupby(["participant", "condition"])["right"].mean().unstack()
    difference = by["upright"] - by["inverted"]
    test = stats.ttest_rel(by["upright"], by["inverted"])
    assert row["people"] == "People"
    assert row["upright Accuracy"] == pytest.approx(by["upright"].mean())
    assert row["Difference"] == pytest.approx(difference.mean())
    interval = test.confidence_interval()
    assert (row["Difference CI Low"], row["Difference CI High"]) == pytest.approx(tuple(interval))
    assert row["P"] == pytest.approx(test.pvalue)
    assert row["dz"] == pytest.approx(difference.mean() / difference.std())
    means = by.mean()
    assert row["Ratio"] == pytest.approx(means["upright"] / means["inverted"])
    assert row["Participants"] == 6
    assert row["Trials"] == 192


def test_every_kind_of_answer_has_an_index_that_means_the_same_of_networks(world):
    graded = made(world, trials_of(world[2]))
    row = against(graded, world[3])
    [people] = graded.people_rows().to_dict("records")
    values = [
        auc(own["same"], own["model_computed_distance"], higher_is_better=False)
        for _, own in world[1]
        .assign(model_computed_distance=world[3])
        .groupby("condition", sort=False)
    ]
    network = values[0] - values[1]
    assert "Comparable Difference" not in row
    assert row["Difference from People"] == pytest.approx(network - people["Difference"])
    # Without confidence both are judged at one operating point.
    single = made(world, without_confidence(world[2]))
    row = against(single, world[3])
    [people] = single.people_rows().to_dict("records")
    assert people["Comparable Difference"] == people["Difference"]
    expected = row["Comparable Difference"] - people["Comparable Difference"]
    assert row["Difference from People"] == pytest.approx(expected)
    assert "AUC of one operating point" in row["People Index"]
    # Distances and answers have no common unit: standard deviations of pairs have.
    apart = made(world, without_confidence(world[2]), measure="mean distance")
    row, scaled = against(apart, world[3]), against(apart, 1000 * world[3] + 7)
    assert row["Comparable Difference"] == pytest.approx(scaled["Comparable Difference"])
    assert row["Difference from People"] == pytest.approx(scaled["Difference from People"])


def test_a_network_that_answers_as_people_do_is_as_they_are(world):
    """A copy of the mean answer: no difference but by sampling, and the ceiling reached."""
    pairs = pairs_of(16)
    folder = world[0]
    pairs.to_csv(folder / "more.csv", index=False)
    table, latent = answers_to(pairs, 20, seed=3, sd_item=1.0)
    task = EffectTask("e", folder / "more.csv", folder, people=trials_of(table), measure="dprime")
    own = against(task, latent)
    assert own["Item Correlation with People"] > 0.8
    assert 0.8 < own["Noise-Ceiled Item Correlation with People"] < 1.2
    low, high = (own[f"Error Consistency with People CI {end}"] for end in ("Low", "High"))
    assert low < own["Error Consistency with People"] < high
    assert own["Error Consistency with People"] <= own["Error Consistency with People Bound"]
    noise = against(task, np.random.default_rng(0).normal(size=len(pairs)))
    assert abs(noise["Item Correlation with People"]) < 0.4
    assert noise["Error Consistency with People"] < own["Error Consistency with People"]


def test_verification_and_accuracy_are_held_against_people_at_their_own_criterion(world):
    folder, pairs, table, network = world
    of = {"pairs_file_path": folder / "pairs.csv", "images_path": folder, "true_label": "same"}
    people = trials_of(table)
    for cls, options in (
        (AccuracyTask, {}),
        (VerificationTask, {"identity": ("identity1", "identity2")}),
    ):
        task = cls("v", **of, **options, people=people)
        frame = task.pairs_df.assign(model_computed_distance=network)
        performance = task.compute_unrounded_performance(frame).iloc[0]
        [row], layer = task.people_rows().to_dict("records"), task.against_people(frame)
        for measure in ("AUC", "Accuracy"):
            difference = performance[measure] - row[measure]
            assert layer[f"{measure} Difference from People"] == pytest.approx(difference)
    each = VerificationTask("v", **of, people=people, people_margin={"AUC": 0.1})
    layer_of_each = against(each, network)
    assert "AUC Equivalence P to People" in layer_of_each
    assert "d' Equivalence P to People" not in layer_of_each
    with pytest.raises(InputError, match="Did you mean 'Accuracy'"):
        VerificationTask("v", **of, people=people, people_margin={"Acuracy": 0.1})
    right = (table["response"] == np.tile(pairs["same"], 6)).groupby(table["participant"]).mean()
    assert row["Accuracy"] == pytest.approx(right.mean())
    assert layer["d' Difference from People"] == pytest.approx(performance["d'"] - row["d'"])


def test_groups_have_rows_and_differences_of_their_own(world):
    table = world[2].assign(group=np.where(world[2]["participant"] < "s3", "young", "old"))
    task = made(world, trials_of(table), people_margin=0.2)
    rows = task.people_rows()
    assert rows["people"].tolist() == ["young", "old"]
    assert rows["Participants"].tolist() == [3, 3]
    layer = against(task, world[3])
    assert {"Difference from young", "Difference from old", "Equivalence P to old"} <= set(layer)
    one = made(world, trials_of(table), people_groups=False)
    assert one.people_rows()["Participants"].tolist() == [6]


def test_groups_are_compared_with_each_other_by_welch(world):
    table = world[2].assign(group=np.where(world[2]["participant"] < "s3", "young", "old"))
    right = world[2].assign(
        right=(world[2]["response"] == np.tile(world[1]["same"], 6)).astype(float),
        condition=np.tile(world[1]["condition"], 6),
    )
    by = right.groupby(["participant", "condition"])["right"].mean().unstack()
    effects = (by["upright"] - by["inverted"]).to_numpy()
    test = stats.ttest_ind(effects[:3], effects[3:], equal_var=False)
    rows = made(world, trials_of(table), measure="accuracy").people_rows().set_index("people")
    young, old = rows.loc["young"], rows.loc["old"]
    interval = test.confidence_interval()
    ends = [young[f"Difference from old CI {end}"] for end in ("Low", "High")]
    assert ends == pytest.approx(list(interval))
    assert young["P of Difference from old"] == pytest.approx(test.pvalue)
    assert old["Difference from young"] == pytest.approx(-young["Difference from old"])
    assert np.isnan(young["Difference from young"])


@pytest.mark.parametrize("groups", [False, True])
def test_conditions_between_participants_are_compared_by_welch(world, groups):
    _folder, pairs, table, network = world
    odd = table["participant"].isin(["s1", "s3", "s5"])
    upright = table["img1"].str.startswith("upright")
    half = table[odd == upright]
    if groups:
        # The groups are the conditions: neither has an effect by itself.
        half = half.assign(group=np.where(odd[half.index], "upright group", "inverted group"))
    task = made(world, trials_of(half), measure="accuracy")
    assert "between participants" in task.people_notes[0]
    labels = pairs.set_index(["img1", "img2"])["same"]
    right = (
        half["response"].to_numpy()
        == labels.loc[half[["img1", "img2"]].apply(tuple, axis=1)].to_numpy()
    )
    by = half.assign(right=right).groupby(["participant"])["right"].mean()
    first, second = by.loc[["s1", "s3", "s5"]], by.loc[["s0", "s2", "s4"]]
    test = stats.ttest_ind(first, second, equal_var=False)
    [row] = task.people_rows().to_dict("records")
    assert row["people"] == "People"
    assert row["Participants"] == 6
    assert row["Difference"] == pytest.approx(first.mean() - second.mean())
    ends = [row[f"Difference CI {end}"] for end in ("Low", "High")]
    assert ends == pytest.approx(list(test.confidence_interval()))
    assert row["P"] == pytest.approx(test.pvalue)
    assert row["Ratio"] == pytest.approx(first.mean() / second.mean())
    assert "Welch" in row["CI Method"]
    assert "dz" not in row
    layer = against(task, network)
    whole = against(made(world, trials_of(table), measure="accuracy"), network)
    assert np.isnan(layer["Within Range of People"])
    assert layer["Difference from People"] == pytest.approx(
        whole["Difference from People"]
        + made(world, trials_of(table), measure="accuracy").people_rows()["Difference"][0]
        - row["Difference"]
    )
    error = layer["Difference from People CI High"] - layer["Difference from People"]
    assert error > 0
    with pytest.raises(InputError, match="people_index"):
        made(world, trials_of(half), measure="mean distance", people_index="relative")


def test_a_design_that_is_unclear_is_one_error(world):
    table = world[2]
    upright = table["img1"].str.startswith("upright")
    mixed = table[upright | table["participant"].isin(["s0", "s1"])]
    with pytest.raises(InputError, match=r"2 in 'inverted', and 2 in several, first 's0'"):
        made(world, trials_of(mixed))


def test_participants_who_miss_a_condition_are_told_and_left_out(world):
    table = world[2]
    half = table[(table["participant"] != "s2") | table["img1"].str.startswith("upright")]
    task = made(world, trials_of(half))
    assert "1 of 6 participants are left out" in task.people_notes[0]
    assert "'s2'" in task.people_notes[0]
    few = table[table["participant"].isin(["s0", "s1"])]
    with pytest.raises(InputError, match=r"needs three participants or more .* Got 2 of 2"):
        made(world, trials_of(few))
    with pytest.raises(InputError, match="must be trials of kind 'same-different' for 'dprime'"):
        made(world, trials_of(table, "rating"), measure="dprime")
    for options in ({"people_margin": -1}, {"people_index": "raw"}):
        with pytest.raises(InputError, match=next(iter(options))):
            made(world, trials_of(table), **options)


def test_failed_pairs_do_not_disturb_people(world):
    task = made(world, trials_of(world[2]))
    network = world[3].copy()
    network[[2, 9]] = np.nan
    row = against(task, network)
    assert np.isfinite(row["Difference from People"])
    assert np.isfinite(row["Item Correlation with People"])


def test_ratings_are_asked_for_effects_in_distance_and_in_agreement(world):
    _folder, pairs, _, network = world
    rng = np.random.default_rng(4)
    seen = np.where(pairs["condition"] == "upright", 3.0, 2.0) + (pairs["same"] == 0)
    table = pd.concat(
        [
            pairs[["img1", "img2"]].assign(
                participant=f"s{who}", response=np.clip(seen + rng.normal(0, 0.5, len(pairs)), 0, 9)
            )
            for who in range(5)
        ]
    )
    people = trials_of(table, "rating")
    by = table.merge(pairs, on=["img1", "img2"]).groupby(["participant", "condition"])["response"]
    means = by.mean().unstack()
    task = made(world, people, measure="mean distance", people_index="relative")
    [row] = task.people_rows().to_dict("records")
    assert row["Difference"] == pytest.approx((means["upright"] - means["inverted"]).mean())
    index = (means["upright"] - means["inverted"]) / (means["upright"] + means["inverted"])
    assert row["Comparable Difference"] == pytest.approx(index.mean())
    layer = against(task, 3 + network)
    distances = pd.Series(3 + network).groupby(pairs["condition"]).mean()
    expected = (distances["upright"] - distances["inverted"]) / distances.sum()
    assert layer["Comparable Difference"] == pytest.approx(expected)
    assert "Error Consistency with People" not in layer
    similar = made(
        world,
        trials_of(table.assign(response=9 - table["response"]), "rating"),
        measure="mean distance",
        people_rating="similarity",
    )
    [turned] = similar.people_rows().to_dict("records")
    assert turned["Difference"] == pytest.approx(row["Difference"])
    # The AUC of ratings: how well they tell one person from two.
    graded = made(world, people)
    assert graded.people_rows()["upright AUC"][0] > 0.8
    assert "Comparable Difference" not in graded.people_rows()
