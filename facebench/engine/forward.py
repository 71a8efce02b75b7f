"""Running a network on batches: in the faster memory layout, in what memory there is."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from facebench.engine.acceleration import Accelerated
from facebench.engine.decoding import shape_error
from facebench.engine.loading import Batch
from facebench.engine.record import PREPROCESSING
from facebench.engine.steadiness import (
    Trial,
    try_batch,
    unsteady_layers,
    warn_of_unsteadiness,
)
from facebench.engine.transfer import Card, float32_arithmetic
from facebench.errors import FacebenchError, LayerOutputError, ModelError
from facebench.models.acceleration import Accelerate
from facebench.models.base import BaseModel
from facebench.models.layers import BatchTooLargeError
from facebench.models.trials import unchanged

__all__ = [
    "Forward",
    "MemoryFormat",
    "OnFirst",
    "OnLayout",
    "OnUnsteady",
    "Precision",
    "as_rows",
    "check_finite",
]

_log = logging.getLogger(__name__)
MemoryFormat: TypeAlias = Literal["auto", "contiguous", "channels_last"]
Precision: TypeAlias = Literal["float32", "tf32", "float16", "bfloat16"]
OnLayout: TypeAlias = Callable[[str, bool], None]
OnUnsteady: TypeAlias = Callable[[Mapping[str, str]], None]
OnFirst: TypeAlias = Callable[[Batch, Callable[[], Any], int | None], None]
# Shares of the time of the layout in use: when to change, and when to measure the other once more.
_FASTER, _NEARLY = 0.85, 1.05
# A trial runs half of the first batch once more, and sometimes all of it: worth it where there are
# many such batches, and all of them together take so long.
_BATCHES_WORTH_TRYING = 16
_SECONDS_WORTH_TRYING = 2.0
# The images of a first result whose values are checked in all layers at once.
_FINITE_FIRST = 4


@dataclass(frozen=True)
class _Cost:
    """What a batch took: seconds, and those of the processor, which other programs do not slow."""

    seconds: float
    cpu_seconds: float

    def times(self, factor: float) -> _Cost:
        """Scale it to so many times as many images."""
        return _Cost(self.seconds * factor, self.cpu_seconds * factor)

    def is_within(self, share: float, other: _Cost) -> bool:
        """Whether it is at most this share of another, by both clocks."""
        return (
            self.seconds <= share * other.seconds and self.cpu_seconds <= share * other.cpu_seconds
        )


class Forward:
    """Runs one model's batches.

    The memory layout is decided by measuring: where the run is long enough for it to matter, the
    first batch also goes through the network in the other layout, which is used from then on if it
    is faster by 15 % or more. Layouts differ in the last bits of a result. So the decision is made,
    and told, before the first result is given, and what the trial computed is discarded: a run that
    is killed and continued gives the numbers of an undisturbed one.

    Parameters
    ----------
    model : BaseModel
        The model.
    precision : {'float32', 'tf32', 'float16', 'bfloat16'}
        Shorter than float32: TensorFloat-32 on a CUDA device, the others under autocast.
    n_images : int
        How many images the run has.
    layout : str, optional
        'channels_last' or 'contiguous', as an earlier run has decided; None: undecided.
    on_layout : callable, optional
        Called once with the layout decided on, and whether it was measured.
    on_first : callable, optional
        Called with the first batch, the context that networks run in, and `limit`.
    on_unsteady : callable, optional
        Called before the first result where rows depend on more than their image: see `Trial`.
        None warns.
    engine : {'onnxruntime', 'openvino', 'winograd', 'compile', 'none'}, default 'none'
        What runs the network. Another engine than torch is compared with it on the first batch,
        and has no other memory layout.
    batch_size : int, optional
        Images per pass of another engine, at most.

    Attributes
    ----------
    n_forwards : int
        Images sent through the network so far for their results, those of a second try included.
    seconds : float
        What it took; of a card, as far as `settle` has counted it.
    card : Card or None
        A card whose results are not waited for here, once the memory layout is decided.
    """

    def __init__(
        self,
        model: BaseModel,
        precision: Precision = "float32",
        n_images: int = 0,
        layout: str | None = None,
        on_layout: OnLayout | None = None,
        on_unsteady: OnUnsteady | None = None,
        engine: Accelerate = "none",
        batch_size: int = 32,
        on_first: OnFirst | None = None,
    ) -> None:
        self.model = model
        self.n_forwards = 0
        self.seconds = 0.0
        self.card: Card | None = None
        self._on_card: deque[tuple[Any, Any]] = deque()
        if precision == "tf32" and model.device.type != "cuda":
            msg = (
                f"Model {model.name!r}: precision='tf32' is for CUDA devices, and it runs on "
                f"{model.device}. Choose 'float32' or 'bfloat16'."
            )
            raise ModelError(msg)
        self._precision = precision
        self._is_tried = False
        self._seconds_tried = 0.0
        self._shape: torch.Size | None = None
        self._widths: dict[str, torch.Size] = {}
        self._largest = 0
        self._n_images = n_images
        self._on_layout = on_layout
        self._on_unsteady = on_unsteady or partial(warn_of_unsteadiness, model)
        self._is_undecided = layout is None and engine == "none"
        at_most = max(1, min(batch_size, n_images or batch_size))
        self._accelerated = None if engine == "none" else Accelerated(model, engine, at_most)
        self._on_first = on_first
        if layout is not None:
            _use(model, _FORMATS.get(layout, model.memory_format))

    @property
    def seconds_per_image(self) -> float:
        """What an image took so far, on average; 0 before the first."""
        return self.seconds / max(1, self.n_forwards)

    @property
    def differences(self) -> dict[str, float]:
        """How far another engine's layers differed from torch's; empty where torch runs."""
        return {} if self._accelerated is None else self._accelerated.differences

    def pieces(
        self, batch: Batch, limit: int | None = None
    ) -> Iterator[tuple[slice, dict[str, torch.Tensor]]]:
        """Run a batch, in several pieces where memory does not allow it in one.

        Parameters
        ----------
        batch : Batch
            With at least one readable image.
        limit : int, optional
            Bytes that the layers of a piece may take.

        Yields
        ------
        images : slice
            Which of ``batch.paths``.
        layers : dict of str to Tensor
            What the network returned for them, [n, …]; the next piece may use the memory again.

        Raises
        ------
        ModelError
            If the network fails, or returns what cannot be used.
        """
        if batch.tensor is None:
            return
        self._check_shape(batch)
        trial = None
        if not self._is_tried:
            self._is_tried = True
            # What another engine gives is compared only after it is known to be steady.
            beside = self._accelerated is not None
            trial = try_batch(self.model, batch, self._autocast, limit, beside=beside)
            self._seconds_tried = trial.seconds_per_image
            if self._on_first is not None:
                self._on_first(batch, self._autocast, limit)
            if self._accelerated is not None:
                unsteady = self._judge(trial, batch, {}, limit)
                self._prepare(self._accelerated, batch.tensor, unsteady, limit)
                trial = None
        size = len(batch.paths)
        start, step = 0, min(size, self._largest or size)
        while start < size:
            part = slice(start, min(start + step, size))
            try:
                layers = self._first_run(batch.tensor[part], batch.paths[start], limit)
            except (BatchTooLargeError, torch.OutOfMemoryError) as error:
                step = self._smaller(part.stop - part.start, batch.paths[start], error)
                continue
            self._check_layers(layers, batch.paths[part])
            if trial is not None:
                self._judge(trial, batch, layers, limit)
                trial = None
            yield part, layers
            start = part.stop

    def _judge(
        self, trial: Trial, batch: Batch, layers: dict[str, torch.Tensor], limit: int | None
    ) -> dict[str, str]:
        """Check a first result, if there is one, and tell what rows hang on besides images."""
        for layer, tensor in layers.items():
            few = min(_FINITE_FIRST, len(tensor))
            check_finite(self.model, layer, tensor[:few], batch.paths[:few])
        unsteady = unsteady_layers(
            self.model, batch, trial, layers, self._precision, self._autocast, limit
        )
        self._on_unsteady(unsteady)
        return unsteady

    def _prepare(
        self,
        accelerated: Accelerated,
        tensor: torch.Tensor,
        unsteady: Mapping[str, str],
        limit: int | None,
    ) -> None:
        """Make another engine ready, for a network whose rows depend on their images alone."""
        name = self.model.name
        if cause := next((why for layer, why in unsteady.items() if layer != PREPROCESSING), ""):
            msg = (
                f"Model {name!r} cannot run by another engine: what it gives for an image depends "
                f"on {cause}, so that it cannot be compared with torch. Choose 'accelerate: none' "
                "for this model."
            )
            raise ModelError(msg)
        try:
            with self._autocast():
                accelerated.prepare(tensor, limit)
        except (BatchTooLargeError, torch.OutOfMemoryError) as error:
            msg = (
                f"Model {name!r} cannot run by another engine: there is not enough memory for the "
                "outputs of its layers. Choose fewer layers, a smaller batch_size, or "
                "'accelerate: none' for this model."
            )
            raise ModelError(msg) from error
        self._largest = accelerated.size

    def _first_run(
        self, tensor: torch.Tensor, first: Path, limit: int | None
    ) -> dict[str, torch.Tensor]:
        """Run a piece; of the very first one, decide in which layout."""
        if not self._is_undecided:
            return self._run(tensor, first, limit, self.card)
        spent = self.seconds, self.n_forwards
        other = (
            self._tried_in_other_layout(tensor, limit) if self._is_worth_trying(tensor) else None
        )
        layers, own = self._timed(tensor, first, limit)
        if other is not None:
            layers = self._in_faster_layout(tensor, first, limit, layers, own, other, spent)
        self._is_undecided = False
        if self._on_layout is not None:
            self._on_layout(_NAMES[self.model.memory_format], other is not None)
        return layers

    def _is_worth_trying(self, tensor: torch.Tensor) -> bool:
        return (
            self._n_images >= _BATCHES_WORTH_TRYING * len(tensor)
            and self._seconds_tried * self._n_images >= _SECONDS_WORTH_TRYING
        )

    def settle(self) -> None:
        """Count the time of the oldest pass on the card, whose results were waited for."""
        if self.card is not None and self._on_card:
            self.seconds += self.card.seconds(*self._on_card.popleft())

    def _run(
        self, tensor: torch.Tensor, first: Path, limit: int | None, card: Card | None = None
    ) -> dict[str, torch.Tensor]:
        """Run a piece; on a card, only have it begun."""
        started = time.perf_counter()
        mark = None if card is None else card.stamp()
        self.n_forwards += len(tensor)
        try:
            with self._autocast():
                layers = (
                    self.model.read_layers(tensor, limit)
                    if self._accelerated is None
                    else self._accelerated.read_layers(tensor)
                )
        except (FacebenchError, BatchTooLargeError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if "can't allocate memory" in str(error) or "out of memory" in str(error).lower():
                # How a CPU's allocator and some accelerators say it.
                raise torch.OutOfMemoryError(str(error)) from error
            msg = (
                f"Model {self.model.name!r} failed on a batch of shape {list(tensor.shape)} and "
                f"type {tensor.dtype}, whose first image is {first}: "
                f"{type(error).__name__}: {error}"
            )
            raise ModelError(msg) from error
        finally:
            if card is None:
                if self.model.device.type == "cuda":
                    torch.cuda.synchronize(self.model.device)
                self.seconds += time.perf_counter() - started
        if card is not None:
            self._on_card.append((mark, card.stamp()))
        return layers

    def _autocast(self) -> Any:
        if self._precision in ("float32", "tf32"):
            return float32_arithmetic(self.model.device, tf32=self._precision == "tf32")
        return torch.autocast(self.model.device.type, getattr(torch, self._precision))

    def _smaller(self, size: int, first: Path, error: Exception) -> int:
        if size == 1:
            what = (
                "one image does not fit into the memory of "
                f"{self.model.device}, with the outputs of {len(self.model.extract_layers)} layers"
            )
            msg = f"Model {self.model.name!r} cannot run: {what} ({first}). Choose fewer layers."
            raise ModelError(msg) from error
        self._largest = size // 2
        _log.warning(
            "Model %r: %d images at once need too much memory; continuing with %d.",
            self.model.name,
            size,
            self._largest,
        )
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        return self._largest

    def _tried_in_other_layout(self, tensor: torch.Tensor, limit: int | None) -> _Cost | None:
        """Measure half a batch in the layout that is not in use; None if it could not be run."""
        half = tensor[: max(1, len(tensor) // 2)]
        own, spent = self.model.memory_format, (self.seconds, self.n_forwards)
        try:
            with unchanged(self.model):
                self.model.use_memory_format(_OTHER[own])
                cost = self._timed(half, Path(), limit)[1]
                return cost.times(len(tensor) / len(half))
        except (BatchTooLargeError, torch.OutOfMemoryError):
            return None
        finally:
            self.model.use_memory_format(own)
            self.seconds, self.n_forwards = spent

    def _in_faster_layout(
        self,
        tensor: torch.Tensor,
        first: Path,
        limit: int | None,
        layers: dict[str, torch.Tensor],
        own: _Cost,
        other: _Cost,
        spent: tuple[float, int],
    ) -> dict[str, torch.Tensor]:
        """Stay in the layout in use, or change to the other and run the batch in it."""
        layout = self.model.memory_format
        if other.is_within(_NEARLY, own):
            # It was slowed by being the first in its layout, and fewer: it is measured again.
            self.seconds, self.n_forwards = spent
            self.model.use_memory_format(_OTHER[layout])
            try:
                layers, other = self._timed(tensor, first, limit)
                is_faster = other.is_within(_FASTER, own)
            except (BatchTooLargeError, torch.OutOfMemoryError):
                is_faster = False
            if not is_faster:
                self.seconds, self.n_forwards = spent
                self.model.use_memory_format(layout)
                layers = self._run(tensor, first, limit)
        _log.info(
            "Model %r runs in the layout %s (%.1f and %.1f ms an image in %s and the other).",
            self.model.name,
            _NAMES[self.model.memory_format],
            own.seconds / len(tensor) * 1e3,
            other.seconds / len(tensor) * 1e3,
            _NAMES[layout],
        )
        return layers

    def _timed(
        self, tensor: torch.Tensor, first: Path, limit: int | None
    ) -> tuple[dict[str, torch.Tensor], _Cost]:
        before, cpu = self.seconds, time.process_time()
        layers = self._run(tensor, first, limit)
        is_here = self.model.device.type == "cpu"
        return layers, _Cost(
            self.seconds - before, time.process_time() - cpu if is_here else self.seconds - before
        )

    def _check_shape(self, batch: Batch) -> None:
        """Check a batch against those before it: what was wrong must not hang on its size."""
        if batch.tensor is None:
            return
        found = batch.tensor.shape[1:]
        if self._shape is not None and found != self._shape:
            raise shape_error(self.model, self._shape, batch.paths[0], found)
        self._shape = found

    def _check_layers(self, layers: dict[str, torch.Tensor], paths: list[Path]) -> None:
        name = self.model.name
        if self._widths and layers.keys() != self._widths.keys():
            changed = ", ".join(map(repr, sorted(layers.keys() ^ self._widths.keys())))
            msg = (
                f"Model {name!r} must return the same layers for all batches. "
                f"{changed} came or went with {paths[0]}."
            )
            raise LayerOutputError(msg)
        for layer, tensor in layers.items():
            if tensor.shape[0] != len(paths) or tensor[0].numel() == 0:
                msg = (
                    f"Layer {layer!r} of model {name!r} must give a tensor [{len(paths)}, D]. "
                    f"Got shape {list(tensor.shape)}."
                )
                raise LayerOutputError(msg)
            expected = self._widths.setdefault(layer, tensor.shape[1:])
            if tensor.shape[1:].numel() != expected.numel():
                msg = (
                    f"Layer {layer!r} of model {name!r} must have one size for all images. It gave "
                    f"{expected.numel()} values at first and {tensor.shape[1:].numel()} for "
                    f"{paths[0]}."
                )
                raise LayerOutputError(msg)


_FORMATS = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
_NAMES = {layout: name for name, layout in _FORMATS.items()}
_OTHER = {
    torch.channels_last: torch.contiguous_format,
    torch.contiguous_format: torch.channels_last,
}


def _use(model: BaseModel, layout: torch.memory_format) -> None:
    if model.memory_format != layout:
        model.use_memory_format(layout)


def as_rows(tensor: torch.Tensor) -> torch.Tensor:
    """Lay a layer out as float32 rows on the CPU, flattened in the order of its axes.

    Parameters
    ----------
    tensor : Tensor, shape [N, …]
        On any device, of any floating type.

    Returns
    -------
    Tensor, shape [N, D]
    """
    return tensor.reshape(tensor.shape[0], -1).to("cpu", torch.float32)


def check_finite(model: BaseModel, layer: str, rows: torch.Tensor, paths: Sequence[Path]) -> None:
    """Refuse NaN and infinity in what a layer returned.

    Parameters
    ----------
    model : BaseModel
        Whose layer it is, for the message.
    layer : str
        The layer.
    rows : Tensor, shape [N, …]
        Its outputs.
    paths : sequence of Path
        The N images.

    Raises
    ------
    LayerOutputError
        Naming model, layer and the first image.
    """
    # A finite sum has finite parts; to look at each part takes several times longer.
    if bool(torch.isfinite(rows.sum())):
        return
    finite = torch.isfinite(rows).reshape(len(paths), -1).all(dim=1)
    if bool(finite.all()):
        return
    bad = [path for path, is_finite in zip(paths, finite.tolist(), strict=True) if not is_finite]
    msg = (
        f"Layer {layer!r} of model {model.name!r} gave NaN or infinite values for "
        f"{len(bad)} of {len(paths)} images of a batch, first for {bad[0]}. "
        "Check its weights, its preprocessing and its precision."
    )
    raise LayerOutputError(msg)
