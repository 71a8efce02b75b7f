"""What tasks want, by file and by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench import EmbeddingsModel, IdentificationTask, ScoresModel
from facebench.errors import InputError
from facebench.run.requests import look_up, request_by_name, request_of_files
from facebench.run.task_images import images_of
from support import runs


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
