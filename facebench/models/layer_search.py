"""Which layers of a network there are to read."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from facebench.models.layer_globs import ending_in, expand_layers, is_pattern

__all__ = ["find_layers", "leaf_layers"]

# They hold modules for others to call, and are never called themselves.
_SHELVES = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


def leaf_layers(network: nn.Module) -> list[str]:
    """List the layers that hold no others, in network order.

    ``nn.MultiheadAttention`` counts as one: it uses the weights of the layer it holds without
    calling it.
    """
    return [
        name
        for name, module in _called(network)
        if isinstance(module, nn.MultiheadAttention) or not any(module.children())
    ]


def _called(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """List the layers that a forward pass may call."""
    inside: set[str] = set()
    found = []
    for name, module in network.named_modules():
        if name.rpartition(".")[0] in inside:
            inside.add(name)
            continue
        if isinstance(module, nn.MultiheadAttention):
            inside.add(name)
        if name and not isinstance(module, _SHELVES):
            found.append((name, module))
    return found


def find_layers(network: nn.Module, asked: Iterable[str]) -> list[str]:
    """Find the layers that names and patterns stand for.

    Parameters
    ----------
    network : nn.Module
        The network.
    asked : iterable of str
        See `facebench.models.layer_globs.expand_layers`. A pattern stands for layers that a
        forward pass may call; a name that is no layer's, nor the end of one, is left as it is.

    Returns
    -------
    list of str

    Raises
    ------
    UnknownNameError
        If a pattern stands for no layer, or several are meant by what is the end of their names.
    """
    names = {name for name, _ in network.named_modules() if name}
    called, leaves = [name for name, _ in _called(network)], leaf_layers(network)
    found: list[str] = []
    for layer in asked:
        if layer in names or not isinstance(layer, str):
            found.append(layer)
        elif is_pattern(layer):
            found += expand_layers(layer, called, leaves)
        else:
            found += ending_in(layer, called) or [layer]
    return found
