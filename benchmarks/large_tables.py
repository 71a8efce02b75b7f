"""A run on a table of up to 2 million pairs × 5 layers, stage by stage.

The network is a file of embeddings (100,000 images of 20,000 people), so that what is measured is
the table: reading it, finding its images, distances, verification with intervals over people,
files of the run, data health, the report. Every size runs in a process of its own.

    python benchmarks/large_tables.py [--pairs 125000 250000 500000 1000000 2000000] [--layers 5]
        [--tasks verification] [--profile STAGE]

Printed are seconds of the processor for each stage and size, the exponent (the slope of log
seconds over log pairs, of the stages that take more than 1 s), and the memory that the process
held at most. Limits: exponents of at most 1.1 (the whole), and 4 GiB.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SIZES = (125_000, 250_000, 500_000, 1_000_000, 2_000_000)
EXPONENT, GIB = 1.1, 4.0
PEOPLE, PHOTOGRAPHS, WIDTH = 20_000, 5, 32
TASKS = ("verification", "accuracy", "effect")


def make_data(folder: Path, n_pairs: int, n_layers: int) -> None:
    """Write the table and the embeddings."""
    rng = np.random.default_rng(0)
    names = np.array(
        [f"n{person:06d}/{shot}.jpg" for person in range(PEOPLE) for shot in range(PHOTOGRAPHS)]
    )
    same = rng.integers(0, 2, n_pairs).astype(bool)
    first = rng.integers(0, PEOPLE, n_pairs)
    second = np.where(same, first, (first + rng.integers(1, PEOPLE, n_pairs)) % PEOPLE)
    shots = rng.integers(0, PHOTOGRAPHS, n_pairs)
    others = (shots + rng.integers(1, PHOTOGRAPHS, n_pairs)) % PHOTOGRAPHS
    pd.DataFrame(
        {
            "img1": names[first * PHOTOGRAPHS + shots],
            "img2": names[second * PHOTOGRAPHS + others],
            "same": same.astype(int),
            "condition": np.array(["upright", "inverted"])[rng.integers(0, 2, n_pairs)],
        }
    ).to_csv(folder / "pairs.csv", index=False)
    layers = {}
    for layer in range(n_layers):
        people = rng.normal(size=(PEOPLE, 1, WIDTH))
        own = rng.normal(size=(PEOPLE, PHOTOGRAPHS, WIDTH)) * (2 - layer / n_layers)
        layers[f"layer{layer}"] = (people + own).reshape(-1, WIDTH).astype(np.float32)
    np.savez(folder / "embeddings.npz", images=names, **layers)


def held() -> float:
    """Give the memory that the process held at most until now, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Stages:
    """Seconds of the processor by stage; a stage within another counts for itself only."""

    def __init__(self, profiled: str | None) -> None:
        self.seconds: dict[str, float] = {}
        self.memory: dict[str, float] = {}
        self._open: list[str] = []
        self._since = time.process_time()
        self._profiled = profiled
        self.profile = cProfile.Profile()

    def _settle(self) -> None:
        now = time.process_time()
        if self._open:
            stage = self._open[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
            self.memory[stage] = held()
        self._since = now

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens in the block."""
        self._settle()
        self._open.append(name)
        if name == self._profiled:
            self.profile.enable()
        try:
            yield
        finally:
            if name == self._profiled:
                self.profile.disable()
            self._settle()
            self._open.pop()

    def watch(self, owner: Any, function: str, name: str) -> None:
        """Count every call of a function as a stage."""
        plain: Callable[..., Any] = getattr(owner, function)

        def counted(*given: Any, **named: Any) -> Any:
            with self.stage(name):
                return plain(*given, **named)

        setattr(owner, function, counted)


def run_once(folder: Path, kinds: list[str], profiled: str | None) -> dict[str, Any]:
    """Run from the table to the report, and give what each stage took."""
    from facebench import (
        AccuracyTask,
        EffectTask,
        EmbeddingsModel,
        MultiModelTaskManager,
        RunFolder,
        VerificationTask,
    )
    from facebench.results import exports, run_folder
    from facebench.results.report.run_page import write_report
    from facebench.run import manager as managing
    from facebench.run import measurement
    from facebench.run.estimates import Estimator

    stages = Stages(profiled)
    for owner, function, name in (
        (managing, "request_by_name", "plan"),
        (managing, "look_up", "look up embeddings"),
        (measurement, "_distances", "distances"),
        (measurement, "results_of", "measures"),
        (Estimator, "estimates_of", "intervals"),
        (exports, "export_distances", "export of pairs"),
        (run_folder, "write_distances", "save: distances"),
        (run_folder, "look_at_data", "save: data health"),
        (run_folder, "checksums_of_tables", "save: checksums"),
        (run_folder.RunFolder, "_data_digests", "save: digests"),
    ):
        stages.watch(owner, function, name)
    table = folder / "pairs.csv"
    make = {
        "verification": lambda: VerificationTask("verification", table, folder, true_label="same"),
        "accuracy": lambda: AccuracyTask("accuracy", table, folder, true_label="same"),
        "effect": lambda: EffectTask(
            "effect",
            table,
            folder,
            contrast=("upright", "inverted"),
            true_label="same",
        ),
    }
    with stages.stage("read pairs"):
        tasks = [make[kind]() for kind in kinds]
    with stages.stage("open embeddings"):
        model = EmbeddingsModel("network", folder / "embeddings.npz")
    manager = MultiModelTaskManager(model, tasks, cache_dir=None)
    run = RunFolder.create(folder / "runs", "large")
    with stages.stage("manager, other"):
        manager.run_all_tasks_all_models(run.path, plots=False)
    with stages.stage("save: other"):
        run.save(manager)
    measured = held()
    del manager, tasks, model
    with stages.stage("report"):
        write_report(run.path)
    if profiled:
        pstats.Stats(stages.profile, stream=sys.stderr).sort_stats("cumtime").print_stats(45)
    return {
        "seconds": stages.seconds,
        "memory": stages.memory,
        "GiB before the report": measured,
        "GiB": held(),
        "MB": sum(file.stat().st_size for file in run.path.rglob("*")) / 1e6,
    }


def slope(sizes: list[int], seconds: list[float]) -> float:
    """Fit the exponent of growth."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def main() -> None:
    """Run every size in a process of its own, and print the table against the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, nargs="+", default=SIZES)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["verification"])
    parser.add_argument("--profile", help="a stage to profile")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder is not None:
        print(json.dumps(run_once(given.folder, given.tasks, given.profile)))
        return
    found: dict[int, dict[str, Any]] = {}
    for n_pairs in given.pairs:
        with tempfile.TemporaryDirectory() as scratch:
            make_data(Path(scratch), n_pairs, given.layers)
            command = [sys.executable, __file__, "--folder", scratch, "--tasks", *given.tasks]
            command += ["--profile", given.profile] if given.profile else []
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        found[n_pairs] = json.loads(done.stdout.splitlines()[-1])
        total = sum(found[n_pairs]["seconds"].values())
        print(
            f"{n_pairs} pairs: {total:.1f} s CPU, {found[n_pairs]['GiB']:.2f} GiB "
            f"({found[n_pairs]['GiB before the report']:.2f} before the report), "
            f"files of {found[n_pairs]['MB']:.0f} MB",
            flush=True,
        )
    sizes = list(found)
    print(f"{'stage':24}", *(f"{size:>10}" for size in sizes), "  exponent")
    names = dict.fromkeys(name for one in found.values() for name in one["seconds"])
    rows = {name: [found[size]["seconds"].get(name, 0.0) for size in sizes] for name in names}
    rows["all"] = [sum(found[size]["seconds"].values()) for size in sizes]
    for name, seconds in rows.items():
        told = len(sizes) > 1 and min(seconds) > 0 and max(seconds) > 1
        exponent = f"{slope(sizes, seconds):10.2f}" if told else ""
        print(f"{name:24}", *(f"{value:10.2f}" for value in seconds), exponent)
    if len(sizes) > 1:
        told = slope(sizes, rows["all"])
        print(f"exponent: {told:.2f} (limit: {EXPONENT:g}, {kept(told, EXPONENT)})")
    most = max(one["GiB"] for one in found.values())
    print(f"memory: {most:.2f} GiB (limit: {GIB:g}, {kept(most, GIB)})")


def kept(value: float, limit: float) -> str:
    """Say whether a limit is kept."""
    return "kept" if value <= limit else "EXCEEDED"


if __name__ == "__main__":
    main()
