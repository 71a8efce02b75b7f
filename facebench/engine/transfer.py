"""Batches to a graphics card and results back, while it computes: copies overlap with computation.

A batch is put together in pinned memory and copied by a stream of its own; the stream that computes
waits for that copy, the processor does not. Results are copied back behind the computation, and
taken one or two batches later, when they are there. `Card` holds all that is specific to CUDA.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TypeAlias

import torch

from facebench.engine.jpeg_decoding import decode_jpegs
from facebench.errors import ModelError

__all__ = ["Card", "CudaCard", "Returns", "card_of", "float32_arithmetic"]

Layers: TypeAlias = dict[str, torch.Tensor]
Pictures: TypeAlias = list[torch.Tensor]
# Batches whose results are on their way while the next one is launched.
_UNDERWAY = 2


class Card(Protocol):
    """What a device can do while the processor goes on."""

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Give memory of the host from which copies need no processor."""

    def send(self, host: torch.Tensor) -> torch.Tensor:
        """Begin to copy pinned memory to the card; what is computed from now on waits for it."""

    def decode(self, files: Sequence[bytes], make: Callable[[Pictures], Any]) -> torch.Tensor:
        """Decode plain JPEGs on the card, and make one tensor of the pictures [3, h, w] there.

        RuntimeError where one of them cannot be decoded.
        """

    def fetch(self, tensor: torch.Tensor) -> torch.Tensor:
        """Begin to copy a tensor of the card to pinned memory, when it is computed."""

    def stamp(self) -> Any:
        """Mark the place that computation and `fetch` have been told of so far."""

    def wait(self, stamp: Any) -> None:
        """Wait until all before a mark is done."""

    def seconds(self, first: Any, second: Any) -> float:
        """Give the time between two marks that were waited for."""


class CudaCard:
    """A CUDA device.

    Parameters
    ----------
    device : torch.device
        Which; 'cuda' is the current one.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def pinned(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Give pinned memory; torch gives it out again when no copy uses it any more."""
        return torch.empty(shape, dtype=dtype, pin_memory=True)

    def send(self, host: torch.Tensor) -> torch.Tensor:
        """Copy on the stream of copies; the stream that computes waits for it."""
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copies):
            sent = host.to(self._device, non_blocking=True)
        computing.wait_stream(self._copies)
        # Its memory is of the other stream, which may only have it back after the computation.
        sent.record_stream(computing)
        return sent

    def decode(self, files: Sequence[bytes], make: Callable[[Pictures], Any]) -> torch.Tensor:
        """Decode by nvJPEG, on the stream of copies."""
        computing = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._copies):
            # nvJPEG has a stream of its own, which does not wait for what is still read here.
            self._copies.synchronize()
            made: torch.Tensor = make(decode_jpegs(files, self._device))
        computing.wait_stream(self._copies)
        made.record_stream(computing)
        return made

    def fetch(self, tensor: torch.Tensor) -> torch.Tensor:
        """Copy on the stream that computes, so that no later pass writes there before."""
        host = self.pinned(tuple(tensor.shape), tensor.dtype)
        return host.copy_(tensor, non_blocking=True)

    def stamp(self) -> torch.cuda.Event:
        """Record an event on the stream that computes."""
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def wait(self, stamp: torch.cuda.Event) -> None:
        """Wait for an event."""
        stamp.synchronize()

    def seconds(self, first: torch.cuda.Event, second: torch.cuda.Event) -> float:
        """Give the time between two events."""
        return float(first.elapsed_time(second)) / 1e3


def card_of(device: torch.device) -> Card | None:
    """Give what feeds a device, where it works on its own.

    Returns
    -------
    Card or None
        None of a CPU, and of accelerators that are not CUDA: results are taken at once there.
    """
    return CudaCard(device) if device.type == "cuda" else None


@contextmanager
def float32_arithmetic(device: torch.device, *, tf32: bool) -> Iterator[None]:
    """Have a card compute in float32 in a block: torch lets convolutions round to TensorFloat-32.

    Parameters
    ----------
    device : torch.device
        Of what runs; nothing is changed for other than CUDA.
    tf32 : bool
        Whether it may use TensorFloat-32 instead, which has 10 bits after the point.
    """
    if device.type != "cuda":
        yield
        return
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = tf32
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def _on_host(tensor: torch.Tensor) -> torch.Tensor:
    """Lay a layer out as float32 rows in the host's memory, without more of the card's."""
    host = tensor.to("cpu")
    return host.reshape(host.shape[0], -1).to(torch.float32)


class Returns:
    """Results on their way back from a card, taken in the order of batches.

    Parameters
    ----------
    card : Card or None
        Where they come from; None takes them at once, as they are.
    owner : str
        The model's name, for messages.
    """

    def __init__(self, card: Card | None, owner: str) -> None:
        self._card = card
        self._owner = owner
        # Of each batch: how it is taken, and what is to be done then.
        self._underway: deque[list[Callable[[], None]]] = deque()

    def add(self, layers: Mapping[str, torch.Tensor], take: Callable[[Layers], None]) -> None:
        """Have the layers of a batch taken, when they are there.

        Parameters
        ----------
        layers : mapping of str to Tensor, shape [n, …]
            What the network returned; its next pass may use the memory again.
        take : callable
            Gets them: from a card as float32 rows [n, D] in the host's memory.
        """
        if self._card is None:
            take(dict(layers))
            return
        card = self._card
        try:
            fetched = {
                # To float32 where it is fast, and exact.
                layer: card.fetch(tensor.reshape(tensor.shape[0], -1).to(torch.float32))
                for layer, tensor in layers.items()
            }
        except torch.OutOfMemoryError:
            # The batch went through; only for its rows laid out anew there is no room.
            self.finish()
            take({layer: _on_host(tensor) for layer, tensor in layers.items()})
            return
        stamp = card.stamp()

        def finish() -> None:
            try:
                card.wait(stamp)
            except RuntimeError as error:
                # CUDA reports a kernel's fault when it is waited for.
                msg = (
                    f"Model {self._owner!r} failed on the graphics card, in this batch or one "
                    f"shortly before: {error}"
                )
                raise ModelError(msg) from error
            take(fetched)

        self._underway.append([finish])
        while len(self._underway) > _UNDERWAY:
            self._take_oldest()

    def then(self, call: Callable[[], None]) -> None:
        """Have something done when all that was added before is taken."""
        if self._underway:
            self._underway[-1].append(call)
        else:
            call()

    def finish(self) -> None:
        """Take all that is still on its way."""
        while self._underway:
            self._take_oldest()

    def rescue(self) -> None:
        """Take what is on its way when a run ends with an error, so that it is stored."""
        with suppress(Exception):
            while self._underway:
                self._underway.popleft()[0]()

    def _take_oldest(self) -> None:
        for call in self._underway.popleft():
            call()
