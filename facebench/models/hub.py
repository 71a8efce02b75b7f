"""What the transformers models share: quiet loading and one clear error when weights are away."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from PIL import Image
from transformers import AutoImageProcessor
from transformers.utils import logging as _untyped_logging

from facebench.errors import MissingWeightsError, ModelError

__all__ = ["load_from_hub", "load_processor", "one_of", "processed"]

T = TypeVar("T")
# transformers annotates these modules only in part.
_logging = cast(Any, _untyped_logging)
_processors = cast(Any, AutoImageProcessor)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars and reports while a model loads."""
    level = _logging.get_verbosity()
    bars = _logging.is_progress_bar_enabled()
    _logging.set_verbosity_error()
    _logging.disable_progress_bar()
    try:
        yield
    finally:
        _logging.set_verbosity(level)
        if bars:
            _logging.enable_progress_bar()


def load_from_hub(load: Callable[[], T], version: str, owner: str) -> T:
    """Call a ``from_pretrained``, from a local folder, the hub's own cache or the hub.

    Parameters
    ----------
    load : callable
        The loading itself.
    version : str
        A hub name or local folder, for messages.
    owner : str
        The model's class, for messages.

    Returns
    -------
    object
        What `load` returns.

    Raises
    ------
    MissingWeightsError
        If the weights are neither local, nor cached, nor within reach.
    """
    try:
        with _quiet():
            return load()
    except OSError as error:
        what = f"{version!r} is no local folder, not in the hub's cache, and cannot be downloaded"
        if Path(version).is_dir():
            what = f"The folder {version} holds no loadable model"
        msg = (
            f"{owner} cannot load its weights: {what} ({str(error).splitlines()[0]}). Give version "
            "the path of a folder written by save_pretrained, or run once with network access."
        )
        raise MissingWeightsError(msg) from error


def load_processor(version: str, owner: str) -> Any:
    """Load the image processor that belongs to a model."""
    return load_from_hub(lambda: _processors.from_pretrained(version), version, owner)


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
        close = difflib.get_close_matches(str(value), choices, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        msg = (
            f"The {parameter!r} parameter of {owner} must be one of {', '.join(choices)}. "
            f"Got {value!r} instead.{hint}"
        )
        raise ModelError(msg)
    return value
