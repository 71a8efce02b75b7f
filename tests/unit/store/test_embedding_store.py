"""Keeping rows, finding them again whole, and not finding what is damaged."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from facebench.errors import StoreError
from facebench.store import EmbeddingStore

KEYS = ["a", "b", "c"]
WIDTHS = {"a": 1, "b": 3, "c": 40}


def digest(number: int) -> bytes:
    # Few different beginnings, so that images that share theirs are told apart too.
    return bytes([number % 3] * 8) + number.to_bytes(8, "little")


def rows_for(key: str, numbers: list[int], salt: int = 0) -> np.ndarray:
    return np.array(
        [[number * 100 + salt + column / 7 for column in range(WIDTHS[key])] for number in numbers],
        dtype=np.float32,
    ).reshape(len(numbers), WIDTHS[key])


@pytest.fixture
def store(tmp_path: Path):
    with EmbeddingStore(tmp_path) as store:
        yield store


def only_shard(store: EmbeddingStore) -> Path:
    (shard,) = (store.folder / "shards").iterdir()
    return shard


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


class AgainstADict(RuleBasedStateMachine):
    @initialize()
    def make(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.stores = [EmbeddingStore(self.folder), EmbeddingStore(self.folder)]
        self.meant: dict[tuple[str, int], np.ndarray] = {}
        self.salt = 0

    @rule(
        keys=st.sets(st.sampled_from(KEYS), min_size=1),
        numbers=st.lists(st.integers(0, 12), max_size=5, unique=True),
        which=st.integers(0, 1),
    )
    def write(self, keys: set[str], numbers: list[int], which: int) -> None:
        self.salt += 1
        rows = {key: rows_for(key, numbers, self.salt) for key in sorted(keys)}
        self.stores[which].write(rows, [digest(number) for number in numbers])
        for key, values in rows.items():
            self.meant.update({(key, n): v for n, v in zip(numbers, values, strict=True)})

    @rule(
        key=st.sampled_from(KEYS),
        numbers=st.lists(st.integers(0, 15), max_size=20),
        which=st.integers(0, 1),
    )
    def read(self, key: str, numbers: list[int], which: int) -> None:
        images = [digest(number) for number in numbers]
        rows, found = self.stores[which].read(key, images)
        expected = [(key, number) in self.meant for number in numbers]
        assert found.tolist() == expected
        assert self.stores[which].has(key, images).tolist() == expected
        meant = [self.meant[key, n] for n in numbers if (key, n) in self.meant]
        assert rows.tolist() == [row.tolist() for row in meant]

    @rule(which=st.integers(0, 1))
    def reopen(self, which: int) -> None:
        self.stores[which].close()
        self.stores[which] = EmbeddingStore(self.folder)

    @rule(which=st.integers(0, 1))
    def prune_nothing(self, which: int) -> None:
        self.stores[which].prune(max_size=10**9)

    @rule(which=st.integers(0, 1))
    def clear(self, which: int) -> None:
        self.stores[which].clear()
        self.meant.clear()

    @invariant()
    def nothing_is_damaged(self) -> None:
        if hasattr(self, "stores"):
            assert self.stores[0].verify().damaged == {}

    def teardown(self) -> None:
        for store in getattr(self, "stores", []):
            store.close()
        shutil.rmtree(self.folder, ignore_errors=True)


TestAgainstADict = AgainstADict.TestCase
TestAgainstADict.settings = settings(max_examples=15, stateful_step_count=12, deadline=None)


def test_longer_digests_count_by_their_beginning(store: EmbeddingStore) -> None:
    store.write({"a": rows_for("a", [1])}, [digest(1) + b"more" * 4])
    assert store.has("a", [digest(1)]).all()
    with pytest.raises(ValueError, match="16 bytes"):
        store.has("a", [b"short"])


def test_float16_is_kept_apart_rounded_and_refuses_what_overflows(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((4, 9)).astype(np.float32)
    images = [digest(number) for number in range(4)]
    with EmbeddingStore(tmp_path, "float16") as half, EmbeddingStore(tmp_path) as single:
        half.write({"k": rows}, images)
        assert not single.has("k", images).any()
        kept, _found = half.read("k", images)
        np.testing.assert_array_equal(kept, rows.astype(np.float16).astype(np.float32))
        np.testing.assert_array_equal(kept, half.as_kept(rows))
        assert kept.dtype == np.float32
        with pytest.raises(StoreError, match=r"largest of float16 \(found 70000\)"):
            half.write({"k": rows + 70_000 - rows}, images)


def test_a_layer_keeps_its_width_and_a_refused_batch_leaves_nothing(store: EmbeddingStore) -> None:
    store.write({"a": rows_for("a", [1])}, [digest(1)])
    with pytest.raises(StoreError, match="rows of 1 values and got rows of 3"):
        store.write({"c": rows_for("c", [2]), "a": rows_for("b", [2])}, [digest(2)])
    assert not store.has("c", [digest(2)]).any()
    assert store.verify().rows == 1


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((2, 3)), np.zeros((1, 0))])
def test_shapes_that_do_not_fit_are_refused(store: EmbeddingStore, values: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\[1, D\]"):
        store.write({"a": values}, [digest(1)])


def test_a_flipped_byte_costs_its_row_only_and_is_reported_once(
    store: EmbeddingStore, caplog: pytest.LogCaptureFixture
) -> None:
    images = [digest(number) for number in range(5)]
    meant = rows_for("c", list(range(5)))
    store.write({"c": meant}, images)
    flip(only_shard(store), 2 * 160 + 7)
    with caplog.at_level(logging.WARNING, "facebench"):
        for _again in range(2):
            rows, found = store.read("c", images)
            assert found.tolist() == [True, True, False, True, True]
            np.testing.assert_array_equal(rows, meant[found])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert store.has("c", images).tolist() == found.tolist()
    with EmbeddingStore(store.folder) as another:
        assert another.has("c", images).tolist() == found.tolist()
    store.write({"c": meant[2:3]}, images[2:3])
    np.testing.assert_array_equal(store.read("c", images)[0], meant)


def test_verify_finds_what_nobody_read(store: EmbeddingStore) -> None:
    store.write({"c": rows_for("c", [1, 2])}, [digest(1), digest(2)])
    store.describe("c", model="vgg", layer="fc", details={})
    flip(only_shard(store), 0)
    verified = store.verify()
    assert (verified.rows, verified.damaged) == (2, {("vgg", "fc"): 1})
    assert store.has("c", [digest(1), digest(2)]).tolist() == [False, True]


@pytest.mark.parametrize("left", [0, 170])
def test_a_shard_cut_short_or_gone_loses_what_was_in_it(store: EmbeddingStore, left: int) -> None:
    images = [digest(number) for number in range(3)]
    store.write({"c": rows_for("c", [0, 1, 2])}, images)
    shard = only_shard(store)
    if left:
        shard.write_bytes(shard.read_bytes()[:left])
    else:
        shard.unlink()
    rows, found = store.read("c", images)
    assert found.tolist() == [left > 0, False, False]
    assert len(rows) == found.sum()
    # The next process takes another shard, or this one behind what it held.
    store.close()
    store.write({"c": rows_for("c", [1])}, [digest(1)])
    assert store.read("c", images)[1].tolist() == [left > 0, True, False]


def test_rows_swapped_in_the_index_are_not_taken_for_each_other(store: EmbeddingStore) -> None:
    store.write({"c": rows_for("c", [1])}, [digest(1)])
    store.write({"c": rows_for("c", [2])}, [digest(2)])
    with store._database.change() as connection:
        connection.execute("UPDATE blocks SET offset = 192 - offset")
    assert not store.read("c", [digest(1), digest(2)])[1].any()


def test_notes_and_facts(store: EmbeddingStore) -> None:
    images = [digest(1), digest(2), digest(3)]
    store.write({"a": rows_for("a", [1, 2])}, images[:2], [["no face found", "x"], []], "align")
    assert store.notes("align", images) == [("no face found", "x"), (), None]
    assert store.notes("other", images) == [None, None, None]
    store.remember("probe", {"channels_last": True, "width": [1, 2]})
    assert store.recall("probe") == {"channels_last": True, "width": [1, 2]}
    assert store.recall("nothing") is None
    with pytest.raises(ValueError, match="both"):
        store.write({"a": rows_for("a", [1])}, images[:1], [["x"]])


def test_stretches_hold_at_most_what_was_asked(store: EmbeddingStore) -> None:
    numbers = list(range(20))
    store.write({"c": rows_for("c", numbers)}, [digest(number) for number in numbers])
    images = [digest(number) for number in range(-0, 25)]
    seen = []
    for positions, rows in store.read_blocks("c", images, max_bytes=4 * 160):
        assert rows.nbytes <= 4 * 160
        np.testing.assert_array_equal(rows, rows_for("c", positions.tolist()))
        seen += positions.tolist()
    assert seen == numbers
    assert list(store.read_blocks("unknown", images)) == []


def test_an_index_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path).close()
    with sqlite3.connect(tmp_path / "index.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match=r"newer facebench \(format 99; this one knows 2\)"):
        EmbeddingStore(tmp_path)


def test_a_damaged_index_and_another_database_are_refused(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite3").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="is damaged"):
        EmbeddingStore(tmp_path)
    (tmp_path / "index.sqlite3").unlink()
    with sqlite3.connect(tmp_path / "index.sqlite3") as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        EmbeddingStore(tmp_path)


def test_an_interrupted_batch_is_absent(
    store: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store._writer, "_index_batch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.write({"c": rows_for("c", [1])}, [digest(1)])
    assert not store.has("c", [digest(1)]).any()
    store.write({"c": rows_for("c", [2])}, [digest(2)])
    assert only_shard(store).stat().st_size == 192  # 160 of the batch, rounded up
