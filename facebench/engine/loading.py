"""Image files to batches of tensors, in worker processes.

On a CPU the cores are shared: while the network runs, workers rest, and while they decode, the
network does, so that neither slows the other. On an accelerator, and where decoding takes longer
than the network, workers run ahead.
"""

from __future__ import annotations

import copy
import functools
import itertools
import logging
import math
import multiprocessing
import os
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from facebench.engine.card_decoding import CardDecoder
from facebench.engine.decoding import (
    ImageFile,
    LoadedImage,
    LoadedPart,
    Wanted,
    load_in_worker,
    load_part,
    shape_error,
    start_worker,
)
from facebench.engine.jpeg_decoding import Decoder
from facebench.engine.shared_blocks import SharedBlocks, Target
from facebench.engine.transfer import Card, card_of
from facebench.errors import ModelError
from facebench.models.base import BaseModel
from facebench.models.split_input import SplitInput, split_input
from facebench.utils.cores import usable_cores

__all__ = ["Batch", "ImageFile", "Loader"]

_log = logging.getLogger(__name__)
# Starting workers costs more than decoding this many images here.
_WORTH_WORKERS = 48
# Workers run ahead where decoding a batch takes longer than this many times the network.
_DECODING_LEADS = 2.0
_AHEAD = 3
_TOGETHER = 4
# Of a batch for a card, a process gets so many images at least: each part costs the main process
# about as much as to put four images into the batch.
_LEAST_SHARE = 8
# How far the input that a card computes from pixels may be from the processor's, as a part of its
# largest value.
_SAME_INPUT = 1e-6


@dataclass(frozen=True)
class Batch:
    """Some images, ready for the network.

    Attributes
    ----------
    paths : list of Path
        Those that could be read, in the order asked for.
    tensor : Tensor, shape [N, 3, H, W], or None
        Their inputs, on the card if there is one; None where there are none.
    bad : dict of Path to str
        Those that could not be read, and why.
    notes : list of tuple of str
        The preprocessing's remarks on each image of `paths`.
    seconds : float
        What reading and preprocessing took, added up over processes.
    """

    paths: list[Path]
    tensor: torch.Tensor | None
    bad: dict[Path, str] = field(default_factory=dict)
    notes: list[tuple[str, ...]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class _Submitted:
    """A batch in work: which pool has it, and what it is to return."""

    pool: ProcessPoolExecutor | None
    parts: list[Future[LoadedPart]]
    target: Target | None = None

    def results(self) -> list[LoadedPart]:
        return [part.result() for part in self.parts]


class Loader:
    """Reads images for one model; use as a context manager, which ends the workers.

    Parameters
    ----------
    model : BaseModel
        Whose preprocessing to use.
    num_workers : int, optional
        Processes; 0 does it in this one. None takes one per core where there are enough images.
    n_images : int
        How many images are to come.
    decoder : {'pillow', 'torchvision', 'nvjpeg'}
        What processes decode JPEGs with; this one's is that of `decoded_by`.

    Attributes
    ----------
    card : Card or None
        What batches are sent to.
    sent_as : str
        What is sent to the card: 'uint8', if it computes the input from pixels, or 'float32' and
        why. Empty without a card.
    """

    def __init__(
        self,
        model: BaseModel,
        num_workers: int | None,
        n_images: int,
        decoder: Decoder = "pillow",
    ) -> None:
        self._model = model
        self._decoder: Decoder = decoder
        # A class that reads its layers itself gets its batches as ever, in the host's memory.
        own = type(model).get_output is not BaseModel.get_output
        self.card: Card | None = None if own else card_of(model.device)
        if num_workers is None:
            num_workers = self._usual_workers() if n_images >= _WORTH_WORKERS else 0
        elif n_images == 0:
            num_workers = 0
        self._preprocessor, self._context = model, None
        if num_workers > 0:
            self._preprocessor, self._context = for_workers(model)
        self._num_workers = num_workers if self._context is not None else 0
        self._pool: ProcessPoolExecutor | None = None
        self._dismissed: list[threading.Thread] = []
        self._n_left = n_images
        self._blocks = self._shared_blocks()
        self._on_accelerator = model.device.type != "cpu"
        # Seconds that the last batch took to load and the network to answer.
        self._loading = self._answering = 0.0
        self._largest = 1
        split = "" if self.card is None else split_input(model)
        self._split = split if isinstance(split, SplitInput) else None
        # Of the first batch both are made, and compared on the card.
        self._wanted: Wanted = "input" if self._split is None else "both"
        self.sent_as = f"float32: {split}" if isinstance(split, str) and split else ""
        self.card_decoder = CardDecoder(self.card, model) if decoder == "nvjpeg" else None
        if self.card_decoder is not None:
            self.sent_as = "JPEG"

    def _shared_blocks(self) -> SharedBlocks | None:
        """Make memory that forked workers write to; a card's batches are put together elsewhere."""
        if not self._num_workers or self._context != "fork" or self.card is not None:
            return None
        model = self._model
        # A user's get_output may look at how the input lies in memory.
        is_placed = type(model).get_output is BaseModel.get_output
        try:
            return SharedBlocks(
                colours_last=is_placed and model.memory_format == torch.channels_last
            )
        except OSError as error:
            _log.debug("Workers hand tensors over one by one: %s", error)
            return None

    def _usual_workers(self) -> int:
        """One process per core; of those that feed a card, one core is the main process's."""
        cores = usable_cores()
        return cores if self.card is None else max(1, cores - 1)

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        while self._dismissed:
            self._dismissed.pop().join()

    def _dismiss(self) -> None:
        """Let workers that have decoded the last image end while the network runs."""
        if self._pool is not None:
            self._dismissed.append(threading.Thread(target=self._pool.shutdown))
            self._dismissed[-1].start()
            self._pool = None

    def batches(self, chunks: Iterable[Sequence[ImageFile]]) -> Iterator[Batch]:
        """Load chunk after chunk.

        Parameters
        ----------
        chunks : iterable of sequence of ImageFile
            The images of each batch.

        Yields
        ------
        Batch
            One per chunk.

        Raises
        ------
        ModelError
            If the preprocessing fails on an image that can be read, gives tensors of different
            shapes, or a worker process ended twice.
        """
        waiting: deque[tuple[Sequence[ImageFile], _Submitted]] = deque()
        chunks = iter(chunks)
        asked = None
        while True:
            if self.card is not None:
                self._fill(waiting, chunks)
            ahead = self._ahead()
            # Batches that workers finish together cost one wait; the network runs when they rest.
            wanted = ahead + 1 if ahead or not self._num_workers else _TOGETHER
            if self.card is None and len(waiting) <= ahead:
                taken = list(itertools.islice(chunks, wanted - len(waiting)))
                is_last = len(waiting) + len(taken) < wanted
                waiting.extend((chunk, self._submit(chunk)) for chunk in taken)
                if not ahead:
                    wait([part for _, submitted in waiting for part in submitted.parts])
                    if is_last and self._n_left <= 0:
                        self._dismiss()
            if not waiting:
                return
            started = time.perf_counter()
            if asked is not None:
                self._answering = started - asked
            batch = self._gather(*waiting.popleft())
            self._loading = batch.seconds / max(1, self._num_workers)
            asked = time.perf_counter()
            yield batch

    def _fill(
        self,
        waiting: deque[tuple[Sequence[ImageFile], _Submitted]],
        chunks: Iterator[Sequence[ImageFile]],
    ) -> None:
        """Have batches prepared for a card, one by one: how many depends on their size."""
        while len(waiting) <= self._ahead():
            chunk = next(chunks, None)
            if chunk is None:
                return
            waiting.append((chunk, self._submit(chunk)))

    def _ahead(self) -> int:
        """Say how many batches workers prepare while the network runs."""
        if not self._num_workers:
            return 0
        if self.card is not None:
            if self._asked in ("both", "file and pixels"):
                return 0  # What is sent of others, the first batch decides.
            # Twice as many parts as workers, so that none waits for the main process.
            n_parts = self._n_parts(self._largest)
            return max(_AHEAD, math.ceil(2 * self._num_workers / n_parts))
        leads = self._loading > _DECODING_LEADS * self._answering
        return _AHEAD if self._on_accelerator or (self._answering and leads) else 0

    def _n_parts(self, n_images: int) -> int:
        """Say into how many parts a batch is split for workers."""
        most = n_images if self.card is None else max(1, n_images // _LEAST_SHARE)
        return min(self._num_workers, most)

    def _give_back(self, submitted: _Submitted) -> None:
        if self._blocks is not None and submitted.target is not None:
            self._blocks.give_back(submitted.target.block)

    def _submit(self, chunk: Sequence[ImageFile], *, shared: bool = True) -> _Submitted:
        self._largest = max(self._largest, len(chunk))
        self._n_left -= len(chunk)
        if not self._num_workers:
            return _Submitted(None, [])
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._num_workers,
                mp_context=multiprocessing.get_context(self._context),
                initializer=start_worker,
                initargs=(self._preprocessor, os.getpid(), self._decoder, self._blocks),
            )
        files = list(chunk)
        # Every n-th image each: what is slow to decode often stands together.
        wanted = self._asked
        n_parts = self._n_parts(len(files))
        shares = [list(range(first, len(files), n_parts)) for first in range(n_parts)]
        pool = self._pool
        block = self._blocks.take() if shared and self._blocks is not None else None
        target = None if block is None else Target(block, len(files))
        try:
            parts = [
                pool.submit(load_in_worker, share, [files[i] for i in share], wanted, target)
                for share in shares
            ]
        except BrokenProcessPool:
            # It broke under an earlier batch, whose turn to say so comes first.
            parts = []
        return _Submitted(pool, parts, target)

    def _gather(self, chunk: Sequence[ImageFile], submitted: _Submitted) -> Batch:
        if submitted.pool is None:
            positions = list(range(len(chunk)))
            part = load_part(self._preprocessor, positions, list(chunk), self._asked)
            return self._joined([part], chunk)
        try:
            if submitted.parts:
                results = submitted.results()
                if len({part.written for part in results} - {None}) > 1:
                    # Rows of different shapes or types have overwritten each other.
                    self._give_back(submitted)
                    submitted = self._submit(chunk, shared=False)
                    results = submitted.results()
                return self._joined(results, chunk, submitted.target)
        except BrokenProcessPool:
            # A process that was killed from outside costs this batch a second try.
            _log.warning(
                "A process that preprocesses images for model %r was killed; trying its images "
                "again.",
                self._model.name,
            )
        if submitted.pool is self._pool:
            self._close()
        self._give_back(submitted)
        try:
            return self._joined(self._submit(chunk, shared=False).results(), chunk)
        except BrokenProcessPool as error:
            msg = (
                f"A process that preprocesses images for model {self._model.name!r} ended "
                f"unexpectedly, twice, on {len(chunk)} images from {chunk[0].path} on. It may "
                "have run out of memory, or one of them crashes the decoder; num_workers=0 "
                "preprocesses in the main process."
            )
            raise ModelError(msg) from error

    @property
    def _asked(self) -> Wanted:
        """What processes are to give of an image."""
        return self._wanted if self.card_decoder is None else self.card_decoder.wanted

    def _joined(
        self, parts: list[LoadedPart], chunk: Sequence[ImageFile], target: Target | None = None
    ) -> Batch:
        if self.card_decoder is not None:
            return self._decoded(self.card_decoder, parts, chunk)
        size = len(chunk)
        items: list[LoadedImage | None] = [None] * size
        for part in parts:
            for position, item in zip(part.positions, part.items, strict=True):
                items[position] = item
        block = self._shared(parts, target)
        if block is None:
            block = self._block(parts, size, [part.tensor for part in parts])
        pixels = None
        if all(part.pixels is not None or part.n_good == 0 for part in parts):
            pixels = self._block(parts, size, [part.pixels for part in parts])
        if self.card is not None:
            try:
                block = self._sent(self.card, block, pixels)
            except torch.OutOfMemoryError:
                # The network's passes take of it what there is room for.
                if block is None and pixels is not None and self._split is not None:
                    block = self._split.finish(pixels)
        return self._batch(items, block, parts)

    def _decoded(
        self, decoder: CardDecoder, parts: list[LoadedPart], chunk: Sequence[ImageFile]
    ) -> Batch:
        def on_host(positions: list[int]) -> LoadedPart:
            files = [chunk[position] for position in positions]
            return load_part(self._preprocessor, positions, files, "pixels")

        items, block = decoder.batch(parts, len(chunk), on_host)
        return self._batch(items, block, parts)

    def _batch(
        self,
        items: Sequence[LoadedImage | None],
        block: torch.Tensor | None,
        parts: Sequence[LoadedPart],
    ) -> Batch:
        loaded = [item for item in items if item is not None]
        good = [item for item in loaded if not item.reason]
        return Batch(
            paths=[item.path for item in good],
            tensor=block,
            bad={item.path: item.reason for item in loaded if item.reason},
            notes=[item.notes for item in good],
            seconds=sum(part.seconds for part in parts),
        )

    def _shared(self, parts: list[LoadedPart], target: Target | None) -> torch.Tensor | None:
        """Give the inputs that workers wrote to a block; None if they handed any over otherwise.

        Then all are in ``tensor`` of their parts, and the block is not needed.
        """
        if self._blocks is None or target is None:
            return None
        memory = self._blocks.read(target.block)
        ways = {part.written for part in parts if part.n_good}
        places = [
            [
                position
                for position, item in zip(part.positions, part.items, strict=True)
                if not item.reason
            ]
            for part in parts
        ]
        if len(ways) == 1 and (rows := ways.pop()) is not None:
            inputs = rows.of(memory, target.size)
            good = sorted(itertools.chain.from_iterable(places))
            return inputs if len(good) == target.size else inputs[good]
        for index, part in enumerate(parts):
            if part.written is not None:
                own = part.written.of(memory, target.size)[places[index]]
                parts[index] = replace(part, tensor=own, written=None)
        return None

    def _block(
        self, parts: list[LoadedPart], size: int, found: list[torch.Tensor | None]
    ) -> torch.Tensor | None:
        """Put what workers found into one tensor: pinned, where it goes to a card."""
        tensors = [tensor for tensor in found if tensor is not None]
        for part, tensor in zip(parts, found, strict=True):
            if tensor is not None and tensor.shape[1:] != tensors[0].shape[1:]:
                path = next(item.path for item in part.items if not item.reason)
                raise shape_error(self._model, tensors[0].shape[1:], path, tensor.shape[1:])
        if not tensors:
            return None
        if len(tensors) == 1 and self.card is None:
            return tensors[0]
        empty = torch.empty if self.card is None else self.card.pinned
        return _interleaved(parts, found, size, empty)

    def _sent(
        self, card: Card, block: torch.Tensor | None, pixels: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Send a batch to the card: as it is, or as pixels of which the card makes it."""
        if self._split is not None and block is None and pixels is not None:
            return self._split.finish(card.send(pixels))
        if block is None:
            return None
        sent = card.send(block)
        if self._split is not None and self._wanted == "both":
            made = None if pixels is None else self._split.finish(card.send(pixels))
            self._decide(sent, made)
        # The first batch is the processor's, as are those that were under way by then.
        return sent

    def _decide(self, sent: torch.Tensor, made: torch.Tensor | None) -> None:
        """Compare the card's input with the processor's, and choose what is sent from now on."""
        self._wanted = "input"
        if made is None or made.shape != sent.shape or made.dtype != sent.dtype:
            self.sent_as = "float32: its input is not arithmetic of 8-bit pixels"
            return
        difference = float((made - sent).abs().max() / sent.abs().max().clamp(min=1.0))
        if difference <= _SAME_INPUT:
            self._wanted = "pixels"
            self.sent_as = f"uint8 (input differs by {difference:.1e} of its largest value)"
        else:
            self.sent_as = f"float32: computed on the card, its input differs by {difference:.1e}"


def _interleaved(
    parts: list[LoadedPart],
    found: list[torch.Tensor | None],
    size: int,
    empty: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """Put the workers' blocks in the order of the batch, leaving out what could not be read."""
    tensors = [tensor for tensor in found if tensor is not None]
    places = torch.full((size,), -1)
    for part in parts:
        for position, item in zip(part.positions, part.items, strict=True):
            if not item.reason:
                places[position] = 0
    places[places == 0] = torch.arange(int((places == 0).sum()))
    # The type that holds the values of all, as one process gives it.
    dtype = functools.reduce(torch.promote_types, (tensor.dtype for tensor in tensors))
    joined = empty((int((places >= 0).sum()), *tensors[0].shape[1:]), dtype=dtype)
    for part, tensor in zip(parts, found, strict=True):
        if tensor is None:
            continue
        own = [place for place in places[part.positions].tolist() if place >= 0]
        step = own[1] - own[0] if len(own) > 1 else 1
        if own == list(range(own[0], own[0] + step * len(own), step)):
            # Mostly so, and several times faster than by index.
            joined[own[0] : own[-1] + 1 : step].copy_(tensor)
        else:
            joined[own] = tensor.to(dtype)
    return joined


def for_workers(model: BaseModel) -> tuple[BaseModel, str | None]:
    """Choose what worker processes get and how they start (None: there had better be none).

    Forked workers share the model as it is. Elsewhere it would be pickled with all its weights, so
    they get a copy without the network; where even that cannot be pickled (a lambda, a class
    defined in a notebook), the images are preprocessed in this process.
    """
    if "fork" in multiprocessing.get_all_start_methods() and os.name == "posix" and not _is_mac():
        return model, "fork"
    light = copy.copy(model)
    for heavy in ("model", "_recorder"):
        light.__dict__.pop(heavy, None)
    try:
        pickle.dumps(light)
    except Exception as error:
        _log.info(
            "Model %r is preprocessed without workers: its preprocessing cannot be pickled (%s).",
            model.name,
            error,
        )
        return model, None
    return light, "spawn"


def _is_mac() -> bool:
    # Forking a process that has used Apple's frameworks crashes the child.
    return os.uname().sysname == "Darwin"
