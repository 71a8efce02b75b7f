"""Reading weight files safely, and fitting them to a network with errors that say what differs."""

from __future__ import annotations

import argparse
import copy
import logging
import pathlib
import pickle
import re
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from facebench.errors import MissingWeightsError, WeightsError
from facebench.models.file_kinds import foreign_kind, is_safetensors
from facebench.models.key_fitting import Renamed, is_counter, likely_prefix, renamed
from facebench.models.recipe_matching import proposal, refuse_lookalike
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean_file

__all__ = [
    "Checkpoint",
    "count_identities",
    "listed",
    "load_into",
    "read_checkpoint",
    "refused_pickle",
]

_log = logging.getLogger(__name__)
StateDict = dict[str, torch.Tensor]
_SHOWN = 10
_SUFFIX_SAFETENSORS = ".safetensors"
_TOP = "state_dict"
# Where training scripts keep a network's weights, the more usual first.
_NAMES = (
    _TOP, "model", "model_state_dict", "model_state", "net_state_dict", "net", "network",
    "backbone", "state_dict_backbone", "backbone_state_dict", "encoder", "weights", "params",
)  # fmt: skip
_NOT_WEIGHTS = re.compile("optim|schedul|scaler|rng", re.IGNORECASE)
_DEEPEST = 3
_CLASSIFIERS = {"fc", "classifier", "head", "logits", "last_linear", "heads"}
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_DAMAGED = re.compile("invalid load key|truncated|underflow|out of input|operand", re.IGNORECASE)


class Checkpoint(StateDict):
    """A state dict read from a file.

    Attributes
    ----------
    others : dict of str to StateDict
        Further ones in the file, by where they stand.
    where : str
        Where this one stands; '' at the top.
    in_order : bool
        Whether the tensors are in the order of the network's layers.
    """

    def __init__(
        self,
        state: StateDict,
        others: Mapping[str, StateDict] | None = None,
        where: str = "",
        *,
        in_order: bool = True,
    ) -> None:
        super().__init__(state)
        self.others = dict(others or {})
        self.where = where
        self.in_order = in_order


def read_checkpoint(weights_path: StrPath) -> Checkpoint:
    """Read a state dict without running any code the file may carry.

    Parameters
    ----------
    weights_path : str or Path
        A safetensors file, or a file of ``torch.save`` that is a state dict or holds one: under
        'state_dict', or under 'model', 'net', 'backbone' or the like. NumPy numbers, Namespaces and
        paths may stand beside it.

    Returns
    -------
    Checkpoint
        On the CPU, in the order of the file.

    Raises
    ------
    MissingWeightsError
        If there is no such file.
    WeightsError
        If it is not a checkpoint, or a pickle of more than tensors and plain containers.
    """
    path = Path(weights_path)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        msg = (
            f"The weights file {path} {what} (looked in {Path.cwd()}). "
            "Give weights_path the path of a .pth, .pt or .safetensors file."
            + did_you_mean_file(path)
        )
        raise MissingWeightsError(msg)
    try:
        if is_safetensors(path):
            return Checkpoint(_read_safetensors(path), in_order=False)
        foreign = foreign_kind(path)
    except OSError as error:
        msg = f"The weights file {path} cannot be read: {error.strerror or error}."
        raise WeightsError(msg) from error
    if foreign is not None:
        msg = f"The weights file {path} holds no state dict: it is {foreign[0]}. {foreign[1]}."
        raise WeightsError(msg)
    if path.suffix == _SUFFIX_SAFETENSORS:
        return Checkpoint(_read_safetensors(path), in_order=False)
    content = _read_torch(path)
    if not isinstance(content, Mapping):
        msg = (
            f"The weights file {path} must hold a state dict, or one under 'state_dict'. "
            f"It holds a {type(content).__name__}. Save it with torch.save(model.state_dict(), …)."
        )
        raise WeightsError(msg)
    found = dict(_states_in(content))
    if not found:
        keys = ", ".join(map(str, list(content)[:_SHOWN])) or "nothing"
        msg = (
            f"The weights file {path} holds no tensors. Its keys: {keys}. "
            "A state dict is looked for at the top, under 'state_dict' and under other names."
        )
        raise WeightsError(msg)
    chosen = _choose(found)
    state = found.pop(chosen)
    return Checkpoint(state, found, chosen)


def _states_in(content: Mapping[Any, Any], where: str = "") -> Iterator[tuple[str, StateDict]]:
    """Find the state dicts of a checkpoint, however deep."""
    tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if tensors:
        yield where, tensors
    if where.count(".") + 1 >= _DEEPEST and where:
        return
    for key, value in content.items():
        if isinstance(value, Mapping) and isinstance(key, str) and not _NOT_WEIGHTS.search(key):
            yield from _states_in(value, f"{where}.{key}" if where else key)


def _choose(found: Mapping[str, StateDict]) -> str:
    """Choose the state dict that is meant: 'state_dict', the top, or what is usually meant."""
    if _TOP in found:
        return _TOP
    if "" in found and (len(found) == 1 or any(map(_is_weight, found[""]))):
        return ""
    nested = [where for where in found if where]
    return min(nested, key=lambda where: _NAMES.index(where) if where in _NAMES else len(_NAMES))


def _is_weight(key: str) -> bool:
    """Tell a weight's name from that of a number kept beside the weights, such as 'epoch'."""
    return "." in key or key in ("weight", "bias")


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_harmless()):
            # torch warns of what we then refuse with a sentence of our own.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise refused_pickle(path, error) from error
    except Exception as error:
        # torch.load raises any exception of its readers for a damaged or foreign file, and may add
        # how to run its code after all.
        told = str(error).partition("\n")[0]
        reason = f": {told}" if told and "weights_only" not in told else ""
        msg = (
            f"The weights file {path} cannot be read, it is damaged or no checkpoint "
            f"({type(error).__name__}{reason})."
        )
        raise WeightsError(msg) from error


def _harmless() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """List what may stand beside tensors: numbers and arrays of NumPy, Namespaces, paths."""
    import _codecs

    from numpy._core import multiarray

    kinds = [
        kind for name in np.dtypes.__all__ if isinstance(kind := getattr(np.dtypes, name), type)
    ]
    named: list[Any] = [
        (getattr(multiarray, name), f"numpy.{core}.multiarray.{name}")
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    ]
    plain = [np.dtype, np.ndarray, argparse.Namespace, types.SimpleNamespace, _codecs.encode]
    paths = [pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath]
    return [*named, *kinds, *plain, *paths]


def refused_pickle(source: StrPath, error: Exception | None = None) -> WeightsError:
    """Explain why weights that are not plain tensors are not loaded.

    What torch says of it is not quoted: it tells how to run the code after all.
    """
    named = _GLOBAL.search(str(error))
    if named is None and _DAMAGED.search(str(error)):
        msg = (
            f"The weights in {source} cannot be read: they are damaged, or no checkpoint of "
            "PyTorch. Download or save them again."
        )
        return WeightsError(msg)
    what = (
        f"but a pickle that would build other objects ({named[1]}), as a file of a whole model "
        "is, which can run code"
        if named
        else "but a pickle that would build other objects, which can run code, or they are damaged"
    )
    msg = (
        f"The weights in {source} were refused: they are not plain tensors {what}. If you trust "
        "their source, load them there and save torch.save(model.state_dict(), …)."
    )
    return WeightsError(msg)


def _read_safetensors(path: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        msg = f"The weights file {path} cannot be read as safetensors: {error!s:.200}."
        raise WeightsError(msg) from error


def count_identities(state: Mapping[str, torch.Tensor]) -> int | None:
    """Count the classes a checkpoint was trained on: the first dimension of its last tensor.

    Where the tensors are sorted by name, as in safetensors files, the last one need not be the
    classifier's: then that of the last module called 'fc', 'classifier', 'head' or 'logits' counts.

    Examples
    --------
    >>> count_identities({"conv.weight": torch.zeros(8, 3), "fc.bias": torch.zeros(1000)})
    1000
    """
    keys = list(state)
    in_order = state.in_order if isinstance(state, Checkpoint) else True
    if len(keys) > 1 and (not in_order or keys == sorted(keys)):
        keys = sorted(
            (key for key in keys if _CLASSIFIERS & set(key.split("."))), key=_natural_order
        )
    for key in reversed(keys):
        if state[key].ndim:
            return int(state[key].shape[0])
    return None


def _natural_order(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in key.split(".")]


def load_into(network: nn.Module, state: StateDict, weights_path: StrPath) -> None:
    """Load a state dict into a network, every key and shape matching.

    What PyTorch itself adapts to (weights from before its layers were renamed, layers without a
    shape yet) fits.

    Parameters
    ----------
    network : nn.Module
        The network.
    state : dict of str to Tensor
        Its weights; keys may carry 'module.' or '_orig_mod.', or another prefix that all share. Of
        a `Checkpoint`, the others in the file are tried where it does not fit.
    weights_path : str or Path
        For messages.

    Raises
    ------
    WeightsError
        Listing missing, unexpected and mis-shaped keys, the first ten of each.
    """
    refuse_lookalike(network, state, weights_path)
    own = network.state_dict()
    fitting = [(where, *found) for where, found in _candidates(state, own) if _fits(found[0], own)]
    where = state.where if isinstance(state, Checkpoint) else ""
    if where in ("", *_NAMES) and where in {found[0] for found in fitting}:
        fitting = [found for found in fitting if found[0] == where]
    if len(fitting) > 1:
        places = ", ".join(repr(f"{where}.{prefix}".strip(".")) for where, _, prefix in fitting)
        msg = (
            f"The weights file {weights_path} holds several networks that fit "
            f"{type(network).__name__}: {places}. Save the one you mean as a file of its own"
            f"{_how_to_save(weights_path, fitting[0][0])}."
        )
        raise WeightsError(msg)
    if fitting:
        where, fitted, prefix = fitting[0]
        if where or prefix:
            _log.info(
                "Of %s, %d tensors are loaded: those under %r.",
                weights_path,
                len(fitted),
                f"{where}.{prefix}".strip("."),
            )
        network.load_state_dict(fitted, strict=False)
        return
    fitted = renamed(state, own)[0][0]
    missing, unexpected, misshapen = _adapted(network, fitted, own)
    if missing or unexpected or misshapen:
        raise _unfitting(network, state, weights_path, (missing, unexpected, misshapen))
    network.load_state_dict(fitted, strict=False)


def _how_to_save(weights_path: StrPath, where: str) -> str:
    if not where:
        return ""
    place = "".join(f"[{name!r}]" for name in where.split("."))
    return f", as in torch.save(torch.load({str(weights_path)!r}){place}, …)"


def _candidates(state: StateDict, own: StateDict) -> Iterator[tuple[str, Renamed[torch.Tensor]]]:
    for found in renamed(state, own):
        yield state.where if isinstance(state, Checkpoint) else "", found
    for where, other in (state.others if isinstance(state, Checkpoint) else {}).items():
        for found in renamed(other, own):
            yield where, found


def _fits(fitted: StateDict, own: StateDict) -> bool:
    return (
        fitted.keys() <= own.keys()
        and all(is_counter(key) for key in own.keys() - fitted.keys())
        and not _misshapen(fitted, own)
    )


def _misshapen(fitted: StateDict, own: StateDict) -> list[str]:
    """Name the tensors of another shape, or whose numbers PyTorch would cut or refuse."""
    found = []
    for key, tensor in fitted.items():
        if key not in own:
            continue
        # A lazy layer takes any shape.
        if not is_lazy(own[key]) and tensor.shape != own[key].shape:
            found.append(f"{key} (file {list(tensor.shape)}, network {list(own[key].shape)})")
        elif (kind := _other_kind(tensor, own[key])) is not None:
            found.append(f"{key} (file {kind}, network {_named(own[key].dtype)})")
    return found


def _other_kind(tensor: torch.Tensor, own: torch.Tensor) -> str | None:
    """Say what numbers a tensor holds that are no weights: quantised, cut to integers, none."""
    if tensor.is_meta:
        return "without numbers"
    if tensor.layout is not own.layout:
        return _named(tensor.layout)
    cut = own.is_floating_point() and not tensor.is_floating_point()
    if cut or tensor.is_quantized or (tensor.is_complex() and not own.is_complex()):
        return _named(tensor.dtype)
    return None


def _named(kind: torch.dtype | torch.layout) -> str:
    return str(kind).removeprefix("torch.")


def _adapted(
    network: nn.Module, fitted: StateDict, own: StateDict
) -> tuple[list[str], list[str], list[str]]:
    """Say what does not fit after PyTorch has adapted it, on a copy: all is loaded or none."""
    misshapen = _misshapen(fitted, own)
    wrong = {name.partition(" (")[0] for name in misshapen}
    missing = [key for key in own if key not in fitted and not is_counter(key)]
    unexpected = [key for key in fitted if key not in own]
    if (missing and unexpected) or any(map(is_lazy, own.values())):
        try:
            trial = copy.deepcopy(network)
            found = trial.load_state_dict(
                {key: tensor for key, tensor in fitted.items() if key not in wrong}, strict=False
            )
        except Exception as error:
            _log.debug("The weights cannot be tried on a copy of the network: %s", error)
        else:
            missing = [
                key for key in found.missing_keys if key not in wrong and not is_counter(key)
            ]
            unexpected = list(found.unexpected_keys)
    return missing, unexpected, misshapen


def _unfitting(
    network: nn.Module,
    state: StateDict,
    weights_path: StrPath,
    differences: tuple[list[str], list[str], list[str]],
) -> WeightsError:
    missing, unexpected, misshapen = differences
    parts = (
        listed("missing", missing),
        listed("unexpected", unexpected),
        listed("of another shape or kind", misshapen),
    )
    advice = "Give weights of this architecture, or change the architecture in _build_model."
    prefix = likely_prefix(state, network.state_dict())
    if prefix and not misshapen:
        advice = (
            f"Many of its keys begin with {prefix!r}, and fit without it: save those alone, "
            "without that beginning."
        )
    elif not missing and not misshapen:
        advice = (
            "All of the network is there: save the file without the rest if that belongs to "
            "training only, or add those layers in _build_model."
        )
    others = state.others if isinstance(state, Checkpoint) else {}
    advice = proposal(state, others) or advice
    if others:
        advice += (
            f" The file also holds tensors under {', '.join(repr(where) for where in others)}."
        )
    msg = (
        f"The weights in {weights_path} do not fit {type(network).__name__}: "
        f"{'; '.join(part for part in parts if part)}. {advice}"
    )
    return WeightsError(msg)


def listed(what: str, keys: Iterable[str]) -> str:
    """Count keys and name the first ten."""
    keys = list(keys)
    if not keys:
        return ""
    more = f", … and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{len(keys)} {what}: {', '.join(keys[:_SHOWN])}{more}"
