"""A run small enough to be saved and shown in a blink: made-up distances of drawn faces."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import spearmanr

from facebench import (
    AccuracyTask,
    ConditionedAverageDistances,
    CorrelationTask,
    RelativeDifferenceTask,
)
from facebench.columns import LAYER, MODEL, TASK
from facebench.results.run_folder import RunFolder
from support.measured import with_estimates

ALERT = "<script>alert(1)<_script>"
PEOPLE = [ALERT, "Ada & Co", "Bo", "Cy", "Di", "Ed", "Flo", "Gus"]
LAYERS = {"shallow": ["conv1", "conv2", "conv3"], "deep <b>": ["a", "b"], "plain": ["default"]}
TRUTH = {"shallow": 0.7, "deep <b>": 1.3, "plain": 0.72}


def draw_pairs(folder: Path) -> Path:
    """Write three pictures of each person and all their pairs."""
    rng = np.random.default_rng(5)
    names = []
    for number, person in enumerate(PEOPLE):
        (folder / person).mkdir()
        for photograph in range(3):
            names.append(f"{person}/{photograph}.png")
            pixels = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8) // 4 + 20 * number
            picture = Image.fromarray(pixels.astype(np.uint8)).resize((40, 40))
            picture.save(folder / names[-1])
    rows = [
        (a, b, int(Path(a).parent == Path(b).parent), round(rng.random(), 4))
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    ]
    pairs = pd.DataFrame(rows, columns=["img1", "img2", "same", "distance"])
    pairs["kind"] = np.array(["hat & coat", "<i>none</i>", "scarf"])[np.arange(len(pairs)) % 3]
    pairs["way"] = np.where(np.arange(len(pairs)) % 2, "up", "down")
    pairs.to_csv(folder / "pairs.csv", index=False)
    return folder / "pairs.csv"


def small_manager(folder: Path, seed: int = 0) -> SimpleNamespace:
    """Make what a manager offers after a run, with distances from a random generator."""
    table = folder / "pairs.csv"
    if not table.exists():
        draw_pairs(folder)
    common = (table, folder)
    tasks = [
        AccuracyTask("verify <script>alert(2)</script>", *common, true_label="same"),
        CorrelationTask("rate", *common, correlation_metric=spearmanr),
        ConditionedAverageDistances("conditions", *common, condition_column="kind"),
        RelativeDifferenceTask("effect", *common, group_column="way"),
    ]
    rng = np.random.default_rng(seed)
    manager = SimpleNamespace(
        tasks={task.name: task for task in tasks},
        models={name: SimpleNamespace(name=name) for name in LAYERS},
        remarks={"shallow": {"Images: no face found": 2}},
        tasks_performance_dfs={},
        unrounded_performance_dfs={},
        model_task_distances_dfs={name: {} for name in LAYERS},
        provenance={"models": {"shallow": {"digest": "abc", "seconds": 1.5}}},
    )
    for task in tasks:
        results = []
        for model, layers in LAYERS.items():
            frames = []
            for depth, layer in enumerate(layers):
                frame = task.pairs_df.copy()
                strength = TRUTH[model] * (1 + depth) / len(layers)
                noise = rng.normal(0, 0.4, len(frame))
                pull = strength * (frame["distance"] - frame["same"])
                frame["layer_name"] = layer
                frame["model_computed_distance"] = 1 + pull * 0.6 + noise
                frames.append(frame)
                unrounded = task.compute_unrounded_performance(frame.copy())
                results.append(unrounded.assign(**{TASK: task.name, MODEL: model, LAYER: layer}))
            manager.model_task_distances_dfs[model][task.name] = pd.concat(
                frames, ignore_index=True
            )
        table_of_task = pd.concat(results, ignore_index=True)
        manager.unrounded_performance_dfs[task.name] = table_of_task
        manager.tasks_performance_dfs[task.name] = table_of_task.round(5)
    return with_estimates(manager)


def save_small_run(folder: Path, runs: Path, seed: int = 0, **settings) -> Path:
    """Save such a run; returns its folder."""
    run = RunFolder.create(runs, "small & <b>fine</b>")
    return run.save(small_manager(folder, seed), **settings)
