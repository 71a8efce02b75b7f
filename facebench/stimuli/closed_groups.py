"""Pairs of two people within small groups, so that no pair links one group to another.

Where pairs link everybody, nothing in a table is independent of the rest, and a permutation test
has nothing to exchange. Groups without a common person may be exchanged as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest

import numpy as np

from facebench.metrics.uncertainty.independent_groups import FEW_BLOCKS

__all__ = ["closed_groups", "pairs_of_two"]

# Fewer groups leave a permutation test too few exchanges, so that rather groups are small.
_ENOUGH_GROUPS = 8
_LARGEST = 4

_Pair = tuple[int, int]


def closed_groups(
    identities: Sequence[str], rng: np.random.Generator, size: int | None = None
) -> list[list[list[int]]]:
    """Deal people out to groups, those with like numbers of photographs to one.

    Parameters
    ----------
    identities : sequence of str
        Whom each photograph shows.
    rng : numpy Generator
        Of the order.
    size : int, optional
        People in a group (one more in some). None: four, or as few, down to two, as leave eight
        groups; everybody where even couples are too few to be exchanged (fewer than 12 people).

    Returns
    -------
    list of list of list of int
        Groups of people, a person being the positions of their photographs in random order.
    """
    people: dict[str, list[int]] = {}
    for place, identity in enumerate(identities):
        people.setdefault(identity, []).append(place)
    if size is None:
        size = min(_LARGEST, max(2, len(people) // _ENOUGH_GROUPS))
        if len(people) // size < FEW_BLOCKS:
            size = len(people)
    everybody = [rng.permutation(images).tolist() for images in people.values()]
    mixed = [everybody[i] for i in rng.permutation(len(everybody)).tolist()]
    mixed.sort(key=len, reverse=True)
    n_groups = max(1, len(mixed) // size)
    cuts = np.linspace(0, len(mixed), n_groups + 1).round().astype(int).tolist()
    return [mixed[a:b] for a, b in pairwise(cuts)]


def pairs_of_two(identities: Sequence[str], wanted: int, rng: np.random.Generator) -> list[_Pair]:
    """Draw different pairs of photographs of two people, each photograph about equally often.

    Parameters
    ----------
    identities : sequence of str
        Whom each photograph shows.
    wanted : int
        So many pairs, or all there are.
    rng : numpy Generator
        Of groups and order.

    Returns
    -------
    list of (int, int)
        Positions, the smaller one first. Pairs stay within groups; these are no larger than
        `closed_groups` makes them by itself, unless they hold too few pairs.
    """
    n_people = len(set(identities))
    groups = closed_groups(identities, rng)
    while sum(map(_capacity, groups)) < wanted and len(groups) > 1:
        groups = closed_groups(identities, rng, n_people // len(groups) + 1)
    order = rng.permutation(len(groups)).tolist()
    found: list[_Pair] = []
    # In turn, so that a few pairs are of as many people as many pairs are.
    for drawn in zip_longest(*(_rounds(groups[i]) for i in order)):
        for pair in drawn:
            if len(found) == wanted:
                return found
            if pair is not None:
                found.append((min(pair), max(pair)))
    return found


def _capacity(group: list[list[int]]) -> int:
    sizes = [len(images) for images in group]
    return (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2


def _rounds(group: list[list[int]]) -> Iterator[_Pair]:
    """Give all pairs of a group; each round has every photograph about once."""
    matchings = _matchings(len(group))
    for shift in range(max(map(len, group))):
        for matching in matchings:
            for one, other in matching:
                few, many = sorted((group[one], group[other]), key=len)
                if shift < len(few):
                    for place, image in enumerate(many):
                        yield image, few[(place + shift) % len(few)]


def _matchings(count: int) -> list[list[_Pair]]:
    """Pair everyone with everyone, in rounds in which no one occurs twice (a tournament)."""
    seats: list[int | None] = list(range(count))
    if count % 2:
        seats.append(None)
    found = []
    for _ in range(len(seats) - 1):
        half = len(seats) // 2
        pairs = zip(seats[:half], reversed(seats[half:]), strict=True)
        found.append([(a, b) for a, b in pairs if a is not None and b is not None])
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return found
