"""A model's preprocessing in two parts: 8-bit pixels, and arithmetic for any device.

Pixels take a quarter of the memory of the input made from them, so that they are what is sent to a
graphics card. Both parts together give the numbers of the preprocessing itself; a run checks that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

from facebench.data.images import open_image
from facebench.models.base import _IMAGENET_MEAN, _IMAGENET_STD, BaseModel
from facebench.models.network_input import NetworkInput
from facebench.types import StrPath

__all__ = ["SplitInput", "split_input"]

# Filters that torch has as Pillow has them.
_ON_CARDS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class SplitInput:
    """A preprocessing in two parts.

    Attributes
    ----------
    pixels : callable
        From an RGB image to a uint8 tensor [3, H, W].
    factor : float
        What pixels are multiplied by, unless `divisor` is given.
    divisor : float or None
        What pixels are divided by.
    sizing : NetworkInput or None
        Sizes and channels by which `pixels` resizes, crops and orders, if it does nothing else.
    mean, std : tuple of float
        Subtracted from, and divided into, the values of each channel afterwards.
    """

    pixels: Callable[[Image.Image], torch.Tensor]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    factor: float = 1.0
    divisor: float | None = 255.0
    sizing: NetworkInput | None = None
    _constants: dict[torch.device, list[torch.Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def read(self, model: BaseModel, image_path: StrPath) -> torch.Tensor:
        """Read an image file as `BaseModel.preprocess_image` does, up to its pixels.

        Parameters
        ----------
        model : BaseModel
            Whose preprocessing it is; it may align faces.
        image_path : str or Path
            The image.

        Returns
        -------
        Tensor, shape [3, H, W]
            Of type uint8.

        Raises
        ------
        TypeError
            If the first part gives anything else.
        """
        with model.in_work(image_path):
            pixels = self.pixels(model.aligned(open_image(image_path)))
        if pixels.dtype != torch.uint8 or pixels.ndim != 3:
            msg = f"Pixels must be uint8 [3, H, W]. Got {pixels.dtype} {list(pixels.shape)}."
            raise TypeError(msg)
        return pixels

    def sized(self, pictures: torch.Tensor) -> torch.Tensor:
        """Resize and crop as `pixels` does, but for rounding, where the pictures are.

        Parameters
        ----------
        pictures : Tensor, shape [N, 3, h, w]
            RGB, of type uint8, on any device.

        Returns
        -------
        Tensor, shape [N, 3, H, W]
            Of type uint8.

        Raises
        ------
        ValueError
            Without `sizing`.
        """
        if self.sizing is None:
            msg = "It is not known how these pixels are sized."
            raise ValueError(msg)
        size = found = (pictures.shape[-2], pictures.shape[-1])
        height, width = self.sizing.size
        if self.sizing.resize is None:
            size = (height, width)
        else:
            asked, shorter = self.sizing.resize, min(found)
            size = (int(asked * found[0] / shorter), int(asked * found[1] / shorter))
        if size != found:
            resized = functional.interpolate(
                pictures.to(torch.float32), size, mode=self.sizing.interpolation, antialias=True
            )
            pictures = resized.round_().clamp_(0, 255).to(torch.uint8)
        if self.sizing.resize is not None:
            top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
            pictures = pictures[..., top : top + height, left : left + width]
        return pictures.flip(1) if self.sizing.channels == "bgr" else pictures

    def finish(self, pixels: torch.Tensor) -> torch.Tensor:
        """Do the arithmetic, where the pixels are.

        Parameters
        ----------
        pixels : Tensor, shape [N, 3, H, W]
            Of type uint8, on any device.

        Returns
        -------
        Tensor, shape [N, 3, H, W]
            Of type float32.
        """
        values = pixels.to(torch.float32)
        scale, mean, std = self._constants_on(pixels.device)
        if self.divisor is None:
            values.mul_(scale)
        else:
            values.div_(scale)
        return values.sub_(mean).div_(std)

    def _constants_on(self, device: torch.device) -> list[torch.Tensor]:
        """Give the constants, once for each device: to copy them there waits for all its work.

        Division by a number of the CPU would be a multiplication there, which rounds otherwise.
        """
        if device not in self._constants:
            scale = self.factor if self.divisor is None else self.divisor
            self._constants[device] = [
                torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1).to(device)
                for values in (scale, self.mean, self.std)
            ]
        return self._constants[device]


def split_input(model: BaseModel) -> SplitInput | str:
    """Split a model's preprocessing, where it is known to end in arithmetic alone.

    Parameters
    ----------
    model : BaseModel
        The model, as it is now.

    Returns
    -------
    SplitInput or str
        Or why it cannot be split, for the record of a run.
    """
    cls = type(model)
    for method in ("preprocess_image", "preprocess"):
        if getattr(cls, method) is not getattr(BaseModel, method):
            return f"{cls.__name__} has its own {method}"
    if model.preprocess_function is not None:
        return _split(model.preprocess_function, "preprocess_function")
    if cls._default_preprocess is BaseModel._default_preprocess:
        usual = NetworkInput((224, 224))
        return SplitInput(_usual_pixels, _IMAGENET_MEAN, _IMAGENET_STD, sizing=usual)
    if not cls._default_preprocess.__module__.startswith("facebench."):
        return f"{cls.__name__} has its own _default_preprocess"
    # What families keep their transform or processor as; `input` is what they tell of it.
    for name in ("_transform", "_processor", "input"):
        if (found := getattr(model, name, None)) is not None:
            return _split(found, f"the preprocessing of {cls.__name__}")
    return f"the preprocessing of {cls.__name__} is arithmetic of another kind"


def _usual_pixels(image: Image.Image) -> torch.Tensor:
    return _as_pixels(image.resize((224, 224), Image.Resampling.BILINEAR))


def _as_pixels(image: Image.Image | npt.NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)))


def _split(function: Any, what: str) -> SplitInput | str:
    if type(function) is NetworkInput:
        pixels = partial(_sized_pixels, function)
        factor = float(np.float32(function.max_value / 255))
        on_card = function.interpolation in _ON_CARDS and function.channels != "grey"
        sizing = function if on_card else None
        return SplitInput(pixels, function.mean, function.std, factor, None, sizing)
    name = f"{type(function).__module__}.{type(function).__name__}"
    if name == "torchvision.transforms._presets.ImageClassification":
        pixels = partial(_preset_pixels, function)
        mean, std = _numbers(function.mean), _numbers(function.std)
        return SplitInput(pixels, mean, std, sizing=_sizing_of(function))
    if name == "torchvision.transforms.transforms.Compose":
        return _split_compose(function.transforms, what)
    if hasattr(function, "do_rescale") and hasattr(function, "do_normalize"):
        return _split_processor(function, what)
    return f"{what} is not known to end in a normalisation"


def _sized_pixels(function: NetworkInput, image: Image.Image) -> torch.Tensor:
    return _as_pixels(function.pixels(image))


def _preset_pixels(preset: Any, image: Image.Image) -> torch.Tensor:
    """Do what torchvision's preset does before it converts pixels to numbers."""
    from torchvision.transforms import functional

    resized = functional.resize(
        image, preset.resize_size, interpolation=preset.interpolation, antialias=preset.antialias
    )
    cropped = functional.center_crop(resized, preset.crop_size)
    pixels: torch.Tensor = functional.pil_to_tensor(cropped)
    return pixels


def _sizing_of(preset: Any) -> NetworkInput | None:
    interpolation = preset.interpolation.value
    if interpolation not in _ON_CARDS or len(preset.resize_size) != 1:
        return None
    size = (preset.crop_size[0], preset.crop_size[-1])
    return NetworkInput(size, resize=preset.resize_size[0], interpolation=interpolation)


def _split_compose(steps: Sequence[Any], what: str) -> SplitInput | str:
    from torchvision import transforms

    normalised = bool(steps) and type(steps[-1]) is transforms.Normalize
    before = steps[:-1] if normalised else steps
    if not before or not isinstance(before[-1], transforms.ToTensor):
        return f"{what} does not end in ToTensor, or ToTensor and Normalize"
    pixels = partial(_composed_pixels, list(before[:-1]))
    if not normalised:
        return SplitInput(pixels, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return SplitInput(pixels, _numbers(steps[-1].mean), _numbers(steps[-1].std))


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _composed_pixels(steps: Sequence[Any], image: Any) -> torch.Tensor:
    for step in steps:
        image = step(image)
    return _as_pixels(image)


def _split_processor(processor: Any, what: str) -> SplitInput | str:
    """Split an image processor of transformers."""
    if not (processor.do_rescale and processor.do_normalize):
        return f"{what} does not end in rescaling and normalising"
    return SplitInput(
        partial(_processed_pixels, processor),
        _numbers(processor.image_mean),
        _numbers(processor.image_std),
        float(processor.rescale_factor),
        None,
    )


def _processed_pixels(processor: Any, image: Image.Image) -> torch.Tensor:
    found = processor(images=image, do_rescale=False, do_normalize=False, return_tensors="pt")
    pixels: torch.Tensor = found["pixel_values"][0]
    return pixels
