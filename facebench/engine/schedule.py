"""In which order images go through a network, so that pair partners meet in little memory.

Layers too wide to keep are compared while they are in memory. An image waits there until all its
partners are seen; the order keeps partners close (reverse Cuthill-McKee on the graph of pairs),
and where too many would wait, some leave and come again in a later round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facebench.types import IntArray

__all__ = ["NO_PAIRS", "Schedule", "Step", "in_chunks", "make_schedule", "pair_blocks"]

NO_PAIRS: IntArray = np.empty((0, 2), dtype=np.intp)


@dataclass(frozen=True)
class Step:
    """One batch.

    Attributes
    ----------
    images : list of int
        The images to send through the network.
    pairs : int array, shape [P, 2]
        Pairs to compare now: both images are in this batch or waiting.
    keep : list of int
        The images that wait for partners after this batch.
    """

    images: list[int]
    pairs: IntArray
    keep: list[int]


@dataclass(frozen=True)
class Schedule:
    """All batches.

    Attributes
    ----------
    steps : list of Step
        In order.
    most_kept : int
        Largest number of images that wait at once.
    """

    steps: list[Step] = field(default_factory=list)
    most_kept: int = 0


def make_schedule(pairs: IntArray, n_images: int, batch_size: int, capacity: int) -> Schedule:
    """Plan the batches.

    Parameters
    ----------
    pairs : int array, shape [P, 2]
        Images to compare, numbered from 0; each pair once.
    n_images : int
        How many images there are.
    batch_size : int
        Images per batch.
    capacity : int
        Images in memory at once, those of the batch included; at least two batches are planned
        with.

    Returns
    -------
    Schedule
        Every pair stands in exactly one step, every image with pairs in one at least.

    Examples
    --------
    >>> plan = make_schedule(np.array([[0, 3], [1, 2]]), 4, batch_size=2, capacity=4)
    >>> [step.images for step in plan.steps]
    [[0, 3], [1, 2]]
    """
    waiting_room = max(capacity - batch_size, batch_size)
    remaining = np.asarray(pairs, dtype=np.intp).reshape(-1, 2)
    steps: list[Step] = []
    while len(remaining):
        round_ = _Round(remaining, n_images, batch_size, waiting_room)
        if len(round_.left) == len(remaining):
            # Everyone missed everyone: bring one pair together.
            pair = remaining[:1]
            steps.append(Step(list(dict.fromkeys(pair[0].tolist())), pair, []))
            remaining = remaining[1:]
            continue
        steps.extend(round_.steps)
        remaining = round_.left
    return Schedule(
        steps,
        most_kept=max((len(step.keep) for step in steps), default=0),
    )


def pair_blocks(pairs: IntArray, n_images: int, count: int) -> IntArray:
    """Split pairs into blocks whose images overlap little, about as many images in each.

    Parameters
    ----------
    pairs : int array, shape [P, 2]
        Images to compare, numbered from 0; each pair once.
    n_images : int
        How many images there are.
    count : int
        How many blocks.

    Returns
    -------
    int array, shape [P]
        The block of each pair, from 0.

    Examples
    --------
    >>> blocks = pair_blocks(np.array([[0, 3], [1, 2], [0, 4]]), 5, 2)
    >>> bool(blocks[0] == blocks[2] != blocks[1])
    True
    """
    if not len(pairs):
        return np.empty(0, dtype=np.intp)
    order = _close_order(pairs, n_images)
    position = np.zeros(n_images, dtype=np.intp)
    position[order] = np.arange(len(order))
    blocks: IntArray = position[pairs].max(axis=1) * count // len(order)
    return blocks


class _Round:
    """One pass over all images that have pairs left."""

    def __init__(self, pairs: IntArray, n_images: int, batch_size: int, waiting_room: int) -> None:
        self._pairs = pairs
        self._done = np.zeros(len(pairs), dtype=bool)
        self._of_image = _pairs_of_images(pairs, n_images)
        self._open = np.bincount(pairs.ravel(), minlength=n_images)
        # An image with itself is one pair, counted at both ends.
        own = pairs[pairs[:, 0] == pairs[:, 1], 0]
        np.subtract.at(self._open, own, 1)
        order = _filling_batches(_close_order(pairs, n_images), pairs, batch_size)
        self.steps: list[Step] = []
        waiting: list[int] = []
        for first in range(0, len(order), batch_size):
            batch = order[first : first + batch_size]
            present = {*waiting, *batch}
            ready = self._meet(batch, present)
            # In the order of arrival; who has all partners behind them leaves.
            still = [image for image in (*waiting, *batch) if self._open[image]]
            if len(still) > waiting_room:
                # Those with the fewest partners left are soonest done.
                few = set(sorted(still, key=self._open.__getitem__)[:waiting_room])
                still = [image for image in still if image in few]
            waiting = still
            self.steps.append(Step(batch, pairs[ready], list(waiting)))
        self.left = pairs[~self._done]

    def _meet(self, batch: list[int], present: set[int]) -> list[int]:
        """Find the pairs that this batch makes possible, and count them off."""
        ready = []
        for image in batch:
            for index in self._of_image[image]:
                if self._done[index]:
                    continue
                first, second = self._pairs[index]
                if int(first) in present and int(second) in present:
                    self._done[index] = True
                    ready.append(index)
                    self._open[first] -= 1
                    if first != second:
                        self._open[second] -= 1
        return ready


def _pairs_of_images(pairs: IntArray, n_images: int) -> list[list[int]]:
    of_image: list[list[int]] = [[] for _ in range(n_images)]
    for index, (first, second) in enumerate(pairs.tolist()):
        of_image[first].append(index)
        if second != first:
            of_image[second].append(index)
    return of_image


def _close_order(pairs: IntArray, n_images: int) -> list[int]:
    """Order the images that have pairs so that partners are close."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    ones = np.ones(len(pairs), dtype=np.int8)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(n_images, n_images)).tocsr()
    order = reverse_cuthill_mckee((graph + graph.T).tocsr(), symmetric_mode=True)
    has_pairs = np.zeros(n_images, dtype=bool)
    has_pairs[pairs.ravel()] = True
    # From small numbers on where nothing else decides, as the tables have them.
    return [int(image) for image in order if has_pairs[image]][::-1]


def _filling_batches(order: list[int], pairs: IntArray, batch_size: int) -> list[int]:
    """Put first the groups of linked images that fill batches: partners then do not wait.

    Behind one group of three, batches of two would split every pair.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_images = int(pairs.max()) + 1
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n_images, n_images))
    group_of = connected_components(graph.tocsr(), directed=False)[1]
    sizes = np.bincount(group_of)
    # Groups stay together, in the order in which they come.
    return sorted(order, key=lambda image: -math.gcd(int(sizes[group_of[image]]), batch_size))


def in_chunks(pending: NDArray[np.bool_], size: int, first_size: int) -> list[Step]:
    """Cut what is pending into batches that do not depend on what an earlier run has left.

    Batches that lack whole stay as they would be in an undisturbed run, to the last bit of what
    comes out of them; only what is left of broken ones is put together anew.
    """
    starts = [0, *range(first_size, size, size), *range(size, len(pending), size)]
    whole: list[Step] = []
    rest: list[int] = []
    for first, end in zip(starts, [*starts[1:], len(pending)], strict=True):
        chunk = np.flatnonzero(pending[first:end]) + first
        if len(chunk) == end - first:
            whole.append(Step(chunk.tolist(), NO_PAIRS, []))
        else:
            rest.extend(chunk.tolist())
    steps = whole + [
        Step(rest[first : first + size], NO_PAIRS, []) for first in range(0, len(rest), size)
    ]
    return [step for step in steps if step.images]
