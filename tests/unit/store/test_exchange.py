"""Rows between stores and packs: whole, once, and in both directions the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facebench.store import EmbeddingStore, exchange
from facebench.store.exchange import export_store, import_packs, publish
from facebench.store.pack_files import PackLayer, open_pack, write_pack
from facebench.store.packs import Packs

IMAGES = [bytes([number]) * 16 for number in range(6)]
ROWS = np.arange(18, dtype=np.float32).reshape(6, 3)
LAYER = PackLayer("key", "float32", 3, "net", "fc")


def filled(folder: Path) -> EmbeddingStore:
    folder.mkdir()
    store = EmbeddingStore(folder)
    store.write({"key": ROWS[:4]}, IMAGES[:4], [["n"], [], [], []], "notes")
    store.write({"other": ROWS[2:, :2]}, IMAGES[2:], [[]] * 4, "notes")
    EmbeddingStore(folder, "float16").write({"key": ROWS[:1]}, IMAGES[:1])
    store.describe("key", model="net", layer="fc", details={"class": "Net"})
    store.remember("width key", 3)
    store.remember("pace here", 0.5)
    return store


def contents(store: EmbeddingStore) -> object:
    found = store.contents()
    rows = {
        (layer.key, layer.dtype, image): EmbeddingStore(store.folder, layer.dtype)
        .read(layer.key, [image])[0]
        .tolist()
        for layer, images in found.layers
        for image in images
    }
    notes = {
        key: sorted(zip(images, store.notes(key, images), strict=True))
        for key, images in found.notes.items()
    }
    return rows, notes, {key: found.facts[key] for key in found.facts if "pace" not in key}


def test_a_store_exported_and_imported_is_the_same_and_nothing_is_done_twice(
    tmp_path: Path,
) -> None:
    first, packs = filled(tmp_path / "first"), Packs(tmp_path / "packs")
    assert export_store(first, packs).rows > 0
    before = sorted(path.name for path in packs.folder.iterdir())
    assert export_store(first, packs).packs == 0
    assert sorted(path.name for path in packs.folder.iterdir()) == before
    (tmp_path / "second").mkdir()
    second = EmbeddingStore(tmp_path / "second")
    assert import_packs(packs, second).rows > 0
    assert import_packs(packs, second).rows == 0
    assert contents(second) == contents(first)
    assert second.recall("pace here") is None
    assert {layer.model for layer in second.info().layers} >= {"net"}
    # What has come from there is not new there.
    assert export_store(second, packs).packs == 0


def test_a_part_is_published_once_and_by_two_in_one_file(tmp_path: Path) -> None:
    store = filled(tmp_path / "store")
    one, two = Packs(tmp_path / "packs"), Packs(tmp_path / "packs")
    # Neither knows of the other.
    for packs in (one, two):
        assert publish(store, packs, [LAYER], IMAGES[:3], notes_key="notes").rows == 3
    assert len(list((tmp_path / "packs").iterdir())) == 1
    assert publish(store, one, [LAYER], IMAGES, notes_key="notes").rows == 1
    assert publish(store, one, [LAYER], IMAGES, notes_key="notes").packs == 0
    assert one.read(("key", "float32"), np.frombuffer(IMAGES[3], "<u8").reshape(1, 2))[1].all()


def test_damaged_rows_of_a_store_are_not_published(tmp_path: Path) -> None:
    store = filled(tmp_path / "store")
    for shard in (tmp_path / "store/shards").iterdir():
        data = bytearray(shard.read_bytes())
        data[1] ^= 8
        shard.write_bytes(data)
    packs = Packs(tmp_path / "packs")
    assert publish(store, packs, [LAYER], IMAGES).rows == 3
    assert packs.verify() == (3, {})


@pytest.mark.parametrize("section", ["images", "notes", "facts", "checksums.0", "rows.0"])
def test_of_damaged_packs_sound_rows_are_taken_in_and_no_others(
    tmp_path: Path, section: str
) -> None:
    folder = tmp_path / "packs"
    path = write_pack(
        folder, [LAYER], IMAGES, lambda _layer, some: ROWS[: len(some)],
        notes_key="notes", notes=[["n"]] * len(IMAGES), facts={"width key": 3},
    )  # fmt: skip
    span = open_pack(path)._spans[section]
    data = bytearray(path.read_bytes())
    data[span.begin] ^= 1
    path.write_bytes(data)
    packs = Packs(folder)
    (tmp_path / "store").mkdir()
    with EmbeddingStore(tmp_path / "store") as store:
        done = import_packs(packs, store)
        rows, found = store.read("key", IMAGES)
        assert np.array_equal(rows.reshape(-1, 3), ROWS[found])
        assert done.rows == found.sum() == (5 if section == "rows.0" else 0)
        assert len(done.left_out) == {"rows.0": 1, "checksums.0": 6}.get(section, 0)
    assert bool(packs.refused) == (section != "rows.0")


def test_more_than_is_read_at_once_is_exported_in_the_order_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A store larger than the memory would be read through for every part of it otherwise.
    monkeypatch.setattr(exchange, "_LARGEST", 20 * 8 * (4 * 3 + 16))
    monkeypatch.setattr(exchange, "_AT_ONCE", 8 * (4 * 3 + 16))
    rng = np.random.default_rng(2)
    images = [rng.bytes(16) for _ in range(500)]
    rows = rng.random((500, 3), dtype=np.float32)
    (tmp_path / "store").mkdir()
    store = EmbeddingStore(tmp_path / "store")
    for first in range(0, 500, 7):
        store.write({"key": rows[first : first + 7]}, images[first : first + 7])
    packs = Packs(tmp_path / "packs")
    done = export_store(store, packs)
    assert (done.rows, done.packs, done.notes) == (500, 4, 0)
    written = [[image.tobytes() for image in file.images()] for file in packs.files]
    assert sorted(map(len, written)) == [20, 160, 160, 160]
    number = {image: place for place, image in enumerate(images)}
    for part in written:
        for first in range(0, len(part), 8):
            together = [number[image] for image in part[first : first + 8]]
            assert max(together) - min(together) == len(together) - 1
            assert part[first : first + 8] == sorted(part[first : first + 8])
    found = {image for part in written for image in part}
    assert found == set(images)
    (tmp_path / "other").mkdir()
    with EmbeddingStore(tmp_path / "other") as other:
        assert import_packs(packs, other).rows == 500
        np.testing.assert_array_equal(other.read("key", images)[0], rows)
