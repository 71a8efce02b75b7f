"""Every pair meets once, whatever the graph and however little memory there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.engine.schedule import Schedule, make_schedule


def unique_pairs(pairs: list[tuple[int, int]]) -> np.ndarray:
    ordered = sorted({(min(pair), max(pair)) for pair in pairs})
    return np.array(ordered, dtype=np.intp).reshape(-1, 2)


def n_forwards(plan: Schedule) -> int:
    """Count the images that go through the network, repeats included."""
    return sum(len(step.images) for step in plan.steps)


def check(plan: Schedule, pairs: np.ndarray, batch_size: int, room: int) -> None:
    waiting: set[int] = set()
    met: list[tuple[int, int]] = []
    for step in plan.steps:
        assert 0 < len(step.images) <= max(batch_size, 2)
        assert len(set(step.images)) == len(step.images)
        present = waiting | set(step.images)
        for first, second in step.pairs.tolist():
            assert {first, second} <= present
            met.append((first, second))
        assert set(step.keep) <= present
        assert len(step.keep) <= room
        waiting = set(step.keep)
    assert sorted(met) == sorted(map(tuple, pairs.tolist()))


@given(
    pairs=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=60),
    batch_size=st.integers(1, 6),
    capacity=st.integers(1, 20),
)
def test_every_pair_meets_exactly_once(
    pairs: list[tuple[int, int]], batch_size: int, capacity: int
) -> None:
    graph = unique_pairs(pairs)
    plan = make_schedule(graph, 15, batch_size, capacity)
    check(plan, graph, batch_size, max(capacity - batch_size, batch_size))
    assert {image for step in plan.steps for image in step.images} == set(graph.ravel().tolist())


def test_couples_go_through_once_and_hardly_wait() -> None:
    rng = np.random.default_rng(0)
    couples = rng.permutation(400).reshape(-1, 2)
    plan = make_schedule(np.sort(couples, axis=1), 400, batch_size=8, capacity=16)
    assert n_forwards(plan) == 400
    assert plan.most_kept <= 1


def test_a_chain_goes_through_once() -> None:
    order = np.random.default_rng(1).permutation(300)
    chain = np.sort(np.stack([order[:-1], order[1:]], axis=1), axis=1)
    plan = make_schedule(chain, 300, batch_size=4, capacity=8)
    assert n_forwards(plan) == 300


@pytest.mark.parametrize("capacity", [8, 16, 64])
def test_all_pairs_take_about_as_many_rounds_as_memory_demands(capacity: int) -> None:
    graph = np.stack(np.triu_indices(64, 1), axis=1)
    plan = make_schedule(graph, 64, batch_size=4, capacity=capacity)
    check(plan, graph, 4, capacity - 4)
    held = capacity - 4
    assert n_forwards(plan) <= 64 * (64 / held + 1) / 2 + 64


def test_no_pairs_are_no_steps() -> None:
    assert make_schedule(np.empty((0, 2), dtype=np.intp), 5, 2, 4) == Schedule([], 0)


@pytest.mark.parametrize("batch_size", [2, 4])
def test_one_odd_group_does_not_split_the_pairs_behind_it(batch_size: int) -> None:
    # Three linked images, and then pairs.
    pairs = np.array([[0, 1], [1, 2], *([first, first + 1] for first in range(3, 43, 2))])
    plan = make_schedule(pairs, 43, batch_size, capacity=2 * batch_size)
    assert sum(len(step.keep) for step in plan.steps) <= 2
    assert sum(len(step.pairs) for step in plan.steps) == len(pairs)
    assert sum(len(step.images) for step in plan.steps) == 43
