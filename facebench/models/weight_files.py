"""Reading weight files safely: all the state dicts that a file holds, and none of its code."""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from facebench.errors import MissingWeightsError, WeightsError
from facebench.models.file_kinds import (
    foreign_kind,
    is_checkpoint,
    is_index,
    is_safetensors,
    weight_map,
)
from facebench.models.inert_pickles import Inert, read_inertly
from facebench.types import StrPath
from facebench.utils.files import why_missing
from facebench.utils.suggestions import did_you_mean, did_you_mean_file, listed

__all__ = ["USUAL_NAMES", "Checkpoint", "StateDict", "read_checkpoint", "refused_pickle"]

StateDict = dict[str, torch.Tensor]
_SHOWN = 10
_SUFFIX_SAFETENSORS = ".safetensors"
_TOP = "state_dict"
# Where training scripts keep a network's weights, the more usual first.
USUAL_NAMES = (
    _TOP, "model", "model_state_dict", "model_state", "net_state_dict", "net", "network",
    "backbone", "state_dict_backbone", "backbone_state_dict", "encoder", "weights", "params",
)  # fmt: skip
_NOT_WEIGHTS = re.compile("optim|schedul|scaler|rng", re.IGNORECASE)
_DEEPEST = 6
_MOST_MODULES = 100_000
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_DAMAGED = re.compile("invalid load key|truncated|underflow|out of input|operand", re.IGNORECASE)
_HOW_DAMAGED = re.compile("the file is damaged: (.+)")


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


def read_checkpoint(weights_path: StrPath, weights_key: str | None = None) -> Checkpoint:
    """Read a state dict without running any code the file may carry.

    Parameters
    ----------
    weights_path : str or Path
        A safetensors file, the index of several (``model.safetensors.index.json``), a file of
        ``torch.save`` or a pickle that is a state dict or holds one: under 'state_dict', 'model',
        'net', 'backbone' or the like, or in a network that was saved as a whole. What stands beside
        it is not built: names of classes that the file gives are not looked up. NumPy arrays count
        as tensors.
    weights_key : str, optional
        Where in the file the weights stand, such as 'net_state_dict' or 'checkpoint.ema'; also what
        the keys that are meant begin with, such as 'generator'. None looks in the usual places.

    Returns
    -------
    Checkpoint
        On the CPU, in the order of the file. With `weights_key` it holds nothing else than what
        stands there.

    Raises
    ------
    MissingWeightsError
        If there is no such file.
    WeightsError
        If it is not a checkpoint, has nothing under `weights_key`, or names what can only do harm.
    """
    path = Path(weights_path)
    if not path.is_file():
        msg = (
            f"The weights file {path} {why_missing(path)}. "
            "Give weights_path the path of a .pth, .pt or .safetensors file."
            + did_you_mean_file(path)
        )
        raise MissingWeightsError(msg)
    content, in_order = _read(path)
    found = dict(_states_in(content))
    if not found:
        raise _without_weights(path, content)
    if weights_key is not None:
        return _under_key(path, found, str(weights_key), in_order=in_order)
    chosen = _choose(found)
    state = found.pop(chosen)
    return Checkpoint(state, found, chosen, in_order=in_order)


def _read(path: Path) -> tuple[Any, bool]:
    """Read what a file holds, and tell whether it is in the order of the network's layers."""
    if is_index(path):
        return _read_parts(path)
    try:
        if is_safetensors(path):
            return _read_safetensors(path), False
        foreign = foreign_kind(path)
    except OSError as error:
        msg = f"The weights file {path} cannot be read: {error.strerror or error}."
        raise WeightsError(msg) from error
    if foreign is not None:
        msg = f"The weights file {path} holds no state dict: it is {foreign[0]}. {foreign[1]}."
        raise WeightsError(msg)
    if path.suffix == _SUFFIX_SAFETENSORS and not is_checkpoint(path):
        return _read_safetensors(path), False
    return _read_torch(path), True


def _read_parts(path: Path) -> tuple[StateDict, bool]:
    """Read the files that an index lists, as one state dict."""
    whole: StateDict = {}
    are_in_order = True
    places = weight_map(path)
    for part in (path.parent / name for name in sorted(set(places.values()))):
        if not part.is_file():
            msg = (
                f"The weights of {path} are in several files, of which {part.name} "
                f"{why_missing(part)}. Copy all of them into one folder."
            )
            raise MissingWeightsError(msg)
        content, in_order = _read(part)
        are_in_order &= in_order
        whole |= dict(_states_in(content)).get("", {})
    absent = [key for key in places if key not in whole]
    if absent:
        msg = f"The weights of {path} are not all in the files that it names: {listed(absent)}."
        raise WeightsError(msg)
    return whole, are_in_order


def _without_weights(path: Path, content: Any) -> WeightsError:
    if isinstance(content, Mapping):
        keys = ", ".join(map(str, list(content)[:_SHOWN])) or "nothing"
        msg = (
            f"The weights file {path} holds no tensors. Its keys: {keys}. "
            "A state dict is looked for at the top, under 'state_dict' and under other names."
        )
        return WeightsError(msg)
    what = getattr(content, "origin", None) or type(content).__name__
    msg = (
        f"The weights file {path} must hold a state dict, or one under 'state_dict'. "
        f"It holds a {what}. Save it with torch.save(model.state_dict(), …)."
    )
    return WeightsError(msg)


def _under_key(
    path: Path, found: Mapping[str, StateDict], key: str, *, in_order: bool
) -> Checkpoint:
    """Find the tensors that stand under a key, or whose names begin with it."""
    key = key.strip(".")
    beneath = {where: state for where, state in found.items() if where.startswith(f"{key}.")}
    if key in found and (not beneath or any(map(_is_weight, found[key]))):
        return Checkpoint(found[key], None, key, in_order=in_order)
    if beneath:
        first = key + "." + _choose({where[len(key) + 1 :]: beneath[where] for where in beneath})
        return Checkpoint(beneath.pop(first), beneath, first, in_order=in_order)
    for where, state in found.items():
        begins = f"{key.removeprefix(f'{where}.') if where else key}."
        part = {name.removeprefix(begins): state[name] for name in state if name.startswith(begins)}
        if part and (not where or key.startswith(f"{where}.")):
            return Checkpoint(part, None, key, in_order=in_order)
    for where, state in found.items():
        # 'ema' for names that begin so under 'state_dict'.
        part = {n.removeprefix(f"{key}."): state[n] for n in state if n.startswith(f"{key}.")}
        if part:
            return Checkpoint(part, None, f"{where}.{key}", in_order=in_order)
    places = [
        f"{f'under {where!r}' if where else 'at the top'} ({len(state)})"
        for where, state in found.items()
    ]
    msg = (
        f"The weights file {path} has no tensors under the 'weights_key' {key!r}. It holds tensors "
        f"{listed(places)}.{did_you_mean(key, filter(None, found))}"
    )
    raise WeightsError(msg)


def _states_in(
    content: Any, where: str = "", fruitless: set[int] | None = None
) -> Iterator[tuple[str, StateDict]]:
    """Find the state dicts of a checkpoint, however deep.

    Containers that were found to hold none are not searched again: a file may refer to one a
    million times.
    """
    fruitless = set() if fruitless is None else fruitless
    if id(content) in fruitless:
        return
    whole = content
    if isinstance(content, Inert):
        of_network = _weights_of(content)
        if of_network:
            yield where, of_network
            return
        content = content.items or content.state
    if isinstance(content, list | tuple):
        content = {str(index): part for index, part in enumerate(content) if _holds(part)}
    if not isinstance(content, Mapping):
        return
    tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if tensors:
        yield where, tensors
    if where.count(".") + 1 >= _DEEPEST and where:
        return
    has_some = bool(tensors)
    for key, value in content.items():
        if _holds(value) and isinstance(key, str) and not _NOT_WEIGHTS.search(key):
            for found in _states_in(value, f"{where}.{key}" if where else key, fruitless):
                has_some = True
                yield found
    if not has_some:
        fruitless.add(id(whole))


def _holds(value: Any) -> bool:
    return isinstance(value, Mapping | Inert | list | tuple)


def _weights_of(network: Inert) -> StateDict:
    """Collect the weights of a network that was pickled as a whole, as its state_dict() would."""
    found: StateDict = {}
    pending: list[tuple[str, Any]] = [("", network)]
    # A module used twice has two names in a state dict; one that holds itself has no end.
    for _ in range(_MOST_MODULES):
        if not pending:
            break
        prefix, module = pending.pop()
        parts = module.state if isinstance(module, Inert) else {}
        if not isinstance(parts.get("_modules"), Mapping):
            continue
        passing = parts.get("_non_persistent_buffers_set")
        for kind in ("_parameters", "_buffers"):
            own = parts.get(kind)
            for name, tensor in own.items() if isinstance(own, Mapping) else ():
                is_kept = kind == "_parameters" or name not in (passing or ())
                if isinstance(tensor, torch.Tensor) and is_kept:
                    found[f"{prefix}{name}"] = tensor
        if "quantized" in module.origin:
            # As in a state dict; the rest of such a layer is not a tensor.
            found[f"{prefix}zero_point"] = torch.tensor(0)
        inner = [(f"{prefix}{name}.", part) for name, part in parts["_modules"].items()]
        pending += reversed(inner)
    return found


def _choose(found: Mapping[str, StateDict]) -> str:
    """Choose the state dict that is meant: 'state_dict', the top, or what is usually meant."""
    if _TOP in found:
        return _TOP
    if "" in found and (len(found) == 1 or any(map(_is_weight, found[""]))):
        return ""
    nested = [where for where in found if where]
    last = len(USUAL_NAMES)
    return min(nested, key=lambda x: USUAL_NAMES.index(x) if x in USUAL_NAMES else last)


def _is_weight(key: str) -> bool:
    """Tell a weight's name from that of a number kept beside the weights, such as 'epoch'."""
    return "." in key or key in ("weight", "bias")


def _read_torch(path: Path) -> Any:
    try:
        # Of a path, torch looks at the suffix.
        with warnings.catch_warnings(), path.open("rb") as file:
            # torch warns of what is read in our own way then.
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        return _read_inertly(path, error)
    except Exception as error:
        if "magic number" in str(error):
            # A pickle, but not one of torch.save.
            return _read_inertly(path, error)
        raise _unreadable(path, error) from error


def _read_inertly(path: Path, refusal: Exception) -> Any:
    """Read the tensors of what torch refuses: classes that it does not know stand beside them."""
    try:
        return read_inertly(path)
    except pickle.UnpicklingError as error:
        raise refused_pickle(path, error) from refusal
    except Exception as error:
        raise _unreadable(path, error) from refusal


def _unreadable(path: Path, error: Exception) -> WeightsError:
    # Readers raise any exception for a damaged or foreign file; torch's may add how to run its
    # code after all.
    told = str(error).partition("\n")[0]
    reason = f": {told}" if told and "weights_only" not in told else ""
    msg = (
        f"The weights file {path} cannot be read, it is damaged or no checkpoint "
        f"({type(error).__name__}{reason})."
    )
    return WeightsError(msg)


def refused_pickle(source: StrPath, error: Exception | None = None) -> WeightsError:
    """Explain why weights that are not plain tensors are not loaded.

    What torch says of it is not quoted: it tells how to run the code after all.
    """
    named = _GLOBAL.search(str(error))
    how = _HOW_DAMAGED.search(str(error))
    if how or (named is None and _DAMAGED.search(str(error))):
        reason = how[1] if how else "it is damaged, or not a checkpoint of PyTorch"
        msg = f"The file of weights {source} cannot be read: {reason}. Download or save it again."
        return WeightsError(msg)
    what = (
        f"they name {named[1]}, which can run code"
        if named
        else "they are a pickle of other objects than tensors, which can run code, or damaged"
    )
    msg = (
        f"The weights in {source} were refused: {what}. If you trust their source, load them there "
        "and save torch.save(model.state_dict(), …)."
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
