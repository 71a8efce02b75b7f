"""One task of every registered name, measured on made-up embeddings of two models."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics.pairwise import cosine_distances

from facebench.columns import LAYER, MODEL, TASK
from facebench.experiment.registry import TASKS
from facebench.tasks.base import BaseTask, RoundedTask
from support.measured import with_estimates

N_PEOPLE, N_PHOTOGRAPHS, N_FEATURES = 12, 4, 16
MODELS = {"strong": 0.5, "weak": 1.6}


def write_world(folder: Path) -> Path:
    """Write pictures, and every table that the registered tasks ask for."""
    rng = np.random.default_rng(7)
    names = [f"p{p:02d}/{k}.png" for p in range(N_PEOPLE) for k in range(N_PHOTOGRAPHS)]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), tuple(rng.integers(0, 255, 3).tolist())).save(folder / name)
    person = [number // N_PHOTOGRAPHS for number in range(len(names))]
    same = [(a, b) for a in range(len(names)) for b in range(a) if person[a] == person[b]]
    other = [(a, b) for a in range(len(names)) for b in range(a) if person[a] != person[b]]
    other = [other[i] for i in rng.choice(len(other), 3 * len(same), replace=False)]
    rows = [*same, *other]
    pairs = pd.DataFrame(
        {
            "img1": [names[a] for a, _ in rows],
            "img2": [names[b] for _, b in rows],
            "same": [int(person[a] == person[b]) for a, b in rows],
            "distance": rng.uniform(0, 1, len(rows)).round(4),
            "condition": [["near", "far"][i // 2 % 2] for i in range(len(rows))],
            "level": [[0, 30, 60, 90][i // 2 % 4] for i in range(len(rows))],
            "group": [["upright", "inverted"][i // 3 % 2] for i in range(len(rows))],
            "group1": ["ab"[person[a] % 2] for a, _ in rows],
            "group2": ["ab"[person[b] % 2] for _, b in rows],
        }
    )
    pairs["truth"] = pairs["same"]
    pairs["distance"] += 0.5 * (1 - pairs["same"])
    pairs.to_csv(folder / "pairs.csv", index=False)
    images = pd.DataFrame({"image": names, "identity": [name[:3] for name in names]})
    images["template"] = [f"t{i // 2:03d}" for i in range(len(names))]
    templates = images.drop_duplicates("template")
    t_rows = [
        (a, b, int(i == j))
        for a, i in zip(templates["template"], templates["identity"], strict=True)
        for b, j in zip(templates["template"], templates["identity"], strict=True)
        if a < b
    ]
    images.to_csv(folder / "templates.csv", index=False)
    faces = images.assign(sex=["fm"[p % 2] for p in person])
    faces.to_csv(folder / "faces.csv", index=False)
    columns = ["template1", "template2", "same"]
    pd.DataFrame(t_rows, columns=columns).to_csv(folder / "template_pairs.csv", index=False)
    in_gallery = images["identity"] < f"p{N_PEOPLE - 4:02d}"
    first = ~images["identity"].duplicated()
    images[first & in_gallery].to_csv(folder / "gallery.csv", index=False)
    images[~first].to_csv(folder / "probes.csv", index=False)
    three = [rng.choice(len(names), 3, replace=False) for _ in range(150)]
    triplets = pd.DataFrame(
        [[names[i] for i in t] for t in three], columns=["img1", "img2", "img3"]
    )
    triplets["odd"] = rng.integers(1, 4, len(triplets))
    triplets.to_csv(folder / "triplets.csv", index=False)
    write_line_ups(folder, names)
    images[first & in_gallery].to_csv(folder / "study.csv", index=False)
    images[~first].assign(old=in_gallery * 1).to_csv(folder / "test.csv", index=False)
    return folder


def write_line_ups(folder: Path, names: list[str]) -> None:
    """Show every image among one of the same person and three others, in an order too."""
    rng = np.random.default_rng(8)
    rows = []
    for number, target in enumerate(names):
        person, photograph = divmod(number, N_PHOTOGRAPHS)
        right = names[person * N_PHOTOGRAPHS + (photograph + 1) % N_PHOTOGRAPHS]
        others = rng.choice([p for p in range(N_PEOPLE) if p != person], 3, replace=False)
        shown = rng.permutation([right, *(names[p * N_PHOTOGRAPHS] for p in others)])
        rows.append([target, *shown, right, "|".join(rng.permutation(shown))])
    columns = ["target", *(f"alt{k}" for k in range(1, 5)), "answer", "order"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "line_ups.csv", index=False)


def make_tasks(folder: Path, n_resamples: int = 100) -> dict[str, Any]:
    """Make one task per registered name."""
    pairs, drawn = folder / "pairs.csv", {"n_resamples": n_resamples}
    rated = {**drawn, "n_permutations": 19}
    tables: dict[str, tuple[Any, ...]] = {
        "identification": (folder / "gallery.csv", folder / "probes.csv", folder),
        "template-verification": (folder / "templates.csv", folder / "template_pairs.csv", folder),
        "matching": (folder / "line_ups.csv", folder),
        "odd-one-out": (folder / "triplets.csv", folder),
        "probe": (folder / "faces.csv", folder, "sex"),
        "ranking": (folder / "line_ups.csv", folder),
        "recognition-memory": (folder / "study.csv", folder / "test.csv", folder),
        "rsa": (folder,),
    }
    options: dict[str, dict[str, Any]] = {
        "accuracy": {},
        "conditioned-average": {},
        "correlation": {},
        "relative-difference": {},
        "group-errors": {**drawn, "fmr": 0.05},
        "matching": {},
        "odd-one-out": {},
        "probe": {"shuffles": 1},
        "ranking": {},
        "recognition-memory": {"memory": "nearest"},
        "similarity": rated,
        "rsa": {**rated, "reference": pairs},
        "predictors": {"n_resamples": n_resamples, "predictors": {"pixels": "pixels"}},
        # Levels that make no difference have no threshold.
        "series": {**rated, "measure": "dprime"},
        "critical-features-effect": {**rated, "critical": ["near"], "other": ["far"]},
    }
    tasks = {}
    for name in TASKS.names():
        usual = {**rated, "contrast": ("near", "far")} if "effect" in name else drawn
        given = tables.get(name, (pairs, folder))
        tasks[name] = TASKS.get(name)(name, *given, **options.get(name, usual))
    return tasks


def embeddings_of(images: list[str], noise: float, seed: int) -> np.ndarray:
    """Give made-up embeddings: a person's own place, and noise of each photograph."""
    places = np.random.default_rng(99).normal(size=(N_PEOPLE, N_FEATURES))
    found = []
    for name in images:
        person, photograph = int(name[1:3]), int(Path(name).stem)
        rng = np.random.default_rng([seed, person, photograph])
        found.append(places[person] + noise * rng.normal(size=N_FEATURES))
    return np.array(found, dtype=np.float32)


def every_manager(folder: Path, tasks: dict[str, Any], seed: int = 0) -> SimpleNamespace:
    """Make what a manager offers after a run of some tasks."""
    manager = SimpleNamespace(
        tasks=tasks,
        models={name: SimpleNamespace(name=name) for name in MODELS},
        remarks={},
        tasks_performance_dfs={},
        unrounded_performance_dfs={},
        model_task_distances_dfs={name: {} for name in MODELS},
        provenance={},
    )
    for name, task in tasks.items():
        results = []
        for place, (model, noise) in enumerate(MODELS.items()):
            frame = frame_of(task, noise, 10 * seed + place)
            manager.model_task_distances_dfs[model][name] = frame
            own = copy.copy(frame)
            if isinstance(task, RoundedTask):
                found = task.compute_unrounded_performance(own)
            else:
                found = task.compute_task_performance(own)
            results.append(found.assign(**{TASK: name, MODEL: model, LAYER: "default"}))
        table = pd.concat(results, ignore_index=True)
        manager.unrounded_performance_dfs[name] = manager.tasks_performance_dfs[name] = table
    return with_estimates(manager)


def frame_of(task: Any, noise: float, seed: int) -> pd.DataFrame:
    """Give what a run keeps of one layer: distances of pairs, or items."""
    if not isinstance(task, BaseTask):
        frame = task.compute_items(embeddings_of(task.images, noise, seed))
        return frame.assign(layer_name="default")
    sides = [embeddings_of(list(task.pairs_df[side]), noise, seed) for side in ("img1", "img2")]
    distances = np.diag(cosine_distances(*sides)).astype(float)
    return pd.DataFrame(task.pairs_df).assign(
        layer_name="default", model_computed_distance=distances
    )
