"""Which layers of a network there are to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import nn

from facebench.errors import UnknownNameError
from facebench.models.layer_globs import (
    BLOCKS,
    each_told,
    ending_in,
    expand_layers,
    is_pattern,
    matching,
)

__all__ = [
    "by_pattern",
    "find_layers",
    "in_torchscript",
    "leaf_layers",
    "named_blocks",
    "network_blocks",
]

# They hold modules for others to call, and are never called themselves.
_SHELVES = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
# They call what they hold one after the other, or not at all: not blocks themselves.
_LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_POOLING = (nn.MaxPool2d, nn.AvgPool2d)


def leaf_layers(network: nn.Module) -> list[str]:
    """List the layers that hold no others, in network order.

    ``nn.MultiheadAttention`` counts as one: it uses the weights of the layer it holds without
    calling it. So does a TorchScript module, whose inside calls no hooks.
    """
    return [
        name
        for name, module in _called(network)
        if _is_closed(module) or not any(module.children())
    ]


def _is_closed(module: nn.Module) -> bool:
    return isinstance(module, nn.MultiheadAttention | torch.jit.ScriptModule)


def _called(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """List the layers that a forward pass may call."""
    inside: set[str] = {""} if isinstance(network, torch.jit.ScriptModule) else set()
    found = []
    for name, module in network.named_modules():
        if name and name.rpartition(".")[0] in inside:
            inside.add(name)
            continue
        if name and _is_closed(module):
            inside.add(name)
        if name and not isinstance(module, _SHELVES):
            found.append((name, module))
    return found


def in_torchscript(network: nn.Module, layer: str) -> bool:
    """Tell whether a layer lies within a TorchScript module, which calls no hooks."""
    owners = layer.split(".")[:-1]
    path = [".".join(owners[:end]) for end in range(len(owners) + 1)]
    modules = dict(network.named_modules())
    return any(isinstance(modules.get(owner), torch.jit.ScriptModule) for owner in path)


def network_blocks(network: nn.Module) -> list[str]:
    """List the blocks of a network: the modules it repeats, one after the other.

    Of a transformer its layers, of a ResNet its residual blocks, of a DenseNet its dense layers. A
    stage that only runs a list of such modules is not a block, its modules are. A network
    that repeats no modules has blocks if it pools: they end there, as those of VGG do.

    Returns
    -------
    list of str
        Their names, in network order.

    Examples
    --------
    >>> from torchvision.models import resnet18
    >>> network_blocks(resnet18(weights=None))[:3]
    ['layer1.0', 'layer1.1', 'layer2.0']
    """
    counts = Counter(type(module) for module in network.modules())
    found = list(_blocks_in(network, "", counts))
    if found:
        return found
    return [name for name, module in _called(network) if isinstance(module, _POOLING)]


def named_blocks(modules: Mapping[str, tuple[str, int]]) -> list[str]:
    """List the blocks of a network that is known by the names of its modules, as a file has them.

    Parameters
    ----------
    modules : mapping of str to (str, int)
        Of each module, in network order, its kind and how many weights of two and more dimensions
        are its own. Modules that hold others by number count as lists, and so do those that are
        left out because nothing calls them.

    Returns
    -------
    list of str
        See `network_blocks`.

    Examples
    --------
    >>> units = {f"layers.{k}": ("Unit", 2) for k in range(2)}
    >>> parts = {f"layers.{k}.conv": ("Conv2d", 2) for k in range(2)}
    >>> named_blocks({"layers": ("ModuleList", 0), **units, **parts})
    ['layers.0', 'layers.1']
    """
    kinds: dict[str, type[nn.Module]] = {kind.__name__: kind for kind in (*_LISTS, *_POOLING)}
    made: dict[str, nn.Module] = {"": nn.Module()}
    closed: set[str] = set()

    def add(name: str, kind: str, weights: int = 0) -> None:
        owner, _, child = name.rpartition(".")
        if owner in closed or kind == nn.MultiheadAttention.__name__:
            closed.add(name)
        if owner in closed:
            return
        if owner not in made:
            add(owner, nn.ModuleList.__name__)
        own = kinds.setdefault(kind, type(kind, (nn.Module,), {}))
        made[name] = module = own.__new__(own)
        nn.Module.__init__(module)
        for number in range(weights):
            module.register_parameter(f"weight{number}", nn.Parameter(torch.empty(1, 1)))
        made[owner]._modules[child] = module

    by_number = {name.rpartition(".")[0] for name in modules if name.rpartition(".")[2].isdecimal()}
    for name, (kind, weights) in modules.items():
        add(name, nn.Sequential.__name__ if name in by_number else kind, weights)
    return network_blocks(made[""])


def _blocks_in(module: nn.Module, name: str, counts: Counter[type]) -> Iterator[str]:
    children = [(key, child) for key, child in module.named_children() if _is_unit(child)]
    siblings = Counter(type(child) for _, child in children)
    for key, child in children:
        full = f"{name}.{key}" if name else key
        is_one_of_several = counts[type(child)] > 1 and (
            isinstance(module, _LISTS) or siblings[type(child)] > 1
        )
        if (
            isinstance(child, _LISTS)
            or not (is_one_of_several or isinstance(module, nn.ModuleList))
            or _is_stage(child)
        ):
            yield from _blocks_in(child, full, counts)
        else:
            yield full


def _is_unit(module: nn.Module) -> bool:
    """Tell what may be a block from a single convolution with its normalisation."""
    if _is_closed(module) or not any(module.children()):
        return False
    return sum(weight.ndim > 1 for weight in module.parameters()) > 1


def _is_stage(module: nn.Module) -> bool:
    """Tell a run of blocks from a block: it holds one list of modules of one kind, or is one."""
    inner = [child for child in module.children() if _is_unit(child)]
    lists = [child for child in inner if isinstance(child, _LISTS) and _is_uniform(child)]
    return len(lists) == 1 or (len(inner) > 1 and _is_uniform(module) and _is_numbered(module))


def _is_uniform(module: nn.Module) -> bool:
    inner = [child for child in module.children() if any(child.children())]
    if len({type(child) for child in inner}) != 1 or isinstance(inner[0], _LISTS):
        return False
    return any(_is_unit(child) for child in inner)


def _is_numbered(module: nn.Module) -> bool:
    """Tell whether a module names what it holds b1, b2 and so on."""
    names = [name for name, child in module.named_children() if _is_unit(child)]
    return len({name.rstrip("0123456789") for name in names}) == 1


def find_layers(network: nn.Module, asked: Iterable[str]) -> list[str]:
    """Find the layers that names and patterns stand for.

    Parameters
    ----------
    network : nn.Module
        The network.
    asked : iterable of str
        See `facebench.models.layer_globs.expand_layers`. A pattern stands for layers that a
        forward pass may call; a name that is neither a layer's nor the end of one is left as it is.

    Raises
    ------
    UnknownNameError
        If a pattern stands for no layer, or several are meant by what is the end of their names.
    """
    return [layer for layer, _ in _found(network, asked)]


def by_pattern(network: nn.Module, asked: Iterable[str]) -> frozenset[str]:
    """Give the layers that are asked for by pattern only, none of them by name."""
    found = _found(network, asked)
    named = {layer for layer, is_named in found if is_named}
    return frozenset(layer for layer, _ in found if layer not in named)


def _found(network: nn.Module, asked: Iterable[str]) -> list[tuple[str, bool]]:
    """Find layers, each with whether it is meant by name."""
    modules = dict(network.named_modules())
    names = {name for name in modules if name}
    called, leaves = [name for name, _ in _called(network)], leaf_layers(network)

    def meant(layer: str) -> list[tuple[str, bool]]:
        if layer == BLOCKS and not (layer in names and not _is_list(modules[layer])):
            return [(name, False) for name in _blocks(network)]
        if layer in names or not isinstance(layer, str):
            return [(layer, True)]
        if is_pattern(layer):
            flat = matching(layer, called) if getattr(network, "has_flat_names", False) else []
            return [(name, False) for name in flat or expand_layers(layer, called, leaves)]
        return [(name, True) for name in ending_in(layer, called) or [layer]]

    def known(layer: str) -> list[tuple[str, bool]]:
        found = meant(layer)
        if found == [(layer, True)] and layer not in names:
            expand_layers(layer, called, leaves)
        return found

    asked = list(asked)
    try:
        return each_told(meant, asked)
    except UnknownNameError:
        # Beside wrong patterns, wrong names are told as well.
        each_told(known, asked)
        raise


def _is_list(module: nn.Module) -> bool:
    # Of a network in a file, what holds others by number.
    keys = [key for key, _ in module.named_children()]
    return isinstance(module, _LISTS) or (bool(keys) and all(key.isdecimal() for key in keys))


def _blocks(network: nn.Module) -> list[str]:
    known: list[str] | None = getattr(network, "known_blocks", None)
    blocks = network_blocks(network) if known is None else known
    if not blocks:
        who = type(network).__name__ if known is None else "the file"
        lists = "repeats none" if known is None else "names none of them"
        msg = (
            f"{BLOCKS!r} stands for the modules that a network repeats, and {who} {lists}. "
            "Choose layers by name or pattern."
        )
        raise UnknownNameError(msg)
    return blocks
