"""What the transformers models share: quiet loading and one clear error when weights are away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import torch
from PIL import Image
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoImageProcessor
from transformers.utils import logging as _untyped_logging

from facebench.errors import MissingWeightsError, ModelError, WeightsError
from facebench.models.checkpoints import listed, refused_pickle
from facebench.utils.suggestions import did_you_mean

__all__ = [
    "CONFIGURATION",
    "load_config",
    "load_network",
    "load_processor",
    "one_of",
    "processed",
    "untrained_network",
]

T = TypeVar("T")
# All that an untrained network needs.
CONFIGURATION = "configuration (config.json and preprocessor_config.json)"
# transformers annotates these modules only in part.
_logging = cast(Any, _untyped_logging)
_processors = cast(Any, AutoImageProcessor)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers and the hub from reports and progress bars while a model loads."""
    hub = logging.getLogger("huggingface_hub")
    hub_level = hub.level
    hub.setLevel(logging.ERROR)
    level = _logging.get_verbosity()
    bars = _logging.is_progress_bar_enabled()
    _logging.set_verbosity_error()
    _logging.disable_progress_bar()
    try:
        yield
    finally:
        hub.setLevel(hub_level)
        _logging.set_verbosity(level)
        if bars:
            _logging.enable_progress_bar()


def load_from_hub(load: Callable[[], T], version: str, owner: str, what: str = "weights") -> T:
    """Call a ``from_pretrained``, from a local folder, the hub's own cache or the hub.

    Parameters
    ----------
    load : callable
        The loading itself.
    version : str
        A hub name or local folder, for messages.
    owner : str
        The model's class, for messages.
    what : str, default 'weights'
        What is loaded, for messages.

    Returns
    -------
    object
        What `load` returns.

    Raises
    ------
    MissingWeightsError
        If the weights are neither local, nor cached, nor within reach.
    WeightsError
        If they are damaged, or a pickle that would run code.
    ModelError
        If they bring code of their own.
    """
    try:
        with _quiet():
            return load()
    except (OSError, ValueError) as error:
        if "trust_remote_code" in str(error):
            # transformers tells how to run it after all.
            msg = (
                f"{owner} cannot load its {what}: {version!r} brings code of its own (auto_map), "
                "which is not run. Give a version that transformers itself knows, or write a model "
                "class around the code if you trust it."
            )
            raise ModelError(msg) from error
        where = f"{version!r} is neither a local folder nor in the hub's cache nor downloadable"
        if Path(version).is_dir():
            where = f"The folder {version} holds no loadable model"
        msg = (
            f"{owner} cannot load its {what}: {where} ({str(error).splitlines()[0]}). Give version "
            "the path of a folder written by save_pretrained, or run once with network access."
        )
        raise MissingWeightsError(msg) from error
    except (UnpicklingError, EOFError) as error:
        raise refused_pickle(version) from error
    except SafetensorError as error:
        msg = f"The weights of {version} cannot be read as safetensors: {error}."
        raise WeightsError(msg) from error


def load_network(family: Any, version: str, owner: str, **options: Any) -> nn.Module:
    """Load a network, every one of its weights from the checkpoint.

    Parameters
    ----------
    family : class
        A transformers class with ``from_pretrained``.
    version, owner : str
        See `load_from_hub`.
    **options
        For ``from_pretrained``.

    Returns
    -------
    nn.Module

    Raises
    ------
    WeightsError
        If weights are missing from the checkpoint or of another shape: transformers would draw
        them at random. Otherwise see `load_from_hub`.
    """
    network, report = load_from_hub(
        lambda: family.from_pretrained(
            version, output_loading_info=True, trust_remote_code=False, **options
        ),
        version,
        owner,
    )
    absent = [*report["missing_keys"], *(key for key, *_ in report.get("mismatched_keys", ()))]
    if absent:
        msg = (
            f"The weights of {version} do not fill {type(network).__name__}, the network of "
            f"{owner}: {listed('missing or of another shape', sorted(absent))}. "
            "Give a version that was saved from this network."
        )
        raise WeightsError(msg)
    module: nn.Module = network
    return module


def untrained_network(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Build a network with the random weights its training began with.

    Parameters
    ----------
    make : callable
        Builds it from its configuration; transformers draws the weights.
    seed : int
        Which draw; the caller's generator is left alone.

    Returns
    -------
    nn.Module
    """
    with _quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def load_config(version: str, owner: str, kinds: tuple[str, ...], what: str = "weights") -> Any:
    """Load a network's configuration, of one of the given kinds.

    Raises
    ------
    ModelError
        If it is of another kind. Otherwise see `load_from_hub`.
    """
    config = load_from_hub(
        lambda: AutoConfig.from_pretrained(version, trust_remote_code=False), version, owner, what
    )
    if config.model_type not in kinds:
        msg = (
            f"{owner} needs a network of the kind {' or '.join(kinds)}. "
            f"{version} holds one of the kind {config.model_type!r}."
        )
        raise ModelError(msg)
    return config


def load_processor(version: str, owner: str, what: str = "weights") -> Any:
    """Load the image processor that belongs to a model."""
    return load_from_hub(
        lambda: _processors.from_pretrained(version, trust_remote_code=False), version, owner, what
    )


def processed(processor: Any, image: Image.Image) -> torch.Tensor:
    """Preprocess one image as its processor does; a tensor of shape [3, H, W]."""
    tensor: torch.Tensor = processor(images=image, return_tensors="pt")["pixel_values"][0]
    return tensor


def one_of(value: str, choices: tuple[str, ...], parameter: str, owner: str) -> str:
    """Check a named choice.

    Raises
    ------
    ModelError
        If `value` is none of `choices`, with the closest.
    """
    if value not in choices:
        msg = (
            f"The {parameter!r} parameter of {owner} must be one of {', '.join(choices)}. "
            f"Got {value!r} instead.{did_you_mean(value, choices)}"
        )
        raise ModelError(msg)
    return value
