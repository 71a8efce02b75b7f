"""What tasks want, by file and by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics.pairwise import euclidean_distances

from facebench import (
    EmbeddingsModel,
    IdentificationTask,
    MatchingTask,
    MultiModelTaskManager,
    OddOneOutTask,
    RankingTask,
    RsaTask,
    ScoresModel,
)
from facebench.errors import InputError, PairsError
from facebench.run.requests import look_up, request_by_name, request_of_files
from facebench.run.task_images import images_of
from support import runs

NAMES = [f"p{person}/{photo}.jpg" for person in range(6) for photo in (1, 2)]


def test_names_are_numbered_as_files_are(tmp_path: Path) -> None:
    tasks = runs.tasks(runs.make_world(tmp_path))
    files = request_of_files(tasks, {task.name: images_of(task) for task in tasks}, None)
    named = request_by_name(tasks)
    assert [name.path for name in named.names] == named.request.images == files.images
    for one, other in zip(named.request.pairs, files.pairs, strict=True):
        assert np.array_equal(one.first, other.first)
        assert np.array_equal(one.second, other.second)
    assert not named.request.digests
    assert not len(named.request.row_images)
    every = request_of_files(
        tasks, {task.name: images_of(task) for task in tasks}, None, all_rows=True
    )
    assert len(every.row_images) == len(every.images)


def test_tasks_that_need_embeddings_refuse_scores_by_name(tmp_path: Path) -> None:
    table = tmp_path / "x.csv"
    table.write_text("img1,img2,score\na/1.jpg,b/1.jpg,0.5\n", encoding="utf-8")
    gallery = tmp_path / "gallery.csv"
    gallery.write_text("image,identity\na/1.jpg,a\nb/1.jpg,b\n", encoding="utf-8")
    task = IdentificationTask("who", gallery, gallery, tmp_path)
    with pytest.raises(InputError, match=r"Task 'who' needs embeddings. Model 'people' has only"):
        look_up(ScoresModel("people", table, "distance"), [task], "stop")
    np.savez(tmp_path / "x.npz", images=["a/1.jpg", "b/1.jpg"], fc=np.eye(2))
    found = look_up(EmbeddingsModel("m", tmp_path / "x.npz"), [task], "stop")
    assert found.rows.tolist() == [0, 1]


def tasks_of_distances(folder: Path) -> list:
    """Give a task of each kind that needs nothing but distances."""
    line_ups = pd.DataFrame(
        {
            "target": NAMES[::2],
            "alt1": NAMES[1::2],
            "alt2": np.roll(NAMES[1::2], 2),
            "alt3": np.roll(NAMES[1::2], 4),
            "answer": NAMES[1::2],
        }
    )
    orders = line_ups.drop(columns="answer").assign(
        order=line_ups[["alt1", "alt3", "alt2"]].agg("|".join, axis=1)
    )
    triplets = pd.DataFrame(
        {"img1": NAMES[:8], "img2": NAMES[2:10], "img3": NAMES[4:], "odd": [1, 2, 3, 1] * 2}
    )
    triplets.to_csv(folder / "triplets.csv", index=False)
    return [
        MatchingTask("matching", line_ups, ".", euclidean_distances),
        RankingTask("ranking", orders, ".", euclidean_distances),
        OddOneOutTask("odd", folder / "triplets.csv", ".", similarity="euclidean"),
        RsaTask("rsa", ".", NAMES, distance="euclidean"),
    ]


@pytest.mark.slow
def test_tasks_that_need_distances_only_run_on_scores(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(len(NAMES), 5)).astype(np.float32)
    np.savez(tmp_path / "x.npz", images=NAMES, fc=rows)
    first, second = np.triu_indices(len(NAMES), 1)
    table = pd.DataFrame(
        {
            "img1": np.array(NAMES)[second],
            "img2": np.array(NAMES)[first],
            "distance": euclidean_distances(rows.astype(float))[first, second],
        }
    )
    table.to_csv(tmp_path / "x.csv", index=False)
    models = [
        EmbeddingsModel("vectors", tmp_path / "x.npz"),
        ScoresModel("scores", tmp_path / "x.csv", "distance"),
    ]
    manager = MultiModelTaskManager(models, tasks_of_distances(tmp_path), cache_dir=None)
    manager.plan()
    manager.run_all_tasks_all_models(str(tmp_path / "out"), print_log=False)
    for table_of_task in manager.unrounded_performance_dfs.values():
        found = table_of_task.drop(
            columns=["Model Name", "Layer Name", "Distance", "Distance Metric"], errors="ignore"
        )
        half = len(found) // 2
        pd.testing.assert_frame_equal(
            found.iloc[:half].reset_index(drop=True),
            found.iloc[half:].reset_index(drop=True),
            atol=1e-6,
        )
    named = manager.unrounded_performance_dfs["rsa"]["Distance"]
    assert named.tolist() == ["euclidean", "distance in x.csv"]
    table.assign(distance=table["distance"].where(table.index != 0)).to_csv(
        tmp_path / "x.csv", index=False
    )
    skipping = MultiModelTaskManager(
        ScoresModel("scores", tmp_path / "x.csv", "distance"), tasks_of_distances(tmp_path)[:1],
        cache_dir=None, on_bad_image="skip",
    )  # fmt: skip
    skipping.run_all_tasks_all_models(str(tmp_path / "skipping"), print_log=False)
    assert skipping.unrounded_performance_dfs["matching"]["Failed"].iloc[0] == 1
    table[1:].to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(PairsError, match=r"1 of \d+ pairs have no row"):
        look_up(
            ScoresModel("scores", tmp_path / "x.csv", "distance"),
            tasks_of_distances(tmp_path),
            "stop",
        )
