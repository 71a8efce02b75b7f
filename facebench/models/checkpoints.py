"""Fitting the weights of a file to a network, with errors that say what differs."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from facebench.errors import WeightsError
from facebench.models.file_kinds import is_part
from facebench.models.key_fitting import is_counter, is_head, likely_prefix, renamed
from facebench.models.recipe_matching import proposal, refuse_lookalike
from facebench.models.weight_files import (
    USUAL_NAMES,
    Checkpoint,
    StateDict,
    read_checkpoint,
    refused_pickle,
)
from facebench.types import StrPath

__all__ = [
    "Checkpoint",
    "StateDict",
    "count_identities",
    "listed",
    "load_into",
    "read_checkpoint",
    "refused_pickle",
]

_log = logging.getLogger(__name__)
_SHOWN = 10
_WAYS_OUT = (
    "Use weights that are not quantised, or save the whole network with torch.jit.save "
    "(model: torchscript) or as ONNX (model: onnx)."
)
_CLASSIFIERS = {
    *("fc", "classifier", "head", "logits", "last_linear", "heads", "parallel_fc", "metric_fc"),
    *("margin", "arcface", "kernel"),
}


def count_identities(
    state: Mapping[str, torch.Tensor], classifier: str | None = None
) -> int | None:
    """Count the classes a checkpoint was trained on, by the weights of its classifier.

    Where it is not known which layer that is, it is the last one of the file if that is linear or a
    convolution; else, and where tensors are sorted by name as in safetensors files, the last linear
    one called 'fc', 'classifier', 'head', 'logits' or the like, unless what it gives is normalised
    afterwards, as an embedding is.

    Parameters
    ----------
    state : mapping of str to Tensor
        The checkpoint.
    classifier : str, optional
        The network's classifier, as in ``named_modules()``. Prefixes of the checkpoint do not
        matter.

    Returns
    -------
    int or None
        None if the checkpoint has no classifier, as that of a bare backbone.

    Examples
    --------
    >>> count_identities({"conv.weight": torch.zeros(8, 3), "fc.bias": torch.zeros(1000)})
    1000
    >>> count_identities({"fc.weight": torch.zeros(512, 25088), "features.bias": torch.zeros(512)})
    """
    modules: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in state.items():
        if tensor.ndim:
            module, _, name = key.rpartition(".")
            modules.setdefault(module, {})[name] = tensor
    if classifier is not None:
        of_it = [m for m in modules if f".{m}".endswith(f".{classifier}")]
        # A classifier may be dropout and a linear layer.
        of_it = of_it or [m for m in modules if f".{classifier}." in f".{m}."][-1:]
        return _classes(modules[min(of_it, key=len)]) if of_it else None
    in_order = state.in_order if isinstance(state, Checkpoint) else True
    keys = list(state)
    if modules and in_order and (len(keys) == 1 or keys != sorted(keys)):
        last = _classes(modules[next(reversed(modules))])
        if last is not None:
            return last
    for module in sorted(modules, key=_natural_order, reverse=True):
        parts = modules[module]
        if not _CLASSIFIERS & set(module.split(".")):
            continue
        found = _classes(parts)
        if found is not None and not _is_normalised(module, modules, found):
            return found
    return None


def _classes(parts: Mapping[str, torch.Tensor]) -> int | None:
    """Count the classes of a module, from its weights; None if it is not a classifier."""
    if "kernel" in parts and parts["kernel"].ndim == 2:
        # The heads of CosFace and AdaFace keep dimensions × classes.
        return int(parts["kernel"].shape[1])
    if "weight" in parts:
        weight = parts["weight"]
        return int(weight.shape[0]) if weight.ndim > 1 else None
    return int(parts["bias"].shape[0]) if set(parts) == {"bias"} else None


def _is_normalised(module: str, modules: Mapping[str, Mapping[str, torch.Tensor]], n: int) -> bool:
    """Tell whether a layer's output of n numbers goes through batch normalisation, in the end.

    Of a classifier the input is what other layers give; an embedding layer is given more numbers
    than that, those of all places of the last feature map.
    """
    weight = modules[module].get("weight")
    widths = {
        part.shape[0]
        for name, parts in modules.items()
        if name != module
        for part in parts.values()
    }
    return n in widths and (weight is None or weight.ndim < 2 or weight.shape[1] not in widths)


def _natural_order(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in key.split(".")]


@dataclass
class _Candidate:
    """One way to read a network's weights out of a file.

    Attributes
    ----------
    place : str
        Where in the file they stand: keys, then the prefix of names.
    tensors : StateDict
        By the names of the network; others that do not belong to it may be among them.
    dropped : list of str
        Keys of training heads, that the network has no part of.
    keys : list of str
        All, in the order of the file.
    """

    place: str
    tensors: StateDict
    dropped: list[str]
    keys: list[str]

    @property
    def rank(self) -> int:
        """How usual a place it is; the number of usual names if it is not."""
        parts = [part for part in self.place.split(".") if part]
        ranks = [USUAL_NAMES.index(part) if part in USUAL_NAMES else None for part in parts]
        whole = USUAL_NAMES.index(self.place) if self.place in USUAL_NAMES else None
        if whole is None and None in ranks:
            return len(USUAL_NAMES)
        return max([rank for rank in (whole, *ranks) if rank is not None], default=0)


def load_into(network: nn.Module, state: StateDict, weights_path: StrPath) -> None:
    """Load a state dict into a network, every key and shape matching.

    What PyTorch itself adapts to (weights from before its layers were renamed, layers without a
    shape yet, weights that layers share) fits. Training heads that the network has no part of are
    left out, and said.

    Parameters
    ----------
    network : nn.Module
        The network.
    state : dict of str to Tensor
        Its weights; keys may carry 'module.' or '_orig_mod.', or another prefix that all share. Of
        a `Checkpoint`, the others in the file are tried too. Where several fit, that of the more
        usual name is taken, and said.
    weights_path : str or Path
        For messages.

    Raises
    ------
    WeightsError
        Listing missing, unexpected and mis-shaped keys, the first ten of each; or the places, if
        there are several networks in the file that fit.
    """
    own = _tensors_of(network, weights_path)
    refuse_lookalike(network, state, weights_path)
    candidates = list(_candidates(state, own))
    fitting = [found for found in candidates if _fits(network, found.tensors, own)]
    if fitting:
        chosen = _chosen(fitting, network, weights_path)
        _tell_broken(chosen.tensors, weights_path)
        network.load_state_dict(chosen.tensors, strict=False)
        return
    first = max(candidates, key=lambda found: len(own.keys() & found.tensors.keys()))
    missing, unexpected, misshapen = _adapted(network, first.tensors, own)
    if missing or unexpected or misshapen:
        among = {*unexpected, *first.dropped}
        differences = missing, [key for key in first.keys if key in among], misshapen
        raise _unfitting(network, state, weights_path, differences)
    _tell_dropped(first, network, weights_path)
    _tell_broken(first.tensors, weights_path)
    network.load_state_dict(first.tensors, strict=False)


def _tensors_of(network: nn.Module, weights_path: StrPath) -> StateDict:
    """Give what is loaded into a network, and refuse one that keeps something else as well.

    Of a file only tensors are read, and the network would keep its random numbers for the rest.
    """
    own = network.state_dict()
    others = [key for key, value in own.items() if not isinstance(value, torch.Tensor)]
    if others:
        msg = (
            f"The weights in {weights_path} cannot be loaded into {type(network).__name__}, which "
            f"keeps more than tensors, as quantised layers do: {listed('entries', others)}. "
            f"{_WAYS_OUT}"
        )
        raise WeightsError(msg)
    return own


def _candidates(state: StateDict, own: StateDict) -> Iterator[_Candidate]:
    """List the ways to read a network's weights out of a file, the most likely first."""
    places = {"": state}
    if isinstance(state, Checkpoint):
        places = {state.where: state, **state.others}
    for where, found in places.items():
        # Numbers that stand beside the weights, such as 'epoch' and 'n_averaged'.
        counted = [key for key, value in found.items() if not value.ndim and "." not in key]
        counted = [key for key in counted if key not in own]
        weights = {key: value for key, value in found.items() if key not in counted}
        for tensors, prefix in renamed(weights, own):
            dropped = [key for key in tensors if key not in own and is_head(key, own)]
            kept = {key: value for key, value in tensors.items() if key not in dropped}
            if not own.keys() & kept.keys():
                # Nothing of it belongs to the network: the error names all of it.
                kept, dropped = tensors, []
            yield _Candidate(f"{where}.{prefix}".strip("."), kept, dropped, list(tensors))


def _fits(network: nn.Module, fitted: StateDict, own: StateDict) -> bool:
    return (
        fitted.keys() <= own.keys()
        and all(is_counter(key) for key in _absent(fitted, own))
        and not _misshapen(fitted, own)
        and not any(map(is_lazy, own.values()))
    )


def _absent(fitted: StateDict, own: StateDict) -> list[str]:
    """Name what a network has and a file has not, under any name of the same weights."""
    shared = {_memory(own[key]) for key in fitted if key in own}
    return [key for key in own if key not in fitted and _memory(own[key]) not in shared]


def _memory(tensor: torch.Tensor) -> object:
    """Tell where a tensor's numbers lie: weights that layers share are the same memory."""
    if is_lazy(tensor) or tensor.is_meta or not tensor.numel() or tensor.layout != torch.strided:
        return id(tensor)
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _chosen(fitting: list[_Candidate], network: nn.Module, weights_path: StrPath) -> _Candidate:
    """Choose among several that fit: what is usually meant, if they differ at all."""
    fitting = sorted(fitting, key=lambda found: found.rank)
    chosen = fitting[0]
    others = [found for found in fitting[1:] if not _same(found.tensors, chosen.tensors)]
    if others and chosen.rank == len(USUAL_NAMES):
        places = ", ".join(repr(found.place) for found in fitting)
        msg = (
            f"The weights file {weights_path} holds several networks that fit "
            f"{type(network).__name__}: {places}. Say which with weights_key where the model takes "
            f"it (weights_key: {chosen.place}), or save the one you mean as a file of its own."
        )
        raise WeightsError(msg)
    if others:
        _log.warning(
            "From %s, the weights %s are loaded. Other weights that fit %s stand under %s: "
            "weights_key says which are meant.",
            weights_path,
            _under(chosen.place),
            type(network).__name__,
            ", ".join(repr(found.place) for found in others),
        )
    elif chosen.place:
        _log.info(
            "Of %s, %d tensors are loaded: those under %r.",
            weights_path,
            len(chosen.tensors),
            chosen.place,
        )
    _tell_dropped(chosen, network, weights_path)
    return chosen


def _under(place: str) -> str:
    return f"under {place!r}" if place else "at the top"


def _same(first: StateDict, second: StateDict) -> bool:
    return first.keys() == second.keys() and all(
        first[key] is second[key]
        or (first[key].shape == second[key].shape and bool((first[key] == second[key]).all()))
        for key in first
    )


def _tell_dropped(chosen: _Candidate, network: nn.Module, weights_path: StrPath) -> None:
    if chosen.dropped:
        _log.warning(
            "From %s, the weights of a training head are not used; %s has none: %s.",
            weights_path,
            type(network).__name__,
            listed("left out", chosen.dropped),
        )


def _tell_broken(tensors: StateDict, weights_path: StrPath) -> None:
    """Tell weights that are no numbers: what they give may still look like an embedding."""
    broken = [
        key
        for key, tensor in tensors.items()
        if tensor.is_floating_point() and not bool(tensor.float().isfinite().all())
    ]
    if broken:
        _log.warning(
            "In %s, some weights are NaN or infinite, as after a training that diverged: %s.",
            weights_path,
            listed(f"of {len(tensors)} tensors", broken),
        )


def _misshapen(fitted: StateDict, own: StateDict) -> list[str]:
    """Name the tensors of another shape, or whose numbers PyTorch would cut or refuse."""
    found = []
    met: dict[object, str] = {}
    for key, tensor in fitted.items():
        if key not in own:
            continue
        # A lazy layer takes any shape.
        if not is_lazy(own[key]) and tensor.shape != own[key].shape:
            found.append(f"{key} (file {list(tensor.shape)}, network {list(own[key].shape)})")
        elif (kind := _other_kind(tensor, own[key])) is not None:
            found.append(f"{key} (file {kind}, network {_named(own[key].dtype)})")
        elif not _same({"": tensor}, {"": fitted[met.setdefault(_memory(own[key]), key)]}):
            # Of two, the one loaded last would be both.
            other = met[_memory(own[key])]
            found.append(f"{key} (the network shares it with {other}, the file has two)")
    return found


def _other_kind(tensor: torch.Tensor, own: torch.Tensor) -> str | None:
    """Say what numbers a tensor holds that are not weights: quantised, cut to integers, none."""
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
    try:
        trial = copy.deepcopy(network)
        found = trial.load_state_dict(
            {key: tensor for key, tensor in fitted.items() if key not in wrong}, strict=False
        )
        missing, unexpected = list(found.missing_keys), list(found.unexpected_keys)
    except Exception as error:
        _log.debug("The weights cannot be tried on a copy of the network: %s", error)
        missing = [key for key in own if key not in fitted]
        unexpected = [key for key in fitted if key not in own]
    absent = set(_absent(fitted, own))
    missing = [key for key in missing if key not in wrong and not is_counter(key) and key in absent]
    unexpected = [key for key in unexpected if not _is_made(network, key, fitted[key])]
    return missing, unexpected, misshapen


def _is_made(network: nn.Module, key: str, tensor: torch.Tensor) -> bool:
    """Tell whether a network makes for itself what a file keeps: a buffer of the same numbers."""
    made = dict(network.named_buffers(remove_duplicate=False)).get(key)
    if made is None or _other_kind(tensor, made) is not None:
        return False
    return _same({"": tensor}, {"": made.to(tensor.device)})


def _unfitting(
    network: nn.Module,
    state: StateDict,
    weights_path: StrPath,
    differences: tuple[list[str], list[str], list[str]],
) -> WeightsError:
    missing, unexpected, misshapen = differences
    quantised = [key for key in unexpected if key.endswith(".zero_point")]
    if quantised:
        msg = (
            f"The weights in {weights_path} do not fit {type(network).__name__}: layers of the "
            f"file are quantised ({quantised[0]}, …). {_WAYS_OUT}"
        )
        return WeightsError(msg)
    advice = _advice(network, state, differences)
    if missing and is_part(Path(weights_path)):
        advice = (
            "This file is one of several that hold a network together: give the path of their "
            "index (….index.json)."
        )
    parts = (
        listed("missing", missing),
        listed("unexpected", unexpected),
        listed("of another shape or kind", misshapen),
    )
    msg = (
        f"The weights in {weights_path} do not fit {type(network).__name__}: "
        f"{'; '.join(part for part in parts if part)}. {advice}"
    )
    return WeightsError(msg)


def _advice(
    network: nn.Module, state: StateDict, differences: tuple[list[str], list[str], list[str]]
) -> str:
    """Say what to do about weights that do not fit."""
    missing, _, misshapen = differences
    advice = "Give weights of this architecture, or change the architecture."
    prefix = likely_prefix(state, network.state_dict())
    if prefix and not misshapen:
        advice = (
            f"Many of its keys begin with {prefix!r}, and fit without it: save those alone, "
            "without that beginning."
        )
    elif not missing and not misshapen:
        advice = (
            "All of the network is there: save the file without the rest if that belongs to "
            "training only, or add those layers to the network."
        )
    others = state.others if isinstance(state, Checkpoint) else {}
    # Numbers such as 'epoch' are no weights.
    others = {where: of for where, of in others.items() if any(one.ndim for one in of.values())}
    advice = proposal(state, others) or advice
    if others:
        places = ", ".join(repr(where) if where else "the top" for where in others)
        advice += f" The file also holds tensors under {places}."
    return advice


def listed(what: str, keys: Iterable[str]) -> str:
    """Count keys and name the first ten."""
    keys = list(keys)
    if not keys:
        return ""
    more = f", … and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{len(keys)} {what}: {', '.join(keys[:_SHOWN])}{more}"
