"""A folder of packs, read as a store is: rows by layer key and image."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from facebench.errors import StoreError
from facebench.store.layer_index import LayerIndex, RowPlaces
from facebench.store.pack_files import SUFFIX, PackError, PackFile, PackLayer, open_pack
from facebench.store.reader import fetch
from facebench.store.rows import decoded
from facebench.types import Float64Array, FloatArray

__all__ = ["Packs"]

_log = logging.getLogger(__name__)
# Rows whose places are kept in memory, over all layers: some 50 bytes each.
_REMEMBERED = 16_000_000
_AT_ONCE = 256 << 20
# By which the same image's rows may differ, in units of their largest value; the latter where some
# of the arithmetic is of few bits.
_ROUNDING, _ROUNDING_16 = 1e-4, 2e-2
_SHORT = ("float16", "tf32")
Layer = tuple[str, str]


class Packs:
    """The packs in a folder, for reading; none is ever changed.

    A file that is not a sound pack is reported once and not used. Of rows that several packs have,
    those of the first count, by name; where they differ by more than rounding, none does.

    Parameters
    ----------
    folder : Path
        Where they are; those of folders in it are not read, and links are not followed.

    Attributes
    ----------
    refused : dict of str to str
        Names of files that are not used, and why.
    contradicted : dict of str to int
        Names of files → rows that are not used because another file has other ones.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refused: dict[str, str] = {}
        self.contradicted: dict[str, int] = {}
        self._widths: dict[str, int] = {}
        self._told: set[tuple[str, str]] = set()
        self._files: list[PackFile] = []
        self._indexes: dict[Layer, LayerIndex] = {}
        self._notes: dict[str, dict[bytes, tuple[str, ...]]] = {}
        self._facts: dict[str, Any] | None = None
        self.look()

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return Packs, (self.folder,)

    @property
    def files(self) -> list[PackFile]:
        """The packs that are used, by name."""
        return [file for file in self._files if file.path.name not in self.refused]

    def look(self) -> None:
        """Look which packs there are now."""
        known = {file.path.name: file for file in self._files}
        self._files = []
        for name in self._names():
            if name not in self.refused:
                with self.refusing(name):
                    self._files.append(known.get(name) or open_pack(self.folder / name))
        self._indexes.clear()
        self.contradicted.clear()
        self._notes.clear()
        self._facts = None

    def expect(self, widths: Mapping[str, int]) -> None:
        """Use no pack whose rows have another width than the layers are known to have, by key."""
        if any(self._widths.get(key) != width for key, width in widths.items()):
            self._widths.update(widths)
            self._indexes.clear()

    def _names(self) -> list[str]:
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"The packs in {self.folder} cannot be read: {error.strerror}."
            raise StoreError(msg) from error
        return sorted(name for name in names if name.endswith(SUFFIX) and name[0] != ".")

    @contextmanager
    def refusing(self, name: str) -> Iterator[None]:
        """Say why a pack is not used, and use it no more, if the block finds that out."""
        try:
            yield
        except PackError as error:
            self.refused[name] = str(error)
            _log.warning("The pack %s in %s is not used: %s.", ascii(name), self.folder, error)

    def has(self, layer: Layer, digests: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Say which images have a row.

        Parameters
        ----------
        layer : tuple of str
            Its key, and the type of its rows.
        digests : array, shape [N, 2]
            Of the images.
        """
        return self.find(layer, digests)[0]

    def find(
        self, layer: Layer, digests: NDArray[np.uint64]
    ) -> tuple[NDArray[np.bool_], RowPlaces]:
        """Find rows: which images have one, and where those are."""
        return self._index(layer).find(digests)

    def width(self, layer: Layer) -> int:
        """Give the number of values in a row; 0 where there are none."""
        return self._index(layer).width

    def read(
        self, layer: Layer, digests: NDArray[np.uint64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read rows and verify them; gives those found, and which they are."""
        index = self._index(layer)
        found, places = index.find(digests)
        if not len(places):
            return np.empty((0, index.width), dtype=np.float32), found
        data, whole = fetch(layer[0], index, places, self._path)
        if whole.all():
            return decoded(data, layer[1]), found
        lost = places.take(~whole)
        for number in np.unique(lost.shard).tolist():
            _log.warning(
                "%d rows of the pack %s in %s are damaged and not used: they are embedded again. "
                "Remove that file.",
                int((lost.shard == number).sum()),
                ascii(self._files[number].path.name),
                self.folder,
            )
        index.drop(lost.begin, lost.shard)
        # Another pack may have them.
        return self.read(layer, digests)

    def _index(self, layer: Layer) -> LayerIndex:
        """Give the places of a layer's rows in all packs."""
        index = self._indexes.get(layer)
        if index is None:
            index = self._located(layer)
            if sum(map(len, list(self._indexes.values()))) + len(index) > _REMEMBERED:
                self._indexes.clear()
            self._indexes[layer] = index
        return index

    def _located(self, layer: Layer) -> LayerIndex:
        parts: list[RowPlaces] = []
        known = self._widths.get(layer[0], 0)
        width = known
        for number, file in enumerate(self._files):
            for place, own in enumerate(file.layers):
                if (own.key, own.dtype) != layer or file.path.name in self.refused:
                    continue
                with self.refusing(file.path.name):
                    if width not in (0, own.width):
                        msg = (
                            f"its rows of {own.layer or own.key!r} of model {own.model!r} have "
                            f"{own.width} values, "
                            + (
                                f"and the layer has {width}"
                                if known
                                else f"those of other packs {width}"
                            )
                        )
                        raise PackError(msg)
                    parts.append(_rows(file, number, place))
                    width = own.width
        index = LayerIndex(width, layer[1])
        doubtful = [np.empty((0, 2), dtype=np.uint64)]
        # What is added last is found first.
        for part in reversed(parts):
            doubtful.append(self._contradicted(layer, index, part))
            index.add(part)
        images = np.unique(np.concatenate(doubtful), axis=0)
        while len(images):
            found, rows = index.find(images)
            images = images[found]
            index.drop(rows.begin, rows.shard)
        return index

    def _contradicted(self, layer: Layer, index: LayerIndex, part: RowPlaces) -> NDArray[np.uint64]:
        """Find images of which a pack has other rows than those that follow it, and say so."""
        found, others = index.find(np.stack([part.high, part.low], axis=1))
        own = part.take(found)
        differs = own.checksum != others.checksum
        own, others = own.take(differs), others.take(differs)
        is_other = np.zeros(len(own), dtype=bool)
        step = max(1, _AT_ONCE // (8 * index.row_bytes))
        for first in range(0, len(own), step):
            some = np.arange(first, min(first + step, len(own)))
            (data, whole), (data2, whole2) = (
                fetch(layer[0], index, rows.take(some), self._path) for rows in (own, others)
            )
            # What is damaged is told when it is read.
            is_other[some] = whole & whole2 & self._differ(layer, data, data2, int(own.shard[0]))
        own, others = own.take(is_other), others.take(is_other)
        for number in np.unique(others.shard).tolist():
            n_rows = int((others.shard == number).sum())
            self._tell_of_contradiction(int(own.shard[0]), number, n_rows, layer)
        return np.stack([own.high, own.low], axis=1)

    def _differ(
        self, layer: Layer, data: NDArray[np.uint8], others: NDArray[np.uint8], number: int
    ) -> NDArray[np.bool_]:
        """Say which rows differ by more than what another batch or machine does to them."""
        details = self._described(number, layer).details
        pair: list[FloatArray | Float64Array] = [decoded(rows, layer[1]) for rows in (data, others)]
        is_distance = "distance" in details
        if is_distance:
            # Those are of more digits, in two halves.
            pair = [np.ascontiguousarray(rows).view(np.float64) for rows in pair]
        one, two = pair
        sizes = np.nan_to_num(np.fmax(np.abs(one), np.abs(two)), posinf=0.0)
        largest = sizes.max(axis=None if is_distance else 1, initial=0.0, keepdims=True)
        is_short = any(word in layer[1] + details.get("runs as", "") for word in _SHORT)
        with np.errstate(invalid="ignore"):
            is_near = np.abs(one - two) <= (_ROUNDING_16 if is_short else _ROUNDING) * largest
        same: NDArray[np.bool_] = is_near | (one == two) | (np.isnan(one) & np.isnan(two))
        return np.asarray(~same.all(axis=1))

    def _described(self, number: int, layer: Layer) -> PackLayer:
        return next(one for one in self._files[number].layers if (one.key, one.dtype) == layer)

    def _tell_of_contradiction(self, first: int, second: int, n_rows: int, layer: Layer) -> None:
        """Count rows, and warn once of the same two packs."""
        names = (self._files[first].path.name, self._files[second].path.name)
        for name in names:
            self.contradicted[name] = self.contradicted.get(name, 0) + n_rows
        if names in self._told:
            return
        self._told.add(names)
        described = self._described(second, layer)
        _log.warning(
            "The packs %s and %s in %s contradict each other: for %d images they hold different "
            "embeddings (of model %r, layer %r and perhaps others), and rounding does not explain "
            "it. Neither is used for these images; they are embedded again. Remove the pack that "
            "is wrong, or both.",
            *map(ascii, names),
            self.folder,
            n_rows,
            described.model,
            described.layer,
        )

    def notes(self, notes_key: str) -> dict[bytes, tuple[str, ...]]:
        """Give the remarks on images, by digest; an image without any has an empty one."""
        if notes_key not in self._notes:
            kept = dict[bytes, tuple[str, ...]]()
            for file in self.files:
                if file.notes_key == notes_key:
                    with self.refusing(file.path.name):
                        images, notes = file.images(), file.notes()
                        for place, image in enumerate(images):
                            kept.setdefault(image.tobytes(), notes.get(place, ()))
            self._notes[notes_key] = kept
        return self._notes[notes_key]

    def recall(self, key: str) -> Any:
        """Give a small value that was kept, or None."""
        if self._facts is None:
            facts = dict[str, Any]()
            for file in self.files:
                with self.refusing(file.path.name):
                    facts = file.facts() | facts
            self._facts = facts
        return self._facts.get(key)

    def verify(self) -> tuple[int, dict[str, int]]:
        """Read everything; gives the rows read, and by pack how many are damaged.

        Those that contradict rows of another pack are then in `contradicted`.
        """
        n_rows, damaged = 0, dict[str, int]()
        for number, file in enumerate(self._files):
            with self.refusing(file.path.name):
                file.notes()
                file.facts()
                for place in range(len(file.layers)):
                    n_read, n_lost = self._verified(number, place)
                    n_rows += n_read
                    if n_lost:
                        damaged[file.path.name] = damaged.get(file.path.name, 0) + n_lost
        self.contradicted.clear()
        for layer in {(one.key, one.dtype) for file in self.files for one in file.layers}:
            self._located(layer)
        return n_rows, damaged

    def _verified(self, number: int, place: int) -> tuple[int, int]:
        layer, rows = self._files[number].layers[place], _rows(self._files[number], number, place)
        index = LayerIndex(layer.width, layer.dtype)
        step = max(1, _AT_ONCE // index.row_bytes)
        n_lost = 0
        for first in range(0, len(rows), step):
            part = rows.take(np.arange(first, min(first + step, len(rows))))
            _data, whole = fetch(layer.key, index, part, self._path)
            n_lost += int((~whole).sum())
        return len(rows), n_lost

    def _path(self, number: int) -> Path:
        return self._files[number].path


def _rows(file: PackFile, number: int, layer: int) -> RowPlaces:
    """Say where a layer's rows are in a pack."""
    images = file.images()
    row_bytes = LayerIndex(file.layers[layer].width, file.layers[layer].dtype).row_bytes
    places = np.arange(len(images), dtype=np.int64)
    return RowPlaces(
        high=images[:, 0],
        low=images[:, 1],
        batch=np.full(len(images), number, dtype=np.int64),
        shard=np.full(len(images), number, dtype=np.int64),
        begin=file.begin(layer) + places * row_bytes,
        checksum=file.checksums(layer),
    )
