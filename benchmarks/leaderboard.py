"""A leaderboard of 1,000 models × 5 tasks, whether they are of one run or of many.

The runs are made up: distances come from a random generator. They are saved as real ones are, with
an interval for every headline number, and ranked with tie groups, page and CSV.

    python benchmarks/leaderboard.py [--models 1000] [--tasks 5] [--pairs 200] [--runs 1 100]

Limits: 10 s, and at most 3 times as long for twice the models of half of them (linear would be 2).
The ratio to merely reading the tables of all runs is printed too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from facebench import AccuracyTask, RunFolder, leaderboard, load_run
from facebench.columns import LAYER, MODEL, TASK
from facebench.run.estimates import Estimator

SECONDS, GROWTH = 10.0, 3.0
PEOPLE = 40


def make_tasks(folder: Path, n_tasks: int, n_pairs: int) -> list[AccuracyTask]:
    """Write a table of pairs for each task."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    tasks = []
    for number in range(n_tasks):
        same = np.arange(n_pairs) % 2
        first = rng.integers(0, PEOPLE, n_pairs)
        second = np.where(same, first, (first + rng.integers(1, PEOPLE, n_pairs)) % PEOPLE)
        names = [
            [f"person{person:02d}/{place}{side}.png" for place, person in enumerate(people)]
            for side, people in (("a", first), ("b", second))
        ]
        pairs = pd.DataFrame({"img1": names[0], "img2": names[1], "same": same})
        pairs.to_csv(folder / f"pairs{number}.csv", index=False)
        tasks.append(
            AccuracyTask(f"task {number}", folder / f"pairs{number}.csv", folder, true_label="same")
        )
    return tasks


def save_run(root: Path, name: str, tasks: Sequence[AccuracyTask], models: Sequence[int]) -> Path:
    """Save a run of some of the models, as `MultiModelTaskManager` would leave it."""
    manager: Any = SimpleNamespace(
        tasks={task.name: task for task in tasks},
        models={f"model {number}": SimpleNamespace() for number in models},
        remarks={},
        tasks_performance_dfs={},
        unrounded_performance_dfs={},
        model_task_distances_dfs={f"model {number}": {} for number in models},
        estimates={task.name: {} for task in tasks},
        provenance={},
        needs_images=False,
    )
    estimator = Estimator()
    for place, task in enumerate(tasks):
        tables = []
        for number in models:
            rng = np.random.default_rng((place, number))
            frame = task.pairs_df.copy()
            pull = 0.5 + number % 97 / 97
            frame["layer_name"] = "default"
            frame["model_computed_distance"] = rng.normal(1, 0.4, len(frame)) - pull * frame["same"]
            rows = task.compute_unrounded_performance(frame).assign(
                **{TASK: task.name, MODEL: f"model {number}", LAYER: "default"}
            )
            manager.model_task_distances_dfs[f"model {number}"][task.name] = frame
            manager.estimates[task.name][f"model {number}"] = estimator.estimates_of(
                task, frame, rows
            )
            tables.append(rows)
        manager.tasks_performance_dfs[task.name] = pd.concat(tables, ignore_index=True)
    # As interrupted, so that the images, which do not exist, are not looked at.
    return RunFolder.create(root, name).save(manager, status="interrupted")


def seconds(paths: Sequence[Path], folder: Path) -> tuple[float, float]:
    """Time reading the tables, and the leaderboard with its page and CSV."""
    started = time.perf_counter()
    for path in paths:
        len(load_run(path).results)
    read = time.perf_counter() - started
    started = time.perf_counter()
    board = leaderboard(paths, folder / "board.html")
    board.to_csv(folder / "board.csv")
    return read, time.perf_counter() - started


def main() -> None:
    """Make the runs, rank their models, print figures against limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("models", 1000), ("tasks", 5), ("pairs", 200)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 100])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tasks = make_tasks(folder / "data", given.tasks, given.pairs)
        # What is loaded once is not part of it.
        seconds([save_run(folder, "warm", tasks, range(2))], folder)
        for n_runs in given.runs:
            times = []
            for n_models in (given.models // 2, given.models):
                parts = np.array_split(np.arange(n_models), n_runs)
                root = folder / f"{n_runs} of {n_models}"
                paths = [
                    save_run(root, f"run {number}", tasks, part.tolist())
                    for number, part in enumerate(parts)
                ]
                read, ranked = seconds(paths, folder)
                times.append(ranked)
                page = (folder / "board.html").stat().st_size / 1e6
                print(
                    f"{n_models} models x {given.tasks} tasks in {n_runs} run(s): {ranked:.2f} s, "
                    f"{ranked / read:.1f} x reading the tables ({read:.2f} s); page {page:.1f} MB",
                    flush=True,
                )
            growth = times[1] / times[0]
            for value, limit, what in (
                (times[1], SECONDS, "seconds"),
                (growth, GROWTH, "times as long for twice the models"),
            ):
                kept = "kept" if value < limit else "EXCEEDED"
                print(f"  {value:.2f} {what} (limit: {limit:g}, {kept})", flush=True)


if __name__ == "__main__":
    main()
