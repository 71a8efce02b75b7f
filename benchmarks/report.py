"""What a run of 10 models, 39 layers each, 15 tasks and 6,000 pairs costs, up to its report.

The run is made up: distances come from a random generator, faces are coloured squares. It is saved
as a real one is, with an interval for every headline number, and its report is opened in headless
Chromium (chromium and chromium-driver; skipped where they are not installed).

    python benchmarks/report.py [--pairs 6000] [--models 10] [--layers 39] [--tasks 15] [--keep DIR]

Limits: all layers of VerificationTask with intervals take at most 5 s of the processor, the page is
smaller than 15 MB and can be used within 2 s. Times are of the clock and, in brackets, of the
processor; memory is the most that the process has held by then. --models 2 takes a fifth of the
time. Run the same file of an older commit beside it (PYTHONPATH) to compare the steps.
"""

import argparse
import html
import re
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from facebench import (
    AccuracyTask,
    BaseTask,
    ConditionedAverageDistances,
    CorrelationTask,
    RelativeDifferenceTask,
    VerificationTask,
    load_run,
)
from facebench.columns import LAYER, MODEL, TASK
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from facebench.results.verdicts import verdicts
from facebench.run.estimates import Estimator

MEGABYTES, SECONDS, VERIFICATION = 15.0, 2.0, 5.0
PEOPLE, PHOTOGRAPHS = 400, 4
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
FLAGS += ("--no-first-run", "--disable-background-networking", "--disable-component-update")


def make_tasks(folder: Path, n_tasks: int, n_pairs: int) -> list[BaseTask]:
    """Make faces, a table of pairs for each task, and the tasks, of the four kinds in turn."""
    rng = np.random.default_rng(0)
    images = folder / "images"
    for person in range(PEOPLE):
        (images / f"person{person:03d}").mkdir(parents=True)
        for number in range(PHOTOGRAPHS):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            picture = Image.fromarray(pixels).resize((112, 112), Image.Resampling.BICUBIC)
            picture.save(images / f"person{person:03d}" / f"{number}.jpg", quality=90)
    kinds = (
        lambda *a: AccuracyTask(*a, true_label="same"),
        CorrelationTask,
        lambda *a: ConditionedAverageDistances(*a, condition_column="condition"),
        lambda *a: RelativeDifferenceTask(*a, group_column="group"),
    )
    tasks = []
    for number in range(n_tasks):
        same = np.arange(n_pairs) % 2
        first = rng.integers(0, PEOPLE, n_pairs)
        second = np.where(same, first, (first + rng.integers(1, PEOPLE, n_pairs)) % PEOPLE)
        shots = rng.integers(0, PHOTOGRAPHS, (2, n_pairs))
        # Two different photographs of one person.
        others = (shots[0] + rng.integers(1, PHOTOGRAPHS, n_pairs)) % PHOTOGRAPHS
        shots[1] = np.where(same, others, shots[1])
        pairs = pd.DataFrame(
            {
                "img1": [f"person{p:03d}/{k}.jpg" for p, k in zip(first, shots[0], strict=True)],
                "img2": [f"person{p:03d}/{k}.jpg" for p, k in zip(second, shots[1], strict=True)],
                "same": same,
                "distance": rng.random(n_pairs).round(4),
                "condition": rng.choice([f"condition {c}" for c in "abcdef"], n_pairs),
                "group": rng.choice(["upright", "inverted"], n_pairs),
            }
        )
        pairs.to_csv(folder / f"pairs{number}.csv", index=False)
        # More than half of the tasks are of the kind with the largest section.
        kind = kinds[0] if number % 2 == 0 else kinds[1 + number // 2 % 3]
        tasks.append(kind(f"task {number}", folder / f"pairs{number}.csv", images))
    return tasks


def run_tasks(tasks: list[BaseTask], n_models: int, n_layers: int) -> Any:
    """Make what a manager offers after the run."""
    rng = np.random.default_rng(1)
    names = [f"model {number}" for number in range(n_models)]
    manager = SimpleNamespace(
        tasks={task.name: task for task in tasks},
        models={name: SimpleNamespace(name=name) for name in names},
        remarks={},
        tasks_performance_dfs={},
        unrounded_performance_dfs={},
        model_task_distances_dfs={name: {} for name in names},
        provenance={},
    )
    for task in tasks:
        tables = []
        for place, model in enumerate(names):
            frames = []
            for layer in range(n_layers):
                frame = task.pairs_df.copy()
                frame["layer_name"] = f"layer{layer}"
                pull = (0.5 + place / n_models) * (layer + 1) / n_layers
                signal = pull * (frame["distance"] / 3 - frame["same"])
                frame["model_computed_distance"] = 2 + signal + rng.normal(0, 0.4, len(frame))
                frames.append(frame)
                result = task.compute_unrounded_performance(frame)
                identity = {TASK: task.name, MODEL: model, LAYER: f"layer{layer}"}
                tables.append(result.assign(**identity))
            manager.model_task_distances_dfs[model][task.name] = pd.concat(frames)
        table = pd.concat(tables, ignore_index=True)
        manager.tasks_performance_dfs[task.name] = table
        manager.unrounded_performance_dfs[task.name] = table
    estimator = Estimator()
    manager.estimates = {
        task.name: {
            model: estimator.estimates_of(
                task, manager.model_task_distances_dfs[model][task.name], rows
            )
            for model, rows in manager.unrounded_performance_dfs[task.name].groupby(
                MODEL, sort=False
            )
        }
        for task in tasks
    }
    return manager


def seconds_to_open(page: Path, profile: str) -> tuple[float, float, int] | None:
    """Open the page; gives seconds until it can be used and all is drawn, and the errors."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        return None
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        chrome.set_script_timeout(600)
        times = []
        for _ in range(3):
            chrome.get(page.as_uri())
            ready = chrome.execute_script("return document.documentElement.dataset.ready")
            times.append(float(ready) / 1000)
        started = time.perf_counter()
        chrome.execute_script("dispatchEvent(new Event('beforeprint'))")
        while chrome.execute_script("return document.querySelector('.plot:not(.drawn)') !== null"):
            time.sleep(0.1)
        return min(times), time.perf_counter() - started, len(chrome.get_log("browser"))
    finally:
        chrome.quit()


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Time a step, by the clock and by the processor, and tell the memory."""
    clock, processor = time.perf_counter(), time.process_time()
    yield
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    unit = 1e9 if sys.platform == "darwin" else 1e6
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(f"{what}: {clock:.1f} s ({processor:.1f} s), {memory:.2f} GB", flush=True)


def left_out(page: str) -> list[str]:
    """Collect what the page says it shows only a part of, and for how many tasks."""
    said = re.findall(r"<li>([^<]* of \d+ (?:layers|pairs)[^<]*)</li>", page)
    faces = re.findall(r"\d+ faces are left out of this page to keep it small", page)
    found = Counter(html.unescape(text) for text in said)
    return [*(f"{text} ({count} tasks)" for text, count in found.items()), *faces]


def within(value: float, limit: float) -> str:
    """Hold a figure against its limit."""
    return f"limit: {limit:g}, {'kept' if value < limit else 'EXCEEDED'}"


def main() -> None:
    """Make, save and show the run; print figures against limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("pairs", 6000), ("models", 10), ("layers", 39), ("tasks", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--keep", type=Path, help="a new folder to leave the run and its page in")
    given = parser.parse_args()
    shape = f"{given.models} models x {given.layers} layers x {given.tasks} tasks"
    rows = given.models * given.layers * given.tasks * given.pairs
    print(f"{shape}, {given.pairs} pairs per task: {rows:,} distances")
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with timed("run made up"):
            tasks = make_tasks(folder, given.tasks, given.pairs)
            manager = run_tasks(tasks, given.models, given.layers)
        verified = VerificationTask(
            "verified", folder / "pairs0.csv", folder / "images", true_label="same"
        )
        started = time.process_time()
        run_tasks([verified], 1, given.layers)
        seconds = time.process_time() - started
        print(
            f"VerificationTask, {given.layers} layers of one model: {seconds:.1f} s of the "
            f"processor ({within(seconds, VERIFICATION)})"
        )
        run = RunFolder.create(folder / "runs", "large")
        with timed("run saved, with intervals and data health"):
            run.save(manager)
        del manager
        table = (run.path / "distances.parquet").stat().st_size / 1e6
        print(f"distances.parquet: {table:.0f} MB")
        with timed("report written"):
            page = write_report(run.path)
        with timed("verdicts, for the terminal alone"):
            verdicts(load_run(run.path))
        size = page.stat().st_size / 1e6
        print(f"size: {size:.1f} MB ({within(size, MEGABYTES)})")
        for text in left_out(page.read_text(encoding="utf-8")):
            print(f"the page says: {text}")
        opened = seconds_to_open(page, str(Path(scratch) / "profile"))
        if opened is None:
            print("no Chromium is installed: opening was not timed")
            return
        ready, drawn, errors = opened
        print(f"usable after: {ready:.2f} s, best of 3 ({within(ready, SECONDS)})")
        print(f"every chart drawn at once, as for paper: {drawn:.1f} s, messages: {errors}")


if __name__ == "__main__":
    main()
