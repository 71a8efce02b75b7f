"""What decodes plain JPEGs, and how far that is from Pillow.

Only JPEGs of which all decoders give the same colours (see `is_plain_jpeg`) are decoded by anything
but Pillow. Decoders may still round differently, so a run measures that on its first images.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from facebench.data.images import JpegDecoder, jpegs_decoded_by, open_image
from facebench.errors import ImageError, InputError, ModelError

__all__ = [
    "Decoder",
    "check_decoder",
    "decode_jpegs",
    "decoded_by",
    "decoder_difference",
    "difference_of",
    "torchvision_pixels",
]

Decoder: TypeAlias = Literal["pillow", "torchvision", "nvjpeg"]
_COMPARED = 16
# Grey levels, on average: decoders of the same colours differ by less than one.
_SAME_PICTURE = 4.0


def decode_jpegs(data: Sequence[bytes], device: torch.device) -> list[torch.Tensor]:
    """Decode plain JPEGs with torchvision: by libjpeg-turbo on a CPU, by nvJPEG on a CUDA device.

    Parameters
    ----------
    data : sequence of bytes
        The files.
    device : torch.device
        Where their pixels are to be.

    Returns
    -------
    list of Tensor, shape [3, H, W]
        Of type uint8.

    Raises
    ------
    RuntimeError
        If one of them cannot be decoded.
    """
    from torchvision import io

    # Each is copied: torch takes no memory that it may not write to.
    files = [torch.frombuffer(bytearray(one), dtype=torch.uint8) for one in data]
    with warnings.catch_warnings():
        # torchvision 0.29 names a successor, TorchCodec; `check_decoder` says if this is gone.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="torchvision")
        found: list[torch.Tensor] = io.decode_jpeg(files, mode=io.ImageReadMode.RGB, device=device)
    return found


def torchvision_pixels(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one plain JPEG on the CPU, in the form that `open_image` returns: [H, W, 3]."""
    pixels = decode_jpegs([data], torch.device("cpu"))[0]
    return np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())


def check_decoder(decoder: Decoder) -> None:
    """See whether a decoder is there.

    Raises
    ------
    InputError
        If it is not.
    """
    if decoder == "pillow":
        return
    if decoder == "nvjpeg" and not torch.cuda.is_available():
        msg = "decoder='nvjpeg' needs a CUDA device. Choose 'torchvision' or 'pillow' on a CPU."
        raise InputError(msg)
    from torchvision import io

    if not hasattr(io, "decode_jpeg"):
        msg = (
            f"decoder={decoder!r} needs torchvision.io.decode_jpeg, which this version of "
            "torchvision does not have. Choose decoder='pillow', or torchvision 0.29 or older."
        )
        raise InputError(msg)


def _function_of(decoder: Decoder) -> JpegDecoder | None:
    # nvJPEG decodes whole batches, on the card: see `Loader`.
    return torchvision_pixels if decoder == "torchvision" else None


@contextmanager
def decoded_by(decoder: Decoder) -> Iterator[None]:
    """Have `open_image` decode plain JPEGs by a decoder in a block; by Pillow for nvJPEG."""
    with jpegs_decoded_by(_function_of(decoder)):
        yield


def decoder_difference(model_name: str, decoder: Decoder, images: Sequence[Path]) -> dict[str, Any]:
    """Compare a decoder with Pillow on the first images of a run.

    Parameters
    ----------
    model_name : str
        For messages.
    decoder : {'torchvision'}
        Which.
    images : sequence of Path
        Image files, of which the first 16 that can be read are compared.

    Returns
    -------
    dict
        ``decoder``, and of the pixels compared: ``images``, and the ``largest`` and ``mean``
        difference in grey levels.

    Raises
    ------
    ModelError
        If the pictures are not the same.
    """
    pairs = []
    for path in images[:_COMPARED]:
        try:
            expected = np.asarray(open_image(path))
            with decoded_by(decoder):
                pairs.append((path, expected, np.asarray(open_image(path))))
        except ImageError:
            continue  # The run itself says what is wrong with it.
    return difference_of(model_name, decoder, pairs)


def difference_of(
    model_name: str, decoder: Decoder, pairs: Iterable[tuple[Path, Any, Any]]
) -> dict[str, Any]:
    """Compare pixels of images; see `decoder_difference`.

    Parameters
    ----------
    model_name, decoder
        For messages.
    pairs : iterable of tuple
        The file, its pixels by Pillow, and by the decoder.
    """
    largest, means = 0, []
    for path, expected, found in pairs:
        apart = np.abs(np.asarray(expected, np.int16) - np.asarray(found, np.int16))
        largest = max(largest, int(apart.max()))
        means.append(float(apart.mean()))
        if means[-1] > _SAME_PICTURE:
            msg = (
                f"Model {model_name!r}: decoder={decoder!r} gives another picture than Pillow for "
                f"{path}: {means[-1]:.1f} grey levels apart on average. Choose decoder='pillow'."
            )
            raise ModelError(msg)
    mean = sum(means) / len(means) if means else 0.0
    return {"decoder": decoder, "images": len(means), "largest": largest, "mean": round(mean, 4)}
