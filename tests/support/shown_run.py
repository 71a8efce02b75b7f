"""A run with all that pages can show: many layers and one, ceilings, effects, errors and none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from facebench import (
    ConditionedAverageDistances,
    InversionEffect,
    SimilarityTask,
    VerificationTask,
)
from facebench.columns import LAYER, MODEL, TASK
from facebench.results.run_folder import RunFolder
from support.measured import with_estimates

LONG = "a model with a very long name <b>& HTML</b> that was trained on many faces"
DEEP = [f"features.{number}" for number in range(31)] + [f"classifier.{n}" for n in range(8)]
# How far persons are apart in the last layer; how many layers are measured.
MODELS = {"deep": (1.2, DEEP), "errorless": (60.0, ["fc"]), LONG: (0.6, ["layer1", "layer2"])}
CHECKPOINTS = {f"trained-{epoch}": (0.2 * epoch, ["fc"]) for epoch in (1, 3, 9)}
PEOPLE, PHOTOGRAPHS, RATERS = 12, 3, 5


def draw_faces(folder: Path) -> None:
    """Write pictures of people, and a table of pairs with labels, conditions and ratings."""
    rng = np.random.default_rng(1)
    names = [f"p{person:02d}/{k}.png" for person in range(PEOPLE) for k in range(PHOTOGRAPHS)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(60, 200, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC).save(folder / name)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    same = [pair for pair in pairs if pair[0][:3] == pair[1][:3]]
    other = [pair for pair in pairs if pair[0][:3] != pair[1][:3]]
    picked = [other[at] for at in rng.choice(len(other), 3 * len(same), replace=False)]
    rows = [pair for pair in (*same, *picked) for _ in range(2)]
    table = pd.DataFrame(rows, columns=["img1", "img2"])
    table["same"] = (table["img1"].str[:3] == table["img2"].str[:3]).astype(int)
    table["condition"] = ["upright", "inverted"] * (len(rows) // 2)
    table["kind"] = np.array(["glasses", "<i>hat</i>", "beard and a very long condition"])[
        np.arange(len(rows)) % 3
    ]
    table.to_csv(folder / "pairs.csv", index=False)
    once = table.iloc[::2].drop(columns=["condition", "kind"])
    truth = rng.normal(size=len(once)) + 2 * (1 - once["same"])
    for rater in range(RATERS):
        once[f"rater_{rater}"] = (truth + rng.normal(0, 0.7, len(once))).round(3)
    once.to_csv(folder / "ratings.csv", index=False)


def distances_of(task: Any, strength: float, seed: int) -> pd.DataFrame:
    """Make distances of a layer that tells persons apart, and faces upside-down less so."""
    rng = np.random.default_rng(seed)
    pairs = pd.DataFrame(task.pairs_df)
    apart = strength * (1 - pairs["same"])
    if "condition" in pairs:
        apart = apart * np.where(pairs["condition"] == "inverted", 0.5, 1)
    rated = [column for column in pairs if column.startswith("rater_")]
    if rated:
        apart = apart + 0.3 * strength * pairs[rated].mean(axis=1)
    return pairs.assign(model_computed_distance=5 + apart + rng.normal(size=len(pairs)))


def save_shown_run(
    folder: Path, runs: Path, seed: int = 0, name: str = "all that is shown"
) -> Path:
    """Save such a run; returns its folder."""
    if not (folder / "pairs.csv").exists():
        draw_faces(folder)
    pairs, few = folder / "pairs.csv", {"n_resamples": 20}
    tasks = [
        VerificationTask("Verification", folder / "ratings.csv", folder, **few),
        InversionEffect("Inversion", pairs, folder, **few, n_permutations=19),
        SimilarityTask("Similarity", folder / "ratings.csv", folder, **few, n_permutations=19),
        ConditionedAverageDistances("Kinds", pairs, folder, condition_column="kind"),
    ]
    models = {**MODELS, **CHECKPOINTS}
    manager = SimpleNamespace(
        tasks={task.name: task for task in tasks},
        models={
            name: SimpleNamespace(name=name, get_layer_names=lambda own=layers: list(own))
            for name, (_, layers) in models.items()
        },
        remarks={},
        tasks_performance_dfs={},
        unrounded_performance_dfs={},
        model_task_distances_dfs={name: {} for name in models},
        provenance={},
    )
    for checkpoint in CHECKPOINTS:
        series = {"of": "trained", "x": int(checkpoint.rpartition("-")[2]), "label": "Epoch"}
        manager.models[checkpoint].series = {**series, "log": False}
    for task in tasks:
        rows = []
        for model, (strength, layers) in models.items():
            frames = []
            for place, layer in enumerate(layers):
                frame = distances_of(task, strength * (1 + place) / len(layers), seed + place)
                found = task.compute_unrounded_performance(frame.copy())
                rows.append(found.assign(**{TASK: task.name, MODEL: model, LAYER: layer}))
                frames.append(frame.assign(layer_name=layer))
            manager.model_task_distances_dfs[model][task.name] = pd.concat(
                frames, ignore_index=True
            )
        table = pd.concat(rows, ignore_index=True)
        manager.unrounded_performance_dfs[task.name] = table
        manager.tasks_performance_dfs[task.name] = table
    return RunFolder.create(runs, name).save(with_estimates(manager))
