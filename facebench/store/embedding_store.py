"""Embeddings kept on disk by what determines them, each whole and verified or absent."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from facebench.store import upkeep
from facebench.store.database import Database
from facebench.store.file_digests import digest_files
from facebench.store.index_tables import insertion, seal
from facebench.store.layer_index import DIGEST_BYTES, RowPlaces, as_digests
from facebench.store.reader import RowReader
from facebench.store.rows import StoreDtype, decoded, encoded
from facebench.store.writer import RowWriter
from facebench.types import FloatArray

if TYPE_CHECKING:
    from facebench.store.packs import Packs

__all__ = ["EmbeddingStore"]

_AT_ONCE = 30_000


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
    packs : Packs, optional
        Read beside the store: what it lacks is taken from them.

    Raises
    ------
    StoreError
        If the folder holds a store of a newer format or a damaged index.
    """

    def __init__(
        self,
        folder: Path,
        dtype: StoreDtype = "float32",
        *,
        read_only: bool = False,
        packs: Packs | None = None,
    ) -> None:
        self.folder = folder
        self.packs = packs
        self.dtype: StoreDtype = dtype
        self.read_only = read_only
        self._database = Database(folder, read_only=read_only)
        self._reader = RowReader(self._database, dtype)
        self._writer = RowWriter(self._database, dtype)

    @override
    def __repr__(self) -> str:
        kept = "read only" if self.read_only else self.dtype
        return f"EmbeddingStore({str(self.folder)!r}, {kept})"

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.folder, self.dtype, self.read_only, self.packs)

    def __enter__(self) -> EmbeddingStore:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of files and locks; using the store again opens them again."""
        self._writer.release()
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
        digests = as_digests(images)
        found, _rows, _index = self._reader.find(layer_key, digests)
        if self.packs is not None and not found.all():
            found[~found] = self.packs.has((layer_key, self.dtype), digests[~found])
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
        rows, found = self._reader.read(layer_key, digests)
        if self.packs is None or found.all():
            return rows, found
        others, also = self.packs.read((layer_key, self.dtype), digests[~found])
        if not len(rows):
            return (others if others.shape[1] else rows), _joined(found, also)
        if not len(others) or rows.shape[1] != others.shape[1]:
            return rows, found
        both = _joined(found, also)
        whole = np.empty((len(rows) + len(others), rows.shape[1]), dtype=np.float32)
        whole[found[both]], whole[~found[both]] = rows, others
        return whole, both

    def read_blocks(
        self, layer_key: str, images: Sequence[bytes], max_bytes: int = 64 << 20
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """Read rows in stretches, for readers that must not hold them all.

        They come in the order in which they lie in their files: where those are larger than the
        memory, each part of them is read once.

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
        digests = as_digests(images)
        found, places, index = self._reader.find(layer_key, digests)
        width = 0 if index is None else index.width
        order = _by_place(np.flatnonzero(found), places)
        if self.packs is not None and not found.all():
            layer = (layer_key, self.dtype)
            width = width or self.packs.width(layer)
            also, places = self.packs.find(layer, digests[~found])
            order = np.append(order, _by_place(np.flatnonzero(~found)[also], places))
        step = max(1, max_bytes // max(1, 4 * width))
        for first in range(0, len(order), step):
            part = order[first : first + step]
            rows, whole = self.read(layer_key, [images[place] for place in part])
            yield part[whole], rows

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
        try:
            self._writer.write(rows, as_digests(images), notes, notes_key)
        finally:
            self._reader.note_written()

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
                "SELECT model, layer, details FROM whole_layers WHERE key = ? AND dtype = ?",
                (layer_key, self.dtype),
            ).fetchone()
        if known == described:
            return
        with self._database.change() as connection:
            if known is None:
                # Where there is an entry all the same, it is damaged.
                connection.execute(
                    "INSERT OR REPLACE INTO layers (model, layer, details, key, dtype) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (*described, layer_key, self.dtype),
                )
            else:
                connection.execute(
                    "UPDATE layers SET model = ?, layer = ?, details = ? "
                    "WHERE key = ? AND dtype = ?",
                    (*described, layer_key, self.dtype),
                )
            seal(connection, "layers", "key = ? AND dtype = ?", (layer_key, self.dtype))

    # ---------------------------------------------------------------------------- small things

    def notes(self, notes_key: str, images: Sequence[bytes]) -> list[tuple[str, ...] | None]:
        """Give the remarks kept with images: None where none were kept, () where there are none."""
        packed = [image[:DIGEST_BYTES] for image in images]
        kept: dict[bytes, tuple[str, ...]] = {}
        with self._database.use() as connection:
            for first in range(0, len(packed), _AT_ONCE):
                part = packed[first : first + _AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT image, notes FROM whole_notes WHERE key = ? AND image IN ({marks})"
                for image, text in connection.execute(query, (notes_key, *part)):
                    kept[image] = tuple(json.loads(text))
        others: Mapping[bytes, tuple[str, ...]] = {}
        if self.packs is not None and len(kept) < len(set(packed)):
            others = self.packs.notes(notes_key)
        return [kept.get(image, others.get(image)) for image in packed]

    def remember(self, key: str, value: Any) -> None:
        """Keep a small fact, as JSON."""
        self.remember_all({key: value})

    def remember_all(self, facts: Mapping[str, Any]) -> None:
        """Keep several facts by their keys, all or none."""
        if self.read_only or not facts:
            return
        rows = [(key, json.dumps(value)) for key, value in facts.items()]
        with self._database.change() as connection:
            connection.executemany(insertion("facts"), rows)

    def recall(self, key: str) -> Any:
        """Give a fact that was kept, or None."""
        with self._database.use() as connection:
            query = "SELECT value FROM whole_facts WHERE key = ?"
            row = connection.execute(query, (key,)).fetchone()
        if row is None:
            return None if self.packs is None else self.packs.recall(key)
        return json.loads(row[0])

    def image_digests(self, paths: Sequence[Path]) -> list[bytes | None]:
        """Digest files, opening only those that changed since; None where one cannot be read."""
        return digest_files(self._database, paths)

    # ------------------------------------------------------------------------------ upkeep

    def info(self) -> upkeep.StoreInfo:
        """Tell what is in the store, per model and layer."""
        return upkeep.info(self._database)

    def contents(self) -> upkeep.Contents:
        """List all that the store itself holds, without packs."""
        return upkeep.contents(self._database)

    def verify(self) -> upkeep.Verified:
        """Read everything; damaged rows are forgotten, so that they are embedded again."""
        verified = upkeep.verify(self._database)
        self._reader.forget()
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
        self._writer.release()
        pruned = upkeep.prune(self._database, max_size, older_than)
        self._reader.forget()
        return pruned

    def clear(self) -> None:
        """Remove everything."""
        self._writer.release()
        upkeep.clear(self._database)
        self._reader.forget()


def _by_place(images: NDArray[np.intp], places: RowPlaces) -> NDArray[np.intp]:
    """Put images into the order in which their rows lie."""
    return images[np.lexsort((places.begin, places.shard))]


def _joined(found: NDArray[np.bool_], also: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add to what was found what was found of the rest."""
    both = found.copy()
    both[~found] = also
    return both


def _reopened(
    folder: Path, dtype: StoreDtype, read_only: bool, packs: Packs | None
) -> EmbeddingStore:
    return EmbeddingStore(folder, dtype, read_only=read_only, packs=packs)
