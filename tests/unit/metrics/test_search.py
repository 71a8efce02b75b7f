"""The search of a gallery against a loop over all comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

from facebench.metrics import distances, search
from facebench.metrics.search import search_gallery

MEASURES = ("cosine", "euclidean", "inner_product")


def all_distances(probes: Any, gallery: Any, measure: str) -> Any:
    """Every comparison on its own, in float64."""
    table = np.empty((len(probes), len(gallery)))
    for row, probe in enumerate(probes):
        left = np.tile(probe, (len(gallery), 1))
        if measure == "cosine":
            # In a search a vector of zeros is at distance 1.
            table[row] = np.nan_to_num(distances.cosine(left, gallery), nan=1.0)
        elif measure == "euclidean":
            table[row] = distances.minkowski(left, gallery)
        else:
            table[row] = [-float(np.dot(probe.astype(float), other)) for other in gallery]
    return table


def check(probes: Any, gallery: Any, mates: Any, k: int, measure: str, exact: bool = True) -> None:
    found = search_gallery(probes, gallery, k=k, mates=mates, measure=measure)
    table = all_distances(probes, gallery, measure)
    order = np.argsort(table, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(table, order, axis=1)
    if exact:
        assert_array_equal(found.indices, order)
    # Two ways to sum in float64 may differ in the last bits.
    assert_allclose(found.distances, best, rtol=1e-12, atol=1e-12)
    for row, mate in enumerate(mates):
        if mate < 0:
            assert found.mate_ranks[row] == 0
            assert np.isnan(found.mate_distances[row])
        else:
            assert found.mate_ranks[row] == np.count_nonzero(table[row] <= table[row, mate])
            assert_allclose(found.mate_distances[row], table[row, mate], rtol=1e-12, atol=1e-12)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_TEMPLATES", 7)
    monkeypatch.setattr(search, "_PROBES", 3)


@given(st.integers(0, 2**32 - 1), st.sampled_from(MEASURES), st.integers(1, 12), st.booleans())
def test_many_ties_in_blocks_of_any_size(seed: int, measure: str, k: int, in_blocks: bool) -> None:
    generator = np.random.default_rng(seed)
    size, width = generator.integers(1, 40), generator.integers(1, 4)
    # Small whole numbers: many equal vectors, many different ones at equal distances, many zeros.
    gallery = generator.integers(-2, 3, (size, width)).astype(np.float32)
    probes = generator.integers(-2, 3, (8, width)).astype(np.float32)
    mates = generator.integers(-1, size, 8)
    with pytest.MonkeyPatch.context() as patch:
        if in_blocks:
            patch.setattr(search, "_TEMPLATES", 7)
            patch.setattr(search, "_PROBES", 3)
        check(probes, gallery, mates, k, measure)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.usefixtures("small_blocks")
def test_vectors_that_repeat_tie_exactly(measure: str, dtype: Any) -> None:
    generator = np.random.default_rng(4)
    people = generator.normal(size=(9, 131)).astype(dtype)
    gallery = people[generator.integers(0, 9, 60)]
    probes = (people + 0.3 * generator.normal(size=people.shape)).astype(dtype)
    check(probes, gallery, generator.integers(0, 60, 9), 15, measure)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("mean", "spread"), [(0, 1), (1000, 1), (0, 1e-18), (0, 1e18), (3, 1e-7)])
@pytest.mark.usefixtures("small_blocks")
def test_vectors_that_float32_cannot_tell_apart(measure: str, mean: float, spread: float) -> None:
    generator = np.random.default_rng(5)
    draws = mean + spread * generator.normal(size=(108, 40))
    gallery, probes = draws[:100].astype(np.float32), draws[100:].astype(np.float32)
    check(probes, gallery, generator.integers(-1, 100, 8), 10, measure, exact=False)


@pytest.mark.parametrize("order", [1, -1])
def test_a_gallery_sorted_by_distance(order: int, small_blocks: None) -> None:
    gallery = np.linspace(0, 1, 200)[::order, None] * np.ones((1, 3))
    check(np.zeros((4, 3)), gallery, [0, 50, 199, -1], 20, "euclidean")


def test_independent_distances_and_a_memory_map(tmp_path: Any) -> None:
    generator = np.random.default_rng(6)
    gallery, probes = generator.normal(size=(9000, 16)), generator.normal(size=(20, 16))
    np.save(tmp_path / "gallery.npy", gallery)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    for measure in ("cosine", "euclidean"):
        table = cdist(probes, gallery, measure)
        found = search_gallery(probes, mapped, k=7, mates=np.arange(20), measure=measure)
        assert_array_equal(found.indices, table.argsort(axis=1)[:, :7])
        mates = table[np.arange(20), np.arange(20)]
        assert_array_equal(found.mate_ranks, np.sum(table <= mates[:, None], axis=1))


def test_k_beyond_the_gallery_is_its_size_and_no_probes_are_no_rows() -> None:
    assert search_gallery(np.ones((2, 3)), np.eye(3), k=9).indices.tolist() == [[0, 1, 2]] * 2
    assert search_gallery(np.ones((0, 3)), np.eye(3)).indices.shape == (0, 3)


@pytest.mark.parametrize(
    ("probes", "gallery", "options", "match"),
    [
        (np.ones(3), np.eye(3), {}, r"probes \[P, D\]"),
        (np.ones((1, 2)), np.eye(3), {}, r"probes \[P, D\]"),
        (np.ones((1, 3)), np.empty((0, 3)), {}, "gallery is empty"),
        (np.ones((1, 3)), np.eye(3), {"k": 0}, "'k'"),
        (np.ones((1, 3)), np.eye(3), {"measure": "manhattan"}, "'measure'.*'manhattan'"),
        (np.ones((1, 3)), np.eye(3), {"mates": [3]}, r"0 to 2\), or -1"),
        (np.ones((1, 3)), np.eye(3), {"mates": [0, 1]}, "'mates' of 1 probes"),
        (np.full((1, 3), np.nan), np.eye(3), {}, "Row 0 of the probes"),
        (np.ones((1, 3)), np.diag([1, 1, np.inf]), {}, "Row 2 of the gallery"),
    ],
)
def test_what_cannot_be_searched_is_told(
    probes: Any, gallery: Any, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        search_gallery(probes, gallery, **options)
