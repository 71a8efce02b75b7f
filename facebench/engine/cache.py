"""What the store holds of one model, asked for and added to by layer."""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facebench.columns import DEFAULT_LAYER
from facebench.engine.fingerprint import ModelFingerprint, model_fingerprint, tell_once
from facebench.engine.record import PREPROCESSING
from facebench.engine.request import EmbeddingRequest
from facebench.engine.settings import Settings
from facebench.errors import StoreError
from facebench.metrics.distances import RowDistance
from facebench.models.base import BaseModel
from facebench.store import EmbeddingStore
from facebench.store.folder import NOT_KEPT
from facebench.store.rows import StoreDtype
from facebench.types import Float64Array, FloatArray

if TYPE_CHECKING:
    from facebench.engine.comparisons import DistanceGroup
    from facebench.engine.request import EmbeddingRequest
    from facebench.engine.settings import Settings
    from facebench.store.exchange import Exchanged
    from facebench.store.pack_files import PackLayer

__all__ = ["ModelCache"]

_log = logging.getLogger(__name__)
_TYPICAL_PACE = 0.05  # seconds an image


class ModelCache:
    """The part of a store that belongs to one model; without a store, nothing is ever found.

    Parameters
    ----------
    model : BaseModel
        The model, as it is in memory now.
    store : EmbeddingStore or None
        Where embeddings are kept.
    n_images : int
        How many images there are.
    digests : sequence of bytes
        Of the images, by number; empty without a store.
    variant : str
        What of the settings changes numbers; see `Settings.variant_of`.
    decoder : str
        What decodes JPEGs: the remarks on images may depend on it.
    """

    def __init__(
        self,
        model: BaseModel,
        store: EmbeddingStore | None,
        n_images: int,
        digests: Sequence[bytes],
        variant: str,
        decoder: str = "pillow",
    ) -> None:
        self.fingerprint: ModelFingerprint | None = None
        self._model = model
        self._n_images = n_images
        self._digests = digests
        self._store = store
        self._keys: dict[str, str] = {}
        self._noted: NDArray[np.bool_] | None = None
        if store is None:
            return
        self.fingerprint = model_fingerprint(model)
        if self.fingerprint.preprocessing is None:
            if tell_once(model):
                _log.warning("%s", self.fingerprint.why)
            self._store = None
            return
        self._extra = f"{model.device.type}:{variant}"
        if model.device.type == "cuda" and variant.startswith("float32"):
            # Former versions let convolutions round to TensorFloat-32 under this name.
            self._extra += ":ieee"
        self._notes_key = self.fingerprint.notes_key
        if decoder != "pillow":
            self._notes_key += f" {decoder}"
        # Distances are exact: in a store of shorter values they still take float32's bits.
        self._exact = EmbeddingStore(
            store.folder, "float32", read_only=store.read_only, packs=store.packs
        )

    @classmethod
    def of(cls, model: BaseModel, request: EmbeddingRequest, settings: Settings) -> ModelCache:
        """Give what the store of a run has of what tasks want of a model."""
        return cls(
            model,
            settings.store,
            len(request.images),
            request.digests,
            settings.variant_of(model),
            settings.decoder,
        )

    @property
    def is_on(self) -> bool:
        """Whether anything can be found or kept."""
        return self._store is not None

    def layer_key(self, layer: str) -> str:
        """Give what determines a layer's rows, besides the image; '' where they are not kept."""
        return self._key(layer) if self.is_on else ""

    def _key(self, layer: str) -> str:
        if self.fingerprint is None:
            return ""
        if layer not in self._keys:
            self._keys[layer] = self.fingerprint.layer_key(layer, extra=self._extra)
        return self._keys[layer]

    def widths(self) -> dict[str, int] | None:
        """Give the layers and their widths, if earlier runs have met every one of them."""
        if self._store is None:
            return None
        asked = self._model.extract_layers or [DEFAULT_LAYER]
        known = {layer: self._store.recall(f"width {self._key(layer)}") for layer in asked}
        if None in known.values():
            return None
        widths = {layer: int(width) for layer, width in known.items()}
        self._expect({self._key(layer): width for layer, width in widths.items()})
        return widths

    def _expect(self, widths: Mapping[str, int]) -> None:
        """Have packs refused whose rows have other widths, by key."""
        if self._store is not None and self._store.packs is not None:
            self._store.packs.expect(widths)

    def keep_widths(self, widths: Mapping[str, int]) -> None:
        """Remember the layers' widths, and name them for `facebench cache info`."""
        if self._store is None or self.widths() == dict(widths):
            return
        self._expect({self._key(layer): width for layer, width in widths.items()})
        for layer, width in widths.items():
            self._store.remember(f"width {self._key(layer)}", width)
            details = {"class": type(self._model).__name__, "runs as": self._extra}
            self._store.describe(
                self._key(layer), model=self._model.name, layer=layer, details=details
            )

    def layout(self) -> str | None:
        """Recall the memory layout that a run has decided on, on this machine.

        One that was measured is for all runs; one that was not, for runs of as many images.
        """
        if self._store is None:
            return None
        for decision in ("layout", f"layout of {self._n_images}"):
            known = self._store.recall(self._here(decision))
            if known is not None:
                return str(known)
        return None

    def keep_layout(self, layout: str, is_measured: bool = True) -> None:
        """Remember a memory layout."""
        if self._store is not None and self.layout() != layout:
            decision = "layout" if is_measured else f"layout of {self._n_images}"
            self._store.remember(self._here(decision), layout)

    def unsteady(self) -> dict[str, str]:
        """Recall which of the model's layers depend on more than the image; see `Trial`."""
        if self._store is None:
            return {}
        asked = [PREPROCESSING, *(self._model.extract_layers or [DEFAULT_LAYER])]
        known = {layer: self._store.recall(self._unsteady_key(layer)) for layer in asked}
        return {layer: str(cause) for layer, cause in known.items() if cause is not None}

    def keep_unsteady(self, unsteady: Mapping[str, str]) -> None:
        """Remember that with the rows, for those who read them."""
        if self._store is not None:
            for layer, cause in unsteady.items():
                self._store.remember(self._unsteady_key(layer), cause)

    def _unsteady_key(self, layer: str) -> str:
        return f"unsteady {self._key(layer)}"

    def differences(self) -> dict[str, float]:
        """Recall how far an engine's layers differed from torch's, as a run has measured."""
        if self._store is None:
            return {}
        asked = self._model.extract_layers or [DEFAULT_LAYER]
        known = {layer: self._store.recall(f"difference {self._key(layer)}") for layer in asked}
        return {layer: float(value) for layer, value in known.items() if value is not None}

    def keep_differences(self, differences: Mapping[str, float]) -> None:
        """Remember that with the rows."""
        if self._store is not None:
            for layer, value in differences.items():
                self._store.remember(f"difference {self._key(layer)}", value)

    def pace(self) -> float:
        """Seconds that an image took here, as measured last; a guess where nothing was."""
        known = None if self._store is None else self._store.recall(self._here("pace"))
        return _TYPICAL_PACE if known is None else float(known)

    def keep_pace(self, seconds: float) -> None:
        """Remember how long an image took."""
        if self._store is not None and seconds > 0:
            self._store.remember(self._here("pace"), seconds)

    def _here(self, what: str) -> str:
        """Name a fact of this model on this machine."""
        return f"{what} {self._key('')} {platform.node()} {platform.machine()}"

    def has(self, layer: str) -> NDArray[np.bool_]:
        """Say of which images a layer is in the store."""
        if self._store is None:
            return np.zeros(self._n_images, dtype=bool)
        return self._with_notes(self._store.has(self._key(layer), self._digests))

    def sound(self, layer: str) -> NDArray[np.bool_]:
        """Say of which images a layer is in the store undamaged, which takes reading it."""
        found = np.zeros(self._n_images, dtype=bool)
        if self._store is not None:
            for places, _rows in self._store.read_blocks(self._key(layer), self._digests):
                found[places] = True
        return self._with_notes(found)

    def read_into(self, layer: str, rows: FloatArray) -> NDArray[np.bool_]:
        """Read what there is of a layer into a table, [N, D]; returns of which images."""
        found = np.zeros(len(rows), dtype=bool)
        if self._store is not None:
            for places, part in self._store.read_blocks(self._key(layer), self._digests):
                rows[places] = part
                found[places] = True
        return self._with_notes(found)

    def _with_notes(self, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Leave out images whose remarks were lost: their counts would be wrong."""
        if self._store is None or self.fingerprint is None or not found.any():
            return found
        if self._noted is None:
            notes = self._store.notes(self._notes_key, self._digests)
            self._noted = np.array([kept is not None for kept in notes], dtype=bool)
        return found & self._noted

    def rows(self, layer: str, images: Sequence[int]) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Read some images' rows of a layer; returns those found, and which they are."""
        if self._store is None:
            return np.empty((0, 0), dtype=np.float32), np.zeros(len(images), dtype=bool)
        return self._store.read(self._key(layer), [self._digests[image] for image in images])

    @property
    def is_exact(self) -> bool:
        """Whether what is kept has all digits that the network gave."""
        return self._store is not None and self._store.dtype == "float32"

    def as_kept(self, rows: FloatArray) -> FloatArray:
        """Round rows as the store does, so that a first run equals the next."""
        return rows if self._store is None else self._store.as_kept(rows)

    def write(
        self,
        layers: Mapping[str, FloatArray],
        images: Sequence[int],
        notes: Sequence[Sequence[str]],
    ) -> None:
        """Keep the layers of a batch, and the remarks on its images: all or nothing."""
        if self._store is None or self.fingerprint is None:
            return
        self._store.write(
            {self._key(layer): rows for layer, rows in layers.items()},
            [self._digests[image] for image in images],
            notes,
            self._notes_key,
        )
        if self._noted is not None:
            self._noted[list(images)] = True

    def notes(self, images: Sequence[int]) -> dict[int, tuple[str, ...]]:
        """Give the remarks kept with images."""
        if self._store is None or self.fingerprint is None:
            return {}
        known = self._store.notes(self._notes_key, [self._digests[image] for image in images])
        return {
            image: notes for image, notes in zip(images, known, strict=True) if notes is not None
        }

    def distances(
        self, layer: str, distance: RowDistance | None, pairs: NDArray[np.intp]
    ) -> Float64Array:
        """Give the distances that an interrupted or earlier run has left; NaN for others."""
        values = np.full(len(pairs), np.nan)
        if self._store is not None and distance is not None:
            names = self._pair_digests(distance, pairs)
            rows, found = self._exact.read(self._distance_key(layer, distance), names)
            if found.any():
                values[found] = np.ascontiguousarray(rows).view(np.float64)[:, 0]
                noted = self._with_notes(np.ones(self._n_images, dtype=bool))
                values[~noted[pairs].all(axis=1)] = np.nan
        return values

    @property
    def has_packs(self) -> bool:
        """Whether packs are read beside the store."""
        return self._store is not None and self._store.packs is not None

    def knows_distances(
        self, layer: str, distance: RowDistance | None, pairs: NDArray[np.intp]
    ) -> bool:
        """Tell whether all distances of a layer were left by earlier runs or shards."""
        # Mostly the first one tells.
        return not any(
            np.isnan(self.distances(layer, distance, part)).any() for part in (pairs[:1], pairs)
        )

    def write_distances(
        self, values: Mapping[tuple[str, RowDistance], Float64Array], pairs: NDArray[np.intp]
    ) -> None:
        """Keep distances of layers whose rows are not kept, by layer and distance."""
        if self._store is None or not len(pairs):
            return
        by_distance: dict[RowDistance, dict[str, FloatArray]] = {}
        for (layer, distance), column in values.items():
            rows = np.ascontiguousarray(column[:, None]).view(np.float32)
            by_distance.setdefault(distance, {})[self._distance_key(layer, distance)] = rows
        for distance, layers in by_distance.items():
            self._exact.write(layers, self._pair_digests(distance, pairs))

    def _pair_digests(self, distance: RowDistance, pairs: NDArray[np.intp]) -> list[bytes]:
        """Name pairs; where the order plays no part, in that of their images' digests."""
        sides = [(self._digests[i], self._digests[j]) for i, j in pairs.tolist()]
        if distance.is_symmetric:
            sides = [(min(both), max(both)) for both in sides]
        return [hashlib.blake2b(i + j, digest_size=16).digest() for i, j in sides]

    def _distance_key(self, layer: str, distance: RowDistance) -> str:
        name = f"{self._key(layer)} {distance.key}"
        key = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
        self._expect({key: 2})
        return key

    def check_publishing(self) -> None:
        """Refuse a store and packs that take nothing, before anything is computed for them."""
        if self._store is None or self._store.packs is None:
            return
        from facebench.store.pack_files import check_packs_writable

        if self._store.read_only:
            raise StoreError(NOT_KEPT)
        check_packs_writable(self._store.packs.folder)

    def publish(
        self, widths: Mapping[str, int], wide: Mapping[str, Sequence[DistanceGroup]]
    ) -> Exchanged:
        """Publish what the store has of the images, and packs do not.

        Parameters
        ----------
        widths : mapping of str to int
            Layers whose rows are published → values per image.
        wide : mapping of str to sequence of DistanceGroup
            Layers of which distances are published → which.
        """
        from facebench.store.exchange import Exchanged, publish

        done = Exchanged()
        if self._store is None or self._store.packs is None or self.fingerprint is None:
            return done
        packs = self._store.packs
        layers = [
            self._described(layer, self._key(layer), self._store.dtype, width)
            for layer, width in widths.items()
        ]
        facts = {
            key: value
            for layer in (PREPROCESSING, *widths, *wide)
            for key in (f"width {self._key(layer)}", self._unsteady_key(layer))
            if (value := self._store.recall(key)) is not None
        }
        notes_key = self._notes_key
        done.add(
            publish(self._store, packs, layers, self._digests, notes_key=notes_key, facts=facts)
        )
        for layer, groups in wide.items():
            for group in groups:
                if group.metric.rowwise is not None:
                    key = self._distance_key(layer, group.metric.rowwise)
                    described = self._described(layer, key, "float32", 2, group.metric.rowwise.key)
                    pairs = self._pair_digests(group.metric.rowwise, group.pairs)
                    done.add(publish(self._exact, packs, [described], pairs, facts=facts))
        return done

    def _described(
        self, layer: str, key: str, dtype: StoreDtype, width: int, distance: str = ""
    ) -> PackLayer:
        """Describe a layer in a pack."""
        from facebench.store.pack_files import PackLayer

        details = {name: str(value) for name, value in self.facts().items()}
        if distance:
            details["distance"] = f"{distance}, float64 in two halves, by digests of pairs"
        return PackLayer(
            key,
            dtype,
            width,
            self._model.name,
            layer,
            {"class": type(self._model).__name__, "runs as": self._extra, **details},
        )

    def facts(self) -> dict[str, Any]:
        """Give what the record of a run says of where its embeddings came from."""
        if self.fingerprint is None:
            return {}
        return {
            "weights_digest": self.fingerprint.weights,
            "settings_digest": self.fingerprint.settings,
            "preprocessing_digest": self.fingerprint.preprocessing,
        }
