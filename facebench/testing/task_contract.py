"""What facebench asks of a task."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from typing_extensions import override

from facebench.columns import LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.models.base import BaseModel
from facebench.run.manager import MultiModelTaskManager
from facebench.tasks.base import BaseTask
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.measures import declared_measures
from facebench.testing.cases import TaskCase
from facebench.testing.checks import Check, demand, raises

__all__ = ["TASK_CHECKS"]

_FEATURES = 16


class _TinyModel(BaseModel):
    """Sixteen numbers of an image, as good as any network to try a task with."""

    @override
    def _build_model(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, _FEATURES))
        for weight in self.model.parameters():
            weight.data = torch.randn(weight.shape, generator=generator)

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(input_tensor)
        return output


def _measured(case: TaskCase, seed: int) -> pd.DataFrame:
    task = case.make()
    if isinstance(task, EmbeddingTask):
        return task.compute_task_performance(_items(task, seed))
    return task.compute_task_performance(case.measured_frame(task, seed))


def _items(task: EmbeddingTask, seed: int) -> pd.DataFrame:
    embeddings = np.random.default_rng(seed).normal(size=(len(task.images), _FEATURES))
    return task.compute_items(embeddings.astype(np.float32)).assign(layer_name="default")


def _it_returns_a_table_with_numbers(case: TaskCase) -> None:
    result = _measured(case, 0)
    demand(isinstance(result, pd.DataFrame), f"it returned a {type(result).__name__}")
    demand(len(result) > 0, "the table is empty")
    demand(result.columns.is_unique, f"columns occur twice: {list(result.columns)}")
    measures = result.drop(columns=[TASK, MODEL, LAYER], errors="ignore")
    demand(len(measures.select_dtypes("number").columns) > 0, "no column holds numbers")


def _it_reports_what_it_declares(case: TaskCase) -> None:
    declared = declared_measures(case.make())
    for seed in (0, 1):
        result = _measured(case, seed)
        numbers = result.select_dtypes("number")
        missing = [measure.name for measure in declared if measure.name not in numbers]
        demand(not missing, f"measures that it declares are not among its results: {missing}")
        for measure in declared:
            low, high = measure.bounds or (-np.inf, np.inf)
            values = numbers[measure.name].dropna()
            outside = values[(values < low) | (values > high)].tolist()
            demand(not outside, f"{measure.name!r} must be from {low} to {high}, but is {outside}")
    if declared:
        demand(
            any(measure.headline for measure in declared), "no measure it declares is a headline"
        )


def _twice_gives_the_same(case: TaskCase) -> None:
    first, second = _measured(case, 0), _measured(case, 0)
    demand(first.equals(second), "two tasks gave other results for the same distances: seed it")


def _all_models_have_the_same_columns(case: TaskCase) -> None:
    first, second = _measured(case, 0), _measured(case, 1)
    same = list(first.columns) == list(second.columns)
    demand(same, f"columns depend on the values: {list(first.columns)}, {list(second.columns)}")


def _it_leaves_what_it_knows_as_it_is(case: TaskCase) -> None:
    task = case.make()
    if isinstance(task, BaseTask):
        before = pd.DataFrame(task.pairs_df).copy()
        task.compute_task_performance(case.measured_frame(task, 0))
        demand(before.equals(pd.DataFrame(task.pairs_df)), "measuring changed its own pairs_df")
    else:
        images = list(task.images)
        _items(task, 0)
        demand(images == list(task.images), "measuring changed its own images")


def _further_columns_do_no_harm(case: TaskCase) -> None:
    task = case.make()
    if isinstance(task, BaseTask):
        frame = case.measured_frame(task, 0)
        expected = task.compute_task_performance(frame.copy())
        found = case.make()
        result = found.compute_task_performance(frame.assign(note="x"))
        demand(result.equals(expected), "a column it does not know changed the result")


def _it_refuses_bad_input(case: TaskCase) -> None:
    if case.embedding_task is not None:
        _refuses(case.embedding_task, case.arguments(), case.folder)
    cls = case.pair_task
    if cls is None:
        return
    pairs, images = case.folder / "pairs.csv", case.folder / "images"
    raises(InputError, lambda: cls("", pairs, images), "An empty name")
    raises(InputError, lambda: cls("x", case.folder / "none.csv", images), "A missing pairs file")
    empty = case.folder / "empty.csv"
    empty.write_text("img1,img2\n")
    raises(InputError, lambda: cls("x", empty, images), "A pairs file without pairs")


def _refuses(cls: type[EmbeddingTask], arguments: dict[str, Any], folder: Path) -> None:
    bad: dict[str, tuple[Any, str]] = {"name": ("", "An empty name"), "images": ([], "No image")}
    for name, value in arguments.items():
        if isinstance(value, Path) and value.suffix == ".csv":
            bad[name] = (folder / "none.csv", f"A missing file as {name!r}")
    for name, (value, what) in bad.items():
        if name in arguments:
            raises(InputError, partial(cls, **{**arguments, name: value}), what)


def _it_pickles(case: TaskCase) -> None:
    task = case.make()
    copy = pickle.loads(pickle.dumps(task))
    demand(copy.name == task.name, "a copy has another name")


def _it_runs_and_draws_in_a_manager(case: TaskCase) -> None:
    task = case.make()
    folder = case.folder / "results"
    manager = MultiModelTaskManager(_TinyModel("tiny"), task, num_workers=0)
    manager.run_all_tasks_all_models(export_path=folder)
    table = manager.tasks_performance_dfs[task.name]
    demand(list(table.columns[:3]) == [TASK, MODEL, LAYER], f"columns: {list(table.columns)}")
    pictures = [path for path in folder.rglob("*") if path.suffix in (".png", ".pdf", ".svg")]
    demand(bool(pictures), "plot() wrote no picture into its output_dir")


TASK_CHECKS = tuple(
    Check(function)
    for function in (
        _it_returns_a_table_with_numbers,
        _it_reports_what_it_declares,
        _twice_gives_the_same,
        _all_models_have_the_same_columns,
        _it_leaves_what_it_knows_as_it_is,
        _further_columns_do_no_harm,
        _it_refuses_bad_input,
        _it_pickles,
        _it_runs_and_draws_in_a_manager,
    )
)
