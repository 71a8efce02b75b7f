"""The index of a layer finds what a dictionary would, the latest of several."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.store.layer_index import LayerIndex, RowPlaces, as_digests


def digest(number: int) -> bytes:
    # Few different beginnings: images that share theirs are kept apart.
    return bytes([number % 2] * 8) + number.to_bytes(8, "little")


def located(numbers: list[int], batch: int, begin: int) -> RowPlaces:
    images = as_digests([digest(number) for number in numbers])
    count = len(numbers)
    begins = begin + 8 * np.arange(count, dtype=np.int64)
    return RowPlaces(
        images[:, 0],
        images[:, 1],
        np.full(count, batch, dtype=np.int64),
        np.full(count, 1, dtype=np.int64),
        begins,
        np.array(numbers, dtype=np.uint64),
    )


@given(
    batches=st.lists(st.lists(st.integers(0, 20), min_size=1, unique=True), max_size=8),
    asked=st.lists(st.integers(0, 25), min_size=1),
    dropped=st.integers(0, 60),
)
def test_it_finds_what_a_dictionary_would(
    batches: list[list[int]], asked: list[int], dropped: int
) -> None:
    index, where, begin = LayerIndex(2, "float32"), {}, 0
    for batch, numbers in enumerate(batches):
        index.add(located(numbers, batch, begin))
        for number in numbers:
            where.setdefault(number, []).append(begin)
            begin += 8
    gone = 8 * dropped
    index.drop(np.array([gone]), np.array([1]))
    where = {number: [at for at in places if at != gone] for number, places in where.items()}
    assert len(index) == sum(map(len, where.values()))
    found, rows = index.find(as_digests([digest(number) for number in asked]))
    known = [number for number in asked if where.get(number)]
    assert found.tolist() == [bool(where.get(number)) for number in asked]
    assert rows.begin.tolist() == [where[number][-1] for number in known]
    assert rows.checksum.tolist() == known


def test_short_digests_are_refused_and_long_ones_cut() -> None:
    with pytest.raises(ValueError, match="16 bytes or more"):
        as_digests([b"short"])
    assert np.array_equal(as_digests([b"x" * 20]), as_digests([b"x" * 16]))
