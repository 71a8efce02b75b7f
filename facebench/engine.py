"""From image files to embeddings: every image decoded once and sent through the model once.

DataLoader workers decode and preprocess while the model runs. Nothing is dropped unseen: an image
that cannot be read, a preprocessing or an output that cannot be used is named.
"""

from __future__ import annotations

import copy
import logging
import multiprocessing
import os
import pickle
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from facebench.errors import FacebenchError, ImageError, LayerOutputError, ModelError
from facebench.images import open_image
from facebench.models.base import BaseModel
from facebench.progress import Progress
from facebench.types import FloatArray, OnBadImage

__all__ = ["Embeddings", "embed"]

_log = logging.getLogger(__name__)
_SHOWN = 5
# Starting workers costs more than decoding this many images here.
_WORTH_WORKERS = 64


@dataclass
class Embeddings:
    """What a model returned for a set of images.

    Attributes
    ----------
    layers : dict of str to array, shape [N, D]
        float32, layers in network order, a row per image that could be read.
    row_of : dict of Path to int
        Where each image's row is.
    bad_images : dict of Path to str
        Images that could not be read, and why.
    notes : Counter of str
        Remarks of the model's preprocessing ('no face found') and for how many images.
    """

    layers: dict[str, FloatArray] = field(default_factory=dict)
    row_of: dict[Path, int] = field(default_factory=dict)
    bad_images: dict[Path, str] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Loaded:
    """One image as a worker hands it over: a tensor, or the reason why there is none."""

    path: Path
    tensor: torch.Tensor | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Batch:
    paths: list[Path]
    tensor: torch.Tensor | None
    bad: list[_Loaded]
    notes: list[str]


class _Images(Dataset[_Loaded]):
    def __init__(self, model: BaseModel, paths: Sequence[Path]) -> None:
        self._model = model
        self._paths = list(paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> _Loaded:
        path = self._paths[index]
        self._model.take_image_notes()
        try:
            with torch.no_grad():
                tensor = self._model.preprocess_image(str(path))
        except ImageError as error:
            return _Loaded(path, reason=str(error))
        except Exception as error:
            # A model's own preprocess_image reads files its own way. If we cannot read the file
            # either, the file is to blame; if we can, the preprocessing is.
            try:
                open_image(path)
            except ImageError as image_error:
                return _Loaded(path, reason=str(image_error))
            raise _preprocessing_error(
                self._model, path, f"raised {type(error).__name__}: {error}"
            ) from error
        notes = tuple(self._model.take_image_notes())
        return _Loaded(path, _as_chw(self._model, path, tensor), notes=notes)


def _as_chw(model: BaseModel, path: Path, tensor: object) -> torch.Tensor:
    if not isinstance(tensor, torch.Tensor):
        raise _preprocessing_error(model, path, f"gave a {type(tensor).__name__}")
    if tensor.ndim == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim != 3:
        raise _preprocessing_error(model, path, f"gave a tensor of shape {list(tensor.shape)}")
    # A tensor with a gradient, or on another device, cannot leave a worker process.
    return tensor.detach().cpu()


def _preprocessing_error(model: BaseModel, path: Path, what: str) -> ModelError:
    msg = (
        f"The preprocessing of model {model.name!r} must turn an image into a tensor [3, H, W]. "
        f"For {path} it {what}."
    )
    return ModelError(msg)


class _Collate:
    """Stacks a batch in the worker, so that one block of memory crosses to the main process."""

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name

    def __call__(self, items: list[_Loaded]) -> _Batch:
        good = [item for item in items if item.tensor is not None]
        tensors = [item.tensor for item in good if item.tensor is not None]
        for item, tensor in zip(good, tensors, strict=True):
            if tensor.shape != tensors[0].shape:
                raise _shape_error(
                    self._model_name, list(tensors[0].shape), item.path, list(tensor.shape)
                )
        return _Batch(
            paths=[item.path for item in good],
            tensor=torch.stack(tensors) if tensors else None,
            bad=[item for item in items if item.tensor is None],
            notes=[note for item in items for note in item.notes],
        )


def embed(
    model: BaseModel,
    images: Sequence[Path],
    *,
    batch_size: int = 32,
    num_workers: int | None = None,
    on_bad_image: OnBadImage = "stop",
    on_first_outputs: Callable[[dict[str, torch.Tensor]], None] | None = None,
) -> Embeddings:
    """Send every image through a model once and keep all its layers.

    Parameters
    ----------
    model : BaseModel
        The model.
    images : sequence of Path
        Different image files.
    batch_size : int, default 32
        Images per forward pass.
    num_workers : int, optional
        Processes that decode and preprocess; 0 does it in this one. None takes one per core
        where there are enough images.
    on_bad_image : {'stop', 'skip'}, default 'stop'
        Whether an image that cannot be read ends the run or is left out and reported.
    on_first_outputs : callable, optional
        Called with the layers of the first batch, to refuse early what cannot work with them.

    Returns
    -------
    Embeddings

    Raises
    ------
    ImageError
        With 'stop': after all images were tried, counting the bad ones and naming the first five.
    ModelError
        If the preprocessing or an output of the model cannot be used.
    """
    result = Embeddings(notes=Counter(dict.fromkeys(model.expected_notes, 0)))
    shape: torch.Size | None = None
    with (
        Progress(model.name, len(images)) as progress,
        closing(_batches(model, images, batch_size, num_workers)) as batches,
    ):
        for batch in batches:
            result.notes.update(batch.notes)
            result.bad_images.update({item.path: item.reason for item in batch.bad})
            # Once the run is bound to stop, the rest is only decoded, to name all bad images.
            if batch.tensor is not None and not (result.bad_images and on_bad_image == "stop"):
                shape = _same_shape(model, batch.tensor, batch.paths[0], shape)
                outputs = _forward(model, batch.tensor, batch.paths[0])
                if not result.row_of and on_first_outputs is not None:
                    on_first_outputs(outputs)
                _keep(result, model, batch.paths, outputs, total=len(images))
            progress.advance(len(batch.paths) + len(batch.bad))
    for note, count in sorted(result.notes.items()):
        level = logging.WARNING if count else logging.INFO
        _log.log(level, "Model %r: %s in %d of %d images.", model.name, note, count, len(images))
    if result.bad_images:
        _report_bad(result.bad_images, len(images), on_bad_image)
    n_rows = len(result.row_of)
    result.layers = {layer: rows[:n_rows] for layer, rows in result.layers.items()}
    return result


def _forward(model: BaseModel, tensor: torch.Tensor, first: Path) -> dict[str, torch.Tensor]:
    try:
        return model.get_output(tensor)
    except FacebenchError:
        raise
    except Exception as error:
        msg = (
            f"Model {model.name!r} failed on a batch of shape {list(tensor.shape)} and type "
            f"{tensor.dtype}, whose first image is {first}: "
            f"{type(error).__name__}: {error}"
        )
        raise ModelError(msg) from error


def _same_shape(
    model: BaseModel, tensor: torch.Tensor, first: Path, shape: torch.Size | None
) -> torch.Size:
    """Check a batch against those before it: what was wrong must not hang on the batch size."""
    found = tensor.shape[1:]
    if shape is not None and found != shape:
        raise _shape_error(model.name, list(shape), first, list(found))
    return found


def _shape_error(model_name: str, expected: list[int], path: Path, found: list[int]) -> ModelError:
    msg = (
        f"The preprocessing of model {model_name!r} must give tensors of one shape. The first "
        f"image gave {expected}, {path} {found}. Resize or crop to a fixed size."
    )
    return ModelError(msg)


def _batches(
    model: BaseModel, images: Sequence[Path], batch_size: int, num_workers: int | None
) -> Generator[_Batch, None, None]:
    if num_workers is None:
        num_workers = _usable_cores() if len(images) >= _WORTH_WORKERS else 0
    preprocessor, context = _for_workers(model) if num_workers > 0 else (model, None)
    if context is None:
        num_workers = 0
    loader: Any = DataLoader(
        _Images(preprocessor, images),
        batch_size=batch_size,
        num_workers=num_workers,
        multiprocessing_context=context,
        collate_fn=_Collate(model.name),
        pin_memory=model.device.type == "cuda",
    )
    batches = iter(loader)
    try:
        yield from batches
    except FacebenchError as error:
        # A worker's exception arrives with its whole traceback as the message; keep the sentence.
        raise type(error)(_sentence(error)) from error
    except RuntimeError as error:
        if num_workers == 0 or "worker" not in str(error):
            raise
        msg = (
            f"A process that preprocesses images for model {model.name!r} ended unexpectedly "
            f"({str(error).splitlines()[0]}). It may have run out of memory; num_workers=0 "
            "preprocesses in the main process."
        )
        raise ModelError(msg) from error
    finally:
        # The traceback of an error would keep the workers alive, and later forks inherit them.
        if num_workers:
            batches._shutdown_workers()


def _sentence(error: FacebenchError) -> str:
    kind = type(error)
    return str(error).rsplit(f"\n{kind.__module__}.{kind.__name__}: ", 1)[-1].strip()


def _for_workers(model: BaseModel) -> tuple[BaseModel, str | None]:
    """Choose what worker processes get and how they start (None: there had better be none).

    Forked workers share the model as it is. Elsewhere it would be pickled with all its weights, so
    they get a copy without the network; where even that cannot be pickled (a lambda, a class
    defined in a notebook), the images are preprocessed in this process.
    """
    if "fork" in multiprocessing.get_all_start_methods() and os.name == "posix" and not _is_mac():
        return model, "fork"
    light = copy.copy(model)
    for heavy in ("model", "_recorder"):
        light.__dict__.pop(heavy, None)
    try:
        pickle.dumps(light)
    except Exception as error:
        _log.info(
            "Model %r is preprocessed without workers: its preprocessing cannot be pickled (%s).",
            model.name,
            error,
        )
        return model, None
    return light, "spawn"


def _is_mac() -> bool:
    # Forking a process that has used Apple's frameworks crashes the child.
    return os.uname().sysname == "Darwin"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _keep(
    result: Embeddings,
    model: BaseModel,
    paths: list[Path],
    outputs: dict[str, torch.Tensor],
    total: int,
) -> None:
    first = len(result.row_of)
    for layer, tensor in outputs.items():
        _check_output(model, layer, tensor, paths)
        rows = result.layers.get(layer)
        if rows is None:
            if first:
                msg = f"Model {model.name!r} returned layer {layer!r} for some batches only."
                raise LayerOutputError(msg)
            rows = result.layers[layer] = np.empty((total, tensor.shape[1]), dtype=np.float32)
        if tensor.shape[1] != rows.shape[1]:
            msg = (
                f"Layer {layer!r} of model {model.name!r} must have one size for all images. It "
                f"gave {rows.shape[1]} values at first and {tensor.shape[1]} for {paths[0]}."
            )
            raise LayerOutputError(msg)
        rows[first : first + len(paths)] = tensor.numpy()
    if outputs.keys() != result.layers.keys():
        msg = f"Model {model.name!r} returned other layers for {paths[0]} than at first."
        raise LayerOutputError(msg)
    result.row_of.update({path: first + offset for offset, path in enumerate(paths)})


def _check_output(model: BaseModel, layer: str, tensor: torch.Tensor, paths: list[Path]) -> None:
    if tensor.ndim != 2 or tensor.shape[0] != len(paths) or tensor.shape[1] == 0:
        msg = (
            f"Layer {layer!r} of model {model.name!r} must give a tensor [{len(paths)}, D]. "
            f"Got shape {list(tensor.shape)}."
        )
        raise LayerOutputError(msg)
    finite = torch.isfinite(tensor).all(dim=1)
    if not bool(finite.all()):
        bad = [
            path for path, is_finite in zip(paths, finite.tolist(), strict=True) if not is_finite
        ]
        msg = (
            f"Layer {layer!r} of model {model.name!r} gave NaN or infinite values for "
            f"{len(bad)} of {len(paths)} images of a batch, first for {bad[0]}. "
            "Check its weights, its preprocessing and its precision."
        )
        raise LayerOutputError(msg)


def _report_bad(bad_images: dict[Path, str], total: int, on_bad_image: OnBadImage) -> None:
    reasons = " ".join(list(bad_images.values())[:_SHOWN])
    more = " …" if len(bad_images) > _SHOWN else ""
    summary = f"{len(bad_images)} of {total} images cannot be read. {reasons}{more}"
    if on_bad_image == "stop":
        msg = f"{summary} Replace them, or leave their pairs out with on_bad_image='skip'."
        raise ImageError(msg)
    _log.warning("%s They are skipped.", summary)
