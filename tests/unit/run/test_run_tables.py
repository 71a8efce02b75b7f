"""Tables of a run: the manager's order of models, and what figures should know."""

from __future__ import annotations

from pathlib import Path

import pytest

from facebench.figures.records.run_facts import facts_of, is_lower_better
from support import runs


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.make_world(tmp_path_factory.mktemp("world"))


def test_models_stand_in_the_managers_order_whichever_ran_first(
    world: Path, tmp_path: Path
) -> None:
    manager = runs.manager_of(world, "a", "b")
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
