"""Reading dlib's serialised neural networks, one field after the other.

dlib writes a network as a plain sequence of fields with no table of contents:

- an **integer** is a length byte (low four bits: how many bytes follow, high bit: negative) and
  then the magnitude, lowest byte first;
- a **float** is two integers, mantissa and exponent;
- a **text** is its length and then its bytes; a **flag** is the character ``0`` or ``1``;
- a **tensor** is the version 2, four sizes and raw little-endian float32 values;
- an **alias** (a view into a tensor) is the version 1 and four sizes.

Every layer is its tag (``con_4``, ``affine_`` …), its own fields, and a trailer of three flags and
three empty tensors. The layers stand in the order in which an image passes through them.

The file is never trusted: each field is compared with the one network the caller expects, and only
then is as much read as that network needs. Nothing is searched for, so bytes inside the weights
that happen to spell a tag cannot mislead it, and no size in the file decides how much memory is
taken.

The format is that of Davis King's dlib, ``dlib/serialize.h`` and ``dlib/dnn`` (Boost licence); what
is written here was worked out from the file itself.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from facebench.errors import WeightsError

__all__ = ["DlibNetworkReader"]

_INTEGER_BYTES = 8  # the widest integer dlib writes
_VERSIONS = frozenset({1, 2, 3})  # what dlib's layer wrappers write before the first layer
_MOST_WRAPPERS = 1024


class DlibNetworkReader:
    """Reads the layers of one dlib network in order, checking every field.

    Parameters
    ----------
    stream : BinaryIO
        The open file, at its beginning.
    path : Path
        Where it came from; used in error messages only.

    Raises
    ------
    WeightsError
        From every method, when the file ends early or holds something else than what was asked
        for. The message gives the file, the byte, what was expected and what was found.
    """

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._position = 0

    # --- the parts of a network --------------------------------------------------------------

    def header(self, *, loss: str, input_layer: str, input_size: int) -> None:
        """Read everything before the first layer: the loss, the wrappers' versions, the input."""
        self._integers("the format version", 1)
        self._text(loss)
        self._numbers(2)  # the margin and the distance threshold of the training loss
        self._wrapper_versions(len(input_layer))
        self._exactly(input_layer.encode(), f"the name '{input_layer}'")
        self._numbers(3)  # the mean colour
        self._integers("the input size", input_size, input_size)

    def convolution(
        self,
        name: str,
        *,
        shape: tuple[int, int, int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        first: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Read a convolution with bias.

        Parameters
        ----------
        name : str
            What to call it in messages.
        shape : tuple of int
            ``(out, in, rows, columns)`` of the filters.
        stride, padding : tuple of int
            ``(rows, columns)``.
        first : bool
            Whether it is the network's first layer, which carries one more field.

        Returns
        -------
        filters : Tensor
            ``[out, in, rows, columns]``, float32.
        biases : Tensor
            ``[out]``, float32.
        """
        out = shape[0]
        filter_count = math.prod(shape)
        self._text("con_4", name)
        values = self._tensor(name, filter_count + out, 1, 1, 1)
        self._integers(f"the shape of {name}", out, *shape[2:], *stride, *padding)
        self._alias(name, *shape)
        self._alias(name, 1, out, 1, 1)
        self._numbers(4)  # learning rate and weight decay multipliers
        self._trailer(name)
        if first:
            self._integers("the samples per input", 1)
        return values[:filter_count].reshape(shape).clone(), values[filter_count:].clone()

    def affine(self, name: str, channels: int) -> tuple[Tensor, Tensor]:
        """Read a per-channel scale and shift, each ``[channels]``, float32."""
        self._text("affine_", name)
        values = self._tensor(name, 2 * channels, 1, 1, 1)
        self._alias(name, 1, channels, 1, 1)
        self._alias(name, 1, channels, 1, 1)
        self._integers(f"the mode of {name}", 0)  # 0: after a convolution, one pair per channel
        self._trailer(name)
        return values[:channels].clone(), values[channels:].clone()

    def relu(self, name: str) -> None:
        """Read a rectifier, which has no fields of its own."""
        self._text("relu_", name)
        self._trailer(name)

    def residual_sum(self, name: str) -> None:
        """Read a sum with an earlier layer's output."""
        self._text("add_prev_", name)
        self._trailer(name)

    def pooling(self, name: str, kind: str, window: int, stride: int) -> None:
        """Read a pooling without padding; ``kind`` is ``max`` or ``avg``, window 0 is the image."""
        self._text(f"{kind}_pool_2", name)
        self._integers(f"the window of {name}", window, window, stride, stride, 0, 0)
        self._trailer(name)

    def linear(self, name: str, inputs: int, outputs: int) -> Tensor:
        """Read a fully connected layer without bias.

        Returns
        -------
        Tensor
            ``[outputs, inputs]``, float32: PyTorch's order; the file holds the transpose.
        """
        self._text("fc_2", name)
        self._integers(f"the shape of {name}", outputs, inputs)
        values = self._tensor(name, inputs, outputs, 1, 1)
        self._alias(name, inputs, outputs, 1, 1)
        self._alias(name, 0, 0, 0, 0)
        self._integers(f"the bias mode of {name}", 1)  # 1: no bias
        self._numbers(4)
        self._trailer(name)
        return values.reshape(inputs, outputs).T.contiguous()

    def end(self) -> None:
        """Check that nothing follows."""
        if self._stream.read(1):
            raise self._wrong(expected="the end of the file", found="more bytes")

    # --- the fields they are made of ---------------------------------------------------------

    def _alias(self, name: str, *sizes: int) -> None:
        self._integers(f"the sizes of {name}", 1, *sizes)

    def _trailer(self, name: str) -> None:
        """Read what dlib keeps per layer for training: three flags and three empty tensors."""
        for flag in self._take(3, f"the flags of {name}"):
            if flag not in b"01":
                raise self._wrong(expected=f"the flags of {name}", found=f"the byte {flag:#04x}")
        for _ in range(3):
            self._integers(f"an empty tensor after {name}", 2, 0, 0, 0, 0)

    def _wrapper_versions(self, end: int) -> None:
        """Read the versions of the nested wrappers, up to the integer that is ``end``."""
        what = "the versions of the layers"
        for _ in range(_MOST_WRAPPERS):
            value = self._integer(what)
            if value == end:
                return
            if value not in _VERSIONS:
                raise self._wrong(what, f"the number {value}")
        raise self._wrong(what, f"more than {_MOST_WRAPPERS} of them")

    def _tensor(self, name: str, *sizes: int) -> Tensor:
        """Read a tensor of exactly these sizes as one row of float32."""
        self._integers(f"the tensor of {name}", 2, *sizes)
        what = f"the weights of {name}"
        raw = self._take(4 * math.prod(sizes), what)
        values = np.frombuffer(raw, dtype="<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise self._wrong(expected=f"finite numbers as {what}", found="NaN or infinity")
        return torch.from_numpy(values)

    def _integers(self, what: str, *expected: int) -> None:
        for value in expected:
            found = self._integer(what)
            if found != value:
                raise self._wrong(expected=f"{value} in {what}", found=f"{found}")

    def _numbers(self, count: int) -> None:
        """Skip floats: settings of the training that the finished network does not need."""
        for _ in range(2 * count):
            self._integer("a training setting")

    def _text(self, expected: str, name: str | None = None) -> None:
        what = f"the tag '{expected}'" + (f" of {name}" if name else "")
        self._integers(f"the length of {what}", len(expected))
        self._exactly(expected.encode(), what)

    def _exactly(self, expected: bytes, what: str) -> None:
        found = self._take(len(expected), what)
        if found != expected:
            raise self._wrong(what, repr(found))

    def _integer(self, what: str) -> int:
        control = self._take(1, what)[0]
        count = control & 0x0F
        if control & 0x70 or not 1 <= count <= _INTEGER_BYTES:
            raise self._wrong(what, f"the byte {control:#04x}, which starts no number")
        magnitude = int.from_bytes(self._take(count, what), "little")
        return -magnitude if control & 0x80 else magnitude

    def _take(self, count: int, what: str) -> bytes:
        taken = self._stream.read(count)
        if len(taken) != count:
            raise self._wrong(what, "the end of the file (is it a partial download?)")
        self._position += count
        return taken

    def _wrong(self, expected: str, found: str) -> WeightsError:
        return WeightsError(
            f"The file '{self._path}' must be dlib's face network "
            f"(dlib_face_recognition_resnet_model_v1.dat): expected {expected} before byte "
            f"{self._position:,}. Got {found}."
        )
