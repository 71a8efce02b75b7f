"""Finding rows by their images, and copying and verifying them."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facebench.errors import StoreError
from facebench.store.database import Database
from facebench.store.layer_index import LayerIndex, RowPlaces
from facebench.store.places import layer_id, load_places, mark_dead, today
from facebench.store.rows import checksums_of, decoded
from facebench.store.shards import ShardFile, shard_path

__all__ = ["RowReader", "fetch"]

_log = logging.getLogger(__name__)
# Rows whose places are kept in memory, over all layers: some 50 bytes each.
_REMEMBERED = 4_000_000
_IN_CACHE = 1 << 22


def fetch(
    layer_key: str, index: LayerIndex, places: RowPlaces, path_of: Callable[[int], Path | None]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Copy rows out of their files; says which are whole.

    Parameters
    ----------
    layer_key : str
        What determines the rows, besides the image.
    index : LayerIndex
        Of the layer.
    places : RowPlaces
        Where the rows are.
    path_of : callable
        Gives the path of a file by its number; None where there is none.

    Returns
    -------
    data : array, shape [N, row_bytes]
    whole : array, shape [N]
    """
    data = np.empty((len(places), index.row_bytes), dtype=np.uint8)
    whole = np.zeros(len(places), dtype=bool)
    images = np.stack([places.high, places.low], axis=1)
    # Rows are verified while they are still in the processor's cache.
    step = max(1, _IN_CACHE // index.row_bytes)
    for shard in np.unique(places.shard).tolist():
        chosen = np.flatnonzero(places.shard == shard)
        path = path_of(shard)
        if path is None:
            continue
        with ShardFile(path) as file:
            for first in range(0, len(chosen), step):
                piece = chosen[first : first + step]
                is_straight = piece[-1] - piece[0] == len(piece) - 1
                where = slice(piece[0], piece[-1] + 1) if is_straight else piece
                # A slice is filled in place, anything else is a copy.
                rows = data[where]
                fits = file.copy(places.begin[where], rows)
                if not is_straight:
                    data[where] = rows
                checksums = checksums_of(rows, images[where], layer_key)
                whole[where] = fits & (checksums == places.checksum[where])
    return data, whole


class RowReader:
    """Reads rows of one type; remembers where they are until the index changes.

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
        self._indexes: OrderedDict[str, LayerIndex] = OrderedDict()
        self._fresh: set[str] = set()
        self._version: tuple[int, int] = (0, 0)
        self._generation = -1
        self._shard_names: dict[int, str] = {}
        self._used: set[tuple[str, int, int]] = set()

    def find(
        self, layer_key: str, digests: NDArray[np.uint64]
    ) -> tuple[NDArray[np.bool_], RowPlaces, LayerIndex | None]:
        """Find rows: which images have one, where those are, and the layer's index."""
        with self._database.use() as connection:
            self._notice_changes(connection)
            if layer_key not in self._fresh:
                self._load(connection, layer_key)
            index = self._indexes.get(layer_key)
            if index is None:
                nothing = LayerIndex(0, self._dtype)
                return *nothing.find(digests), None
            self._indexes.move_to_end(layer_key)
            return *index.find(digests), index

    def _notice_changes(self, connection: sqlite3.Connection) -> None:
        version = (
            self._database.opened,
            connection.execute("PRAGMA data_version").fetchone()[0],
        )
        if version == self._version:
            return
        generation = connection.execute("SELECT max(generation) FROM state").fetchone()[0]
        if generation != self._generation:
            self._indexes.clear()
            self._shard_names.clear()
        self._version, self._generation = version, generation
        self._fresh.clear()

    def _load(self, connection: sqlite3.Connection, layer_key: str) -> None:
        """Bring a layer's index up to now."""
        self._fresh.add(layer_key)
        layer = connection.execute(
            "SELECT id, width FROM whole_layers WHERE key = ? AND dtype = ? AND width IS NOT NULL",
            (layer_key, self._dtype),
        ).fetchone()
        if layer is None:
            return
        index = self._indexes.get(layer_key)
        if index is None:
            index = self._indexes[layer_key] = LayerIndex(layer[1], self._dtype)
        load_places(connection, layer[0], index)
        self._indexes.move_to_end(layer_key)
        while len(self._indexes) > 1 and sum(map(len, self._indexes.values())) > _REMEMBERED:
            dropped, _index = self._indexes.popitem(last=False)
            self._fresh.discard(dropped)

    def read(
        self, layer_key: str, digests: NDArray[np.uint64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read rows and verify them; see `EmbeddingStore.read`."""
        found, places, index = self.find(layer_key, digests)
        # An index of no rows has a width too: rows were removed, and the layer is known.
        nothing = np.empty((0, 0 if index is None else index.width), dtype=np.float32)
        if index is None or not len(places):
            return nothing, found
        data, whole = fetch(layer_key, index, places, self._shard_path)
        if not whole.all():
            # Another process may have moved rows meanwhile: damaged is what the index of now says.
            self.forget()
            found, places, index = self.find(layer_key, digests)
            if index is None:
                return nothing, found
            data, whole = fetch(layer_key, index, places, self._shard_path)
        if not whole.all():
            self._drop(layer_key, index, places.take(~whole))
            found[np.flatnonzero(found)[~whole]] = False
            data, places = data[whole], places.take(whole)
        self._note_use(layer_key, places)
        return decoded(data, self._dtype), found

    def note_written(self) -> None:
        """Look again for rows: this process wrote some."""
        self._fresh.clear()

    def forget(self) -> None:
        """Forget where rows are: this process moved or removed some."""
        with self._database.use():
            self._indexes.clear()
            self._shard_names.clear()
            self._fresh.clear()

    def _shard_path(self, shard: int) -> Path | None:
        if shard not in self._shard_names:
            with self._database.use() as connection:
                self._shard_names.update(connection.execute("SELECT id, name FROM shards"))
        name = self._shard_names.get(shard)
        return shard_path(self._database.folder, name)

    def _drop(self, layer_key: str, index: LayerIndex, places: RowPlaces) -> None:
        _log.warning(
            "%d rows of the embedding store at %s are damaged; they are embedded again.",
            len(places),
            self._database.folder,
        )
        with self._database.use():
            index.drop(places.begin, places.shard)
        if not self._database.read_only:
            with self._database.change() as connection:
                layer = layer_id(connection, (layer_key, self._dtype), index.width)
                mark_dead(connection, layer, index.row_bytes, places)

    def _note_use(self, layer_key: str, places: RowPlaces) -> None:
        day = today()
        used = {(layer_key, shard, day) for shard in np.unique(places.shard).tolist()}
        unsaid = used - self._used
        if not unsaid or self._database.read_only:
            return
        # Not worth waiting for: the next read says it again.
        with contextlib.suppress(StoreError), self._database.change(timeout=0) as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO usage "
                "SELECT id, ?, ? FROM whole_layers WHERE key = ? AND dtype = ?",
                [(shard, day, key, self._dtype) for key, shard, day in unsaid],
            )
            self._used |= unsaid
