"""Reading weight files safely, and fitting them to a network with errors that say what differs."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facebench.errors import MissingWeightsError, WeightsError
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean_file

__all__ = ["count_identities", "listed", "load_into", "read_checkpoint", "refused_pickle"]

StateDict = dict[str, torch.Tensor]
_SHOWN = 10
_SUFFIX_SAFETENSORS = ".safetensors"


def read_checkpoint(weights_path: StrPath) -> StateDict:
    """Read a state dict without running any code the file may carry.

    Parameters
    ----------
    weights_path : str or Path
        A ``.safetensors`` file, or a file of ``torch.save`` that is a state dict or holds one
        under 'state_dict'.

    Returns
    -------
    dict of str to Tensor
        On the CPU, in the order of the file.

    Raises
    ------
    MissingWeightsError
        If there is no such file.
    WeightsError
        If it is no checkpoint, or a pickle of more than tensors and plain containers.
    """
    path = Path(weights_path)
    if not path.is_file():
        msg = (
            f"The weights file {path} does not exist (looked in {Path.cwd()}). "
            "Give weights_path the path of a .pth, .pt or .safetensors file."
            + did_you_mean_file(path)
        )
        raise MissingWeightsError(msg)
    content = _read_safetensors(path) if path.suffix == _SUFFIX_SAFETENSORS else _read_torch(path)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        msg = (
            f"The weights file {path} must hold a state dict, or one under 'state_dict'. "
            f"It holds a {type(content).__name__}. Save it with torch.save(model.state_dict(), …)."
        )
        raise WeightsError(msg)
    state = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not state:
        keys = ", ".join(map(str, list(content)[:_SHOWN])) or "nothing"
        msg = (
            f"The weights file {path} holds no tensors. Its keys: {keys}. "
            "A state dict is looked for at the top and under 'state_dict'."
        )
        raise WeightsError(msg)
    return state


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # torch warns of what we then refuse with a sentence of our own.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise refused_pickle(path) from error
    except Exception as error:
        # torch.load raises whatever its readers meet in a damaged or foreign file.
        msg = f"The weights file {path} cannot be read: {type(error).__name__}: {error}."
        raise WeightsError(msg) from error


def refused_pickle(source: StrPath) -> WeightsError:
    """Explain why weights that are not plain tensors are not loaded.

    What torch says of it is not quoted: it tells how to run the code after all.
    """
    msg = (
        f"The weights in {source} were refused: they are not plain tensors but a pickle that would "
        "build other objects, which can run code, or they are damaged. If you trust their source, "
        "load them there and save torch.save(model.state_dict(), …)."
    )
    return WeightsError(msg)


def _read_safetensors(path: Path) -> StateDict:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        msg = f"The weights file {path} cannot be read as safetensors: {error}."
        raise WeightsError(msg) from error


def count_identities(state: Mapping[str, torch.Tensor]) -> int | None:
    """Count the classes a checkpoint was trained on: the first dimension of its last tensor.

    Examples
    --------
    >>> count_identities({"conv.weight": torch.zeros(8, 3), "fc.bias": torch.zeros(1000)})
    1000
    """
    for tensor in reversed(list(state.values())):
        if tensor.ndim:
            return int(tensor.shape[0])
    return None


def load_into(network: nn.Module, state: StateDict, weights_path: StrPath) -> None:
    """Load a state dict into a network, every key and shape matching.

    Parameters
    ----------
    network : nn.Module
        The network.
    state : dict of str to Tensor
        Its weights; keys may carry a leading 'module.' from data-parallel training.
    weights_path : str or Path
        For messages.

    Raises
    ------
    WeightsError
        Listing missing, unexpected and mis-shaped keys, the first ten of each.
    """
    own = network.state_dict()
    fitted = {_own_key(key, own): tensor for key, tensor in state.items()}
    missing = [key for key in own if key not in fitted]
    unexpected = [key for key in fitted if key not in own]
    misshapen = [
        f"{key} (file {list(tensor.shape)}, network {list(own[key].shape)})"
        for key, tensor in fitted.items()
        if key in own and tensor.shape != own[key].shape
    ]
    if missing or unexpected or misshapen:
        parts = (
            listed("missing", missing),
            listed("unexpected", unexpected),
            listed("of another shape", misshapen),
        )
        msg = (
            f"The weights in {weights_path} do not fit {type(network).__name__}: "
            f"{'; '.join(part for part in parts if part)}. "
            "Give weights of this architecture, or change the architecture in _build_model."
        )
        raise WeightsError(msg)
    network.load_state_dict(fitted)


def _own_key(key: str, own: Mapping[str, torch.Tensor]) -> str:
    short = key
    while short not in own and short.startswith("module."):
        short = short.removeprefix("module.")
    return short if short in own else key


def listed(what: str, keys: Iterable[str]) -> str:
    """Count keys and name the first ten."""
    keys = list(keys)
    if not keys:
        return ""
    more = f", … and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{len(keys)} {what}: {', '.join(keys[:_SHOWN])}{more}"
