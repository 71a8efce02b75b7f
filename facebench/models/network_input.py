"""What a network expects of its images: size, colour order, range of values, mean and SD."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NoReturn, get_args

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from typing_extensions import override

from facebench.errors import InputError
from facebench.utils.suggestions import did_you_mean

__all__ = ["NetworkInput", "network_input"]

Channels = Literal["rgb", "bgr", "grey"]
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class NetworkInput:
    """How an RGB image becomes a network's input; call it to convert one.

    Attributes
    ----------
    size : tuple of int
        Height and width in pixels.
    mean, std : tuple of float
        Subtracted from, and divided into, the values of each channel, in the network's order of
        channels.
    channels : {'rgb', 'bgr', 'grey'}
        Order of the colour channels; 'grey' is one channel, the luma of ITU-R BT.601.
    max_value : float, default 1
        Value of white before `mean` is subtracted: 1, or 255.
    resize : int, optional
        Length of the shorter side to which an image is resized before its centre is cropped to
        `size`. None resizes the image to `size`, which may change its shape.
    interpolation : {'nearest', 'bilinear', 'bicubic', 'lanczos'}, default 'bilinear'
        Filter of the resizing (Pillow's, antialiased). An image of the right size is not resized.
    """

    outputs_version = "network-input-1"

    size: tuple[int, int]
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)
    channels: Channels = "rgb"
    max_value: float = 1.0
    resize: int | None = None
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        """Take one mean and one standard deviation of grey."""
        for name in ("mean", "std") if self.channels == "grey" else ():
            values = getattr(self, name)
            if len(set(values)) > 1:
                _refuse(name, values, "one number, since 'channels' is grey")
            object.__setattr__(self, name, values[:1])

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Convert an RGB image to a float32 tensor [3, height, width], or [1, …] of grey."""
        pixels = self.pixels(image).astype(np.float32)
        pixels *= np.float32(self.max_value / 255)
        pixels -= np.asarray(self.mean, np.float32)
        pixels /= np.asarray(self.std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    @override
    def __str__(self) -> str:
        """Say it in one line, as for messages and tables."""
        height, width = self.size
        white = f"{self.max_value:g}"
        mean, std = (_short(values) for values in (self.mean, self.std))
        return f"{self.channels.upper()}, {height} × {width}, 0–{white}, mean {mean}, SD {std}"

    def described(self) -> str:
        """Say in full what becomes of an image, as for the methods section of a paper.

        Examples
        --------
        >>> NetworkInput((224, 224)).described()
        'resized to 224 × 224 pixels (bilinear); RGB, 0–1, mean 0.5, SD 0.5'
        """
        (height, width), how = self.size, self.interpolation
        values = str(self).replace(f", {height} × {width}", "", 1)
        if self.resize is None:
            return f"resized to {height} × {width} pixels ({how}); {values}"
        return (
            f"resized to a shorter side of {self.resize} pixels ({how}), centre cropped to "
            f"{height} × {width}; {values}"
        )

    def pixels(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Give the pixels [height, width, channels] that the network's values are made of."""
        if self.channels == "grey":
            return np.array(self._sized(image.convert("L")))[..., None]
        pixels = np.asarray(self._sized(image))
        return pixels[..., ::-1] if self.channels == "bgr" else pixels

    def _sized(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        filter_ = _FILTERS[self.interpolation]
        if self.resize is not None:
            # Rounded as torchvision does, so that the same pixels are cut out.
            shorter = min(image.size)
            resized = (
                int(self.resize * image.width / shorter),
                int(self.resize * image.height / shorter),
            )
            if image.size != resized:
                image = image.resize(resized, filter_)
            left, top = round((resized[0] - width) / 2), round((resized[1] - height) / 2)
            return image.crop((left, top, left + width, top + height))
        return image if image.size == (width, height) else image.resize((width, height), filter_)


def network_input(
    settings: Mapping[str, Any] | NetworkInput, base: NetworkInput | None = None
) -> NetworkInput:
    """Read and check an ``input:`` as people write it.

    Parameters
    ----------
    settings : mapping or NetworkInput
        ``size`` (one number, or height and width), ``mean`` and ``std`` (one number, or one per
        channel), ``channels``, ``max_value``, ``resize``, ``interpolation``; see `NetworkInput`.
    base : NetworkInput, optional
        Where values that are not given come from. With another `size` alone, `resize` changes in
        proportion: the same part of an image is seen.

    Raises
    ------
    InputError
        If a key is unknown, a value is of the wrong kind, or ``size`` is given by neither.

    Examples
    --------
    >>> print(network_input({"size": 112, "channels": "bgr"}))
    BGR, 112 × 112, 0–1, mean 0.5, SD 0.5
    """
    if isinstance(settings, NetworkInput):
        return settings
    known = [field.name for field in fields(NetworkInput)]
    if not isinstance(settings, Mapping):
        _refuse("input", settings, f"a mapping with {', '.join(known)}")
    for key in settings:
        if key not in known:
            msg = (
                f"The 'input' of a network has no key {key!r}. Keys: {', '.join(known)}."
                f"{did_you_mean(str(key), known)}"
            )
            raise InputError(msg)
    given = dict(settings)
    if base is not None:
        given = {name: getattr(base, name) for name in known} | given
    if "size" not in given:
        msg = "The 'input' of a network needs a 'size' in pixels: one number, or height and width."
        raise InputError(msg)
    size = _repeated("size", given["size"], 2)
    if any(side != int(side) or side < 1 for side in size):
        _refuse("size", given["size"], "one or two whole numbers of pixels")
    given["size"] = (int(size[0]), int(size[1]))
    if base is not None and base.resize is not None and "resize" not in settings:
        given["resize"] = int(base.resize * max(given["size"]) / max(base.size))
    for name in ("mean", "std"):
        if name in given:
            n_channels = 1 if given.get("channels") == "grey" and name in settings else 3
            given[name] = tuple(map(float, _repeated(name, given[name], n_channels)))
    if not all(given.get("std", (1,))):
        _refuse("std", settings.get("std"), "other than 0")
    if given.get("channels", "rgb") not in get_args(Channels):
        _refuse("channels", given["channels"], "'rgb', 'bgr' or 'grey'")
    if given.get("interpolation", "bilinear") not in _FILTERS:
        _refuse("interpolation", given["interpolation"], f"one of {', '.join(_FILTERS)}")
    resize = given.get("resize")
    if resize is not None and (not _is_number(resize) or resize < max(given["size"])):
        _refuse("resize", resize, "a number of pixels, at least as large as 'size'")
    white = given.get("max_value", 1.0)
    if not _is_number(white) or white <= 0:
        _refuse("max_value", white, "a positive number: 1 or 255")
    if any(value > white for value in given.get("mean", ())):
        _refuse("mean", settings.get("mean"), f"at most 'max_value', the value of white: {white:g}")
    return NetworkInput(**given)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _repeated(name: str, value: Any, n: int) -> Any:
    """Give one value n times, n values as they are."""
    values = (value,) * n if not isinstance(value, list | tuple) else tuple(value)
    if len(values) != n or not all(map(_is_number, values)):
        _refuse(name, value, f"one number, or {n}" if n > 1 else "one number")
    return values


def _short(values: tuple[float, ...]) -> str:
    shown = values[:1] if len(set(values)) == 1 else values
    return ", ".join(f"{value:g}" for value in shown)


def _refuse(name: str, value: Any, expected: str) -> NoReturn:
    where = "" if name == "input" else " in the 'input' of a network"
    msg = f"The {name!r}{where} must be {expected}. Got {value!r} instead."
    raise InputError(msg)
