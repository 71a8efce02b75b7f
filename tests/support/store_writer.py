"""A process that writes to an embedding store; run by tests, which kill it.

Every batch is determined by its number, so that whoever reads can tell what was meant.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from facebench.store import EmbeddingStore, open_store

LAYERS = {"wide": 3000, "narrow": 7, "single": 1}
BATCH = 16


def images_of(writer: int, batch: int) -> list[bytes]:
    rng = np.random.default_rng([writer, batch])
    return [rng.bytes(16) for _ in range(BATCH)]


def rows_of(writer: int, batch: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([writer, batch, 1])
    return {
        layer: rng.standard_normal((BATCH, width)).astype(np.float32)
        for layer, width in LAYERS.items()
    }


def open_there(folder: Path) -> EmbeddingStore:
    store = open_store(folder)
    assert store is not None
    return store


def count_whole(
    store: EmbeddingStore, writer: int, first: int, last: int, *, while_writing: bool = False
) -> int:
    """Check that every batch is there as meant or absent, all of its layers alike."""
    whole = 0
    for batch in range(first, last):
        images, meant = images_of(writer, batch), rows_of(writer, batch)
        states = []
        for layer, values in meant.items():
            rows, found = store.read(layer, images)
            assert found.all() or not found.any(), (writer, batch, layer)
            states.append(bool(found.all()))
            if states[-1]:
                np.testing.assert_array_equal(rows, values)
        # A batch may have come between two looks; none ever goes.
        assert states == sorted(states) if while_writing else len(set(states)) == 1
        whole += states[0]
    return whole


def write_batches(folder: Path, writer: int, first: int, last: int, said: Any = None) -> None:
    """Write batches, telling in a shared value how many were written."""
    with open_there(folder) as store:
        for batch in range(first, last):
            store.write(rows_of(writer, batch), images_of(writer, batch))
            if said is not None:
                said.value = batch + 1


if __name__ == "__main__":
    write_batches(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
