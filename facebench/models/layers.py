"""Recording what named layers of a network return."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from facebench.errors import LayerOutputError, UnknownNameError

__all__ = ["LayerRecorder", "first_tensor", "flat_copy"]


def first_tensor(output: Any) -> torch.Tensor | None:
    """Find the tensor in a module's output: itself, or the first one in a tuple, list or mapping.

    transformers' ModelOutput is a mapping; its first entry is the last hidden state or the
    embedding the class is named for.
    """
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, Sequence) and not isinstance(output, str):
        for part in output:
            tensor = first_tensor(part)
            if tensor is not None:
                return tensor
    return None


def flat_copy(output: Any, where: str, batch_size: int) -> torch.Tensor:
    """Copy an output to a float32 CPU tensor of shape [N, D].

    It is a copy even on the CPU: the next module may work in place on the very memory.

    Parameters
    ----------
    output : object
        What a module returned.
    where : str
        The layer, for messages.
    batch_size : int
        N.

    Returns
    -------
    Tensor, shape [N, D]

    Raises
    ------
    LayerOutputError
        If there is no tensor in it, or its first axis is not the batch.
    """
    tensor = first_tensor(output)
    if tensor is None:
        msg = f"{where} returned {type(output).__name__}, in which there is no tensor."
        raise LayerOutputError(msg)
    if batch_size == 1 and tensor.ndim == 1:
        # A squeeze() has taken the axis of the one image with it.
        tensor = tensor.unsqueeze(0)
    if tensor.ndim == 0 or tensor.shape[0] != batch_size:
        msg = (
            f"{where} returned a tensor of shape {list(tensor.shape)} for {batch_size} images. "
            "Its first axis must be the images; choose a layer before or after this one."
        )
        raise LayerOutputError(msg)
    return tensor.detach().reshape(batch_size, -1).to("cpu", torch.float32, copy=True)


class LayerRecorder:
    """Hooks on named layers that keep a copy of each one's own output.

    Parameters
    ----------
    network : nn.Module
        The network to watch.
    layers : sequence of str
        Names as in ``network.named_modules()``; kept in network order, each once.
    owner : str
        The model's name, for messages.

    Raises
    ------
    UnknownNameError
        If a name is none of the network's, with the closest ones.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str], owner: str) -> None:
        modules = dict(network.named_modules())
        for layer in layers:
            if layer not in modules or layer == "":
                raise UnknownNameError(_unknown_layer(layer, list(modules), owner))
        wanted = set(layers)
        self.layers = [name for name in modules if name in wanted]
        self._owner = owner
        self._outputs: dict[str, torch.Tensor] = {}
        self._batch_size = 0
        self._handles = [
            modules[layer].register_forward_hook(self._hook_for(layer)) for layer in self.layers
        ]

    def _hook_for(self, layer: str) -> Any:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            where = f"Layer {layer!r} of model {self._owner!r}"
            self._outputs[layer] = flat_copy(output, where, self._batch_size)

        return keep

    def start(self, batch_size: int) -> None:
        """Forget the last batch and expect one of this many images."""
        self._outputs = {}
        self._batch_size = batch_size

    def collect(self) -> dict[str, torch.Tensor]:
        """Give every layer's output of the batch just run, in network order."""
        silent = [layer for layer in self.layers if layer not in self._outputs]
        if silent:
            msg = (
                f"The forward pass of model {self._owner!r} never reached: {', '.join(silent)}. "
                "Choose layers that _forward runs."
            )
            raise LayerOutputError(msg)
        outputs, self._outputs = self._outputs, {}
        return {layer: outputs[layer] for layer in self.layers}

    def remove(self) -> None:
        """Take the hooks off the network."""
        for handle in self._handles:
            handle.remove()


def _unknown_layer(layer: object, names: list[str], owner: str) -> str:
    close = difflib.get_close_matches(str(layer), names, n=5, cutoff=0.4)
    # A short name often means the end of a long one: 'mlp' for 'encoder.layer.3.mlp'.
    close += [name for name in names if name and str(layer) in name and name not in close][:5]
    close = [name for name in close if name] or [name for name in names if name]
    hint = f"The closest are: {', '.join(close[:5])}."
    return (
        f"Model {owner!r} has no layer {layer!r}. {hint} get_layer_names() lists all "
        f"{len(names) - 1}."
    )
