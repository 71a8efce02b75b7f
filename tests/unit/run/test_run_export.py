"""Tables are written once, as they grow."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from facebench.results.growing_table import GrowingTable
from support import runs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.make_world(tmp_path_factory.mktemp("world"))


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
    manager = runs.manager_of(world, "a", "b", "c")
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
