"""Galleries with distractors through whole runs: from packs, and in shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facebench import IdentificationTask, MultiModelTaskManager
from facebench.errors import InputError
from facebench.tasks.shared import distractors
from support import runs


def table(images: range, first_person: int = 0) -> pd.DataFrame:
    rows = [(f"{n:02d}.png", f"p{first_person + place:02}") for place, n in enumerate(images)]
    return pd.DataFrame(rows, columns=["image", "identity"])


GALLERY, PROBES, CROWD = table(range(6)), table(range(6, 13)), table(range(13, 24), 50)


def manager(folder: Path, gallery: Any = GALLERY, **options: Any) -> MultiModelTaskManager:
    task = IdentificationTask(
        "who", gallery, PROBES, folder / "images", distractors=options.pop("distractors", None)
    )
    given = {"batch_size": 4, "num_workers": 0, "cache_dir": folder / "cache", **options}
    return MultiModelTaskManager([runs.make_model(["2", "4"])], task, **given)


def items(made: MultiModelTaskManager, folder: Path, name: str) -> pd.DataFrame:
    made.run_all_tasks_all_models(folder / name, plots=False)
    found = made.model_task_distances_dfs["net"]["who"]
    return found[["rank", "mate_distance", "templates", "distance_1", "distance_5", "layer_name"]]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Images, and packs of the embeddings of a crowd."""
    runs.make_world(tmp_path)
    crowd = IdentificationTask("crowd", CROWD, CROWD, tmp_path / "images")
    for number in range(2):
        MultiModelTaskManager(
            [runs.make_model(["2", "4"])],
            crowd,
            num_workers=0,
            cache_dir=tmp_path / f"node {number}",
            packs=tmp_path / "crowd",
        ).embed_shard(number, 2)
    return tmp_path


@pytest.mark.slow
def test_packs_searched_in_shards_give_the_numbers_of_one_gallery(
    world: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shared = {"packs": world / "packs", "distractors": world / "crowd"}
    with pytest.raises(InputError, match=r"13 images .* not embedded yet. .*facebench embed"):
        manager(world, **shared).search_shard(0, 3)
    manager(world, **shared).embed_shard(0, 1)
    whole = pd.concat([GALLERY, CROWD])
    expected = items(manager(world, whole, packs=world / "crowd"), world, "whole")
    assert expected["templates"].eq(17).all()
    alone = items(manager(world, distractors=world / "crowd"), world, "alone")
    pd.testing.assert_frame_equal(alone, expected, check_exact=True)
    for number in range(3):
        node = manager(world, cache_dir=world / f"other node {number}", **shared)
        parts = node.search_shard(number, 3)
        assert [part.layer for part in parts] == ["2", "4"]
        assert all(part.is_new for part in parts)
    monkeypatch.setattr(distractors, "_searched", None)
    merged = items(manager(world, cache_dir=world / "last", **shared), world, "merged")
    pd.testing.assert_frame_equal(merged, expected, check_exact=True)
    # Images of the task that are in the packs are no distractors; of other tasks they are.
    monkeypatch.undo()
    manager(world, packs=world / "crowd").embed_shard(0, 1)
    beside = manager(world, distractors=world / "crowd")
    beside.add_tasks(IdentificationTask("crowd", CROWD, CROWD, world / "images"))
    again = items(beside, world, "again")
    pd.testing.assert_frame_equal(again, expected, check_exact=True)
    for pack in (world / "crowd").iterdir():
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            data[-5] ^= 1
            pack.write_bytes(data)
    with pytest.raises(InputError, match=r"rows of the packs in .* are damaged"):
        items(manager(world, distractors=world / "crowd"), world, "damaged")


def test_packs_of_another_model_are_refused(world: Path) -> None:
    made = manager(world, distractors=world / "crowd", precision="bfloat16")
    with pytest.raises(InputError, match=r"No pack .* same weights.* There are: net 2 \(float32\)"):
        items(made, world, "out")


def test_shards_need_packs_and_distractors(tmp_path: Path) -> None:
    runs.make_world(tmp_path)
    with pytest.raises(InputError, match="packs"):
        manager(tmp_path).search_shard(0, 2)
    with pytest.raises(InputError, match="No identification task has distractors"):
        manager(tmp_path, packs=tmp_path / "packs").search_shard(0, 2)
    with pytest.raises(InputError, match="do not exist"):
        manager(tmp_path, distractors=tmp_path / "gone.npy").plan()


def test_files_of_another_width_are_told_after_the_first_batch(tmp_path: Path) -> None:
    runs.make_world(tmp_path)
    np.save(tmp_path / "crowd.npy", np.ones((5, 3), dtype=np.float32))
    made = MultiModelTaskManager(
        [runs.make_model(["4"])],
        IdentificationTask(
            "who", GALLERY, PROBES, tmp_path / "images", distractors=tmp_path / "crowd.npy"
        ),
        batch_size=2,
        num_workers=0,
        cache_dir=None,
    )
    with pytest.raises(InputError, match="have 3 values, embeddings of 'net', layer '4', have 8"):
        made.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert made.models["net"].images_seen < 13
