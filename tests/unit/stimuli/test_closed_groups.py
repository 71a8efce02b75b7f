"""Impostor pairs stay within small groups, each photograph about equally often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from facebench.stimuli.closed_groups import closed_groups, pairs_of_two


def people(*counts: int) -> list[str]:
    return [f"P{person}" for person, count in enumerate(counts) for _ in range(count)]


def n_blocks(identities: list[str], pairs: list[tuple[int, int]]) -> int:
    names = sorted(set(identities))
    sides = np.array([[names.index(identities[i]) for i in pair] for pair in pairs]).T
    links = coo_array((np.ones(len(pairs)), tuple(sides)), shape=(len(names),) * 2)
    return int(connected_components(links, directed=False)[0])


@given(st.lists(st.integers(1, 5), min_size=2, max_size=20), st.integers(0, 60), st.integers(0, 99))
def test_different_pairs_of_two_people(counts: list[int], wanted: int, seed: int) -> None:
    identities = people(*counts)
    pairs = pairs_of_two(identities, wanted, np.random.default_rng(seed))
    every = (sum(counts) ** 2 - sum(count**2 for count in counts)) // 2
    assert len(pairs) == len(set(pairs)) == min(wanted, every)
    assert all(a < b and identities[a] != identities[b] for a, b in pairs)
    assert pairs == pairs_of_two(identities, wanted, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("n_people", "n_images", "blocks"), [(8, 3, 1), (12, 3, 6), (16, 2, 8), (24, 3, 8), (40, 3, 10)]
)
def test_blocks_and_use(n_people: int, n_images: int, blocks: int) -> None:
    identities = people(*[n_images] * n_people)
    # As many as there are pairs of one person.
    wanted = n_people * n_images * (n_images - 1) // 2
    pairs = pairs_of_two(identities, wanted, np.random.default_rng(1))
    assert n_blocks(identities, pairs) == blocks
    used = Counter(image for pair in pairs for image in pair)
    assert len(used) == len(identities)
    assert max(used.values()) - min(used.values()) <= 1
    # Few pairs are of many people.
    few = pairs_of_two(identities, n_people // 4, np.random.default_rng(1))
    assert len({identities[image] for pair in few for image in pair}) >= min(blocks, n_people / 4)


def test_groups_grow_where_they_hold_too_few_pairs() -> None:
    single = people(*[1] * 30)
    pairs = pairs_of_two(single, 30, np.random.default_rng(0))
    assert len(pairs) == 30
    assert 2 <= n_blocks(single, pairs) <= 10


def test_like_numbers_of_photographs_together() -> None:
    groups = closed_groups(people(*[9, 2, 2] * 4), np.random.default_rng(0))
    assert [list(map(len, group)) for group in groups] == [[9, 9]] * 2 + [[2, 2]] * 4
