"""Distances come back as they were."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from facebench import load_run
from facebench.errors import UnknownNameError
from facebench.results import distances_file
from facebench.results.distances_file import read_block, read_blocks, write_distances
from facebench.results.run_folder import RunFolder
from support.measured import with_estimates
from support.small_run import small_manager


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_large_blocks_are_cut_by_layer(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    distances = {
        model: {
            task: pd.DataFrame(
                {
                    "img1": np.tile([f"{task}{row}.jpg" for row in range(10)], 3),
                    "layer_name": np.repeat(["b", "a", "c"], 10),
                    "model_computed_distance": rng.random(30),
                }
            )
            for task in ("t", "u")
        }
        for model in ("m", "n")
    }
    write_distances(tmp_path / "whole.parquet", distances)
    monkeypatch.setattr(distances_file, "_MOST_ROWS", 29)
    write_distances(tmp_path / "cut.parquet", distances)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "cut.parquet"), pd.read_parquet(tmp_path / "whole.parquet")
    )
    for name, n_groups in (("whole", 4), ("cut", 12)):
        path = tmp_path / f"{name}.parquet"
        assert pq.ParquetFile(path).num_row_groups == n_groups
        for model, by_task in distances.items():
            for task, frame in by_task.items():
                found = read_block(path, model, task)
                pd.testing.assert_frame_equal(found[frame.columns], frame, check_dtype=False)
        found = read_blocks(path, "u", {"n": ["a"], "m": None})
        assert set(found["n"]["layer_name"]) == {"a"}
        assert set(found["m"]["layer_name"]) == {"a", "b", "c"}
    # Of a layer that is asked for alone, nothing else is read.
    with pq.ParquetFile(tmp_path / "cut.parquet") as file:
        assert distances_file._groups(file, "u", {"n": ["b"]}) == [9]
