"""Embeddings kept on disk by what determines them, each whole and verified or absent."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facebench.errors import StoreError
from facebench.store import upkeep
from facebench.store.database import Database
from facebench.store.file_digests import digest_files
from facebench.store.layer_index import DIGEST_BYTES, LayerIndex, Located, as_digests
from facebench.store.places import layer_id, load_places, mark_dead, today
from facebench.store.rows import StoreDtype, checksums_of, decoded, encoded
from facebench.store.shards import SHARDS_NAME, OwnShard, copy_rows
from facebench.types import FloatArray

__all__ = ["EmbeddingStore"]

_log = logging.getLogger(__name__)
# Rows whose places are kept in memory, over all layers: some 50 bytes each.
_REMEMBERED = 4_000_000
_AT_ONCE = 30_000


class _ShardGoneError(Exception):
    """Another process has cleared the store and this process's shard with it."""


class EmbeddingStore:
    """Rows of layers by layer key and image digest; `open_store` makes one.

    Several processes may use one store at once. An object is safe to use from several threads,
    after a fork, and to send to another process.

    Parameters
    ----------
    folder : Path
        An existing folder.
    dtype : {'float32', 'float16'}, default 'float32'
        What values are kept as. Rows of one type are not found under the other.
    read_only : bool, default False
        Keep nothing.

    Raises
    ------
    StoreError
        If the folder holds a store of a newer format or a damaged index.
    """

    def __init__(
        self, folder: Path, dtype: StoreDtype = "float32", *, read_only: bool = False
    ) -> None:
        self.folder = folder
        self.dtype: StoreDtype = dtype
        self.read_only = read_only
        self._database = Database(folder, read_only=read_only)
        self._shard: OwnShard | None = None
        self._indexes: OrderedDict[str, LayerIndex] = OrderedDict()
        self._fresh: set[str] = set()
        self._version: tuple[int, int] = (0, 0)
        self._generation = -1
        self._shard_names: dict[int, str] = {}
        self._used: set[tuple[str, int, int]] = set()

    def __repr__(self) -> str:
        kept = "read only" if self.read_only else self.dtype
        return f"EmbeddingStore({str(self.folder)!r}, {kept})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.folder, self.dtype, self.read_only)

    def __enter__(self) -> EmbeddingStore:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files and locks; using the store again opens them again."""
        if self._shard is not None:
            self._shard.close()
            self._shard = None
        self._database.close()

    # ------------------------------------------------------------------------------ embeddings

    def has(self, layer_key: str, images: Sequence[bytes]) -> NDArray[np.bool_]:
        """Say which images have a row, without reading it.

        Parameters
        ----------
        layer_key : str
            What determines the rows, besides the image.
        images : sequence of bytes
            Digests of the files, 16 bytes or more (of more, the first 16 count).

        Returns
        -------
        array, shape [N]
        """
        found, _rows, _index = self._find(layer_key, as_digests(images))
        return found

    def read(
        self, layer_key: str, images: Sequence[bytes]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read rows and verify them.

        A damaged row is reported once, forgotten and not found, so that it is embedded again.

        Parameters
        ----------
        layer_key, images
            See `has`.

        Returns
        -------
        rows : array, shape [n_found, D]
            float32, in the order of the images found.
        found : array, shape [N]
        """
        digests = as_digests(images)
        found, places, index = self._find(layer_key, digests)
        if index is None or not len(places):
            return np.empty((0, index.width if index else 0), dtype=np.float32), found
        data, whole = self._fetch(layer_key, index, places)
        if not whole.all():
            # Another process may have moved rows meanwhile: damaged is what the index of now says.
            self._forget_places()
            found, places, index = self._find(layer_key, digests)
            if index is None:
                return np.empty((0, 0), dtype=np.float32), found
            data, whole = self._fetch(layer_key, index, places)
        if not whole.all():
            self._drop(layer_key, index, places.take(~whole))
            found[np.flatnonzero(found)[~whole]] = False
            data, places = data[whole], places.take(whole)
        self._note_use(layer_key, places)
        return decoded(data, self.dtype), found

    def read_blocks(
        self, layer_key: str, images: Sequence[bytes], max_bytes: int = 64 << 20
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Read rows in stretches, for readers that must not hold them all.

        Parameters
        ----------
        layer_key, images
            See `has`.
        max_bytes : int, default 64 MiB
            Of a stretch, at least one row.

        Yields
        ------
        positions : array, shape [n]
            Indices into `images` of those found.
        rows : array, shape [n, D]
            float32.
        """
        _found, _places, index = self._find(layer_key, as_digests(images[:1]))
        if index is None:
            return
        step = max(1, max_bytes // max(1, 4 * index.width))
        for first in range(0, len(images), step):
            rows, found = self.read(layer_key, images[first : first + step])
            yield first + np.flatnonzero(found), rows

    def write(
        self,
        rows: Mapping[str, FloatArray],
        images: Sequence[bytes],
        notes: Sequence[Sequence[str]] | None = None,
        notes_key: str | None = None,
    ) -> None:
        """Keep one batch: all of its layers and notes, or nothing.

        A read-only store keeps nothing, silently: `open_store` has said so.

        Parameters
        ----------
        rows : mapping of str to array, shape [N, D]
            Layer key → rows.
        images : sequence of bytes
            Digests of the N files.
        notes : sequence of sequences of str, optional
            Remarks of the preprocessing on each image; an image without any has an empty one.
        notes_key : str, optional
            What determines the notes; needed with them.

        Raises
        ------
        StoreError
            If the disk is full, a layer's width changed, or a value does not fit into float16.
        ValueError
            If shapes do not fit.
        """
        if (notes is None) != (notes_key is None):
            msg = "Notes need both 'notes' and 'notes_key'."
            raise ValueError(msg)
        if notes is not None and len(notes) != len(images):
            msg = f"There must be notes for each of {len(images)} images. Got {len(notes)}."
            raise ValueError(msg)
        for key, values in rows.items():
            if values.ndim != 2 or values.shape[0] != len(images) or values.shape[1] == 0:
                msg = f"Rows must be [{len(images)}, D]. Got {list(values.shape)} under {key!r}."
                raise ValueError(msg)
        if self.read_only or not len(images):
            return
        digests = as_digests(images)
        with self._database.use():
            try:
                self._write(rows, digests, notes, notes_key)
            except _ShardGoneError:
                self._release_shard()
                self._write(rows, digests, notes, notes_key)

    def as_kept(self, rows: FloatArray) -> NDArray[np.float32]:
        """Round rows as keeping and reading them would, so that a first run equals the next."""
        return decoded(encoded(rows, self.dtype, "A layer"), self.dtype).reshape(rows.shape)

    def describe(
        self, layer_key: str, *, model: str, layer: str, details: Mapping[str, Any]
    ) -> None:
        """Name a layer for people, as `info` shows it; plays no part in finding rows."""
        if self.read_only:
            return
        described = (model, layer, json.dumps(details, sort_keys=True, default=str))
        with self._database.use() as connection:
            known = connection.execute(
                "SELECT model, layer, details FROM layers WHERE key = ? AND dtype = ?",
                (layer_key, self.dtype),
            ).fetchone()
        if known == described:
            return
        with self._database.change() as connection:
            connection.execute(
                "INSERT INTO layers (key, dtype, model, layer, details) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (key, dtype) DO UPDATE SET model = excluded.model, "
                "layer = excluded.layer, details = excluded.details",
                (layer_key, self.dtype, *described),
            )

    # ---------------------------------------------------------------------------- small things

    def notes(self, notes_key: str, images: Sequence[bytes]) -> list[tuple[str, ...] | None]:
        """Give the remarks kept with images: None where none were kept, () where there are none."""
        packed = [image[:DIGEST_BYTES] for image in images]
        kept: dict[bytes, tuple[str, ...]] = {}
        with self._database.use() as connection:
            for first in range(0, len(packed), _AT_ONCE):
                part = packed[first : first + _AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT image, notes FROM notes WHERE key = ? AND image IN ({marks})"
                for image, text in connection.execute(query, (notes_key, *part)):
                    kept[image] = tuple(json.loads(text))
        return [kept.get(image) for image in packed]

    def remember(self, key: str, value: Any) -> None:
        """Keep a small fact, as JSON."""
        if self.read_only:
            return
        with self._database.change() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, json.dumps(value))
            )

    def recall(self, key: str) -> Any:
        """Give a fact that was kept, or None."""
        with self._database.use() as connection:
            row = connection.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def image_digests(self, paths: Sequence[Path]) -> list[bytes | None]:
        """Digest files, opening only those that changed since; None where one cannot be read."""
        return digest_files(self._database, paths)

    # ------------------------------------------------------------------------------ upkeep

    def info(self) -> upkeep.StoreInfo:
        """Tell what is in the store, per model and layer."""
        return upkeep.info(self._database)

    def verify(self) -> upkeep.Verified:
        """Read everything; damaged rows are forgotten, so that they are embedded again."""
        verified = upkeep.verify(self._database)
        self._forget_places()
        return verified

    def prune(
        self, max_size: int | None = None, older_than: datetime.timedelta | None = None
    ) -> upkeep.Pruned:
        """Remove what was not used for long, and of the rest the longest unused that is too much.

        Parameters
        ----------
        max_size : int, optional
            Bytes of rows to keep at most.
        older_than : timedelta, optional
            Remove what was last used longer ago.
        """
        self._release_shard()
        pruned = upkeep.prune(self._database, max_size, older_than)
        self._forget_places()
        return pruned

    def clear(self) -> None:
        """Remove everything."""
        self._release_shard()
        upkeep.clear(self._database)
        self._forget_places()

    # ------------------------------------------------------------------------------ inside

    def _find(
        self, layer_key: str, digests: NDArray[np.uint64]
    ) -> tuple[NDArray[np.bool_], Located, LayerIndex | None]:
        with self._database.use() as connection:
            self._notice_changes(connection)
            if layer_key not in self._fresh:
                self._load(connection, layer_key)
            index = self._indexes.get(layer_key)
            if index is None:
                nothing = LayerIndex(0, self.dtype)
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
        generation = connection.execute("SELECT generation FROM state").fetchone()[0]
        if generation != self._generation:
            self._indexes.clear()
            self._shard_names.clear()
        self._version, self._generation = version, generation
        self._fresh.clear()

    def _load(self, connection: sqlite3.Connection, layer_key: str) -> None:
        """Bring a layer's index up to now."""
        self._fresh.add(layer_key)
        layer = connection.execute(
            "SELECT id, width FROM layers WHERE key = ? AND dtype = ? AND width IS NOT NULL",
            (layer_key, self.dtype),
        ).fetchone()
        if layer is None:
            return
        index = self._indexes.get(layer_key)
        if index is None:
            index = self._indexes[layer_key] = LayerIndex(layer[1], self.dtype)
        load_places(connection, layer[0], index)
        self._indexes.move_to_end(layer_key)
        while len(self._indexes) > 1 and sum(map(len, self._indexes.values())) > _REMEMBERED:
            dropped, _index = self._indexes.popitem(last=False)
            self._fresh.discard(dropped)

    def _forget_places(self) -> None:
        with self._database.use():
            self._indexes.clear()
            self._shard_names.clear()
            self._fresh.clear()

    def _fetch(
        self, layer_key: str, index: LayerIndex, places: Located
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Copy rows out of their shards; says which are whole."""
        data = np.empty((len(places), index.row_bytes), dtype=np.uint8)
        whole = np.zeros(len(places), dtype=bool)
        for shard in np.unique(places.shard).tolist():
            chosen = np.flatnonzero(places.shard == shard)
            path = self._shard_path(shard)
            if path is not None:
                whole[chosen] = copy_rows(path, places.begin[chosen], index.row_bytes, data, chosen)
        images = np.stack([places.high, places.low], axis=1)
        whole &= checksums_of(data, images, layer_key) == places.checksum
        return data, whole

    def _shard_path(self, shard: int) -> Path | None:
        if shard not in self._shard_names:
            with self._database.use() as connection:
                self._shard_names.update(connection.execute("SELECT id, name FROM shards"))
        name = self._shard_names.get(shard)
        return None if name is None else self.folder / SHARDS_NAME / name

    def _drop(self, layer_key: str, index: LayerIndex, places: Located) -> None:
        _log.warning(
            "%d rows of the embedding store at %s are damaged; they are embedded again.",
            len(places),
            self.folder,
        )
        with self._database.use():
            index.drop(places.begin, places.shard)
        if not self.read_only:
            with self._database.change() as connection:
                layer = layer_id(connection, (layer_key, self.dtype), index.width)
                mark_dead(connection, layer, index.row_bytes, places)

    def _note_use(self, layer_key: str, places: Located) -> None:
        day = today()
        used = {(layer_key, shard, day) for shard in np.unique(places.shard).tolist()}
        unsaid = used - self._used
        if not unsaid or self.read_only:
            return
        # Not worth waiting for: the next read says it again.
        with contextlib.suppress(StoreError), self._database.change(timeout=0) as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO usage "
                "SELECT id, ?, ? FROM layers WHERE key = ? AND dtype = ?",
                [(shard, day, key, self.dtype) for key, shard, day in unsaid],
            )
            self._used |= unsaid

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
                data = encoded(values, self.dtype, f"The layer {key!r}")
                blocks.append(
                    (key, values.shape[1], shard.append(data), checksums_of(data, digests, key))
                )
            with self._database.change() as connection:
                self._index_batch(connection, shard, digests, blocks)
                if notes is not None:
                    connection.executemany(
                        "INSERT OR REPLACE INTO notes VALUES (?, ?, ?)",
                        [
                            (notes_key, image.tobytes(), json.dumps(list(remarks)))
                            for image, remarks in zip(digests, notes, strict=True)
                        ],
                    )
        except BaseException:
            if not self._is_indexed(shard):
                shard.forget_after(begin)
            raise
        finally:
            self._fresh.clear()
        day = today()
        self._used |= {(key, shard.identifier, day) for key in rows}

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
        if not blocks:
            return
        batch = connection.execute(
            "INSERT INTO batches (shard, images) VALUES (?, ?)",
            (shard.identifier, digests.tobytes()),
        ).lastrowid
        day = today()
        for key, width, offset, checksums in blocks:
            layer = layer_id(connection, (key, self.dtype), width)
            connection.execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, NULL)",
                (layer, batch, offset, checksums.tobytes()),
            )
            if (key, shard.identifier, day) not in self._used:
                connection.execute(
                    "INSERT OR REPLACE INTO usage VALUES (?, ?, ?)",
                    (layer, shard.identifier, day),
                )

    def _own_shard(self) -> OwnShard:
        if self._shard is not None and not self._shard.is_usable:
            self._release_shard()
        if self._shard is None:
            self._shard = OwnShard(self._database)
        return self._shard

    def _release_shard(self) -> None:
        if self._shard is not None:
            self._shard.close()
            self._shard = None


def _reopened(folder: Path, dtype: StoreDtype, read_only: bool) -> EmbeddingStore:
    return EmbeddingStore(folder, dtype, read_only=read_only)
