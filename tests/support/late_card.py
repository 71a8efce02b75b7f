"""A graphics card of the worst kind: it does nothing until somebody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch

from facebench.engine.jpeg_decoding import decode_jpegs


class LateCard:
    """Stands for a `CudaCard` on a CPU.

    Copies to it are made when something is computed from them, which here is at once. Copies back
    are made when they are waited for, as late as they can be: what is read before shows as NaN, and
    memory that was written to again as wrong numbers.

    Attributes
    ----------
    told : list of str
        What it was asked for, in order: 'send', 'fetch', 'wait'.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.sent: list[torch.dtype] = []
        self._queue: list[Callable[[], object]] = []
        self._done = 0

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        fill = float("nan") if dtype.is_floating_point else 77
        return torch.full(tuple(shape), fill, dtype=dtype)

    def send(self, host: torch.Tensor) -> torch.Tensor:
        self.told.append("send")
        self.sent.append(host.dtype)
        return host.clone()

    def decode(
        self, files: Sequence[bytes], make: Callable[[list[torch.Tensor]], torch.Tensor]
    ) -> torch.Tensor:
        self.told.append("decode")
        return make(decode_jpegs(files, torch.device("cpu")))

    def fetch(self, tensor: torch.Tensor) -> torch.Tensor:
        self.told.append("fetch")
        host = self.pinned(tuple(tensor.shape), tensor.dtype)
        source = tensor.clone()  # in the order of the stream: no later pass writes there before
        self._queue.append(lambda: host.copy_(source))
        return host

    def stamp(self) -> tuple[int, float]:
        return len(self._queue), time.perf_counter()

    def wait(self, stamp: tuple[int, float]) -> None:
        self.told.append("wait")
        while self._done < stamp[0]:
            self._queue[self._done]()
            self._done += 1

    def seconds(self, first: tuple[int, float], second: tuple[int, float]) -> float:
        assert self._done >= second[0], "timed before it was waited for"
        return second[1] - first[1]
