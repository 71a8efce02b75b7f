"""What worker processes do: image files to tensors, with the reason where there is none."""

from __future__ import annotations

import gc
import hashlib
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from PIL import Image

from facebench.data.images import (
    file_state,
    image_content,
    image_held,
    open_image,
    plain_jpeg_bytes,
)
from facebench.engine.jpeg_decoding import Decoder, decoded_by
from facebench.engine.shared_blocks import Rows, SharedBlocks, Target
from facebench.errors import FacebenchError, ImageError, ModelError
from facebench.models.base import BaseModel
from facebench.models.split_input import SplitInput, split_input
from facebench.store.file_digests import file_digest
from facebench.utils.files import FileState
from facebench.utils.processes import end_with_parent

__all__ = [
    "ImageFile",
    "LoadedImage",
    "LoadedPart",
    "Wanted",
    "load_in_worker",
    "load_part",
    "shape_error",
    "start_worker",
]

Wanted: TypeAlias = Literal["input", "pixels", "both", "file", "file and pixels"]
"""What of an image is wanted: the network's input, the pixels it is made from, both; or the file of
a plain JPEG and the pixels of others, or of all."""
# Images of so many pixels are decoded before they are preprocessed: some 8 MB.
_PIXELS_AT_ONCE = 1 << 21
# How often an image is read again that changes while it is read.
_TRIES = 3


@dataclass(frozen=True)
class ImageFile:
    """An image to load: where it is, and the digest its bytes must have (None: any)."""

    path: Path
    digest: bytes | None = None


@dataclass(frozen=True)
class LoadedImage:
    """One image as a worker hands it over: a tensor, or the reason why there is none."""

    path: Path
    tensor: torch.Tensor | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    pixels: torch.Tensor | None = None
    data: bytes | None = None


@dataclass(frozen=True)
class LoadedPart:
    """What one worker did of a batch: a block of tensors, or how they lie in shared memory."""

    positions: list[int]
    items: list[LoadedImage]
    tensor: torch.Tensor | None
    seconds: float
    pixels: torch.Tensor | None = None
    written: Rows | None = None

    @property
    def n_good(self) -> int:
        """How many of the images could be read."""
        return sum(not item.reason for item in self.items)


_worker_model: BaseModel | None = None
_worker_decoder: Decoder = "pillow"
_worker_blocks: SharedBlocks | None = None


def shape_error(
    model: BaseModel, expected: Sequence[int], path: Path, found: Sequence[int]
) -> ModelError:
    """Say that inputs differ in shape, for what was wrong must not hang on the batch size."""
    msg = (
        f"The preprocessing of model {model.name!r} must give tensors of one shape. The first "
        f"image gave {list(expected)}, {path} {list(found)}. Resize or crop to a fixed size."
    )
    return ModelError(msg)


def start_worker(
    model: BaseModel, parent: int, decoder: Decoder, blocks: SharedBlocks | None
) -> None:
    """Prepare a process to load images for a model, for as long as its parent lives."""
    global _worker_blocks, _worker_decoder, _worker_model
    _worker_model, _worker_decoder, _worker_blocks = model, decoder, blocks
    # Ctrl-C is the main process's: it ends the workers when the batch is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    # A collection would write to, and so copy, memory that is shared with the parent.
    gc.freeze()
    end_with_parent(parent)


def load_in_worker(
    positions: list[int],
    files: list[ImageFile],
    wanted: Wanted = "input",
    target: Target | None = None,
) -> LoadedPart:
    """Load images in a process that `start_worker` prepared; see `load_part`."""
    if _worker_model is None:
        msg = "A worker process has no model."
        raise RuntimeError(msg)
    with decoded_by(_worker_decoder):
        return load_part(_worker_model, positions, files, wanted, _worker_blocks, target)


def load_part(
    model: BaseModel,
    positions: list[int],
    files: list[ImageFile],
    wanted: Wanted = "input",
    blocks: SharedBlocks | None = None,
    target: Target | None = None,
) -> LoadedPart:
    """Read and preprocess some images of a batch; `positions` say where they stand in it.

    Inputs go to their `target` in shared memory, if there is one, and they fit.

    Raises
    ------
    ModelError
        If the preprocessing fails on an image that can be read, or gives different shapes.
    """
    started = time.perf_counter()
    items = (
        _load_staged(model, files)
        if wanted == "input" and _reads_once(model)
        else [_load(model, file, wanted) for file in files]
    )
    inputs, written = None, None
    if tensors := _alike(model, [(item.path, item.tensor) for item in items]):
        if blocks is not None and target is not None:
            good = [
                position
                for position, item in zip(positions, items, strict=True)
                if item.tensor is not None
            ]
            written = blocks.write(target, good, tensors)
        if written is None:
            inputs = torch.stack(tensors)
    found = [
        (item.path, item.pixels)
        for item in items
        if not item.reason and (item.data is None or item.pixels is not None)
    ]
    pixels = None
    if all(tensor is not None for _, tensor in found):
        alike = _alike(model, found)
        pixels = torch.stack(alike) if alike else None
    bare = [
        LoadedImage(item.path, reason=item.reason, notes=item.notes, data=item.data)
        for item in items
    ]
    seconds = time.perf_counter() - started
    return LoadedPart(positions, bare, inputs, seconds, pixels, written)


def _alike(
    model: BaseModel, found: Sequence[tuple[Path, torch.Tensor | None]]
) -> list[torch.Tensor]:
    """Give the tensors there are, which have to be of one shape."""
    tensors: list[torch.Tensor] = []
    for path, tensor in found:
        if tensor is None:
            continue
        if tensors and tensor.shape != tensors[0].shape:
            raise shape_error(model, tensors[0].shape, path, tensor.shape)
        tensors.append(tensor)
    return tensors


def _load_staged(model: BaseModel, files: Sequence[ImageFile]) -> list[LoadedImage]:
    """Decode some images, then preprocess them: what runs again and again stays in the cache."""
    items: list[LoadedImage] = []
    opened: list[tuple[ImageFile, Image.Image | LoadedImage]] = []
    n_pixels = 0
    for file in files:
        image = _opened(model, file)
        opened.append((file, image))
        n_pixels += 0 if isinstance(image, LoadedImage) else image.width * image.height
        if n_pixels >= _PIXELS_AT_ONCE:
            items += _inputs(model, opened)
            opened, n_pixels = [], 0
    return items + _inputs(model, opened)


def _opened(model: BaseModel, file: ImageFile) -> Image.Image | LoadedImage:
    """Decode an image of the bytes that were digested; a large file is loaded to the end."""
    try:
        if file.digest is None:
            return open_image(file.path)
        data = image_content(file.path)[1]
        if data is None:
            return _load(model, file, "input")
        _check_digest(file, hashlib.sha256(data).digest())
        return open_image(file.path, data)
    except ImageError as error:
        return LoadedImage(file.path, reason=str(error))


def _inputs(
    model: BaseModel, opened: Sequence[tuple[ImageFile, Image.Image | LoadedImage]]
) -> list[LoadedImage]:
    """Preprocess images, as `BaseModel.preprocess_image` does."""
    items = []
    for file, image in opened:
        if isinstance(image, LoadedImage):
            items.append(image)
            continue
        model.take_image_notes()
        try:
            with torch.no_grad(), model.in_work(file.path):
                tensor = model.preprocess(image)
        except Exception as error:
            items.append(_failed(model, file, error))
            continue
        notes = tuple(model.take_image_notes())
        items.append(LoadedImage(file.path, _as_chw(model, file.path, tensor), notes=notes))
    return items


def _load(model: BaseModel, file: ImageFile, wanted: Wanted) -> LoadedImage:
    split = None if wanted == "input" else split_input(model)
    tensor = pixels = data = None
    try:
        if wanted in ("input", "both"):
            tensor = _preprocessed(model, file)
        if wanted.startswith("file"):
            data = _plain_jpeg(file)
        if isinstance(split, SplitInput) and (data is None or wanted != "file"):
            pixels = _pixels(model, file, split, is_tried=wanted == "both")
    except Exception as error:
        return _failed(model, file, error)
    notes = tuple(model.take_image_notes())
    if wanted in ("input", "both"):
        tensor = _as_chw(model, file.path, tensor)
    return LoadedImage(file.path, tensor, notes=notes, pixels=pixels, data=data)


def _failed(model: BaseModel, file: ImageFile, error: Exception) -> LoadedImage:
    """Say why there is no input of an image.

    Raises
    ------
    ModelError
        If it is not the file's fault.
    """
    if isinstance(error, ImageError):
        return LoadedImage(file.path, reason=str(error))
    # A model's own preprocess_image reads files its own way. If we cannot read the file
    # either, or it was replaced meanwhile, the file is to blame; else the preprocessing is.
    try:
        _as_planned(file)
        open_image(file.path)
    except ImageError as image_error:
        return LoadedImage(file.path, reason=str(image_error))
    what = f"raised {type(error).__name__}: {error}"
    raise _preprocessing_error(model, file.path, what) from error


def _plain_jpeg(file: ImageFile) -> bytes | None:
    """Read a plain JPEG; the bytes are those of its digest, or `_as_planned` says so."""
    data = plain_jpeg_bytes(file.path)
    if data is None or file.digest is None:
        return data
    if hashlib.sha256(data).digest()[: len(file.digest)] != file.digest:
        _as_planned(file)
        return None
    return data


def _pixels(
    model: BaseModel, file: ImageFile, split: SplitInput, *, is_tried: bool
) -> torch.Tensor | None:
    """Give the pixels of an image; None where that is tried, and fails where the input does not."""
    try:
        return _preprocessed(model, file, split)
    except ImageError:
        raise
    except Exception:
        if not is_tried:
            raise
        return None


def _preprocessed(
    model: BaseModel, file: ImageFile, split: SplitInput | None = None
) -> torch.Tensor:
    """Preprocess an image, or give its pixels, of the bytes that were digested.

    A model's own `preprocess_image` may read the file in any way. Its bytes are digested before;
    they are what was decoded if the file system has seen no change by the end.
    """
    if file.digest is None:
        return _input(model, file, split)
    if split is not None or _reads_once(model):
        data = image_content(file.path)[1]
        if data is not None:
            _check_digest(file, hashlib.sha256(data).digest())
            with image_held(str(file.path), data):
                return _input(model, file, split)
    for _ in range(_TRIES):
        before = _as_planned(file)
        is_settled = before is None or before.is_settled
        tensor = _input(model, file, split)
        if before == _state(file.path):
            if not is_settled:
                # A change within the same tick of the clock would not show.
                _as_planned(file)
            return tensor
    msg = f"The image {file.path} keeps changing: it was different after each reading."
    raise ImageError(msg)


def _reads_once(model: BaseModel) -> bool:
    """Tell whether a model reads an image by `open_image` only, which takes what was read."""
    method = getattr(model.preprocess_image, "__func__", None)
    return method is BaseModel.preprocess_image


def _input(model: BaseModel, file: ImageFile, split: SplitInput | None) -> torch.Tensor:
    model.take_image_notes()
    with torch.no_grad():
        path = str(file.path)
        return model.preprocess_image(path) if split is None else split.read(model, path)


def _as_planned(file: ImageFile) -> FileState | None:
    """Check that a file is the one the run was planned with; returns its state."""
    if file.digest is None:
        return None
    state = _state(file.path)
    digest = file_digest(file.path)
    # What cannot be read, decoding will say better.
    if digest is not None:
        _check_digest(file, digest)
    return state


def _check_digest(file: ImageFile, digest: bytes) -> None:
    if file.digest is not None and digest[: len(file.digest)] != file.digest:
        msg = (
            f"The image {file.path} changed while the run was going on: its content is not what "
            "it was at the start. Run again to use what it is now."
        )
        raise ImageError(msg)


def _state(path: Path) -> FileState | None:
    try:
        return file_state(path)
    except OSError:
        return None


def _as_chw(model: BaseModel, path: Path, tensor: object) -> torch.Tensor:
    if not isinstance(tensor, torch.Tensor):
        raise _preprocessing_error(model, path, f"gave a {type(tensor).__name__}")
    if tensor.ndim == 4 and tensor.shape[0] == 1:
        tensor = tensor[0]
    if tensor.ndim != 3:
        raise _preprocessing_error(model, path, f"gave a tensor of shape {list(tensor.shape)}")
    # A tensor with a gradient, or on another device, cannot leave a worker process.
    if tensor.requires_grad or tensor.device.type != "cpu":
        return tensor.detach().cpu()
    return tensor


def _preprocessing_error(model: BaseModel, path: Path, what: str) -> FacebenchError:
    msg = (
        f"The preprocessing of model {model.name!r} must turn an image into a tensor [3, H, W]. "
        f"For {path} it {what}."
    )
    return ModelError(msg)
