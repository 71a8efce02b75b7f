"""FAISS as a second way to the same numbers, and approximate indexes with their recall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from facebench.metrics.search import row_distances, search_gallery
from facebench.metrics.search_parts import merge_parts, search_part

faiss = pytest.importorskip("faiss", reason="FAISS is an optional extra")
MEASURES = ("cosine", "euclidean", "inner_product")


def in_two(probes: Any, gallery: Any, mates: Any, **options: Any) -> Any:
    """Search by FAISS in two parts."""
    own = np.full(len(probes), np.nan)
    mated = np.flatnonzero(mates >= 0)
    own[mated] = row_distances(probes[mated], gallery[mates[mated]], options["measure"])
    half = len(gallery) // 2
    given = {"n_gallery": len(gallery), "mates": mates, "mate_distances": own, "engine": "faiss"}
    return merge_parts(
        [
            search_part(probes, gallery[:half], **given, **options),
            search_part(probes, gallery[half:], first=half, **given, **options),
        ]
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(MEASURES), st.integers(1, 30), st.booleans())
def test_exact_search_is_that_without_faiss(seed: int, measure: Any, k: int, ties: bool) -> None:
    generator = np.random.default_rng(seed)
    size, width = generator.integers(2, 300), generator.integers(1, 9)
    if ties:
        draws = generator.integers(-2, 3, (size + 8, width))
    else:
        # Closer than float32 can tell, too.
        draws = generator.choice([0, 1000]) + generator.normal(size=(size + 8, width))
    gallery, probes = draws[:size].astype(np.float32), draws[size:].astype(np.float32)
    mates = generator.integers(-1, size, 8)
    whole = search_gallery(probes, gallery, k=k, mates=mates, measure=measure)
    found = in_two(probes, gallery, mates, measure=measure, k=k)
    assert found.recall == 1
    for one, other in zip(found.result(), whole, strict=True):
        assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("measure", ["euclidean", "inner_product"])
def test_flat_indexes_of_faiss_give_the_same_lists(measure: Any) -> None:
    generator = np.random.default_rng(3)
    gallery = generator.normal(size=(3000, 32)).astype(np.float32)
    probes = gallery[:50] + generator.normal(size=(50, 32)).astype(np.float32)
    kind = faiss.IndexFlatL2 if measure == "euclidean" else faiss.IndexFlatIP
    index = kind(32)
    index.add(gallery)
    values, columns = index.search(probes, 10)
    ours = search_gallery(probes, gallery, k=10, measure=measure)
    # Rounding in float32 may exchange neighbours whose distances are as good as equal.
    assert (columns == ours.indices).mean() > 0.99
    distances = np.sqrt(values) if measure == "euclidean" else -values
    np.testing.assert_allclose(distances, ours.distances, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("index", ["IVF16,Flat", "HNSW8"])
def test_approximate_search_tells_its_recall(index: str) -> None:
    generator = np.random.default_rng(4)
    gallery = generator.normal(size=(2000, 24)).astype(np.float32)
    probes = gallery[:60] + generator.normal(size=(60, 24)).astype(np.float32)
    mates = np.arange(60)
    options: dict[str, Any] = {"measure": "cosine", "k": 10}
    found = in_two(probes, gallery, mates, index=index, **options)
    whole = search_gallery(probes, gallery, mates=mates, **options)
    assert 0.02 < found.recall < 1
    assert found.n_asked == 2 * 60 * 10
    # Each half is asked for its own nearest.
    n_found = 0
    for half in (slice(0, 1000), slice(1000, 2000)):
        inside = (found.indices >= half.start) & (found.indices < half.stop)
        best = search_gallery(probes, gallery[half], **options).indices + half.start
        n_found += sum(
            np.isin(row[own], right).sum()
            for row, own, right in zip(found.indices, inside, best, strict=True)
        )
    assert n_found <= found.n_recalled
    # Ranks are at most too good; distances are exact.
    assert (found.result().mate_ranks <= whole.mate_ranks).all()
    first = found.indices[:, 0]
    assert_array_equal(found.distances[:, 0], row_distances(probes, gallery[first], "cosine"))
    exact = in_two(probes, gallery, mates, **options)
    with pytest.raises(ValueError, match="same probes"):
        merge_parts([exact, found])


def test_an_index_that_covers_everything_has_recall_1() -> None:
    generator = np.random.default_rng(5)
    gallery, probes = generator.normal(size=(400, 8)), generator.normal(size=(30, 8))
    mates = np.full(30, -1)
    found = in_two(probes, gallery, mates, measure="euclidean", k=5, index="Flat")
    assert found.recall == 1
    whole = search_gallery(probes, gallery, k=5, measure="euclidean")
    assert_array_equal(found.result().indices, whole.indices)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"index": "IVF16,Flat"}, "'faiss' where an 'index' is given"),
        ({"engine": "annoy"}, "'engine'.*'annoy'"),
        ({"engine": "faiss", "index": "nonsense"}, "cannot make the index 'nonsense' of 3"),
        ({"engine": "faiss", "index": "IVF16,Flat"}, "cannot make the index 'IVF16,Flat' of 3"),
    ],
)
def test_what_cannot_be_done_is_told(options: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        search_part(np.ones((1, 3)), np.eye(3), n_gallery=3, **options)
