"""The layers that fit into memory: tables filled from the store, and from the network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from facebench.engine.cache import ModelCache
from facebench.engine.forward import as_rows, check_finite
from facebench.engine.record import ModelRecord
from facebench.models.base import BaseModel
from facebench.types import FloatArray

__all__ = ["KeptLayers"]

# Batches of a fast network are stored together: what a killed run does again is at most this part
# of its time so far, so many seconds, and so many bytes.
_AGAIN = 0.02
_MOST_AGAIN = 1.0
_MOST_UNSTORED = 32 << 20


class KeptLayers:
    """Tables of rows, one per layer, and of which images they are there.

    Parameters
    ----------
    model : BaseModel
        Whose layers they are.
    n_images : int
        Rows of a table.
    cache : ModelCache
        Where rows are read and stored.
    record : ModelRecord
        Where time is noted.
    at_once : bool
        Whether every batch is stored when it is taken, however fast they come.

    Attributes
    ----------
    tables : dict of str to array, shape [N, D]
        Layer → its rows.
    """

    def __init__(
        self,
        model: BaseModel,
        n_images: int,
        cache: ModelCache,
        record: ModelRecord,
        *,
        at_once: bool,
    ) -> None:
        self.tables: dict[str, FloatArray] = {}
        self._model = model
        self._n_images = n_images
        self._cache = cache
        self._record = record
        self._have: dict[str, NDArray[np.bool_]] = {}
        self._at_once = at_once
        # By the layers that are new: rows of each, and the images they are of.
        self._unstored: dict[tuple[str, ...], tuple[list[dict[str, FloatArray]], list[int]]] = {}
        self._n_unstored = 0
        self._begun = self._stored = time.monotonic()
        self._notes: Mapping[int, tuple[str, ...]] = {}

    def read(self, layer: str, width: int) -> NDArray[np.bool_]:
        """Begin the table of a layer with what the store has; returns of which images."""
        # Rows of images that fail stay NaN; uninitialised memory may warn when computed with.
        self.tables[layer] = np.full((self._n_images, width), np.nan, dtype=np.float32)
        self._have[layer] = self._cache.read_into(layer, self.tables[layer])
        return self._have[layer]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """The images of which all rows are there."""
        complete = np.ones(self._n_images, dtype=bool)
        for have in self._have.values():
            complete &= have
        return complete

    def some_rows(self) -> dict[str, torch.Tensor]:
        """Give at most two rows of each layer that has any."""
        return {
            layer: torch.from_numpy(rows[self._have[layer]][:2].copy())
            for layer, rows in self.tables.items()
            if self._have[layer].any()
        }

    def take(
        self,
        layers: Mapping[str, torch.Tensor],
        numbers: list[int],
        paths: Sequence[Path],
        notes: Mapping[int, tuple[str, ...]],
    ) -> None:
        """Put a batch's outputs into the tables, and into the store what it lacks.

        Parameters
        ----------
        layers : mapping of str to Tensor, shape [n, …]
            What the network returned.
        numbers : list of int
            Which images they are.
        paths : sequence of Path
            Their files, for messages.
        notes : mapping of int to tuple of str
            The preprocessing's remarks on each image, stored with it.
        """
        self._notes = notes
        # Layers by the images whose rows are new: a store may have one layer of them already.
        pending: dict[bytes, dict[str, FloatArray]] = {}
        for layer, table in self.tables.items():
            rows = as_rows(layers[layer])
            check_finite(self._model, layer, rows, paths)
            kept = self._cache.as_kept(rows.numpy())
            new = ~self._have[layer][numbers]
            if new.any():
                pending.setdefault(new.tobytes(), {})[layer] = kept[new]
            table[numbers] = kept
            self._have[layer][numbers] = True
        if not self.tables:
            # The remarks are all there is to store.
            pending[np.ones(len(numbers), dtype=bool).tobytes()] = {}
        for mask, added in pending.items():
            parts, images = self._unstored.setdefault(tuple(added), ([], []))
            parts.append(added)
            images += np.array(numbers)[np.frombuffer(mask, dtype=bool)].tolist()
            self._n_unstored += sum(rows.nbytes for rows in added.values())
        now = time.monotonic()
        is_due = now - self._stored >= min(_AGAIN * (now - self._begun), _MOST_AGAIN)
        if self._at_once or is_due or self._n_unstored > _MOST_UNSTORED:
            self.store()

    def store(self) -> None:
        """Put into the store what was taken since the last time."""
        unstored, self._unstored, self._n_unstored = self._unstored, {}, 0
        with self._record.timed("store"):
            for layers, (parts, images) in unstored.items():
                added = {layer: np.concatenate([part[layer] for part in parts]) for layer in layers}
                self._cache.write(added, images, [self._notes[image] for image in images])
        self._stored = time.monotonic()
