"""Tables of a manager: its order of models, and what a failure costs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from facebench import AccuracyTask, MultiModelTaskManager
from facebench.figures.records.run_facts import facts_of, is_lower_better
from facebench.results.growing_table import GrowingTable
from support import runs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.make_world(tmp_path_factory.mktemp("world"))


def models(*names: str) -> list[runs.Net]:
    found = []
    for name in names:
        model = runs.make_model(["4"])
        model.name = name
        found.append(model)
    return found


def manager_of(world: Path, *names: str) -> MultiModelTaskManager:
    return MultiModelTaskManager(
        models(*names), runs.tasks(world), cache_dir=None, num_workers=0, batch_size=8
    )


def test_models_stand_in_the_managers_order_whichever_ran_first(
    world: Path, tmp_path: Path
) -> None:
    manager = manager_of(world, "a", "b")
    manager.run_all_tasks_with_model("b", tmp_path, plots=False)
    manager.run_all_tasks_with_model("a", tmp_path, plots=False)
    table = manager.tasks_performance_dfs["verify"]
    assert table["Model Name"].tolist() == ["a", "b"]
    assert list(manager.estimates["verify"]) == ["a", "b"]
    assert list(facts_of(table).layers) == ["a", "b"]
    assert not is_lower_better(table, "AUC")
    # Run again: its rows are replaced, not added.
    manager.run_task("a", "verify", tmp_path)
    assert manager.tasks_performance_dfs["verify"]["Model Name"].tolist() == ["a", "b"]


def test_a_task_that_fails_costs_its_own_cell_only(world: Path, tmp_path: Path) -> None:
    class Fails(AccuracyTask):
        def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
            raise KeyError("no such column")

    manager = manager_of(world, "a")
    manager.add_tasks(Fails("fails", world / "same.csv", world / "images", true_label="same"))
    with pytest.raises(KeyError, match="no such column"):
        manager.run_all_tasks_all_models(tmp_path, plots=False)
    assert sorted(manager.tasks_performance_dfs) == ["rate", "verify"]
    assert manager.tasks_performance_dfs["verify"]["AUC"].notna().all()


def test_what_is_written_of_a_model_is_not_written_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[str] = []
    plain = GrowingTable.write
    monkeypatch.setattr(
        GrowingTable,
        "write",
        lambda table, rows: (whole.append(table._path.name), plain(table, rows)),
    )
    manager = manager_of(world, "a", "b", "c")
    manager.run_all_tasks_all_models(tmp_path, plots=False)
    assert len(whole) == len(set(whole)) == len(manager.tasks) + 1
    summary = pd.read_csv(tmp_path / "models_unified_results.csv")
    assert summary["Model Name"].tolist() == ["a", "b", "c"]
    # Run again, nothing is new: no table is touched.
    tables = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")}
    inodes = {path: path.stat().st_ino for path in tables}
    whole.clear()
    manager.run_all_tasks_all_models(tmp_path, plots=False)
    assert len(whole) == len(set(whole))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.csv")} == tables
    assert {path: path.stat().st_ino for path in tables} == inodes
    # What another has changed is made whole again.
    damaged = tmp_path / "models_unified_results.csv"
    content = damaged.read_bytes()
    damaged.write_bytes(content.replace(b"a", b"z"))
    manager.run_all_tasks_all_models(tmp_path, plots=False)
    assert damaged.read_bytes() == content
