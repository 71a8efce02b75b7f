"""Groups that no comparison links, against walking from person to person."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facebench.metrics.uncertainty.independent_groups import are_even, blocks_of

people = st.integers(0, 9)


def linked(pairs: list[tuple[int, int]], start: int) -> set[int]:
    found, todo = set(), {start}
    while todo:
        found |= todo
        todo = {b for a, b in [*pairs, *[(b, a) for a, b in pairs]] if a in todo} - found
    return found


@given(st.lists(st.tuples(people, people, st.booleans()), min_size=1, max_size=12))
def test_comparisons_hang_together_through_shared_people(rows: list[tuple[int, int, bool]]) -> None:
    first, second, involved = (np.array(column) for column in zip(*rows, strict=True))
    linking = [(a, b) for a, b, links in rows if links]
    blocks = blocks_of(first, second, involved)
    for i, one in enumerate(first.tolist()):
        for j, other in enumerate(first.tolist()):
            assert (blocks[i] == blocks[j]) == (other in linked(linking, one))


def test_six_blocks_of_at_most_a_quarter_are_even() -> None:
    assert are_even(np.repeat(np.arange(6), 2))
    assert not are_even(np.repeat(np.arange(5), 2))
    assert are_even(np.repeat(np.arange(6), [5, 3, 3, 3, 3, 3]))
    assert not are_even(np.repeat(np.arange(6), [6, 3, 3, 3, 3, 3]))
