"""Several views of every image through a network: its mirror image, crops of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch.nn import functional

from facebench.errors import InputError

__all__ = ["FlipMode", "Layers", "check_views", "through_views"]

FlipMode: TypeAlias = Literal["sum", "concat", "mean"]
Layers: TypeAlias = dict[str, torch.Tensor]

_CROPS = (5, 10)
# Of the side: 224 of 256 pixels, as torchvision's and the field's usual crops.
_CROP_SCALE = 0.875
# Raised when what the views give changes: it stands for this code in the keys of embeddings.
_OUTPUTS_VERSION = "views-1"


def check_views(
    flip: str | None, crops: int | None, crop_scale: float | None
) -> dict[str, Any] | None:
    """Check what views are asked for.

    Parameters
    ----------
    flip, crops, crop_scale
        See `BaseModel.set_views`.

    Returns
    -------
    dict or None
        What was asked for, as plain values that are part of a model's fingerprint; None for the
        image alone.

    Raises
    ------
    InputError
        If one of them is something else.
    """
    if flip not in (None, *get_args(FlipMode)):
        wanted = ", ".join(map(repr, get_args(FlipMode)))
        msg = f"The 'flip' of a model must be one of {wanted}, or None. Got {flip!r} instead."
        raise InputError(msg)
    if crops is not None and (isinstance(crops, bool) or crops not in _CROPS):
        msg = (
            "The 'crops' of a model must be 5 (corners and centre) or 10 (these and their mirror "
            f"images), or None. Got {crops!r} instead."
        )
        raise InputError(msg)
    if crops == 10 and flip is not None:
        msg = (
            "The 10 'crops' of a model include mirror images, so 'flip' cannot be set as well. "
            "Set crops to 5, or leave flip out."
        )
        raise InputError(msg)
    is_number = isinstance(crop_scale, int | float) and not isinstance(crop_scale, bool)
    if crop_scale is not None and (crops is None or not is_number or not 0 < crop_scale < 1):
        msg = (
            "The 'crop_scale' of a model must be a fraction of the side between 0 and 1, together "
            f"with 'crops'. Got {crop_scale!r} instead."
        )
        raise InputError(msg)
    if flip is None and crops is None:
        return None
    return {
        "flip": flip,
        "crops": crops,
        "crop_scale": None if crops is None else float(crop_scale or _CROP_SCALE),
        "outputs_version": _OUTPUTS_VERSION,
    }


def through_views(
    views: Mapping[str, Any], batch: torch.Tensor, read: Callable[[torch.Tensor], Layers]
) -> Layers:
    """Read the layers of every view of a batch, and combine them layer by layer.

    Parameters
    ----------
    views : mapping
        From `check_views`.
    batch : Tensor, shape [N, C, H, W]
        Preprocessed images.
    read : callable
        Sends a batch through the network and gives its layers; the next call may use the memory
        of the last.

    Returns
    -------
    dict of str to Tensor
        Layer → [N, …] in float32; with flip='concat' [N, 2D], the image's row before the mirror
        image's.

    Raises
    ------
    InputError
        If the input is not a batch of pictures.
    """
    if batch.ndim != 4:
        msg = (
            "'flip' and 'crops' need a network whose input is a picture [channels, height, width]. "
            f"Got inputs of shape {list(batch.shape[1:])}."
        )
        raise InputError(msg)
    flip = views["flip"]
    upright = _mean(_crops(batch, views, mirrored=views["crops"] == 10), read)
    if flip is None:
        return upright
    mirrored = _mean(_crops(batch.flip(-1), views), read)
    if flip == "concat":
        return {
            layer: torch.cat([rows.flatten(1), mirrored[layer].flatten(1)], dim=1)
            for layer, rows in upright.items()
        }
    summed = {layer: rows + mirrored[layer] for layer, rows in upright.items()}
    return summed if flip == "sum" else {layer: rows / 2 for layer, rows in summed.items()}


def _crops(
    batch: torch.Tensor, views: Mapping[str, Any], *, mirrored: bool = False
) -> Iterator[torch.Tensor]:
    """Give a batch itself, or its crops, resized to its own size: corners, then centre."""
    if views["crops"] is None:
        yield batch
        return
    height, width = batch.shape[2:]
    h, w = (max(1, round(side * views["crop_scale"])) for side in (height, width))
    for top, left in (
        (0, 0),
        (0, width - w),
        (height - h, 0),
        (height - h, width - w),
        (round((height - h) / 2), round((width - w) / 2)),
    ):
        crop = batch[:, :, top : top + h, left : left + w]
        resized = functional.interpolate(
            crop, (height, width), mode="bilinear", align_corners=False
        )
        yield resized
        if mirrored:
            yield resized.flip(-1)


def _mean(batches: Iterator[torch.Tensor], read: Callable[[torch.Tensor], Layers]) -> Layers:
    """Average the layers over views, in copies of their own."""
    total: Layers = {}
    n_views = 0
    for batch in batches:
        for layer, rows in read(batch).items():
            own = rows.to(torch.float32, copy=True)
            total[layer] = total[layer] + own if layer in total else own
        n_views += 1
    return total if n_views == 1 else {layer: rows / n_views for layer, rows in total.items()}
