"""Memory that the main process shares with its workers, into which they put a batch's inputs.

A tensor that a process hands over is copied twice and costs a page fault for every four kilobytes.
Here each image is written to its row of the batch, in memory that is used again.
"""

from __future__ import annotations

import math
import mmap
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Rows", "SharedBlocks", "Target"]

# Batches in work at once, with some to spare. Memory is taken up only where it is written to.
_BLOCKS, _BLOCK_BYTES = 6, 64 * 2**20


@dataclass(frozen=True)
class Rows:
    """How the images of a batch lie in a block.

    Attributes
    ----------
    shape : tuple of int
        That of an image's input.
    dtype : torch.dtype
        Its type.
    colours_last : bool
        Whether colours are innermost in memory.
    """

    shape: tuple[int, ...]
    dtype: torch.dtype
    colours_last: bool

    def n_bytes(self, size: int) -> int:
        """Bytes that so many images take."""
        return size * math.prod(self.shape) * self.dtype.itemsize

    def of(self, memory: torch.Tensor, size: int) -> torch.Tensor:
        """See bytes as the inputs of so many images, [size, …]."""
        values = memory[: self.n_bytes(size)].view(self.dtype)
        if not self.colours_last:
            return values.view(size, *self.shape)
        channels, height, width = self.shape
        return values.view(size, height, width, channels).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class Target:
    """Where a batch of so many images goes."""

    block: int
    size: int


class SharedBlocks:
    """Blocks of memory for processes that are forked later.

    Parameters
    ----------
    colours_last : bool
        Whether inputs [3, H, W] are laid out with colours innermost.

    Raises
    ------
    OSError
        If there is no such memory.
    """

    def __init__(self, *, colours_last: bool) -> None:
        flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
        self._memory = mmap.mmap(-1, _BLOCKS * _BLOCK_BYTES, flags=flags)
        self._free = list(range(_BLOCKS))
        self._colours_last = colours_last

    def take(self) -> int | None:
        """Take a block that nothing uses; None if there is none."""
        return self._free.pop() if self._free else None

    def give_back(self, block: int) -> None:
        """Let a block be taken again."""
        self._free.append(block)

    def write(
        self, target: Target, positions: Sequence[int], tensors: Sequence[torch.Tensor]
    ) -> Rows | None:
        """Put inputs of one shape and type into their places of a batch: a worker's part.

        Returns
        -------
        Rows or None
            How they lie there; None if they do not fit, and were not written.
        """
        first = tensors[0]
        rows = Rows(tuple(first.shape), first.dtype, self._colours_last and first.ndim == 3)
        fits = rows.n_bytes(target.size) <= _BLOCK_BYTES
        if not fits or any(tensor.dtype != first.dtype for tensor in tensors):
            return None
        places = rows.of(self._bytes(target.block), target.size)
        for position, tensor in zip(positions, tensors, strict=True):
            places[position].copy_(tensor)
        return rows

    def read(self, block: int) -> torch.Tensor:
        """Give the bytes of a block, which is given back once no tensor uses them."""
        memory = np.frombuffer(
            self._memory, np.uint8, count=_BLOCK_BYTES, offset=block * _BLOCK_BYTES
        )
        given_back = weakref.finalize(memory, self._free.append, block)
        given_back.atexit = False
        return torch.from_numpy(memory)

    def _bytes(self, block: int) -> torch.Tensor:
        return torch.frombuffer(
            self._memory, dtype=torch.uint8, count=_BLOCK_BYTES, offset=block * _BLOCK_BYTES
        )
