"""The interval of a best layer that was chosen on its own pairs."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy

from facebench.metrics.uncertainty.spread import LargestError, Replicates
from facebench.results.best_layer import choices_of, with_choices
from facebench.results.headline import TaskRows
from facebench.results.schema import RESULTS_COLUMNS
from facebench.results.task_facts import TaskFacts
from facebench.tasks.measures import Measure

AUC = Measure("AUC", better="higher", chance=0.5, bounds=(0, 1), headline=True)
EER = Measure("EER", better="lower", bounds=(0, 1), headline=True)
DISTANCE = Measure("Mean", headline=True)


def table(*rows: tuple[str, str, str, float]) -> pd.DataFrame:
    """Give rows of the tidy table: model, layer, measure and value, each ±.05."""
    better = {"AUC": True, "EER": False, "Mean": None}
    records = [
        {
            "task": "T",
            "model": model,
            "layer": layer,
            "layer_index": int(layer[1:]),
            "metric": metric,
            "value": value,
            "ci_low": value - 0.05,
            "ci_high": value + 0.05,
            "ci_method": "jackknife",
            "n_identities": 20,
            "higher_is_better": better[metric],
        }
        for model, layer, metric, value in rows
    ]
    return pd.DataFrame(records, columns=list(RESULTS_COLUMNS)).astype(RESULTS_COLUMNS)


def allowed(rows: pd.DataFrame, *measures: Measure, known: bool = True) -> pd.DataFrame:
    """Give the headline rows with intervals that allow for the choice of the layer."""
    facts = TaskFacts(type="T", measures=measures)
    task = TaskRows(rows, "T", facts)
    rng = np.random.default_rng(0)

    def replicates_of(layers: pd.DataFrame) -> list[Replicates | None]:
        return [
            Replicates(value, value + rng.normal(0, 0.01, 20)) if known else None
            for value in layers["value"]
        ]

    return with_choices(task.headline, choices_of(task, replicates_of), facts)


def test_the_end_that_the_choice_favours_is_moved_and_nothing_else():
    rows = table(
        *(("a", f"l{k}", "AUC", 0.7 + 0.01 * k) for k in range(8)),
        *(("a", f"l{k}", "EER", 0.3 - 0.01 * k) for k in range(8)),
        ("b", "l0", "AUC", 0.8),
        ("b", "l0", "EER", 0.2),
    )
    found = allowed(rows, AUC, EER).set_index(["model", "metric"])
    assert found["value"].to_dict() == {
        ("a", "AUC"): 0.77, ("a", "EER"): pytest.approx(0.23), ("b", "AUC"): 0.8, ("b", "EER"): 0.2
    }  # fmt: skip
    auc, eer = found.loc[("a", "AUC")], found.loc[("a", "EER")]
    assert 0.64 < auc["ci_low"] < 0.70
    assert auc["ci_high"] == pytest.approx(0.82)
    assert eer["ci_low"] == pytest.approx(0.18)
    assert 0.30 < eer["ci_high"] < 0.36
    assert auc["ci_method"] == "jackknife; low end for the 8 best layers at once"
    assert eer["ci_method"] == "jackknife; high end for the 8 best layers at once"
    # One layer: nothing was chosen.
    assert (found.loc["b", "ci_method"] == "jackknife").all()
    assert found.loc[("b", "AUC"), "ci_low"] == pytest.approx(0.75)


def test_the_last_layer_was_not_chosen():
    rows = table(*(("a", f"l{k}", "Mean", 0.7 + 0.01 * k) for k in range(8)))
    pd.testing.assert_frame_equal(allowed(rows, DISTANCE), rows.iloc[[-1]])


def test_layers_without_replicates_are_told_to_be_by_bonferroni():
    rows = table(*(("a", f"l{k}", "AUC", 0.5) for k in range(8)))
    [low], [how] = (allowed(rows, AUC, known=False)[name] for name in ("ci_low", "ci_method"))
    t = scipy.stats.t(19)
    far = t.ppf(1 - 0.025 / 8) / t.ppf(0.975) * scipy.special.logit(0.45)
    assert low == pytest.approx(scipy.special.expit(far))
    assert how.endswith("low end for the 8 best layers at once (Bonferroni)")


def test_layers_that_are_clearly_worse_are_no_rivals():
    rows = table(*(("a", f"l{k}", "AUC", value) for k, value in enumerate((0.9, 0.85, 0.7, 0.6))))
    assert allowed(rows, AUC)["ci_method"].tolist() == [
        "jackknife; low end for the 2 best layers at once"
    ]
    assert allowed(rows.iloc[[0, 2, 3]], AUC)["ci_method"].tolist() == ["jackknife"]


def test_a_layer_without_a_number_was_not_chosen_from():
    rows = table(*(("a", f"l{k}", "AUC", 0.7) for k in range(3)))
    rows.loc[[1, 2], ["value", "ci_low", "ci_high"]] = np.nan
    assert allowed(rows, AUC)["ci_method"].tolist() == ["jackknife"]


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_the_best_of_layers_is_held_as_often_as_it_says(share):
    # Means of 12 people in 16 layers that are all 0.
    rng = np.random.default_rng([3, int(10 * share)])
    held, own = [], []
    for _ in range(300):
        people = np.sqrt(share) * rng.normal(size=(12, 1)) + np.sqrt(1 - share) * rng.normal(
            size=(12, 16)
        )
        means = people.mean(axis=0)
        layers = [
            Replicates(mean, (12 * mean - column) / 11)
            for mean, column in zip(means, people.T, strict=True)
        ]
        best = layers[int(np.argmax(means))]
        low, high = best.interval()
        own.append(low <= 0 <= high)
        held.append(LargestError(layers).end(best.value, low) <= 0 <= high)
    assert np.mean(own) < 0.93
    assert 0.94 <= np.mean(held) <= 1


def test_an_end_next_to_one_moves_as_that_of_wilsons_interval():
    # Of 20 trials without an error, at the confidence of one interval and of one of ten.
    t = scipy.stats.norm
    ends = [20 / (20 + t.ppf(1 - alpha) ** 2) for alpha in (0.025, 0.0025)]
    ten = LargestError([None] * 10)
    assert ten.end(1.0, ends[0], (0, 1)) == pytest.approx(ends[1])
    assert ten.end(0.0, 1 - ends[0], (0, 1)) == pytest.approx(1 - ends[1])
    assert ends[1] <= ten.end(0.9999, ends[0], (0, 1)) <= ends[0]
    # Of a correlation it is the same on the scale of Fisher's z.
    moved = np.arctanh(0.3) + t.ppf(0.9975) / t.ppf(0.975) * (np.arctanh(0.2) - np.arctanh(0.3))
    assert ten.end(0.3, 0.2, (-1, 1)) == pytest.approx(np.tanh(moved))
    assert ten.end(3.0, 2.0) == pytest.approx(3 - t.ppf(0.9975) / t.ppf(0.975))


def test_ends_at_the_bounds_stay_there():
    layers = [Replicates(0.0, np.sin(k * np.arange(20.0))) for k in range(1, 9)]
    largest = LargestError(layers)
    assert largest.end(1.0, 1.0, (0, 1)) == 1
    assert largest.end(0.3, 0.0, (0, 1)) == 0
    assert largest.end(0.0, 0.0, (0, 1)) == 0
    assert 0.8 < largest.end(1.0, 0.9, (0, 1)) < 0.9
    # Of a layer by itself nothing moves.
    assert LargestError(layers[:1]).end(0.3, 0.0, (0, 1)) == 0


def test_p_allows_for_the_choice_as_intervals_do():
    rng = np.random.default_rng(0)
    layers = [Replicates(0.0, rng.normal(size=20)) for _ in range(10)]
    largest = LargestError(layers)
    spread = layers[0].spread
    for shift in (2.2, 2.6, 3.0):
        value = shift * spread.error
        low = value - spread.quantile(0.975) * spread.error
        p = 2 * largest.p_value(spread.tail(-shift))
        assert (largest.end(value, low) > 0) == (p < 0.05)
    assert np.isnan(largest.p_value(float("nan")))


def test_layers_that_nobody_changes_count_as_layers_of_their_own():
    rng = np.random.default_rng(0)
    moving = Replicates(0.9, 0.9 + rng.normal(0, 0.01, 20))
    still = Replicates(1.0, np.ones(20))
    one = LargestError([moving]).end(0.9, 0.8)
    assert LargestError([moving, still, still]).end(0.9, 0.8) < one == pytest.approx(0.8, abs=0.002)
    # Nothing is known of any: as if all were of their own.
    assert LargestError([still, still]).by_bonferroni


def test_letters_allow_for_the_choice_of_the_better_model_only():
    from facebench.results.comparison.paired import tie_groups

    rng = np.random.default_rng(0)
    layers = [Replicates(0.0, rng.normal(size=20)) for _ in range(16)]
    # 2.5 standard errors apart: P = .022 by itself.
    better = layers[0]._replace(value=2.5 * layers[0].spread.error)
    models = {"a": better, "b": Replicates(0.0, np.zeros(20))}
    assert better.minus(models["b"]).p_value == pytest.approx(0.022, abs=0.001)
    assert tie_groups(models) == {"a": "a", "b": "b"}
    assert tie_groups(models, {"a": None, "b": LargestError(layers)}) == {"a": "a", "b": "b"}
    assert tie_groups(models, {"a": LargestError(layers)}) == {"a": "a", "b": "a"}


def test_a_run_reads_rivals_only_one_model_at_a_time(monkeypatch):
    from facebench.results import pair_rows
    from facebench.results.best_layer import layer_choices

    read = []
    monkeypatch.setattr(pair_rows, "saved_layers", lambda *asked: read.append(asked[2:4]) or {})
    values = (0.7, 0.69, 0.3)
    rows = table(*((model, f"l{k}", "AUC", values[k]) for k in range(3) for model in "ab"))
    facts = TaskFacts(type="T", measures=(AUC,), influences={"AUC": "auc"})
    run = SimpleNamespace(
        tasks={"T": facts}, left_out={}, of_task=lambda task: TaskRows(rows, task, facts)
    )
    found = layer_choices(run, "T")
    assert read == [("a", ["l0", "l1"]), ("b", ["l0", "l1"])]
    assert len(found) == 2
