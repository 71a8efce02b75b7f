"""What a run would do, before it does it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facebench.engine.cache import ModelCache
from facebench.engine.comparisons import Comparisons
from facebench.engine.decoding import ImageFile
from facebench.engine.demand import Demand
from facebench.engine.forward import Forward
from facebench.engine.loading import Loader, usable_cores
from facebench.engine.memory import shown_bytes
from facebench.engine.placement import place_layers, spill_or_stream, temporary_folder
from facebench.engine.schedule import make_schedule
from facebench.engine.settings import Settings
from facebench.fingerprint import running
from facebench.models.base import BaseModel

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerPlan", "ModelPlan", "RunPlan", "TaskPlan", "plan_model"]

_FLOAT = 4  # bytes
_PROBED = 4


@dataclass(frozen=True)
class LayerPlan:
    """One layer of a model.

    Attributes
    ----------
    layer : str
        Its name.
    width : int
        Values per image.
    how : {'kept', 'streamed', 'spilled'}
        Kept in memory, and in the store; compared while it is in memory; or waiting on disk.
    n_stored : int
        Images (of streamed and spilled layers: pairs) that the store has.
    """

    layer: str
    width: int
    how: str
    n_stored: int


@dataclass(frozen=True)
class ModelPlan:
    """One model.

    Attributes
    ----------
    model : str
        Its name.
    n_images : int
        Different images that the tasks need.
    n_stored : int
        Those of which the store has all that is needed.
    n_to_embed : int
        The others.
    n_forwards : int
        Images to send through the network, those that go twice counted twice.
    layers : list of LayerPlan
        In network order.
    memory_bytes, disk_bytes : int
        What tables and waiting images take at most; what goes to the store and to temporary files.
    seconds : float or None
        Expected time, by one timed batch; None where nothing was timed since nothing is to do.
    note : str
        Why nothing will be stored, if so.
    """

    model: str
    n_images: int
    n_stored: int
    n_to_embed: int
    n_forwards: int
    layers: list[LayerPlan]
    memory_bytes: int
    disk_bytes: int
    seconds: float | None
    note: str = ""


@dataclass(frozen=True)
class TaskPlan:
    """One task.

    Attributes
    ----------
    task : str
        Its name.
    n_pairs, n_images : int
        Pairs (0 of a task without) and different image files it needs.
    missing : list of str
        Images that are not there.
    """

    task: str
    n_pairs: int
    n_images: int
    missing: list[str]


@dataclass(frozen=True)
class RunPlan:
    """What a run would do; prints as a table.

    Attributes
    ----------
    models : list of ModelPlan
        In the manager's order.
    tasks : list of TaskPlan
        Likewise.
    """

    models: list[ModelPlan]
    tasks: list[TaskPlan]

    def to_frame(self) -> pd.DataFrame:
        """Give a row per model: what its pass takes.

        Returns
        -------
        DataFrame
            Model, Images, Stored, To Embed, Forwards, Layers, Wide Layers, Widest, Memory, Disk
            (bytes), Seconds.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "Model": plan.model,
                    "Images": plan.n_images,
                    "Stored": plan.n_stored,
                    "To Embed": plan.n_to_embed,
                    "Forwards": plan.n_forwards,
                    "Layers": len(plan.layers),
                    "Wide Layers": sum(layer.how != "kept" for layer in plan.layers),
                    "Widest": max((layer.width for layer in plan.layers), default=0),
                    "Memory": plan.memory_bytes,
                    "Disk": plan.disk_bytes,
                    "Seconds": plan.seconds,
                }
                for plan in self.models
            ]
        )

    def tasks_frame(self) -> pd.DataFrame:
        """Give a row per task: Task, Pairs, Images, Missing."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "Task": plan.task,
                    "Pairs": plan.n_pairs,
                    "Images": plan.n_images,
                    "Missing": len(plan.missing),
                }
                for plan in self.tasks
            ]
        )

    def layers_frame(self) -> pd.DataFrame:
        """Give a row per model and layer: Model, Layer, Width, How, Stored."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "Model": plan.model,
                    "Layer": layer.layer,
                    "Width": layer.width,
                    "How": layer.how,
                    "Stored": layer.n_stored,
                }
                for plan in self.models
                for layer in plan.layers
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as what JSON can hold."""
        from dataclasses import asdict

        return asdict(self)

    def __str__(self) -> str:
        models = self.to_frame()
        for column in ("Memory", "Disk"):
            models[column] = models[column].map(shown_bytes)
        models["Seconds"] = models["Seconds"].map(
            lambda seconds: "-" if seconds != seconds or seconds is None else f"{seconds:.0f}"
        )
        missing = [
            f"Task {plan.task!r}: {len(plan.missing)} images missing, first {plan.missing[0]!r}."
            for plan in self.tasks
            if plan.missing
        ]
        notes = [f"Model {plan.model!r}: {plan.note}" for plan in self.models if plan.note]
        tables = [models.to_string(index=False), self.tasks_frame().to_string(index=False)]
        return "\n\n".join([*tables, *missing, *notes])


def plan_model(model: BaseModel, demand: Demand, settings: Settings) -> ModelPlan:
    """Plan one model's pass, with one forward pass of a few images if it is new here.

    Parameters
    ----------
    model : BaseModel
        The model.
    demand : Demand
        What tasks want.
    settings : Settings
        How the run is set up.

    Returns
    -------
    ModelPlan

    Raises
    ------
    ModelError
        If the network fails on the images, or its tables fit nowhere.
    """
    n_images = len(demand.images)
    cache = ModelCache(model, settings.store, n_images, demand.digests, settings.precision)
    widths = cache.widths()
    per_image: tuple[float, float] | None = None
    if widths is None:
        widths, per_image = _probe(model, demand, settings)
        cache.keep_widths(widths)
        cache.keep_pace(per_image[1])
    needs_tables = len(demand.row_images) > 0
    placement = place_layers(
        widths, n_images, settings.budget, settings.batch_size, needs_tables=needs_tables
    )
    stored = {layer: cache.has(layer) for layer in placement.kept}
    lacking = np.zeros(n_images, dtype=bool)
    for has in stored.values():
        lacking |= ~has
    comparisons = Comparisons(demand.pairs)
    unknown = {
        layer: [
            np.isnan(cache.distances(layer, group.metric.rowwise, group.pairs))
            for group in comparisons.groups
        ]
        for layer in placement.wide
    }
    n_forwards, how, most_kept = 0, "streamed", 0
    if placement.wide:
        pairs = comparisons.needed(
            [
                np.logical_or.reduce([of_layer[index] for of_layer in unknown.values()])
                for index in range(len(comparisons.groups))
            ]
        )
        schedule = make_schedule(pairs, n_images, placement.batch_size, placement.capacity)
        in_pairs = np.zeros(n_images, dtype=bool)
        in_pairs[pairs.ravel()] = True
        n_forwards = schedule.n_forwards + int((lacking & ~in_pairs).sum())
        lacking |= in_pairs
        if needs_tables:
            lacking[demand.row_images] = True
        folder = temporary_folder(settings.store)
        how = spill_or_stream(
            placement,
            n_images,
            schedule.n_forwards,
            cache.pace() if per_image is None else per_image[1],
            folder,
            needs_tables=needs_tables,
        )
        most_kept = schedule.most_kept
    if how == "spilled" or not placement.wide:
        n_forwards = int(lacking.sum())
    if n_forwards and per_image is None:
        _, per_image = _probe(model, demand, settings)
    n_lacking = int(lacking.sum())
    wide_each = sum(widths[layer] for layer in placement.wide) * _FLOAT
    each = sum(widths.values()) * _FLOAT
    kept_each = each - wide_each
    waiting = most_kept if how == "streamed" else 0
    return ModelPlan(
        model=model.name,
        n_images=n_images,
        n_stored=n_images - n_lacking,
        n_to_embed=n_lacking,
        n_forwards=n_forwards,
        layers=[
            LayerPlan(
                layer,
                width,
                "kept" if layer in stored else how,
                int(stored[layer].sum() if layer in stored else _count_known(unknown[layer])),
            )
            for layer, width in widths.items()
        ],
        memory_bytes=placement.kept_bytes
        + (placement.batch_size * each + waiting * wide_each if n_forwards else 0),
        disk_bytes=(n_lacking * kept_each if cache.is_on else 0)
        + (placement.wide_bytes if how == "spilled" and n_forwards else 0),
        seconds=None if per_image is None else _seconds(per_image, n_forwards, settings),
        note="" if settings.store is None or cache.is_on else _why(cache),
    )


def _why(cache: ModelCache) -> str:
    return "" if cache.fingerprint is None else str(cache.fingerprint.why)


def _count_known(unknown: Sequence[NDArray[np.bool_]]) -> int:
    return int(sum((~of_group).sum() for of_group in unknown))


def _seconds(per_image: tuple[float, float], n_forwards: int, settings: Settings) -> float:
    decode, forward = per_image
    workers = usable_cores() if settings.num_workers is None else max(1, settings.num_workers)
    return n_forwards * (forward + decode / workers)


def _probe(
    model: BaseModel, demand: Demand, settings: Settings
) -> tuple[dict[str, int], tuple[float, float]]:
    """Run a few images: layers and widths, and seconds to decode and to run one."""
    files = [ImageFile(path) for path in demand.images]
    with running(model), Loader(model, settings.num_workers, len(files)) as loader:
        chunks = (files[first : first + _PROBED] for first in range(0, len(files), _PROBED))
        for batch in loader.batches(chunks):
            if batch.tensor is None:
                continue
            forward = Forward(model, settings.precision)
            widths: Mapping[str, int] = {}
            started = time.perf_counter()
            for _images, layers in forward.pieces(batch):
                widths = {layer: tensor[0].numel() for layer, tensor in layers.items()}
            spent = time.perf_counter() - started
            n_read = len(batch.paths)
            return dict(widths), (batch.seconds / n_read, spent / n_read)
    return {}, (0.0, 0.0)
