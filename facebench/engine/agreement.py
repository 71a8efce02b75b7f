"""How far a network's embeddings in a shorter precision, or another layout, are from float32."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch

from facebench.engine.loading import Batch
from facebench.engine.transfer import float32_arithmetic
from facebench.models.base import BaseModel
from facebench.models.layers import BatchTooLargeError
from facebench.models.trials import unchanged

__all__ = ["TOLERANCES", "agreement_with_float32"]

_log = logging.getLogger(__name__)
_COMPARED = 8
TOLERANCES = {"float32": 1e-4, "tf32": 1e-2, "float16": 2e-2, "bfloat16": 1e-1}
"""By precision, what is usual: the largest difference of a row, as a part of its length."""


def agreement_with_float32(
    model: BaseModel,
    batch: Batch,
    precision: str,
    autocast: Callable[[], AbstractContextManager[Any]],
    limit: int | None = None,
) -> dict[str, Any]:
    """Send a few images through a network as it runs, and in float32 and the usual layout.

    A layer that is further from float32 than is usual is warned of.

    Parameters
    ----------
    model : BaseModel
        The model.
    batch : Batch
        Its first batch.
    precision : {'float32', 'tf32', 'float16', 'bfloat16'}
        What the network runs in.
    autocast : callable
        Gives the context it runs in.
    limit : int, optional
        Bytes that layers may take.

    Returns
    -------
    dict
        ``precision``, ``memory_format``, ``images``, ``tolerance``, and by ``layers`` the largest
        difference of a row as a part of its length. Empty where it could not be tried.
    """
    if batch.tensor is None:
        return {}
    few = batch.tensor[:_COMPARED]
    own = model.memory_format

    def rows() -> dict[str, torch.Tensor]:
        return {
            layer: tensor.reshape(len(few), -1).to("cpu", torch.float32, copy=True)
            for layer, tensor in model.read_layers(few, limit).items()
        }

    with unchanged(model):
        try:
            with autocast():
                found = rows()
            model.use_memory_format(torch.contiguous_format)
            with float32_arithmetic(model.device, tf32=False):
                expected = rows()
        except (BatchTooLargeError, torch.OutOfMemoryError):
            return {}
        finally:
            model.use_memory_format(own)
    apart = {
        layer: float(
            ((found[layer] - row).norm(dim=1) / row.norm(dim=1).clamp(min=1e-30)).max().item()
        )
        for layer, row in expected.items()
    }
    tolerance = TOLERANCES[precision]
    beyond = {layer: value for layer, value in apart.items() if not value <= tolerance}
    if beyond:
        layer = max(beyond, key=beyond.__getitem__)
        _log.warning(
            "Model %r: in %s, %d of %d layers differ from float32 by more than %g of a row's "
            "length, most %r: %.3g. Its numbers may differ from those in float32 too.",
            model.name,
            precision,
            len(beyond),
            len(apart),
            tolerance,
            layer,
            beyond[layer],
        )
    return {
        "precision": precision,
        "memory_format": str(own).removeprefix("torch."),
        "images": len(few),
        "tolerance": tolerance,
        "layers": {layer: float(f"{value:.3g}") for layer, value in apart.items()},
    }
