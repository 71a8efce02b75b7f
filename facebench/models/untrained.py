"""Untrained controls: randomly initialised networks of one architecture."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from facebench.errors import InputError, ModelError
from facebench.models.base import BaseModel

__all__ = ["misnomer", "randomise", "takes", "untrained_copies", "untrained_copy"]

_SAYS_UNTRAINED = re.compile(
    r"un-?trained|not[ _-]?(pre-?)?trained|from[ _-]?scratch|no[ _-]?weights|"
    r"(?<![a-z])random(?![ _-]*(crop|flip|eras|rot|order|sampl|aug|pair|face))",
    re.IGNORECASE,
)
_SAYS_TRAINED = re.compile(r"(pre-?)?trained", re.IGNORECASE)
_VARIADIC = inspect.Parameter.VAR_KEYWORD


def untrained_copies(
    model_factory: Callable[..., BaseModel], n_seeds: int, *, name: str = "untrained"
) -> list[BaseModel]:
    """Make several random networks, as controls for a trained one of the same architecture.

    Their results depend on architecture and images alone. Figures over layers that a run draws
    show their range as a band; `PlotHelper.plot_layer_profile` does too (``controls``).

    Parameters
    ----------
    model_factory : callable
        The class of a model, such as `Vgg16Model`, `DlibResNetModel`, `DinoModel`, `CLIPModel` or
        your own, or ``functools.partial(Vgg16Model, extract_layers=[…])``. It is called with
        ``name=…`` and, as far as it takes them, ``pretrained=False`` and ``seed=…``. Where it does
        not take both, or loads a checkpoint, the weights of the network it builds are drawn anew:
        layers begin as a fresh one of them does (``reset_parameters``), other parameters are drawn
        from a normal distribution of their mean and standard deviation.
    n_seeds : int
        How many; their seeds are 0, 1, 2, …
    name : str, default 'untrained'
        They are called ``<name> 0``, ``<name> 1``, …

    Returns
    -------
    list of BaseModel
        Whose ``control`` is `name`.

    Raises
    ------
    InputError
        If there are none, or the factory does not make models of the names it is given.

    References
    ----------
    G. Jacob, R. T. Pramod, H. Katti and S. P. Arun, "Qualitative similarities and differences in
    visual object representations between brains and deep networks", Nature Communications 12
    (2021) 1872, compare trained with randomly initialised networks.
    """
    if isinstance(n_seeds, bool) or not isinstance(n_seeds, int) or n_seeds < 1:
        msg = f"The 'n_seeds' parameter must be 1 or more. Got {n_seeds!r} instead."
        raise InputError(msg)
    return [
        untrained_copy(model_factory, seed, name=f"{name} {seed}", control=name)
        for seed in range(n_seeds)
    ]


def untrained_copy(
    model_factory: Callable[..., BaseModel], seed: int, *, name: str, control: str
) -> BaseModel:
    """Make one random network.

    Parameters
    ----------
    model_factory
        See `untrained_copies`.
    seed : int
        Its seed.
    name : str
        What it is called.
    control : str
        What it and its siblings are called together.
    """
    arguments: dict[str, Any] = {"name": name}
    own = {"pretrained": False, "seed": seed}
    arguments |= {key: value for key, value in own.items() if takes(model_factory, key)}
    try:
        inspect.signature(model_factory).bind(**arguments)
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        msg = (
            "The 'model_factory' parameter must make a model of a name, and may take 'pretrained' "
            f"and 'seed'. Called with {given}, it cannot be ({error}). Give it the rest with "
            "functools.partial."
        )
        raise InputError(msg) from error
    with torch.random.fork_rng(devices=[]):
        # What a network draws as it is built is part of the copy too.
        torch.manual_seed(seed)
        model = model_factory(**arguments)
    if not isinstance(model, BaseModel) or model.name != name:
        got = model.name if isinstance(model, BaseModel) else type(model).__name__
        msg = (
            "The 'model_factory' parameter must return models with the name that it is given. "
            f"Asked for {name!r}, it made {got!r}."
        )
        raise InputError(msg)
    if model.weights_path is not None or not own.keys() <= arguments.keys():
        randomise(model, seed)
    model.control = control
    return model


def misnomer(model: BaseModel) -> str:
    """Say where a model's name and its weights contradict each other.

    Returns
    -------
    str
        A sentence; '' where they do not, or nothing is known.
    """
    pretrained = getattr(model, "pretrained", None)
    if _SAYS_UNTRAINED.search(model.name):
        if model.control is not None:
            return ""
        if model.weights_path is not None:
            return f"Model {model.name!r} has the weights of {model.weights_path}."
        if pretrained is True:
            return (
                f"Model {model.name!r} has pretrained weights, as is the default of "
                f"{type(model).__name__}: an untrained one is made with pretrained=False."
            )
        return ""
    if model.weights_path is None and pretrained is False and _SAYS_TRAINED.search(model.name):
        return f"Model {model.name!r} has random weights (pretrained=False)."
    return ""


def randomise(model: BaseModel, seed: int) -> None:
    """Draw all weights of a model anew, the same ones for the same seed on every device.

    Layers that know how a fresh one of them begins (``reset_parameters``, as all of torch.nn have)
    begin so, with the running statistics of normalisation; other parameters, such as class tokens
    and position embeddings, are drawn from a normal distribution of the mean and standard
    deviation that they have.

    Parameters
    ----------
    model : BaseModel
        The model, changed in place.
    seed : int
        Which draw.
    """
    network = model.model.to("cpu")
    if not any(True for _ in network.parameters()):
        msg = (
            f"{type(model).__name__} has no weights that could be drawn anew: an untrained copy of "
            "it would be the same network. Make one from the code of the network."
        )
        raise ModelError(msg)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for module in network.modules():
            _reset(module)
    model.to(model.device)


def _reset(module: nn.Module) -> None:
    before = [(own, own.clone()) for own in module.parameters(recurse=False)]
    # nn.MultiheadAttention keeps its own to itself.
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if callable(reset):
        reset()
    for own, old in before:
        if own.is_floating_point() and torch.equal(own, old):
            spread = float(old.std()) if old.numel() > 1 else 0.0
            own.normal_(float(old.mean()), spread)


def takes(factory: Callable[..., Any], key: str) -> bool:
    """Tell whether a factory has a parameter, its own or one that it hands to a class above."""
    target: Any = factory
    while hasattr(target, "func") and hasattr(target, "keywords"):
        target = target.func
    if not isinstance(target, type):
        try:
            found = inspect.signature(target).parameters
        except (TypeError, ValueError):
            return False
        return key in found or any(item.kind is _VARIADIC for item in found.values())
    for base in target.__mro__[:-1]:
        if "__init__" in vars(base):
            found = inspect.signature(vars(base)["__init__"]).parameters
            if key in found:
                return True
            if not any(item.kind is _VARIADIC for item in found.values()):
                return False
    return False
