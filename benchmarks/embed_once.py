"""A first run of facebench against the plain per-pair way, in one process.

Four tasks over the LFW View 1 dev-test pairs with `DlibResNetModel(align=False)`. The plain way
is what a script does that knows nothing of the other tasks: for every task and every pair it reads
both images, runs both through the network, and calls the distance function.

    python benchmarks/embed_once.py [--pairs 1000] [--data DIR]

DIR is the folder of real face data (default: FACEBENCH_DATA, else ../shared/data). The plain way
is timed on every tenth pair and scaled up unless --whole is given; each pair costs it the same.
Limit: at least 7 times faster, of 1,000 pairs: the plain way sends 5.2 times as many images through
the network, of 200 pairs only 4.1 times as many, and the run's fixed costs weigh more. The ratio in
processor time is less disturbed by other programs.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from lfw_photographs import arguments_and_lfw
from sklearn.metrics.pairwise import euclidean_distances

from facebench import (
    AccuracyTask,
    BaseModel,
    BaseTask,
    ConditionedAverageDistances,
    CorrelationTask,
    DlibResNetModel,
    MultiModelTaskManager,
    RelativeDifferenceTask,
)

LIMIT = 7.0
EVERY = 10


def write_pairs(source: Path, target: Path, n_pairs: int) -> None:
    """Give the pairs the columns that all four tasks need."""
    pairs = pd.read_csv(source)
    pairs = pairs.iloc[np.linspace(0, len(pairs) - 1, min(n_pairs, len(pairs))).astype(int)]
    rng = np.random.default_rng(0)
    pairs["distance"] = rng.random(len(pairs))
    pairs["condition"] = rng.choice(["a", "b", "c"], len(pairs))
    pairs["group"] = np.where(np.arange(len(pairs)) % 2, "one", "two")
    pairs.to_csv(target, index=False)


def make_tasks(table: Path, images: Path) -> list[BaseTask]:
    """Make one task of each kind."""
    common = (table, images, euclidean_distances)
    return [
        AccuracyTask("accuracy", *common, true_label="same"),
        CorrelationTask("correlation", *common),
        ConditionedAverageDistances("conditions", *common),
        RelativeDifferenceTask("difference", *common, group_column="group"),
    ]


def cpu_seconds() -> float:
    """Processor time of this process and of those that it has ended, in seconds."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def plain_way(
    model: BaseModel, tasks: list[BaseTask], every: int
) -> tuple[float, float, list[float]]:
    """Time the per-pair way; returns clock and processor for all pairs, one task's distances."""
    started, cpu = time.perf_counter(), cpu_seconds()
    distances: list[float] = []
    for task in tasks:
        distances = []
        for pair in task.pairs_df.iloc[::every].itertuples():
            first, second = (
                model.get_output(model.preprocess_image(Path(task.images_path) / name))["default"]
                for name in (pair.img1, pair.img2)
            )
            distances.append(float(euclidean_distances(first, second)[0, 0]))
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    scale = len(tasks[0].pairs_df) / len(distances)
    return seconds * scale, cpu * scale, distances


def main() -> None:
    """Run both ways and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--whole", action="store_true", help="time the plain way on all pairs")
    arguments, lfw = arguments_and_lfw(parser)

    every = 1 if arguments.whole else EVERY
    model = DlibResNetModel(align=False)
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "pairs.csv"
        write_pairs(lfw / "pairs_dev_test.csv", table, arguments.pairs)
        tasks = make_tasks(table, lfw / "images")
        plain, plain_cpu, expected = plain_way(model, tasks, every)
        started, cpu = time.perf_counter(), cpu_seconds()
        manager = MultiModelTaskManager(model, tasks)
        manager.run_all_tasks_all_models(Path(scratch) / "results")
        seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    found = manager.model_task_distances_dfs[model.name]["difference"]["model_computed_distance"]
    np.testing.assert_allclose(found.iloc[::every], expected, atol=1e-5)
    scaled = "" if arguments.whole else f" (timed on every {EVERY}th pair)"
    print(f"pairs: {len(found)}, tasks: {len(tasks)}")
    print(f"plain per-pair way: {plain:8.1f} s{scaled}")
    print(f"facebench, first run with export and plots: {seconds:.1f} s")
    print(f"ratio: {plain / seconds:.1f} (limit: at least {LIMIT:g})")
    print(f"the same in processor time: {plain_cpu / cpu:.1f}")


if __name__ == "__main__":
    main()
