"""Does a network give an image the same numbers in any batch? Tried on a few images."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from facebench.engine.loading import Batch
from facebench.engine.record import PREPROCESSING
from facebench.errors import LayerOutputError
from facebench.models.base import BaseModel
from facebench.models.layers import BatchTooLargeError, check_width
from facebench.models.trials import unchanged

__all__ = ["Trial", "try_batch", "unsteady_layers", "warn_of_unsteadiness"]

_log = logging.getLogger(__name__)
_TRIED = 4
# The images tried by themselves, in this order, and how many a batch has that differs enough: what
# uses statistics of two images gives the same in either order.
_ALONE = [1, 0]
_COMPARABLE = 3
# Shares of a row's length; rounding is far below, and what batches or chance do far above.
_TOLERANCES = {"float32": 1e-3, "tf32": 1e-2, "float16": 2e-2, "bfloat16": 1e-1}
_SIZES = ("input_size", "image_size", "img_size")
_CAUSES = {
    "chance": "chance: it draws random numbers in eval mode, as F.dropout without training=False "
    "does",
    "batch": "the images beside it: it uses statistics of the batch in eval mode, as BatchNorm "
    "without running statistics does",
}
_NEW = "Its numbers change with the run, the order and the batch size."
_STORED = (
    "The embedding store has its numbers of an earlier run; another run, order or batch size would "
    "have given others."
)


@dataclass(frozen=True)
class Trial:
    """What a network gave for two images by themselves, to be compared with a batch's first result.

    Attributes
    ----------
    alone : dict of str to Tensor, shape [2, D]
        What the layers gave for the second image and the first; nothing where they could not be
        tried.
    beside : dict of str to Tensor, shape [3, D]
        What they gave for these images beside a third, where the batch has fewer than three.
    seconds_per_image : float
        What it took.
    """

    alone: dict[str, torch.Tensor] = field(default_factory=dict)
    beside: dict[str, torch.Tensor] = field(default_factory=dict)
    seconds_per_image: float = 0.0


def try_batch(
    model: BaseModel,
    batch: Batch,
    autocast: Callable[[], AbstractContextManager[Any]],
    limit: int | None = None,
    *,
    beside: bool = False,
) -> Trial:
    """Send two images of a first batch through a network, in another composition than the batch's.

    Another input size than the network declares is warned of.

    Parameters
    ----------
    model : BaseModel
        The model.
    batch : Batch
        Its first batch.
    autocast : callable
        Gives the context it runs in.
    limit : int, optional
        Bytes that layers may take.
    beside : bool, default False
        Whether to send them beside a third one too, so that the batch's result is not needed.

    Raises
    ------
    LayerOutputError
        If the first axis of a layer's output is not the images.
    """
    if batch.tensor is None:
        return Trial()
    _warn_of_size(model, batch.tensor)
    few = _few(batch.tensor)
    # Three images and two: what has as many tokens as one of them has not as many as the other.
    beside = beside or len(batch.tensor) < _COMPARABLE
    with unchanged(model):
        try:
            three = _rows(model, few[[0, 1, 0]], autocast, limit) if beside else {}
            started = time.perf_counter()
            alone = _rows(model, few[_ALONE], autocast, limit)
            seconds = time.perf_counter() - started
        except (BatchTooLargeError, torch.OutOfMemoryError):
            return Trial()
        except LayerOutputError:
            raise
        except Exception as error:
            # The batch itself will tell whether the network fails, or only on other numbers.
            _log.debug("Model %r cannot be tried on %d images: %s", model.name, len(few), error)
            return Trial()
    return Trial(alone, three, seconds / len(few))


def unsteady_layers(
    model: BaseModel,
    batch: Batch,
    trial: Trial,
    layers: dict[str, torch.Tensor],
    precision: str,
    autocast: Callable[[], AbstractContextManager[Any]],
    limit: int | None = None,
) -> dict[str, str]:
    """Compare what two images gave by themselves with what they give in their batch.

    This finds networks that depend on the batch or on chance in eval mode, and a preprocessing that
    depends on chance.

    Parameters
    ----------
    model, batch, autocast, limit
        See `try_batch`.
    trial : Trial
        What it gave.
    layers : dict of str to Tensor, shape [n, …]
        What the layers gave for the first images of the batch. Where they seem to depend on more
        than the image, the network runs once more, and the tensors are replaced by copies.
    precision : {'float32', 'float16', 'bfloat16'}
        What the network runs in.

    Returns
    -------
    dict of str to {'chance', 'batch'}
        Layers whose rows depend on more than the image, and on what; `PREPROCESSING` among them
        where the input does.

    Raises
    ------
    LayerOutputError
        If the number of images decides how many values an image gets.
    """
    if batch.tensor is None:
        return {}
    differing: list[str] = []
    by_chance = False
    beside = trial.beside
    if not beside and len(next(iter(layers.values()), ())) >= _COMPARABLE:
        beside = {layer: _as_copied_rows(tensor[: len(_ALONE)]) for layer, tensor in layers.items()}
    for layer in beside.keys() & trial.alone.keys():
        n_beside = _COMPARABLE if trial.beside else len(layers[layer])
        widths = {n_beside: beside[layer].shape[1], len(_ALONE): trial.alone[layer].shape[1]}
        check_width(widths, f"Layer {layer!r} of model {model.name!r}")
    if beside:
        differing = _differing(beside, trial.alone, _ALONE, precision)
    if differing:
        # The next pass may use their memory again.
        layers.update({layer: tensor.clone() for layer, tensor in layers.items()})
        try:
            with unchanged(model):
                again = _rows(model, _few(batch.tensor)[_ALONE], autocast, limit)
            by_chance = bool(_differing(again, trial.alone, range(len(_ALONE)), precision))
        except (BatchTooLargeError, torch.OutOfMemoryError):
            _log.debug("Model %r cannot be tried once more: too little memory.", model.name)
    unsteady = dict.fromkeys(differing, "chance" if by_chance else "batch")
    if trial.alone and _is_preprocessed_by_chance(model, batch.tensor, batch.paths):
        unsteady[PREPROCESSING] = "chance"
    return unsteady


def _few(tensor: torch.Tensor) -> torch.Tensor:
    """Give the first two images; another one is made where there is one."""
    few = tensor[:2]
    return few if len(few) > 1 else torch.cat([few, few * 0.5])


def _rows(
    model: BaseModel,
    images: torch.Tensor,
    autocast: Callable[[], AbstractContextManager[Any]],
    limit: int | None,
) -> dict[str, torch.Tensor]:
    with autocast():
        layers = model.read_layers(images, limit)
    return {layer: _as_copied_rows(tensor) for layer, tensor in layers.items()}


def _as_copied_rows(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.reshape(len(tensor), -1).to("cpu", torch.float32, copy=True)


def warn_of_unsteadiness(
    model: BaseModel, unsteady: Mapping[str, str], *, is_stored: bool = False
) -> None:
    """Warn of layers, or a preprocessing, that depend on more than the image.

    Parameters
    ----------
    model : BaseModel
        The model.
    unsteady : mapping of str to {'chance', 'batch'}
        See `Trial`.
    is_stored : bool, default False
        Whether that is known of rows of an earlier run.
    """
    consequence = _STORED if is_stored else _NEW
    for cause, told in _CAUSES.items():
        layers = [layer for layer, why in unsteady.items() if layer and why == cause]
        if layers:
            _log.warning(
                "Model %r: what it gives for an image depends on %s (%s). %s",
                model.name,
                told,
                _named(layers),
                consequence,
            )
    if PREPROCESSING in unsteady:
        _log.warning(
            "Model %r: its preprocessing depends on chance: it gave an image another input the "
            "second time. Random crops and flips are for training. %s",
            model.name,
            consequence,
        )


def _differing(
    first: dict[str, torch.Tensor],
    second: dict[str, torch.Tensor],
    numbers: Sequence[int],
    precision: str,
) -> list[str]:
    """Name the layers whose rows differ beyond rounding."""
    found = []
    for layer in first.keys() & second.keys():
        one, other = first[layer][list(numbers)], second[layer]
        if one.shape != other.shape:
            continue
        size = torch.maximum(one.norm(dim=1), other.norm(dim=1))
        # NaN and infinity in a row are those of its length.
        if not bool(size.isfinite().all()):
            continue
        if bool(((one - other).norm(dim=1) > _TOLERANCES[precision] * size).any()):
            found.append(layer)
    return [layer for layer in first if layer in found]


def _named(layers: Sequence[str]) -> str:
    shown = ", ".join(map(repr, layers[:3]))
    return f"{shown} and {len(layers) - 3} more layers" if len(layers) > 3 else shown


def _is_preprocessed_by_chance(
    model: BaseModel, tensor: torch.Tensor, paths: Sequence[Path]
) -> bool:
    """Preprocess a few images anew, where a user's code does it."""
    own = type(model).preprocess_image is not BaseModel.preprocess_image
    if model.preprocess_function is None and not own:
        return False
    with unchanged(model):
        for row, path in zip(tensor[:_TRIED], paths[:_TRIED], strict=True):
            try:
                again = model.preprocess_image(str(path))
            except Exception as error:
                _log.debug("%s cannot be preprocessed once more: %s", path, error)
                return False
            if again.shape != row.shape or not torch.allclose(
                again.to(row.dtype), row.cpu(), rtol=1e-3, atol=1e-3, equal_nan=True
            ):
                return True
    return False


def _warn_of_size(model: BaseModel, tensor: torch.Tensor) -> None:
    """Warn of inputs of another size than the network declares."""
    if tensor.ndim != 4:
        return
    declared = list(dict.fromkeys(_declared_sizes(model)))
    given = (int(tensor.shape[2]), int(tensor.shape[3]))
    if declared and given not in declared:
        _log.warning(
            "Model %r: its network is made for images of %s pixels (height x width), and gets "
            "%d x %d. Resize in its preprocessing, or its numbers may be other than published.",
            model.name,
            " or ".join(f"{height} x {width}" for height, width in declared),
            *given,
        )


def _declared_sizes(model: BaseModel) -> Iterator[tuple[int, int]]:
    for owner in (model, model.model):
        for name in _SIZES:
            yield from _as_size(getattr(owner, name, None))
    # As networks of timm declare it; some are tested at a larger size than they are trained at.
    for name in ("pretrained_cfg", "default_cfg"):
        config = getattr(model.model, name, None)
        if isinstance(config, dict):
            for key in ("input_size", "test_input_size"):
                yield from _as_size(config.get(key))


def _as_size(value: Any) -> Iterator[tuple[int, int]]:
    """Read a side, (height, width) or (channels, height, width)."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 1:
        yield value, value
    elif isinstance(value, Sequence) and len(value) in (2, 3) and not isinstance(value, str):
        sides = list(value)[-2:]
        if all(isinstance(side, int) and side > 1 for side in sides):
            yield sides[0], sides[1]
