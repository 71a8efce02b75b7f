"""Which published network a weights file belongs to: recipes whose keys and shapes fit.

A strict load does not prove identity. MagFace's weights fit insightface's network, which expects
other colours, another range and another epsilon; VGGFace2's ResNet-50 fits torchvision's, which
strides elsewhere. What else differs between the files decides; where nothing does, it is said.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from facebench.errors import WeightsError
from facebench.models.network_input import network_input
from facebench.models.recipes import RECIPES, Recipe
from facebench.types import StrPath

__all__ = [
    "Found",
    "build_network",
    "check_origin",
    "find_part",
    "fits",
    "proposal",
    "refuse_lookalike",
]

_log = logging.getLogger(__name__)
_WRAPPERS = ("module", "_orig_mod")
_COUNTER = "num_batches_tracked"
State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Found:
    """The part of a state dict that a recipe's network takes.

    Attributes
    ----------
    part : dict of str to Tensor
        Under the network's own keys.
    prefix : str
        What stood before them, apart from 'module.' and '_orig_mod.'.
    state : mapping of str to Tensor
        All of the state dict.
    n_classes : int or None
        How many identities it was trained on.
    """

    part: dict[str, torch.Tensor]
    prefix: str
    state: State
    n_classes: int | None


def build_network(recipe: Recipe, **options: Any) -> nn.Module:
    """Build the untrained network of a recipe.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    **options
        Further arguments of the function that builds it.
    """
    network: nn.Module = _architecture(recipe.network)(**recipe.options, **options)
    return network


def find_part(recipe: Recipe, state: State) -> Found | None:
    """Find the weights of a recipe's network in a state dict.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    state : mapping of str to Tensor
        Its keys may carry any prefix, and others may stand beside them.

    Returns
    -------
    Found or None
        None if the network's marker is not there, or several times.
    """
    end = f".{recipe.marker}"
    places = [key for key in state if key == recipe.marker or key.endswith(end)]
    if len(places) != 1:
        return None
    prefix = places[0].removesuffix(recipe.marker)
    part = {
        _renamed(recipe, key.removeprefix(prefix)): tensor
        for key, tensor in state.items()
        # A number without a dot stands beside weights, such as 'epoch'.
        if key.startswith(prefix)
        and not key.removeprefix(prefix).startswith(recipe.head)
        and (tensor.ndim or "." in key)
    }
    plain = "".join(f"{name}." for name in prefix.split(".") if name and name not in _WRAPPERS)
    return Found(part, plain, state, _n_classes(recipe, state, prefix))


def check_origin(recipe: Recipe, found: Found, weights_path: StrPath) -> None:
    """Refuse weights that are another recipe's by all but their keys; warn where that is open.

    Parameters
    ----------
    recipe : Recipe
        The recipe that was asked for.
    found : Found
        What was found in the file.
    weights_path : str or Path
        For messages.

    Raises
    ------
    WeightsError
        If they are known to be another network's.
    """
    other = recipe.other_classes.get(found.n_classes or 0)
    if other is not None:
        msg = (
            f"The weights in {weights_path} fit {recipe.name} by name and shape, but with "
            f"{found.n_classes} classes they are those of {other}, which computes something else "
            "with them. Use the model that they were trained with."
        )
        raise WeightsError(msg)
    if _is_published(recipe, found):
        return
    rivals = [RECIPES[name] for name in recipe.alike]
    for rival in rivals:
        if "" not in rival.prefixes and _is_published(rival, found):
            msg = (
                f"The weights in {weights_path} fit {recipe.name} by name and shape, but are those "
                f"of {rival.name}: {_reason(rival)}. It takes {_input(rival)} ({recipe.name}: "
                f"{_input(recipe)}). Use model: {rival.name}."
            )
            raise WeightsError(msg)
    doubts = [f"{rival.name} ({_input(rival)})" for rival in rivals]
    doubts += [recipe.other_classes[count] for count in sorted(recipe.other_classes)]
    if recipe.extra == "timm":
        doubts.append(f"another training of {recipe.options['variant']}")
    if doubts:
        _log.warning(
            "The weights in %s may be those of %s or of %s, which have the same keys and shapes: "
            "the file does not say which. They are used as %s (%s). If you are not sure, compare "
            "both on genuine and impostor pairs.",
            weights_path,
            recipe.name,
            " or ".join(doubts),
            recipe.name,
            _input(recipe),
        )


def refuse_lookalike(network: nn.Module, state: State, weights_path: StrPath) -> None:
    """Refuse weights for a network that has their keys and shapes, but computes something else.

    Parameters
    ----------
    network : nn.Module
        The network that they fit.
    state : mapping of str to Tensor
        The weights.
    weights_path : str or Path
        For messages.

    Raises
    ------
    WeightsError
        If they are the published ones of a recipe.
    """
    for recipe in RECIPES.values():
        takers = [part for part in network.modules() if _kind(part) in recipe.taken_for]
        found = find_part(recipe, state) if takers else None
        if found is None or not any(_takes(part, found) for part in takers):
            continue
        kind = _kind(takers[0])
        said = f"The weights in {weights_path} fit {kind} by name and shape"
        if recipe.n_classes and found.n_classes in recipe.n_classes:
            said += f", but {found.n_classes} classes are those of {recipe.what}"
            if _is_published(recipe, replace(found, prefix=recipe.prefixes[0])):
                msg = f"{said}, which computes something else with them. Use model: {recipe.name}."
                raise WeightsError(msg)
        elif not _may_be(recipe, found):
            continue
        _log.warning(
            "%s. If they are those of %s, which has the same keys and shapes and expects other "
            "images, use model: %s.",
            said,
            recipe.what,
            recipe.name,
        )


def _may_be(recipe: Recipe, found: Found) -> bool:
    """Tell whether weights without a telling number of classes look like a recipe's."""
    if recipe.n_classes:
        # Weights of Caffe have no counters of batches.
        return found.n_classes is None and not any(key.endswith(_COUNTER) for key in found.part)
    return _is_published(recipe, found)


def proposal(state: State, others: Mapping[str, State] | None = None) -> str:
    """Name the recipes that fit a checkpoint.

    Parameters
    ----------
    state : mapping of str to Tensor
        Its state dict.
    others : mapping of str to mapping, optional
        Further state dicts of the file.

    Returns
    -------
    str
        A sentence for an error; '' where none fits.
    """
    for candidate in (state, *(others or {}).values()):
        names = _fitting(candidate)
        if names:
            models = " or ".join(f"model: {name}" for name in names)
            return f"These are {' or '.join(names)} keys: {models}."
    return ""


def _kind(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__name__}"


def _takes(module: nn.Module, found: Found) -> bool:
    own = module.state_dict()
    return all(key in own and own[key].shape == tensor.shape for key, tensor in found.part.items())


def _fitting(state: State) -> list[str]:
    """Name the recipes whose networks take a state dict, only the certain ones if there are any."""
    fitting = []
    for recipe in RECIPES.values():
        found = find_part(recipe, state)
        if found is not None and fits(recipe, found):
            fitting.append((recipe, found))
    certain = [recipe.name for recipe, found in fitting if _is_published(recipe, found)]
    return certain or [recipe.name for recipe, _ in fitting]


def fits(recipe: Recipe, found: Found) -> bool:
    """Tell whether a recipe's network takes the weights that were found, by key and shape.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    found : Found
        What was found in the file.
    """
    if recipe.extra and find_spec(recipe.extra) is None:
        return False
    own = _shapes(recipe.name)
    given = {key: tensor.shape for key, tensor in found.part.items()}
    mine = {key: shape for key, shape in own.items() if not key.endswith(_COUNTER)}
    if not given.keys() <= own.keys() or not mine.keys() <= given.keys():
        return False
    if not recipe.width:
        return all(given[key] == mine[key] for key in mine)
    # The embedding may have another number of values: the first axis of the last layers.
    usual, width = own[recipe.width][0], given[recipe.width][0]
    return all(
        given[key] == mine[key] or (mine[key][0] == usual and given[key] == (width, *mine[key][1:]))
        for key in mine
    )


@cache
def _shapes(name: str) -> dict[str, torch.Size]:
    with torch.device("meta"):
        network = build_network(RECIPES[name])
    return {key: tensor.shape for key, tensor in network.state_dict().items()}


def _is_published(recipe: Recipe, found: Found) -> bool:
    """Tell whether a file is as the recipe's source publishes it."""
    if found.prefix not in recipe.prefixes:
        return False
    if recipe.beside and not any(_same(key, recipe.beside) for key in found.state):
        return False
    if recipe.ones and not bool((found.part[recipe.ones] == 1).all()):
        return False
    if recipe.n_classes:
        # Weights of Caffe have no counters of batches; training in torch counts them.
        counted = [tensor for key, tensor in found.part.items() if key.endswith(_COUNTER)]
        return found.n_classes in recipe.n_classes and not any(map(bool, counted))
    return True


def _reason(recipe: Recipe) -> str:
    prefixes = " or ".join(repr(prefix) for prefix in recipe.prefixes)
    beside = f", and {recipe.beside!r} stands beside them" if recipe.beside else ""
    return f"their keys begin with {prefixes}{beside}"


def _input(recipe: Recipe) -> str:
    return str(network_input(recipe.input))


def _n_classes(recipe: Recipe, state: State, prefix: str) -> int | None:
    if recipe.classes is None:
        return None
    key, axis = recipe.classes
    for place in state:
        if place == prefix + key or _same(place, key):
            return int(state[place].size(axis))
    return None


def _same(key: str, plain: str) -> bool:
    """Tell whether a key is another one within wrappers."""
    return ".".join(name for name in key.split(".") if name not in _WRAPPERS) == plain


def _renamed(recipe: Recipe, key: str) -> str:
    if not recipe.keys:
        return key
    layer, _, rest = key.partition(".")
    known: Mapping[str, str] = _architecture(recipe.keys)
    return f"{known[layer]}.{rest}" if layer in known else key


@cache
def _architecture(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"facebench.models.architectures.{module}"), attribute)
