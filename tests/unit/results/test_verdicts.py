"""What is said of a task in one sentence."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench.metrics.uncertainty.spread import Replicates
from facebench.results.held_out import HELD_OUT_COLUMNS, HeldOut
from facebench.results.reader import Run
from facebench.results.schema import RESULTS_COLUMNS
from facebench.results.verdicts import verdicts
from facebench.tasks.facts import TaskFacts
from facebench.tasks.measures import Measure

NAN = float("nan")
EFFECT = TaskFacts(
    "InversionEffect",
    measures=(
        Measure("Difference", headline=True, chance=0, label="Upright minus inverted AUC"),
        Measure("P", bounds=(0, 1), shown=False),
        Measure("upright AUC", "higher", chance=0.5, bounds=(0, 1)),
        Measure("inverted AUC", "higher", chance=0.5, bounds=(0, 1)),
    ),
    effect={"upright": "upright AUC", "inverted": "inverted AUC"},
    effect_name="inversion effect",
    item_name="pairs",
    sampling_unit="people",
)
SCORE = TaskFacts(
    "VerificationTask",
    measures=(Measure("AUC", "higher", headline=True, chance=0.5, bounds=(0, 1)),),
    item_name="pairs",
    sampling_unit="people",
)


def row(model, metric, value, low=NAN, high=NAN, **more):
    cells = {"model": model, "layer": "default", "metric": metric, "value": value}
    counts = {"n_pairs": 320, "n_images": 64, "n_identities": 16, "n_failed": 0}
    return {**cells, "ci_low": low, "ci_high": high, **counts, "source": "network", **more}


def effect(model, value, low, high, p, **more):
    return [row(model, "Difference", value, low, high, **more), row(model, "P", p, **more)]


def person(metric, value, low=NAN, high=NAN):
    return row("People", metric, value, low, high, source="people", layer="")


def run_of(rows, facts, models=(), failures=()):
    table = pd.DataFrame(rows).reindex(columns=list(RESULTS_COLUMNS))
    table = table.assign(task="T", task_type=facts.type, layer_index=table["layer_index"].fillna(0))
    names = models or dict.fromkeys(table.loc[table["source"] == "network", "model"])
    better = {one.name: one.higher_is_better for one in facts.measures}
    table["higher_is_better"] = table["metric"].map(better)
    manifest = {"status": "finished", "name": "x", "models": {name: {} for name in names}}
    manifest |= {"tasks": {"T": facts.as_dict()}, "failures": list(failures)}
    run = Run(Path("nowhere"), manifest)
    vars(run)["results"] = table.astype(RESULTS_COLUMNS)
    vars(run)["left_out"] = {}
    return run


def said(rows, facts, letters=None, **more):
    metric = facts.measures[0].name if facts.measures else "AUC"
    ties = {"T": {(metric, ""): letters or {}}}
    [verdict] = verdicts(run_of(rows, facts, **more), ties=ties)
    return verdict


def test_an_effect_is_told_with_what_is_subtracted_and_who_shows_it():
    rows = [*effect("dlib", 0.35, 0.11, 0.51, 0.013), *effect("vgg", 0.01, -0.1, 0.1, 0.8)]
    rows += [person("Difference", 0.056, 0.021, 0.091), person("P", 0.003)]
    rows += [person("Participants", 30)]
    rows += [row("dlib", "Difference from People", 0.29, 0.05, 0.45)]
    rows += [row("vgg", "Difference from People", -0.05, -0.2, 0.1)]
    verdict = said(rows, EFFECT, {"dlib": "a", "vgg": "b"})
    assert verdict.sentence == (
        "dlib shows an inversion effect (upright minus inverted AUC: .350 [.110, .510], P = .013, "
        "16 people, 320 pairs); vgg does not show one (.010 [−.100, .100], P = .80); the two "
        "networks differ; people show one (.056 [.021, .091], P = .003; 30 participants; dlib "
        "larger than people's, vgg not found to differ from people's)."
    )
    assert [one.relation for one in verdict.models] == ["above", "unclear"]
    assert verdict.warnings == []


def test_an_effect_of_the_other_sign_is_its_opposite_and_an_unnamed_one_a_difference():
    rows = effect("net", -0.2, -0.3, -0.1, 0.001)
    assert said(rows, EFFECT).sentence.startswith("net shows the opposite of an inversion effect (")
    unnamed = TaskFacts(**{**vars(EFFECT), "effect_name": ""})
    assert said(rows, unnamed).sentence.startswith(
        "net shows a difference (upright minus inverted AUC: −.200 [−.300, −.100], P = .001"
    )


def test_ten_models_are_grouped_by_what_they_show():
    shown = [one for k in range(8) for one in effect(f"m{k}", 0.5 - k / 100, 0.1, 0.6, 0.01)]
    rows = [*shown, *effect("A", 0.0, -0.1, 0.1, 0.9), *effect("B", NAN, NAN, NAN, NAN)]
    verdict = said(rows, EFFECT)
    assert verdict.sentence == (
        "8 of 10 networks show an inversion effect (upright minus inverted AUC, 16 people, 320 "
        "pairs; largest: m0, .500 [.100, .600], P = .010); not shown by A; not defined: B; "
        "whether networks differ was not tested."
    )
    nobody = [one for name in "ABCD" for one in effect(name, 0.0, -0.1, 0.1, 0.9)]
    assert said(nobody, EFFECT).sentence.startswith("None of 4 networks shows an inversion effect")


def test_a_score_is_told_with_chance_and_who_differs():
    rows = [row("a", "AUC", 1.0, 0.95, 1.0), row("b", "AUC", 0.55, 0.4, 0.7)]
    rows.append(row("c", "AUC", 0.2, 0.1, 0.3))
    verdict = said(rows, SCORE, {"a": "a", "b": "b", "c": "b"})
    assert verdict.sentence == (
        "AUC (chance .50; 16 people, 320 pairs): a 1.000 [.950, 1.000], above chance, no errors "
        "among 320 pairs; b .550 [.400, .700], not found to differ from chance; c .200 "
        "[.100, .300], below chance; a differs from b and c."
    )


def test_lower_error_rates_are_better_and_come_first():
    eer = (Measure("EER", "lower", headline=True, chance=0.5, bounds=(0, 1)),)
    facts = TaskFacts(**{**vars(SCORE), "measures": eer})
    rows = [row("a", "EER", 0.7, 0.6, 0.8), row("b", "EER", 0.1, 0.05, 0.2)]
    verdict = said(rows, facts, {"a": "b", "b": "a"})
    assert [one.model for one in verdict.models] == ["b", "a"]
    assert "b .100 [.050, .200], better than chance" in verdict.sentence
    assert "a .700 [.600, .800], worse than chance" in verdict.sentence


def test_people_are_told_beside_a_score():
    rows = [row("a", "AUC", 0.9, 0.8, 0.95), person("AUC", 0.89, 0.86, 0.91)]
    rows += [person("Participants", 30), row("a", "AUC Difference from People", 0.01, -0.1, 0.1)]
    assert said(rows, SCORE).sentence == (
        "AUC (chance .50; 16 people, 320 pairs): a .900 [.800, .950], above chance; people .890 "
        "[.860, .910] (30 participants; a not found to differ from people's)."
    )


def test_the_noise_ceiling_and_the_raters_are_told():
    measures = (
        Measure("Spearman", "higher", headline=True, chance=0, ceiling=("Lower", "Upper")),
        Measure("P Value", shown=False),
    )
    facts = TaskFacts(**{**vars(SCORE), "measures": measures, "sampling_unit": "images"})
    rows = [row("a", "Spearman", 0.4, 0.2, 0.5), row("a", "P Value", 0.0002)]
    rows += [row("a", "Lower", 0.796), row("a", "Upper", 0.826), row("a", "Raters", 12)]
    assert said(rows, facts).sentence == (
        "Spearman (noise ceiling .796–.826; 64 images, 320 pairs, 12 raters): "
        "a .400 [.200, .500], P < .001, above 0."
    )


def test_gaps_failures_and_contradictions_are_warned_of():
    rows = [row("a", "AUC", NAN, remark="one class only"), row("b", "AUC", 0.8)]
    rows += [row("c", "AUC", 0.7, 0.6, 0.8, n_failed=3)]
    verdict = said(rows, SCORE, models=["a", "b", "c", "d"])
    assert verdict.sentence == (
        "AUC (chance .50; 16 people, 320 pairs): b .800 without an interval; c .700 [.600, .800], "
        "above chance, 3 pairs without a distance; a not defined; whether networks differ was not "
        "tested; no results of d."
    )
    assert sorted(verdict.warnings)[:3] == [
        "3 pairs of c have no distance.",
        "AUC of a is not defined: one class only.",
        "AUC of b has no interval.",
    ]
    assert "No results of d." in verdict.warnings
    rows = effect("a", 0.2, 0.1, 0.3, 0.2)
    assert "P = .20, by the interval but not by P, 16 people" in said(rows, EFFECT).sentence
    assert said(rows, EFFECT).warnings == [
        "Interval and P of a disagree (.200 [.100, .300], P = .20): they come from different "
        "methods."
    ]


def test_a_measure_called_p_is_no_p_value_unless_it_is_declared_without_a_direction():
    precise = (*SCORE.measures, Measure("P", "higher", bounds=(0, 1)))
    for measures in ((), precise):
        facts = TaskFacts(**{**vars(SCORE), "measures": measures})
        sentence = said([row("a", "AUC", 0.9, 0.8, 0.95), row("a", "P", 0.9)], facts).sentence
        assert "P = " not in sentence


def test_what_a_label_says_in_brackets_is_not_followed_by_others():
    fair = Measure("GARBE", "lower", headline=True, bounds=(0, 1), label="GARBE (0 is fair)")
    facts = TaskFacts(**{**vars(SCORE), "measures": (fair, Measure("P", bounds=(0, 1)))})
    rows = [row("a", "GARBE", 0.2, 0.0, 0.7), row("a", "P", 0.53)]
    assert said(rows, facts).sentence == (
        "GARBE (0 is fair; 16 people, 320 pairs): a .200 [.000, .700], P = .53, groups not found "
        "to differ in their errors."
    )


def test_conditions_at_their_ceiling_and_the_choice_of_layers_are_told():
    rows = [*effect("a", 0.1, -0.1, 0.3, 0.2), row("a", "upright AUC", 1.0, 0.9, 1.0)]
    assert "P = .20, no errors in upright, 16 people" in said(rows, EFFECT).sentence
    layers = [row("a", "AUC", x, 0.6, 0.95, layer=f"l{x}", layer_index=x * 10) for x in (0.7, 0.9)]
    sentence = said(layers, SCORE).sentence
    how = (
        "each network's best layer of up to 2, chosen on the same pairs, which intervals allow for."
    )
    assert sentence.endswith(how)
    assert "a l0.9 .900" in sentence


@pytest.mark.parametrize("n_models", [1, 5])
def test_conditions_are_listed_without_a_test(n_models):
    facts = TaskFacts("Means", measures=(Measure("Mean", headline=True),), item_name="pairs")
    rows = [
        row(f"m{k}", "Mean", value, value - 0.1, value + 0.1, condition=name)
        for k in range(n_models)
        for name, value in (("near", 0.4), ("far", 0.6))
    ]
    sentence = said(rows, facts).sentence
    lead = "Mean (16 people, 320 pairs each) in 2 conditions, not tested against each other: "
    if n_models == 1:
        assert sentence == f"{lead}m0: near .400 [.300, .500], far .600 [.500, .700]."
    else:
        assert sentence == (
            f"{lead}lowest in near and highest in far for all 5 networks (widest range: m0, "
            ".400 [.300, .500] to .600 [.500, .700])."
        )


def test_networks_are_grouped_by_their_lowest_and_highest_conditions():
    facts = TaskFacts("Means", measures=(Measure("Mean", headline=True),), item_name="pairs")
    ends = {"a": (0.4, 0.6), "b": (0.3, 0.6), "c": (0.7, 0.6), "d": (0.1, None), "e": (None, None)}
    rows = [
        row(name, "Mean", value, value - 0.1, value + 0.1, condition=condition)
        if value is not None
        else row(name, "Mean", float("nan"), float("nan"), float("nan"), condition=condition)
        for name, values in ends.items()
        for condition, value in zip(("near", "far"), values, strict=True)
    ]
    sentence = said(rows, facts).sentence
    assert sentence.partition("against each other: ")[2] == (
        "lowest in near and highest in far for a and b (widest range: b, .300 [.200, .400] to "
        ".600 [.500, .700]); lowest in far and highest in near for c (.600 [.500, .700] to "
        ".700 [.600, .800]); only near is defined for d (.100 [.000, .200]); not defined: e."
    )


def test_a_task_without_results_is_told():
    run = run_of([row("a", "AUC", 0.8)], SCORE)
    run.manifest["tasks"]["Lost"] = {}
    assert [(one.task, one.sentence) for one in verdicts(run)][1] == (
        "Lost",
        "No results.",
    )


RATED = TaskFacts(
    **{
        **vars(SCORE),
        "measures": (
            Measure("Spearman", "higher", headline=True, chance=0, ceiling=("Lower",)),
            Measure("P Value", shown=False),
        ),
        "remarks": {"P Method": "modified t test of pairs that share images"},
    }
)


def test_a_one_sided_p_is_called_so_and_agrees_with_an_interval_below_chance():
    rows = [row("a", "Spearman", -0.4, -0.6, -0.2), row("a", "P Value", 0.999)]
    verdict = said(rows, RATED)
    assert "a −.400 [−.600, −.200], one-sided P = 1.00, below 0." in verdict.sentence
    assert verdict.warnings == []


def test_ceilings_that_differ_between_models_are_not_told_as_one():
    rows = [row("a", "Spearman", 0.4, 0.2, 0.6), row("a", "Lower", 0.8)]
    rows += [row("b", "Spearman", 0.3, 0.2, 0.6), row("b", "Lower", 0.7)]
    assert "noise ceiling .800 (of the pairs of a; others differ)" in said(rows, RATED).sentence


def test_an_end_next_to_chance_is_shown_on_its_side():
    sentence = said(effect("a", 0.2, 0.0002, 0.4, 0.0499), EFFECT).sentence
    assert "a shows an inversion effect (" in sentence
    assert ".2000 [.0002, .4000], P = .0499" in sentence


def test_an_interval_without_width_tests_nothing():
    verdict = said(effect("a", 0.25, 0.25, 0.25, NAN), EFFECT)
    assert "a: upright minus inverted AUC: .250 [.250, .250], an interval without width" in (
        verdict.sentence
    )
    assert verdict.models[0].relation == "untested"


def test_many_effects_that_were_not_tested_are_not_called_absent():
    rows = [one for name in "abcd" for one in effect(name, 0.3, NAN, NAN, NAN)]
    assert said(rows, EFFECT).sentence.startswith("Whether 4 networks show an inversion effect was")


def test_differences_of_either_sign_count_where_they_have_no_name():
    rows = [*effect("a", 0.2, 0.1, 0.3, 0.01), *effect("b", -0.5, -0.6, -0.4, 0.01)]
    rows += [*effect("c", -0.3, -0.4, -0.2, 0.01), *effect("d", 0.0, -0.1, 0.1, 0.9)]
    unnamed = TaskFacts(**{**vars(EFFECT), "effect_name": ""})
    sentence = said(rows, unnamed).sentence
    assert sentence.startswith("3 of 4 networks show a difference (")
    assert "largest of these: b, −.500" in sentence
    assert "below 0: c and b; not shown by d" in sentence


def test_one_refers_to_an_effect_that_was_named():
    rows = [*effect("a", 0.4, NAN, NAN, NAN), *effect("b", 0.2, 0.1, 0.3, 0.01)]
    assert "b shows an inversion effect (" in said(rows, EFFECT).sentence
    rows = [*effect("a", 0.4, NAN, NAN, NAN), person("Difference", 0.2, 0.1, 0.3)]
    assert "; people show an inversion effect (.200" in said(rows, EFFECT).sentence
    rows = [*effect("a", 0.4, 0.1, 0.5, NAN), person("Difference", 0.2)]
    assert "; people .200 without an interval." in said(rows, EFFECT).sentence


def test_both_and_all_are_not_said_of_some():
    rows = [row(name, "AUC", 0.9 - k / 10, 0.5, 0.95) for k, name in enumerate("abc")]
    rows += [row(name, "AUC Difference from People", 0.3, 0.1, 0.4) for name in "ab"]
    rows += [person("AUC", 0.6, 0.5, 0.65)]
    assert "a and b larger than people's" in said(rows, SCORE).sentence
    rows = [row("a", "AUC", 0.9, 0.8, 0.95), row("b", "AUC", 0.6, 0.55, 0.65)]
    lost = row("c", "AUC", NAN)
    assert "; a and b differ." in said([*rows, lost], SCORE, {"a": "a", "b": "b"}).sentence
    rows.append(row("d", "AUC", 0.3, 0.1, 0.4))
    letters = {"a": "a", "b": "b", "d": "c"}
    assert "the 3 networks with a number differ" in said([*rows, lost], SCORE, letters).sentence


def test_scores_without_an_interval_are_not_left_out_of_many():
    rows = [row(name, "AUC", 0.9, 0.8, 0.95) for name in "abc"] + [row("d", "AUC", 0.95)]
    sentence = said(rows, SCORE).sentence
    assert "3 of 4 networks above chance" in sentence
    assert "without a usable interval: d" in sentence


def test_letters_that_overlap_say_who_differs_from_whom():
    rows = [row(name, "AUC", 0.9 - k / 10, 0.5, 0.95) for k, name in enumerate("abc")]
    sentence = said(rows, SCORE, {"a": "a", "b": "ab", "c": "b"}).sentence
    assert sentence.endswith("; a differs from c.")
    rows.append(row("d", "AUC", 0.1, 0.05, 0.2))
    letters = {"a": "ab", "b": "a", "c": "b", "d": "ab"}
    assert said(rows, SCORE, letters).sentence.endswith(
        "none is found to differ from the best, 1 other pair of networks differs."
    )


def test_a_condition_without_any_number_is_told():
    facts = TaskFacts("Means", measures=(Measure("Mean", headline=True),), item_name="pairs")
    rows = [
        row("a", "Mean", value, condition=name)
        for name, value in (("near", 0.4), ("far", 0.6), ("up", NAN))
    ]
    verdict = said(rows, facts)
    assert "; not defined in up." in verdict.sentence
    assert "Mean in condition up is not defined for any network." in verdict.warnings


def test_layers_chosen_on_the_same_pairs_are_told_beside_held_out_ones():
    rows = [
        row(name, "AUC", value, 0.6, 0.95, layer=f"l{k}", layer_index=k)
        for name in "ab"
        for k, value in enumerate((0.7, 0.9))
    ]
    table = pd.DataFrame(
        [["T", "a", None, "AUC", 0.8, 0.6, 0.9, 2, "l1 (2)"]], columns=list(HELD_OUT_COLUMNS)
    )
    [verdict] = verdicts(run_of(rows, SCORE), ties={}, held_out={"T": HeldOut(table, {})})
    assert "a held-out of 2 .800" in verdict.sentence
    assert verdict.sentence.endswith(
        "each other network's best layer of up to 2, chosen on the same pairs, which intervals "
        "allow for."
    )


def test_one_of_something_is_singular():
    rows = [row("a", "AUC", 0.9, 0.8, 0.95, n_identities=1, n_pairs=1)]
    assert "1 person, 1 pair)" in said(rows, SCORE).sentence


def test_held_out_layers_are_compared_by_what_chose_them():
    rows = [
        row(name, "AUC", value, 0.6, 0.95, layer=f"l{k}", layer_index=k)
        for name in "ab"
        for k, value in enumerate((0.7, 0.9))
    ]
    cells = [["T", name, None, "AUC", 0.8, 0.6, 0.9, 2, "l1 (2)"] for name in "ab"]
    table = pd.DataFrame(cells, columns=list(HELD_OUT_COLUMNS))
    made = Replicates(0.8, np.array([0.7, 0.8, 0.9, 0.8]))
    known = {("AUC", "", name): made for name in "ab"}
    [verdict] = verdicts(run_of(rows, SCORE), held_out={"T": HeldOut(table, known)})
    assert "; the two networks are not found to differ; held-out" in verdict.sentence
    [verdict] = verdicts(run_of(rows, SCORE), held_out={"T": HeldOut(table, {})})
    assert "; whether networks differ was not tested; held-out" in verdict.sentence


@pytest.mark.parametrize("end", [NAN, 1.0])
def test_networks_without_intervals_are_not_said_not_to_differ(end):
    rows = [row(name, "AUC", 1.0, end, end, layer="l0", layer_index=0) for name in "ab"]
    cells = [["T", name, None, "AUC", 1.0, end, end, 2, "l0 (2)"] for name in "ab"]
    table = pd.DataFrame(cells, columns=list(HELD_OUT_COLUMNS))
    known = {("AUC", "", name): Replicates(1.0, np.ones(4)) for name in "ab"}
    [verdict] = verdicts(run_of(rows, SCORE), held_out={"T": HeldOut(table, known)})
    assert "whether the networks differ is unknown: their numbers have no" in verdict.sentence
    assert "not found to differ" not in verdict.sentence


def test_all_trials_together_are_no_condition():
    facts = TaskFacts("M", measures=(Measure("Accuracy", "higher", headline=True),))
    rows = [
        row("a", "Accuracy", value, condition=name, n_pairs=n)
        for name, value, n in (("all trials", 0.5, 640), ("b", 0.4, 320), ("w", 0.6, 320))
    ]
    lead = "Accuracy (16 people, 320 items each) in 2 conditions and all of them together"
    assert said(rows, facts).sentence.startswith(lead)
    rows += [row(f"m{k}", "Accuracy", x, condition=name) for k in range(3) for name, x in (
        ("all trials", 0.1), ("b", 0.4), ("w", 0.6)
    )]  # fmt: skip
    assert "lowest in b and highest in w for all 4 networks" in said(rows, facts).sentence


def test_names_that_hold_punctuation_are_quoted():
    rows = [row(name, "AUC", 0.9, 0.8, 0.95) for name in ("net, small; old", "b", "c")]
    letters = {"net, small; old": "a", "b": "b", "c": "b"}
    verdict = said(rows, SCORE, letters, models=["net, small; old", "b", "c", "x, y"])
    assert "“net, small; old” .900" in verdict.sentence
    assert "“net, small; old” differs from b and c" in verdict.sentence
    assert verdict.sentence.endswith("no results of “x, y”.")
    assert verdict.models[0].name == "net, small; old"
