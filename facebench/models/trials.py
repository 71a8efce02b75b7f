"""Trying a network on a few images: which layers can be read, and whether rows are images."""

from __future__ import annotations

import copy
import logging
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from facebench.columns import DEFAULT_LAYER
from facebench.models.layer_search import in_torchscript
from facebench.models.layers import LayerRecorder, batch_output, check_batch_axis, check_width
from facebench.utils.suggestions import first_line

if TYPE_CHECKING:
    from facebench.models.base import BaseModel

__all__ = [
    "measure_layers",
    "own_batch",
    "set_eval",
    "settle_layers",
    "try_another_number",
    "unchanged",
]

_log = logging.getLogger(__name__)


def set_eval(network: nn.Module) -> None:
    """Switch a network to eval mode; what torch.export made stays in the mode of its export."""
    try:
        network.eval()
    except NotImplementedError:
        # Its graph has no other mode. Batch statistics and dropout in it are found by a run.
        if isinstance(network, torch.fx.GraphModule):
            return
        if not any(isinstance(part, torch.fx.GraphModule) for part in network.modules()):
            raise
        for part in network.children():
            set_eval(part)
        network.training = False


def own_batch(model: BaseModel) -> torch.Tensor:
    """Preprocess a made image, as a batch of one."""
    values = torch.arange(250 * 250 * 3, dtype=torch.int64).mul(7919).remainder(251)
    image = Image.fromarray(values.to(torch.uint8).reshape(250, 250, 3).numpy())
    folder = tempfile.TemporaryDirectory(prefix="facebench-")
    with folder, unchanged(model), torch.no_grad():
        path = Path(folder.name) / "image.png"
        image.save(path)
        return model.preprocess_image(path).unsqueeze(0)


@contextmanager
def unchanged(model: BaseModel) -> Iterator[None]:
    """Try something in a block: what the model counts or remarks, and random draws, stay."""
    before = dict(vars(model))
    # A list that _forward adds to, say: what is in it, not which one it is.
    contents = [
        (value, copy.copy(value))
        for value in before.values()
        if isinstance(value, list | dict | set)
    ]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - a model may draw from it
    on_cuda = [model.device] if model.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=on_cuda):
            yield
    finally:
        for name in vars(model).keys() - before.keys():
            del vars(model)[name]
        vars(model).update(before)
        for value, content in contents:
            value.clear()
            (value.extend if isinstance(value, list) else value.update)(content)
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def _run_some(model: BaseModel, batch: torch.Tensor, n_images: int) -> Any:
    """Run so many images, those of a batch over and over."""
    some = batch[torch.arange(n_images, device=batch.device) % len(batch)]
    set_eval(model.model)
    with torch.no_grad():
        return model._forward(model._placed(some))


def settle_layers(model: BaseModel, batch: torch.Tensor) -> None:
    """Leave out layers asked for by pattern that images like these do not reach, once."""
    if not model._recorder.is_settled:
        with unchanged(model):
            model._recorder.settle(lambda n_images: _run_some(model, batch, n_images))
        model._recorder.tried.add(batch.shape[1:])


def try_another_number(
    model: BaseModel, batch: torch.Tensor, given: Mapping[str, torch.Tensor]
) -> None:
    """Demand that the first axis of what is read is the images, for any number of them.

    As many tokens as images, or one image, would hide that it is not.

    Parameters
    ----------
    model : BaseModel
        The model.
    batch : Tensor, shape [N, 3, H, W]
        What it was given.
    given : mapping of str to Tensor, shape [N, D]
        What it gave.

    Raises
    ------
    LayerOutputError
        If it is not, or the others' number decides how many values an image gets.
    """
    if batch.shape[1:] in model._recorder.tried:
        return
    other = 2 if len(batch) != 2 else 3
    results = []
    try:
        with unchanged(model):
            shapes = model._recorder.axes(
                lambda n_images: results.append(_run_some(model, batch, n_images)), other
            )
    except Exception as error:
        _log.warning(
            "Model %r runs on %d images and not on %d (%s): whether the first axis of what it "
            "returns is the images cannot be determined.",
            model.name,
            len(batch),
            other,
            first_line(error),
        )
        shapes, results = {}, []
    model._recorder.tried.add(batch.shape[1:])
    for layer, shape in shapes.items():
        where = f"Layer {layer!r} of model {model.name!r}"
        check_batch_axis(shape, where, other)
        if shape is not None and layer in given:
            check_width({len(batch): given[layer].shape[1], other: shape[1:].numel()}, where)
    if not model._recorder.layers and results:
        where = f"_forward of model {model.name!r}"
        width = batch_output(results[0], where, other).shape[1:].numel()
        check_width({len(batch): given[DEFAULT_LAYER].shape[1], other: width}, where)


def measure_layers(model: BaseModel) -> dict[str, int]:
    """Measure how many numbers each layer of the network gives for an image, on a made one.

    Returns
    -------
    dict of str to int
        Layers that a pass reaches and that give a batch, in network order.
    """
    batch = own_batch(model)
    recorder = LayerRecorder(
        model.model,
        [name for name in model.get_layer_names() if not in_torchscript(model.model, name)],
        model.name,
    )
    with unchanged(model):
        two, three = (
            recorder.axes(lambda n_images: _run_some(model, batch, n_images), n_images)
            for n_images in (2, 3)
        )
    return {
        layer: shape[1:].numel()
        for layer in recorder.layers
        if (shape := two.get(layer)) and shape[0] == 2 and three.get(layer) == (3, *shape[1:])
    }
