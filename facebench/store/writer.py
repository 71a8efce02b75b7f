"""Writing batches of rows: first to this process's shard, then to the index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facebench.store.database import Database
from facebench.store.index_tables import insertion, seal
from facebench.store.places import layer_id, today
from facebench.store.rows import checksums_of, encoded
from facebench.store.shards import OwnShard
from facebench.types import FloatArray

__all__ = ["RowWriter"]


class _ShardGoneError(Exception):
    """Another process has cleared the store and this process's shard with it."""


class RowWriter:
    """Appends batches of rows of one type.

    Parameters
    ----------
    database : Database
        The index.
    dtype : str
        Of the rows.
    """

    def __init__(self, database: Database, dtype: str) -> None:
        self._database = database
        self._dtype = dtype
        self._shard: OwnShard | None = None

    def write(
        self,
        rows: Mapping[str, FloatArray],
        digests: NDArray[np.uint64],
        notes: Sequence[Sequence[str]] | None,
        notes_key: str | None,
    ) -> None:
        """Keep one batch; see `EmbeddingStore.write`."""
        with self._database.use():
            try:
                self._write(rows, digests, notes, notes_key)
            except _ShardGoneError:
                self.release()
                self._write(rows, digests, notes, notes_key)

    def release(self) -> None:
        """Let others append to this process's shard."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None

    def _write(
        self,
        rows: Mapping[str, FloatArray],
        digests: NDArray[np.uint64],
        notes: Sequence[Sequence[str]] | None,
        notes_key: str | None,
    ) -> None:
        shard = self._own_shard()
        begin = shard.end
        try:
            blocks = []
            for key, values in rows.items():
                data = encoded(values, self._dtype, f"The layer {key!r}")
                blocks.append(
                    (key, values.shape[1], shard.append(data), checksums_of(data, digests, key))
                )
            with self._database.change() as connection:
                self._index_batch(connection, shard, digests, blocks)
                if notes is not None:
                    connection.executemany(
                        insertion("notes"),
                        [
                            (notes_key, image.tobytes(), json.dumps(list(remarks)))
                            for image, remarks in zip(digests, notes, strict=True)
                        ],
                    )
        except BaseException:
            if not self._is_indexed(shard):
                shard.forget_after(begin)
            raise

    def _is_indexed(self, shard: OwnShard) -> bool:
        """Whether an interruption came only after the transaction."""
        with self._database.use() as connection:
            listed = connection.execute(
                "SELECT size FROM shards WHERE id = ?", (shard.identifier,)
            ).fetchone()
        return listed is not None and listed[0] >= shard.end

    def _index_batch(
        self,
        connection: sqlite3.Connection,
        shard: OwnShard,
        digests: NDArray[np.uint64],
        blocks: list[tuple[str, int, int, NDArray[np.uint64]]],
    ) -> None:
        listed = connection.execute(
            "UPDATE shards SET size = max(size, ?) WHERE id = ?", (shard.end, shard.identifier)
        )
        if not listed.rowcount:
            raise _ShardGoneError
        seal(connection, "shards", "id = ?", (shard.identifier,))
        if not blocks:
            return
        batch = connection.execute(
            "INSERT INTO batches (shard, images) VALUES (?, ?)",
            (shard.identifier, digests.tobytes()),
        ).lastrowid
        seal(connection, "batches", "id = ?", (batch,))
        day = today()
        for key, width, offset, checksums in blocks:
            layer = layer_id(connection, (key, self._dtype), width)
            connection.execute(
                insertion("blocks"), (layer, batch, offset, checksums.tobytes(), None)
            )
            connection.execute(
                "INSERT OR REPLACE INTO usage VALUES (?, ?, ?)", (layer, shard.identifier, day)
            )

    def _own_shard(self) -> OwnShard:
        if self._shard is not None and not self._shard.is_usable:
            self.release()
        if self._shard is None:
            self._shard = OwnShard(self._database)
        return self._shard
