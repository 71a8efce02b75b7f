"""Shares of images and of pairs, embedded by one process each: together what one gives."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from facebench import MultiModelTaskManager
from facebench.engine.schedule import pair_blocks
from facebench.errors import InputError, ModelError, StoreError
from facebench.store import pack_files
from support import runs

# Bytes that leave the wide layers no room.
LITTLE = 40_000


def manager(folder: Path, cache: str, **options) -> MultiModelTaskManager:
    return MultiModelTaskManager(
        [runs.make_model()],
        runs.tasks(folder),
        **{
            "batch_size": 4,
            "num_workers": 0,
            "cache_dir": folder / cache,
            "packs": folder / "packs",
            **options,
        },
    )


def ran(folder: Path, cache: str, **options) -> MultiModelTaskManager:
    whole = manager(folder, cache, **options)
    whole.run_all_tasks_all_models(folder / f"out {cache}", plots=False)
    return whole


@pytest.mark.slow
def test_wide_layers_are_compared_by_shards_and_not_embedded_again(tmp_path: Path) -> None:
    runs.make_world(tmp_path)
    alone = ran(tmp_path, "alone", packs=None, max_memory=LITTLE)
    for number in range(3):
        shard = manager(tmp_path, f"node {number}", max_memory=LITTLE)
        assert shard.embed_shard(number, 3)[0].n_rows
    again = manager(tmp_path, "other node", max_memory=LITTLE)
    assert [(part.n_forwards, part.n_packs) for part in again.embed_shard(1, 3)] == [(0, 0)]
    # Also where all layers would fit into memory.
    for cache, max_memory in (("little", LITTLE), ("much", None)):
        found = ran(tmp_path, cache, max_memory=max_memory)
        assert found.models["net"].images_seen == 0
        assert found.records["net"].layers["0"] != "kept"
        np.testing.assert_allclose(
            runs.distances(found), runs.distances(alone), rtol=1e-5, atol=1e-5
        )


def test_shares_do_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    runs.make_world(tmp_path)
    one = manager(tmp_path, "one")
    one.embed_shard(0, 2)
    two = manager(tmp_path, "two")
    two.tasks = dict(reversed(two.tasks.items()))
    assert two.embed_shard(0, 2)[0].n_forwards == 0
    assert 0 < two.embed_shard(1, 2)[0].n_forwards <= runs.N_IMAGES // 2


def test_blocks_of_pairs_share_few_images() -> None:
    rng = np.random.default_rng(2)
    # People with four images each, and a few pairs between people.
    within = np.concatenate(
        [4 * person + np.array([[0, 1], [1, 2], [2, 3]]) for person in range(250)]
    )
    between = np.sort(rng.choice(1000, (60, 2), replace=False), axis=1)
    pairs = rng.permutation(1000)[np.concatenate([within, between])]
    blocks = pair_blocks(pairs, 1000, 8)
    sizes = [len(np.unique(pairs[blocks == block])) for block in range(8)]
    assert sum(sizes) <= 1.3 * 1000
    assert max(sizes) <= 1.3 * 1000 / 8
    assert pair_blocks(pairs[:0], 1000, 8).tolist() == []


def test_what_cannot_be_published_is_refused(tmp_path: Path) -> None:
    runs.make_world(tmp_path)
    with pytest.raises(InputError, match="Shards publish what they embed"):
        manager(tmp_path, "store", packs=None).embed_shard(0, 2)
    with pytest.raises(InputError, match="Shards count from 0"):
        manager(tmp_path, "store").embed_shard(2, 2)
    handle = (tmp_path / "same.csv").open()
    unknown = manager(tmp_path, "store")
    # What a function holds open cannot be part of a key.
    unknown.models["net"].preprocess_function = lambda image, _h=handle: runs.transform(image)
    with pytest.raises(ModelError, match="are not kept"):
        unknown.embed_shard(0, 2)
    handle.close()


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_packs_that_cannot_be_written_are_told_before_the_first_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    runs.make_world(tmp_path)
    shard = manager(tmp_path, "store")

    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(pack_files, "make_folder", refuse)
    with pytest.raises(StoreError, match=f"Packs cannot be written to {tmp_path / 'packs'}: "):
        shard.embed_shard(0, 2)
    assert shard.models["net"].images_seen == 0


def test_a_store_that_keeps_nothing_is_told_before_the_first_image(tmp_path: Path) -> None:
    runs.make_world(tmp_path)
    shard = manager(tmp_path, "store")
    assert shard._store is not None
    shard._store.read_only = True
    with pytest.raises(StoreError, match="cannot be written to"):
        shard.embed_shard(0, 2)
    assert shard.models["net"].images_seen == 0
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        manager(tmp_path, "file/store").embed_shard(0, 2)


def test_what_a_full_disk_has_kept_back_is_published_by_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.make_world(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(pack_files, "open_to_others", _fill)
        with pytest.raises(StoreError, match="the disk is full"):
            manager(tmp_path, "store").embed_shard(0, 2)
    assert not list((tmp_path / "packs").glob("*"))
    [part] = manager(tmp_path, "store").embed_shard(0, 2)
    assert (part.n_forwards, part.n_packs) == (0, 1)


def _fill(path: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@pytest.mark.slow
def test_networks_of_one_name_and_other_preprocessing_never_share_rows(tmp_path: Path) -> None:
    runs.make_world(tmp_path)

    def changed(kind: str, cache: str) -> MultiModelTaskManager:
        whole = manager(tmp_path, cache)
        model = whole.models["net"]
        if kind == "weights":
            with torch.no_grad():
                model.model[4].weight[0, 0] += 1e-3
        elif kind == "preprocessing":
            model.preprocess_function = lambda image: runs.transform(image).flip(2)
        return whole

    for kind in ("", "weights", "preprocessing"):
        changed(kind, f"node {kind}").embed_shard(0, 1)
    for kind in ("", "weights", "preprocessing"):
        shared, alone = changed(kind, "none"), changed(kind, f"alone {kind}")
        alone._store.packs = None
        for whole in (shared, alone):
            whole.run_all_tasks_all_models(tmp_path / "out", plots=False)
        assert shared.models["net"].images_seen == 0
        assert np.array_equal(runs.distances(shared), runs.distances(alone))
