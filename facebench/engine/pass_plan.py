"""What a pass over a model's images has to do: one answer, for the plan and for the run.

From what is stored and what fits into memory follows what becomes of each layer: its rows are kept
in memory; or its distances are computed while outputs are in memory (streamed), or from rows that
wait in temporary files (spilled). What is missing then follows too, and so the batches.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facebench.engine.cache import ModelCache
from facebench.engine.comparisons import DistanceGroup, DistanceGroups
from facebench.engine.memory import free_disk
from facebench.engine.placement import Placement, place_layers
from facebench.engine.request import EmbeddingRequest
from facebench.engine.schedule import Schedule, Step, in_chunks, make_schedule
from facebench.engine.settings import Settings
from facebench.errors import ModelError
from facebench.models.base import BaseModel
from facebench.types import Float64Array
from facebench.utils.units import shown_bytes

__all__ = ["PassPlan", "WidePlan", "first_batch_size", "placement_of", "plan_pass"]

# What a temporary file costs per byte, written and read again, on a middling disk.
_SPILL_SECONDS = 1 / 300e6
# A schedule that runs images again this rarely is as good as one that never does.
_FEW_AGAIN = 1.05
# The first batch of a model with named layers: its outputs tell how much memory others will take.
_FIRST = 4


@dataclass(frozen=True)
class WidePlan:
    """What is to be done for the layers of a model that do not fit into memory.

    Attributes
    ----------
    layers : list of str
        Which they are.
    groups : list of DistanceGroup
        What tasks compare; empty where no layer is wide.
    known : dict of str to list of array
        Layer → per group, the distance of every pair; NaN where it is not known.
    missing : list of bool array
        Per group: the pairs whose distance is not known in every layer.
    needed : bool array, shape [N]
        The images whose rows are needed.
    stored : bool array, shape [N]
        The images of which the store has the rows of all layers: an earlier run had memory for
        them.
    schedule : Schedule
        Batches that bring all missing pairs together, if layers are streamed.
    how : {'streamed', 'spilled'}
        Compared while they are in memory, or waiting on disk.
    folder : Path
        Where temporary files go.
    """

    layers: list[str]
    groups: list[DistanceGroup]
    known: dict[str, list[Float64Array]]
    missing: list[NDArray[np.bool_]]
    needed: NDArray[np.bool_]
    stored: NDArray[np.bool_]
    schedule: Schedule
    how: Literal["streamed", "spilled"]
    folder: Path

    @property
    def is_spilled(self) -> bool:
        """Whether rows wait on disk, rather than for their partners in memory."""
        return self.how == "spilled"

    @property
    def steps(self) -> list[Step]:
        """The batches that bring pairs together; none where rows wait on disk."""
        return [] if self.is_spilled else self.schedule.steps


@dataclass(frozen=True)
class PassPlan:
    """What a pass has to do.

    Attributes
    ----------
    widths : dict of str to int
        Layer → values per image, in network order.
    placement : Placement
        Which layers are kept in memory.
    n_stored : dict of str to int
        Kept layer → images whose rows are stored.
    kept : bool array, shape [N]
        The images of which the rows of all kept layers are stored.
    wide : WidePlan
        What is to be done for the other layers.
    first_batch : int
        Images in the first batch.
    """

    widths: dict[str, int]
    placement: Placement
    n_stored: dict[str, int]
    kept: NDArray[np.bool_]
    wide: WidePlan
    first_batch: int

    @property
    def complete(self) -> NDArray[np.bool_]:
        """The images that need not go through the network."""
        return self.kept & ~(self.wide.needed & ~self.wide.stored)

    def how(self, layer: str) -> str:
        """Say what becomes of a layer: 'kept', 'streamed' or 'spilled'."""
        return self.wide.how if layer in self.wide.layers else "kept"

    def n_known(self, layer: str) -> int:
        """Count what the store has of a layer: images, or of a wide one distances."""
        if layer in self.wide.layers:
            return sum(int((~np.isnan(values)).sum()) for values in self.wide.known[layer])
        return self.n_stored[layer]

    def steps(self, complete: NDArray[np.bool_]) -> list[Step]:
        """Give the batches that are left.

        Parameters
        ----------
        complete : bool array, shape [N]
            The images that need not go through the network, or cannot.
        """
        missing = ~complete
        for step in self.wide.steps:
            missing[step.images] = False
        chunks = in_chunks(missing, self.placement.batch_size, self.first_batch)
        return [*self.wide.steps, *chunks]

    def n_forwards(self, tried: Sequence[int] = ()) -> int:
        """Count the images that go through the network, those that go twice counted twice.

        Parameters
        ----------
        tried : sequence of int
            The images of a first batch that runs before this plan can be made. Streamed layers
            need them again.
        """
        ran = np.zeros(len(self.kept), dtype=bool)
        ran[list(tried)] = True
        needed = self.wide.needed & ~self.wide.stored
        if self.wide.is_spilled:
            needed &= ~ran
        steps = self.steps((self.kept | ran) & ~needed)
        return len(tried) + sum(int((~self.wide.stored[step.images]).sum()) for step in steps)


def first_batch_size(model: BaseModel, settings: Settings, *, keep_all: bool = False) -> int:
    """Say how many images the first batch has: few where it may take much memory."""
    size = settings.batch_size
    return min(size, _FIRST) if model.extract_layers and not keep_all else size


def placement_of(
    widths: Mapping[str, int],
    request: EmbeddingRequest,
    *,
    budget: int,
    batch_size: int,
    keep_all: bool = False,
) -> Placement:
    """Decide which layers are kept in memory; see `place_layers`."""
    whole = request.whole or request
    return place_layers(
        widths,
        len(whole.images),
        budget,
        batch_size,
        needs_tables=not keep_all and len(whole.row_images) > 0,
        keep_all=keep_all,
    )


def plan_pass(
    model: BaseModel,
    widths: Mapping[str, int],
    request: EmbeddingRequest,
    settings: Settings,
    cache: ModelCache,
    *,
    budget: int,
    keep: Callable[[str], NDArray[np.bool_]],
    has: Callable[[str], NDArray[np.bool_]],
    seconds_per_image: float,
    keep_all: bool = False,
) -> PassPlan:
    """Decide what is taken from the store, kept in memory, spilled, streamed, and run.

    Parameters
    ----------
    model : BaseModel
        The model.
    widths : mapping of str to int
        Its layers, in network order → values per image.
    request : EmbeddingRequest
        What tasks want.
    settings : Settings
        How the run is set up.
    cache : ModelCache
        What the store has of the model.
    budget : int
        Bytes to stay within.
    keep : callable
        Takes a layer that is kept in memory; returns of which images the store has its rows.
    has : callable
        The same of a wide layer.
    seconds_per_image : float
        What a forward pass costs.
    keep_all : bool, default False
        Keep every layer in memory, over the budget if need be.

    Raises
    ------
    ModelError
        If tasks need rows of wide layers, and there is no room for them on the disk.
    """
    placement = placement_of(
        widths, request, budget=budget, batch_size=settings.batch_size, keep_all=keep_all
    )
    if not keep_all and not len(request.row_images):
        placement = _with_compared(placement, cache, DistanceGroups(request.pairs).groups, has)
    kept = np.ones(len(request.images), dtype=bool)
    n_stored = {}
    for layer in placement.kept:
        stored = keep(layer)
        n_stored[layer] = int(stored.sum())
        kept &= stored
    return PassPlan(
        widths=dict(widths),
        placement=placement,
        n_stored=n_stored,
        kept=kept,
        wide=_plan_wide(placement, request, settings, cache, kept, has, seconds_per_image),
        first_batch=first_batch_size(model, settings, keep_all=keep_all),
    )


def _with_compared(
    placement: Placement,
    cache: ModelCache,
    groups: Sequence[DistanceGroup],
    has: Callable[[str], NDArray[np.bool_]],
) -> Placement:
    """Count layers as wide that would fit here, but of which packs have distances, not rows.

    Shards on machines with less memory have compared them.
    """
    if not cache.has_packs or not groups:
        return placement
    compared = {
        layer
        for layer in placement.kept
        if not has(layer).all()
        and all(cache.knows_distances(layer, one.metric.rowwise, one.pairs) for one in groups)
    }
    return replace(
        placement,
        kept=[layer for layer in placement.kept if layer not in compared],
        wide=[*placement.wide, *(layer for layer in placement.kept if layer in compared)],
    )


def _plan_wide(
    placement: Placement,
    request: EmbeddingRequest,
    settings: Settings,
    cache: ModelCache,
    kept: NDArray[np.bool_],
    has: Callable[[str], NDArray[np.bool_]],
    seconds_per_image: float,
) -> WidePlan:
    """Find what the store knows of the wide layers, and the best way to the rest."""
    layers = placement.wide
    store = settings.store
    # Beside the store, which is on a large disk.
    folder = Path(tempfile.gettempdir()) if store is None else store.folder
    needed, stored = np.zeros(len(kept), dtype=bool), np.zeros(len(kept), dtype=bool)
    if not layers:
        return WidePlan([], [], {}, [], needed, stored, Schedule(), "streamed", folder)
    comparisons = DistanceGroups(request.pairs)
    groups = comparisons.groups
    known = {
        layer: [cache.distances(layer, group.metric.rowwise, group.pairs) for group in groups]
        for layer in layers
    }
    missing = [
        np.logical_or.reduce([np.isnan(values[index]) for values in known.values()])
        for index in range(len(groups))
    ]
    pairs = comparisons.needed(missing)
    schedule = make_schedule(pairs, len(kept), placement.batch_size, placement.capacity)
    needed[pairs.ravel()] = True
    needed[request.row_images] = True
    if cache.is_exact and needed.any():
        # Rounded rows would not give the distances that are kept of wide layers.
        stored = np.logical_and.reduce([kept, *(has(layer) for layer in layers)])
    how = _spill_or_stream(
        placement,
        int((~stored).sum()),
        sum(int((~stored[step.images]).sum()) for step in schedule.steps),
        seconds_per_image,
        folder,
        needs_tables=len(request.row_images) > 0,
    )
    return WidePlan(layers, groups, known, missing, needed, stored, schedule, how, folder)


def _spill_or_stream(
    placement: Placement,
    n_images: int,
    n_forwards: int,
    seconds_per_image: float,
    folder: Path,
    *,
    needs_tables: bool,
) -> Literal["spilled", "streamed"]:
    """Choose whether wide layers wait for partners on disk, or images run again where need be.

    `n_images` are to run, in all `n_forwards` times if streamed. Tasks that need the rows
    themselves leave no choice.
    """
    # Some room is left for other programs.
    fits = placement.wide_bytes * 1.2 < free_disk(folder)
    if needs_tables:
        if not fits:
            msg = (
                f"Tasks that need embeddings themselves need {shown_bytes(placement.wide_bytes)} "
                f"for {len(placement.wide)} layers of {n_images} images, such as "
                f"{placement.wide[0]!r}. {folder} has {shown_bytes(free_disk(folder))} free. "
                "Choose fewer layers, or a cache_dir on a larger disk."
            )
            raise ModelError(msg)
        return "spilled"
    if n_forwards <= _FEW_AGAIN * n_images or not fits:
        return "streamed"
    again = (n_forwards - n_images) * seconds_per_image
    return "spilled" if placement.wide_bytes * _SPILL_SECONDS < again else "streamed"
