"""Distances of wide rows against scikit-learn in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import pairwise

from facebench.engine.block_distances import (
    flat_rows,
    gram_distances,
    pair_distances,
    row_norms,
)
from facebench.metrics.distances import RowDistance

METRICS = {
    "cosine": (RowDistance("cosine"), pairwise.cosine_distances),
    "euclidean": (RowDistance("minkowski"), pairwise.euclidean_distances),
    "manhattan": (RowDistance("minkowski", p=1.0), pairwise.manhattan_distances),
}


def measured(distance: RowDistance, rows: torch.Tensor, pairs: list[tuple[int, int]]) -> Any:
    by_image = dict(enumerate(rows))
    norms = dict(enumerate(row_norms(rows).tolist()))
    return pair_distances(distance, by_image, norms, pairs)


@pytest.fixture(scope="module")
def wide() -> torch.Tensor:
    """Rows of 100,003 values as networks give them: not negative, some alike."""
    rows = torch.rand((8, 100_003), generator=torch.Generator().manual_seed(0)).relu_()
    rows[1] = rows[0]
    rows[2] = rows[0] + 0.01 * rows[3]
    return rows


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("way", ["pair by pair", "all together"])
def test_as_sklearn_in_float64_to_five_digits(name: str, way: str, wide: torch.Tensor) -> None:
    distance, reference = METRICS[name]
    pairs = [(i, j) for i in range(8) for j in range(i, 8)]
    if way == "all together":
        found = measured(distance, wide, pairs)
    else:
        found = np.array([measured(distance, wide, [pair])[0] for pair in pairs])
    double = wide.double().numpy()
    # Euclidean distances in scikit-learn itself lose digits to cancellation: take differences.
    expected = np.array(
        [
            np.linalg.norm(double[i] - double[j])
            if name == "euclidean"
            else reference(double[[i]], double[[j]])[0, 0]
            for i, j in pairs
        ]
    )
    same = np.array([i == j or (i, j) == (0, 1) for i, j in pairs])
    np.testing.assert_allclose(found[~same], expected[~same], rtol=1e-5)
    assert (found[same] >= 0).all()
    assert (found[same] <= 1e-6).all()


@pytest.mark.slow
@given(
    values=st.lists(
        st.lists(st.sampled_from([0.0, 0.5, 1.0, -2.0]), min_size=5, max_size=5),
        min_size=2,
        max_size=6,
    )
)
@pytest.mark.parametrize(
    "distance",
    [
        RowDistance("cosine"),
        RowDistance("cosine", eps=1.5),
        RowDistance("minkowski"),
        RowDistance("minkowski", p=1.0),
        RowDistance("minkowski", p=3.0),
        RowDistance("minkowski", p=0.0),
        RowDistance("minkowski", p=float("inf")),
        RowDistance("minkowski", offset=1e-3),
    ],
    ids=repr,
)
def test_as_the_distance_of_rows(distance: RowDistance, values: list[list[float]]) -> None:
    rows = torch.tensor(values)
    pairs = [(i, j) for i in range(len(rows)) for j in range(len(rows))]
    first, second = np.array(pairs).T
    double = rows.double().numpy()
    expected = distance(double[first], double[second])
    np.testing.assert_allclose(measured(distance, rows, pairs), expected, atol=2e-6)
    one = [measured(distance, rows, [pair])[0] for pair in pairs]
    np.testing.assert_allclose(one, expected, atol=2e-6)


def test_norms_do_not_overflow_or_lose_digits() -> None:
    rows = torch.rand((3, 70_001), generator=torch.Generator().manual_seed(1)) * 1e3
    expected = np.linalg.norm(rows.double().numpy(), axis=1)
    np.testing.assert_allclose(row_norms(rows), expected, rtol=1e-7)


def test_gram_blocks_may_come_from_anywhere(wide: torch.Tensor) -> None:
    asked = []

    def block(start: int, stop: int) -> torch.Tensor:
        asked.append((start, stop))
        return wide[:, start:stop]

    first, second = np.triu_indices(8, 1)
    found = gram_distances(
        RowDistance("minkowski"), block, wide.shape[1], np.ones(8), first, second
    )
    expected = np.linalg.norm((wide[first] - wide[second]).double().numpy(), axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert asked[0][0] == 0
    assert asked[-1][1] == wide.shape[1]
    assert max(stop - start for start, stop in asked) * 8 * 4 < 1_000_000


def test_channels_last_rows_are_the_memory_itself_and_measure_the_same() -> None:
    layer = torch.rand((4, 3, 5, 6)).contiguous(memory_format=torch.channels_last)
    rows = flat_rows(layer, colours_last=True)
    assert rows.data_ptr() == layer.data_ptr()
    plain = flat_rows(layer, colours_last=False)
    pairs = [(0, 1), (2, 3)]
    distance = RowDistance("cosine")
    np.testing.assert_allclose(
        measured(distance, rows, pairs), measured(distance, plain, pairs), rtol=1e-6
    )
    assert torch.equal(flat_rows(layer.contiguous(), colours_last=True), rows)
