"""P and intervals of effects where there are none, on the tables that `make_conditions` writes."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from facebench.stimuli.pair_tables import build_tables
from facebench.stimuli.resolving import resolve
from facebench.tasks.classic_effects import CompositeEffect, InversionEffect, ThatcherEffect
from facebench.tasks.effect import EffectTask

N_IMAGES = 2


@cache
def tables(n_people: int) -> dict[str, pd.DataFrame]:
    faces = [
        SimpleNamespace(name=f"P{person:02}/{image}.png", identity=f"P{person:02}")
        for person in range(n_people)
        for image in range(N_IMAGES)
    ]
    conditions = resolve(["inverted", "thatcherised", "composite"])
    rng = np.random.default_rng(1)
    donors = []
    for face in faces:
        others = [i for i, other in enumerate(faces) if other.identity != face.identity]
        one = int(rng.choice(others))
        other = rng.choice([i for i in others if faces[i].identity != faces[one].identity])
        donors.append([one, int(other)])
    every = {face.name for face in faces}
    made = {"upright": every} | {condition.label: every for condition in conditions}
    built = build_tables(conditions, faces, made, donors, n_pairs=None, seed=0)
    return {
        name: pd.DataFrame(rows, columns=list(header)) for name, (header, rows) in built.items()
    }


def linked(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pair every photograph with one of the next person, in place of the groups."""
    rows = pairs[pairs["same"] == 1]
    turned = rows.copy()
    people = sorted(set(rows["identity1"]))
    following = dict(zip(people, people[1:] + people[:1], strict=True))
    turned["identity2"] = turned["identity1"].map(following)
    turned["img2"] = [
        name.replace(own, other)
        for name, own, other in zip(
            turned["img2"], turned["identity1"], turned["identity2"], strict=True
        )
    ]
    return pd.concat([rows, turned.assign(same=0)], ignore_index=True)


def null_distances(pairs: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Draw effects of images and people for every condition anew, and of pairs."""
    distances = 6 - 1.5 * pairs["same"].to_numpy() + 0.5 * rng.normal(size=len(pairs))
    for sides, size in ((("img1", "img2"), 0.7), (("identity1", "identity2"), 0.5)):
        names = [pairs["condition"] + "/" + pairs[side] for side in sides]
        drawn = {name: size * rng.normal() for name in dict.fromkeys(pd.concat(names))}
        distances += names[0].map(drawn) + names[1].map(drawn)
    return distances.to_numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "measure", "n_people", "most"),
    [
        ("inverted", "auc", 24, 0.11),
        ("inverted", "mean distance", 24, 0.11),
        ("inverted", "accuracy", 24, 0.11),
        ("inverted", "mean distance", 12, 0.11),
        ("inverted", "auc", 12, 0.11),
        ("two networks", "auc", 24, 0.11),
        ("factorial", "auc", 24, 0.11),
        ("composite", "auc", 24, 0.11),
        ("thatcherised", "mean distance", 12, 0.11),
        ("linked", "mean distance", 12, 0.13),
        ("linked", "auc", 12, 0.11),
    ],
)
def test_p_and_intervals_without_an_effect(tmp_path, kind, measure, n_people, most) -> None:
    named = {
        "two networks": "inverted",
        "linked": "inverted",
        "factorial": "thatcherised-factorial",
    }
    pairs = tables(n_people)[named.get(kind, kind)]
    if kind == "linked":
        pairs = linked(pairs)
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    tasks = {"composite": CompositeEffect, "thatcherised": ThatcherEffect, "factorial": EffectTask}
    options = {"factors": ("orientation", "thatcherised")} if kind == "factorial" else {}
    task = tasks.get(kind, InversionEffect)(
        "null",
        tmp_path / "pairs.csv",
        tmp_path,
        measure=measure,
        **options,
    )
    frame = pd.DataFrame(task.pairs_df)
    effect, p = {
        "two networks": ("Interaction", "P"),
        "factorial": ("Interaction Difference", "Interaction P"),
    }.get(kind, ("Difference", "P"))
    found, covered = [], []
    for seed in range(80):
        rng = np.random.default_rng([n_people, seed])
        given = [frame.assign(model_computed_distance=null_distances(frame, rng)) for _ in "12"]
        results = (
            task.compare_models(*given)
            if kind == "two networks"
            else task.compute_unrounded_performance(given[0])
        )
        row = results.iloc[0]
        found.append(row[p])
        covered.append(row[f"{effect} CI Low"] <= 0 <= row[f"{effect} CI High"])
    # Of 80 runs 4 are expected, 9 or more in one of fifty tests; conservative is no fault.
    assert np.mean(np.array(found) <= 0.05) <= most
    assert np.mean(covered) >= 0.86
    assert row["P Method"].startswith("t test, jackknife over")
    assert (np.array(found) < 0.05).tolist() == [not inside for inside in covered]
