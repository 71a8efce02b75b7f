"""A task on a part of its pairs, and its results rounded and exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench import AccuracyTask, BaseTask
from facebench.run.task_parts import on_pairs, results_of
from support import runs


@pytest.fixture
def task(tmp_path: Path) -> AccuracyTask:
    return runs.tasks(runs.make_world(tmp_path / "world"))[0]


def test_a_part_knows_its_pairs_only_and_the_task_stays_whole(task: AccuracyTask) -> None:
    kept = np.arange(60) % 3 == 0
    part = on_pairs(task, kept)
    assert len(task.pairs_df) == 60
    assert part.pairs_df.index.tolist() == list(range(20))
    expected = task.pairs_df.loc[kept, "img1"].tolist()
    assert part.pairs_df["img1"].tolist() == expected
    assert on_pairs(task, np.ones(60, dtype=bool)) is task


def frame_of(task: BaseTask) -> pd.DataFrame:
    distances = np.random.default_rng(0).random(len(task.pairs_df))
    return task.pairs_df.assign(model_computed_distance=distances)


def test_a_rounded_task_measures_once_and_gives_both(
    task: AccuracyTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    measure = type(task).compute_unrounded_performance

    def counted(self: AccuracyTask, frame: pd.DataFrame) -> pd.DataFrame:
        calls.append(len(frame))
        return measure(self, frame)

    monkeypatch.setattr(type(task), "compute_unrounded_performance", counted)
    reported, exact = results_of(task, frame_of(task))
    assert calls == [60]
    assert reported["AUC"].item() == round(exact["AUC"].item(), 5) != exact["AUC"].item()


def test_what_a_user_reports_is_not_replaced_by_what_it_was_rounded_from(
    task: AccuracyTask,
) -> None:
    class Own(AccuracyTask):
        def compute_task_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"AUC": [0.123456789]})

    task.__class__ = Own
    reported, exact = results_of(task, frame_of(task))
    assert reported["AUC"].item() == exact["AUC"].item() == 0.123456789
