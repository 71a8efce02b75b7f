"""What a task that fails costs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from facebench import AccuracyTask
from support import runs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.make_world(tmp_path_factory.mktemp("world"))


def test_a_task_that_fails_costs_its_own_cell_only(world: Path, tmp_path: Path) -> None:
    class Fails(AccuracyTask):
        def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
            raise KeyError("no such column")

    manager = runs.manager_of(world, "a")
    manager.add_tasks(Fails("fails", world / "same.csv", world / "images", true_label="same"))
    with pytest.raises(KeyError, match="no such column"):
        manager.run_all_tasks_all_models(tmp_path, plots=False)
    assert sorted(manager.tasks_performance_dfs) == ["rate", "verify"]
    assert manager.tasks_performance_dfs["verify"]["AUC"].notna().all()
