"""A folder of packs beside a store: what is found, and which of two rows counts."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from facebench.errors import InputError
from facebench.store import EmbeddingStore, open_store
from facebench.store.layer_index import as_digests
from facebench.store.pack_files import PackLayer, write_pack
from facebench.store.packs import Packs

IMAGES = [bytes([number]) * 16 for number in range(6)]
ROWS = np.arange(18, dtype=np.float32).reshape(6, 3)


def put(folder: Path, chosen: list[int], rows: np.ndarray, model: str = "net") -> Path:
    images = [IMAGES[number] for number in chosen]
    of = dict(zip(images, rows, strict=True))
    return write_pack(
        folder,
        [PackLayer("key", "float32", rows.shape[1], model)],
        images,
        lambda _layer, some: np.stack([of[image] for image in some]),
        notes_key="notes",
        notes=[["n"] if number == 0 else [] for number in chosen],
        facts={"width key": rows.shape[1]},
    )


def test_rows_of_several_packs_and_the_store_come_in_the_order_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "packs", [0, 1], ROWS[:2])
    put(tmp_path / "packs", [4, 5], ROWS[4:])
    with EmbeddingStore(tmp_path, packs=Packs(tmp_path / "packs")) as store:
        store.write({"key": ROWS[2:3]}, IMAGES[2:3])
        order = [5, 3, 2, 0, 5, 1]
        rows, found = store.read("key", [IMAGES[number] for number in order])
        assert found.tolist() == [True, False, True, True, True, True]
        assert np.array_equal(rows, ROWS[[5, 2, 0, 5, 1]])
        assert store.has("key", IMAGES).tolist() == [True, True, True, False, True, True]
        blocks = list(store.read_blocks("key", IMAGES, max_bytes=24))
        # Those of the store first; each file from its beginning.
        at = np.concatenate([at for at, _ in blocks]).tolist()
        assert at in ([2, 0, 1, 4, 5], [2, 4, 5, 0, 1])
        assert np.array_equal(np.concatenate([rows for _, rows in blocks]), ROWS[at])
        assert store.notes("notes", IMAGES[:3]) == [("n",), (), None]
        assert store.recall("width key") == 3
        assert store.recall("width other") is None
        # Of a layer that packs have, none of the images asked for.
        assert list(store.read_blocks("key", IMAGES[3:4])) == []
        assert store.read("other", IMAGES)[1].sum() == 0


def test_a_store_that_holds_nothing_reads_packs_also_in_another_process(tmp_path: Path) -> None:
    put(tmp_path / "packs", [0, 1], ROWS[:2])
    store = open_store(tmp_path / "store", packs=tmp_path / "packs")
    assert store is not None
    copy = pickle.loads(pickle.dumps(store))
    assert np.array_equal(copy.read("key", IMAGES)[0], ROWS[:2])
    assert not EmbeddingStore(tmp_path / "store", "float16").read("key", IMAGES)[1].any()


def test_of_the_same_rows_in_two_packs_those_of_the_first_count(tmp_path: Path) -> None:
    near = ROWS * np.float32(1 + 1e-6)
    put(tmp_path, [0, 1], ROWS[:2], "b")
    put(tmp_path, [1, 2], near[1:3], "a")
    rows, _found = Packs(tmp_path).read(("key", "float32"), as_digests(IMAGES[:3]))
    assert np.array_equal(rows, [ROWS[0], near[1], near[2]])


def test_rows_that_packs_contradict_are_taken_from_neither(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changed = ROWS.copy()
    changed[1, 0] += 0.01
    put(tmp_path, [0, 1, 3], ROWS[[0, 1, 3]], "a")
    put(tmp_path, [1, 2, 3], changed[[1, 2, 3]], "b")
    # A third pack sides with neither.
    put(tmp_path, [1], ROWS[1:2], "c")
    packs = Packs(tmp_path)
    rows, found = packs.read(("key", "float32"), as_digests(IMAGES[:4]))
    assert found.tolist() == [True, False, True, True]
    assert np.array_equal(rows, ROWS[[0, 2, 3]])
    assert "contradict each other: for 1 images they hold different embeddings" in caplog.text
    assert sorted(name[0] for name in packs.contradicted) == ["a", "b", "c"]
    assert packs.verify() == (7, {})
    assert sorted(name[0] for name in packs.contradicted) == ["a", "b", "c"]


def test_distances_are_compared_as_the_numbers_that_they_are(tmp_path: Path) -> None:
    values = np.array([[0.7], [1.2], [3.0]])
    for model, column in (("a", values), ("b", values * (1 + 1e-9)), ("c", values * 1.01)):
        rows = dict(zip(IMAGES, np.ascontiguousarray(column).view(np.float32), strict=False))
        write_pack(
            tmp_path / ("far" if model == "c" else "near"),
            [PackLayer("key", "float32", 2, model, "fc", {"distance": "euclidean"})],
            IMAGES[:3],
            lambda _layer, some, rows=rows: np.stack([rows[image] for image in some]),
        )
    packs = Packs(tmp_path / "near")
    rows, _found = packs.read(("key", "float32"), as_digests(IMAGES[:3]))
    assert np.array_equal(rows.view(np.float64), values)
    [far] = (tmp_path / "far").iterdir()
    far.rename(packs.folder / far.name)
    packs.look()
    assert not packs.has(("key", "float32"), as_digests(IMAGES[:3])).any()


def test_packs_whose_rows_have_another_width_than_the_layer_are_refused(tmp_path: Path) -> None:
    put(tmp_path, [0], ROWS[:1], "a")
    put(tmp_path, [1], ROWS[1:2, :2], "b")
    packs = Packs(tmp_path)
    packs.expect({"key": 2})
    assert packs.has(("key", "float32"), as_digests(IMAGES[:2])).tolist() == [False, True]
    assert "have 3 values, and the layer has 2" in next(iter(packs.refused.values()))


def test_a_pack_replaced_while_it_is_read_gives_its_own_rows_or_none(tmp_path: Path) -> None:
    path = put(tmp_path / "packs", [0, 1, 2], ROWS[:3])
    others = [
        put(tmp_path / "others", [2, 1], ROWS[[2, 1]] + 1),
        put(tmp_path / "o", [0], -ROWS[:1]),
    ]
    for other in (*others, None):
        packs = Packs(tmp_path / "packs")
        assert packs.has(("key", "float32"), as_digests(IMAGES[:3])).all()
        whole = path.read_bytes()
        path.unlink()
        if other is None:
            os.mkfifo(path)
        else:
            path.write_bytes(other.read_bytes())
        rows, found = packs.read(("key", "float32"), as_digests(IMAGES[:3]))
        assert np.array_equal(rows, ROWS[:3][found])
        packs.notes("notes")
        path.unlink()
        path.write_bytes(whole)


def test_a_damaged_row_is_taken_from_another_pack_or_not_at_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = put(tmp_path, [0, 1], ROWS[:2], "a")
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 64
    path.write_bytes(damaged)
    packs = Packs(tmp_path)
    rows, found = packs.read(("key", "float32"), as_digests(IMAGES[:2]))
    assert np.array_equal(rows, ROWS[:1])
    assert found.tolist() == [True, False]
    assert "1 rows of the pack" in caplog.text
    put(tmp_path, [1], ROWS[1:2], "b")
    packs.look()
    assert np.array_equal(packs.read(("key", "float32"), as_digests(IMAGES[:2]))[0], ROWS[:2])


def test_packs_whose_rows_have_another_width_are_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, [0], ROWS[:1], "a")
    put(tmp_path, [1], ROWS[1:2, :2], "b")
    packs = Packs(tmp_path)
    assert packs.has(("key", "float32"), as_digests(IMAGES[:2])).tolist() == [True, False]
    assert "have 2 values, those of other packs 3" in caplog.text


def test_other_files_hidden_ones_and_folders_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    put(tmp_path / "sub", [0], ROWS[:1])
    (tmp_path / "notes.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (tmp_path / ".hidden.safetensors").write_bytes(b"")
    packs = Packs(tmp_path)
    assert (packs.files, packs.refused, caplog.text) == ([], {}, "")


def test_a_folder_that_is_missing_is_said_and_a_file_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert open_store(tmp_path / "store", packs=tmp_path / "nowhere") is not None
    assert "There are no packs at" in caplog.text
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="must be in a folder"):
        open_store(tmp_path / "store", packs=tmp_path / "file")
    with pytest.raises(InputError, match="in addition to an embedding store"):
        open_store(None, packs=tmp_path)
