"""Looking after a store: what is in it, what is damaged, and room that is given back."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

from facebench.store import EmbeddingStore
from facebench.store.database import SHARDS_NAME

IMAGES = [bytes([number]) * 16 for number in range(6)]
ROWS = np.arange(60, dtype=np.float32).reshape(6, 10)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddingStore:
    store = EmbeddingStore(tmp_path)
    for key in ("a", "b"):
        store.describe(key, model=f"model {key}", layer="fc", details={})
        store.write({key: ROWS}, IMAGES)
    return store


def test_info_counts_images_and_bytes_by_layer(store: EmbeddingStore) -> None:
    told = store.info()
    assert [(row.model, row.layer, row.width, row.images, row.size) for row in told.layers] == [
        ("model a", "fc", 10, 6, 240), ("model b", "fc", 10, 6, 240),
    ]  # fmt: skip
    assert told.size >= 480


def test_verify_counts_what_is_damaged_and_forgets_it(store: EmbeddingStore) -> None:
    (shard,) = (store.folder / SHARDS_NAME).glob("*.bin")
    content = bytearray(shard.read_bytes())
    content[45] ^= 1
    shard.write_bytes(content)
    verified = store.verify()
    assert verified.rows == 12
    assert verified.damaged == {("model a", "fc"): 1}
    assert store.has("a", IMAGES).tolist() == [True, False, True, True, True, True]
    assert store.verify().damaged == {}
    assert [told.images for told in store.info().layers] == [5, 6]


def test_prune_removes_what_is_too_much(store: EmbeddingStore) -> None:
    assert store.prune(max_size=10**6).rows == 0
    store.prune(max_size=0)
    assert not store.has("a", IMAGES).any()
    assert not store.has("b", IMAGES).any()


def test_prune_removes_what_was_not_used_for_long(store: EmbeddingStore) -> None:
    assert store.prune(older_than=datetime.timedelta(days=1)).rows == 0
    with store._database.change() as connection:
        connection.execute(
            "UPDATE usage SET day = day - 30 WHERE layer = (SELECT id FROM layers WHERE key = 'a')"
        )
    assert store.prune(older_than=datetime.timedelta(days=7)).rows == 6
    assert not store.has("a", IMAGES).any()
    assert np.array_equal(store.read("b", IMAGES)[0], ROWS)


def test_a_day_of_use_that_is_damaged_counts_as_never(store: EmbeddingStore) -> None:
    with store._database.change() as connection:
        connection.execute(
            "UPDATE usage SET day = 'x' WHERE layer = (SELECT id FROM layers WHERE key = 'a')"
        )
    assert store.prune(older_than=datetime.timedelta(days=7)).rows == 6
    assert np.array_equal(store.read("b", IMAGES)[0], ROWS)


def test_clear_removes_everything(store: EmbeddingStore) -> None:
    store.remember("fact", 1)
    store.clear()
    assert store.info().layers == ()
    assert store.recall("fact") is None
    store.write({"a": ROWS}, IMAGES)
    assert store.has("a", IMAGES).all()
