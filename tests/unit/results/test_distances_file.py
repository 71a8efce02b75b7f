"""Distances come back as they were."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench import load_run
from facebench.errors import UnknownNameError
from facebench.results.run_folder import RunFolder
from support.measured import with_estimates
from support.small_run import small_manager


def test_distances_come_back_as_they_were(saved):
    run = load_run(saved)
    manager = small_manager(Path(next(iter(run.tasks.values())).images_path))
    for model, by_task in manager.model_task_distances_dfs.items():
        for task, frame in by_task.items():
            found = run.task_distances(model, task)
            pd.testing.assert_frame_equal(found, frame[found.columns], check_dtype=False)
            assert set(found.columns) == set(frame.columns)
    assert len(run.distances) == 4 * 6 * 276
    with pytest.raises(UnknownNameError, match="no task 'tsk'"):
        run.task_distances("plain", "tsk")


def test_tasks_may_disagree_about_a_column(tmp_path):
    manager = small_manager(tmp_path)
    frames = manager.model_task_distances_dfs["plain"]
    frames["rate"]["kind"] = np.arange(276)
    frames["effect"] = frames["effect"].assign(row=1.5, layer="mine", task="theirs")
    frames["effect"].loc[3, "model_computed_distance"] = np.nan
    path = RunFolder.create(tmp_path / "runs", "mixed").save(with_estimates(manager))
    run = load_run(path)
    assert run.task_distances("plain", "rate")["kind"].tolist() == list(map(str, range(276)))
    found = run.task_distances("plain", "effect")
    assert set(found["row"]) == {1.5}
    assert set(found["layer"]) == {"mine"}
    effect = run.results.query("task == 'effect' and model == 'plain'")
    assert set(effect["n_failed"]) == {1}
    assert set(effect["n_pairs"]) == {275}
