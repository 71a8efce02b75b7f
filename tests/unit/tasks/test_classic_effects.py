"""The ready-made effects: on the tables that `make_conditions` writes, in the right direction."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import facebench
from facebench.tasks import classic_effects as effects
from facebench.tasks.effect import EffectTask

KINDS = [getattr(effects, name) for name in effects.__all__]


def run(task: EffectTask, distance: pd.Series) -> pd.Series:
    frame = pd.DataFrame(task.pairs_df).assign(model_computed_distance=distance)
    return task.compute_task_performance(frame).iloc[0]


def write(folder: Path, rows: list[tuple]) -> Path:
    columns = ["img1", "img2", "same", "condition", "identity1", "identity2"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


def verification_rows(conditions: tuple[str, str], people: tuple[str, str]) -> list[tuple]:
    rows = []
    for condition, who in zip(conditions, people, strict=True):
        for p in range(8):
            one, other = f"{who}{p}", f"{who}{(p + 1) % 8}"
            rows.append((f"{condition}/{one}/1", f"{condition}/{one}/2", 1, condition, one, one))
            rows.append(
                (f"{condition}/{one}/1", f"{condition}/{other}/1", 0, condition, one, other)
            )
    return rows


@pytest.mark.parametrize(
    ("kind", "conditions"),
    [
        (effects.InversionEffect, ("upright", "inverted")),
        (effects.OtherRaceEffect, ("own", "other")),
        (effects.FamiliarityEffect, ("familiar", "unfamiliar")),
        (effects.CompositeEffect, ("misaligned", "aligned")),
    ],
)
@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned"])
def test_positive_where_the_first_condition_is_easier(tmp_path, kind, conditions, turned) -> None:
    paired = kind in (effects.InversionEffect, effects.CompositeEffect)
    rows = verification_rows(conditions, ("P", "P" if paired else "Q"))
    path = write(tmp_path, rows[::-1] if turned else rows)
    task = kind("effect", path, tmp_path, n_resamples=40, n_permutations=39)
    easy = task.pairs_df["condition"] == conditions[0]
    noise = np.random.default_rng(0).random(len(easy))
    row = run(task, noise - easy * task.pairs_df["same"])
    assert row[f"{conditions[0]} AUC"] == 1
    assert row["Difference"] > 0
    assert row["P Method"].startswith("t test, jackknife over people")
    assert row["P"] < 0.25


def test_thatcher(tmp_path) -> None:
    rows = [
        (f"{a}/{p}.png", f"{b}/{p}.png", 1, condition, f"P{p}", f"P{p}")
        for condition, a, b in (("upright", "upright", "t"), ("inverted", "inverted", "t-inverted"))
        for p in range(9)
    ]
    path = write(tmp_path, rows)
    task = effects.ThatcherEffect("thatcher", path, tmp_path, n_resamples=40)
    row = run(task, np.where(task.pairs_df["condition"] == "upright", 0.3, 0.1))
    assert row["Relative Difference"] == row["Mean Item Relative Difference"] == 0.5
    assert row["P"] < 0.02


def test_critical_features(tmp_path) -> None:
    sizes = {"eyes-replaced": 0.4, "mouth-replaced": 0.6, "eye-distance": 0.1, "mouth-height": 0.3}
    rows = [
        (f"upright/{p}.png", f"{name}/{p}.png", 1, name, f"P{p}", f"P{p}")
        for name in sizes
        for p in range(9)
        # One change could not be made of one face.
        if (name, p) != ("eye-distance", 4)
    ]
    rows += [
        (f"upright/{p}.png", f"upright/{p}b.png", 1, "same person", "a", "a") for p in range(3)
    ]
    path = write(tmp_path, rows)
    task = effects.CriticalFeaturesEffect("critical", path, tmp_path, n_resamples=40)
    row = run(task, task.pairs_df["condition"].map(sizes).fillna(0.9))
    assert row["Difference"] == pytest.approx(0.3)
    assert row["same person Mean Distance"] == pytest.approx(0.9)
    assert row["P Method"].startswith("t test, jackknife over people")
    chosen = effects.CriticalFeaturesEffect(
        "one", path, tmp_path, critical=["mouth-replaced"], other=["eye-distance"], n_resamples=40
    )
    assert run(chosen, chosen.pairs_df["condition"].map(sizes).fillna(0.9))[
        "Difference"
    ] == pytest.approx(0.5)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_documented(kind) -> None:
    assert getattr(facebench, kind.__name__) is kind
    assert kind.human_references
    text = inspect.getdoc(kind)
    for reference in kind.human_references:
        surname = reference.source.split()[0].rstrip(",;")
        assert surname in text, reference
        assert np.isnan(reference.value) or 0.5 < reference.value < 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_argument_shows(kind) -> None:
    """Those of `EffectTask`, with its types and defaults, but for what defines the effect."""
    shown = dict(inspect.signature(kind).parameters)
    known = dict(inspect.signature(facebench.EffectTask).parameters)
    assert not any(one.kind is one.VAR_KEYWORD for one in shown.values())
    own = {"measure", "contrast"}
    if kind is effects.CriticalFeaturesEffect:
        own = {"measure", "contrast", "factors", "critical", "other"}
    assert {n: p for n, p in shown.items() if n not in own} == {
        n: p for n, p in known.items() if n not in own
    }
    assert shown["measure"].annotation == known["measure"].annotation
    assert (shown.keys() ^ known.keys()) <= own


def test_a_missing_argument_is_named(tmp_path) -> None:
    with pytest.raises(TypeError, match="pairs_file_path"):
        effects.InversionEffect("inversion")


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "inversion effect"),
        ({"measure": "dprime"}, "inversion effect"),
        ({"contrast": ("inverted", "upright")}, ""),
        ({"measure": "mean distance"}, ""),
        ({"contrast": ("upright", "tilted")}, "inversion effect"),
        ({"contrast": ("tilted", "upright")}, ""),
    ],
)
def test_an_effect_has_its_name_only_as_it_is_defined(tmp_path, options, name) -> None:
    """Its Difference above 0 is what people show, however the contrast is given."""
    rows = verification_rows(("upright", "inverted"), ("P", "P"))
    rows += verification_rows(("tilted",), ("P",))
    task = effects.InversionEffect("effect", write(tmp_path, rows), tmp_path, **options)
    facts = task.facts()
    assert facts.effect_name == name
    # What is counted is what is compared, not all that is reported.
    assert facts.compared == {"pairs": 32, "people": 8}


def test_thatcher_and_critical_features_are_named_of_distances(tmp_path) -> None:
    rows = verification_rows(("upright", "inverted"), ("P", "P"))
    path = write(tmp_path, rows)
    assert effects.ThatcherEffect("t", path, tmp_path).facts().effect_name == "Thatcher effect"
    labelled = effects.ThatcherEffect("t", path, tmp_path, measure="auc")
    assert labelled.facts().effect_name == ""
    assert labelled.facts().compared == {}
