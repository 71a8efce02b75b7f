"""A gallery searched in parts against the search of the whole."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from facebench.metrics import search
from facebench.metrics.search import row_distances, search_gallery
from facebench.metrics.search_parts import SearchPart, merge_parts, search_part

MEASURES = ("cosine", "euclidean", "inner_product")


def in_parts(
    probes: Any, gallery: Any, cuts: Any, mates: Any, mate_distances: Any, **options: Any
) -> list[SearchPart]:
    ends = [0, *sorted(cuts), len(gallery)]
    return [
        search_part(
            probes,
            gallery[first:stop],
            first=first,
            n_gallery=len(gallery),
            mates=mates,
            mate_distances=mate_distances,
            **options,
        )
        for first, stop in pairwise(ends)
    ]


def assert_same(found: Any, whole: Any) -> None:
    for one, other in zip(found, whole, strict=True):
        # To the last bit.
        assert_array_equal(one, other, strict=True)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_parts_merge_to_the_search_of_the_whole(data: st.DataObject) -> None:
    """Ties, duplicates, zeros, probes without mates, several mates, k beyond parts and gallery."""
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    measure = data.draw(st.sampled_from(MEASURES))
    k = data.draw(st.integers(1, 50))
    n_mates = data.draw(st.integers(1, 3))
    size, width = generator.integers(1, 40), generator.integers(1, 40)
    if data.draw(st.booleans()):
        draws = generator.integers(-2, 3, (size + 6, width))
    else:
        draws = generator.normal(size=(size + 6, width))
    gallery, probes = draws[:size].astype(np.float32), draws[size:].astype(np.float32)
    gallery = gallery[generator.integers(0, size, size)]
    mates = generator.integers(-1, size, (6, n_mates))
    whole = search_gallery(probes, gallery, k=k, mates=mates, measure=measure)
    table = np.array(
        [row_distances(np.tile(probe, (size, 1)), gallery, measure) for probe in probes]
    )
    right = np.zeros((6, size + 1), dtype=bool)
    np.put_along_axis(right, mates, True, axis=1)
    right = right[:, :size]
    # Brute force, right templates never before each other.
    nearest_right = np.where(right, table, np.inf).min(axis=1)
    rank = 1 + np.sum((table <= nearest_right[:, None]) & ~right, axis=1)
    assert_array_equal(whole.mate_ranks, np.where(right.any(axis=1), rank, 0))
    assert_array_equal(whole.indices, np.argsort(table, axis=1, kind="stable")[:, :k])
    cuts = data.draw(st.lists(st.integers(0, int(size)), max_size=6))
    options = {"k": k, "measure": measure}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_PROBES", 4)
        parts = in_parts(probes, gallery, cuts, mates, whole.mate_distances, **options)
    data.draw(st.randoms()).shuffle(parts)
    assert_same(merge_parts(parts).result(), whole)
    # Parts of parts.
    parts.sort(key=lambda part: (part.first, part.stop))
    half = len(parts) // 2
    if half:
        both = [merge_parts(parts[half:]), merge_parts(parts[:half])]
        assert_same(merge_parts(both).result(), whole)


@pytest.mark.parametrize("measure", MEASURES)
def test_layout_and_company_change_no_bit(measure: Any) -> None:
    generator = np.random.default_rng(1)
    gallery = generator.normal(size=(300, 515)).astype(np.float32)
    probes = gallery[:7] + generator.normal(size=(7, 515)).astype(np.float32)
    whole = search_gallery(probes, gallery, k=9, mates=np.arange(7), measure=measure)
    columns = np.asfortranarray(gallery)
    assert_same(search_gallery(probes, columns, k=9, mates=np.arange(7), measure=measure), whole)
    for row, probe in enumerate(probes):
        alone = search_gallery(probe[None], gallery, k=9, mates=[row], measure=measure)
        assert_same(alone, [values[row : row + 1] for values in whole])


def test_failed_rows_are_counted_or_refused() -> None:
    gallery = np.array([[0.0], [np.nan], [2.0], [5.0]])
    probes = np.array([[1.5]])
    options: dict[str, Any] = {"measure": "euclidean", "n_gallery": 4, "k": 4}
    options |= {"mates": [3], "mate_distances": [3.5]}
    with pytest.raises(ValueError, match="Row 1 of the gallery is not"):
        search_part(probes, gallery, **options)
    # Blocks of any size, one after another.
    found = search_part(probes, iter([gallery[:1], gallery[1:]]), skip_failed=True, **options)
    assert found.n_failed == 1
    assert found.result().indices.tolist() == [[2, 0, 3]]
    assert found.result().mate_ranks.tolist() == [3]
    gone = np.full((2, 1), np.nan)
    with pytest.raises(ValueError, match="None of the 2 rows"):
        search_part(probes, gone, n_gallery=2, skip_failed=True).result()


def test_parts_that_do_not_fit_together_are_refused() -> None:
    generator = np.random.default_rng(2)
    gallery, probes = generator.normal(size=(10, 3)), generator.normal(size=(2, 3))
    mates, own = np.array([0, -1]), row_distances(probes, gallery[:2], "cosine")
    own[1] = np.nan
    first, second, third = in_parts(probes, gallery, [3, 6], mates, own)
    with pytest.raises(ValueError, match="Rows 3 to 5 of the gallery are in no part"):
        merge_parts([first, third])
    with pytest.raises(ValueError, match="rows 6 to 9 were not searched"):
        merge_parts([first, second]).result()
    with pytest.raises(ValueError, match=r"Rows 0 to 2 .* in two parts"):
        merge_parts([first, first])
    with pytest.raises(ValueError, match="no parts"):
        merge_parts([])
    others = (
        {"mates": mates[::-1], "mate_distances": own[::-1]},
        {"mates": mates, "mate_distances": own * 2},
        {"mates": mates, "mate_distances": own, "k": 3},
        {"mates": mates, "mate_distances": own, "measure": "euclidean"},
    )
    for other in others:
        odd = in_parts(probes, gallery, [3, 6], **other)[1]
        with pytest.raises(ValueError, match="same probes"):
            merge_parts([first, odd, third])
    odd = search_part(probes, gallery[3:6], first=3, n_gallery=11, mates=mates, mate_distances=own)
    with pytest.raises(ValueError, match="of one of 11 rows"):
        merge_parts([first, odd])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_gallery": 2}, "Rows 0 to 2 are not in a gallery of 2"),
        ({"first": -1}, "Rows -1 to 1 are not in"),
        ({"mates": [0]}, "'mate_distances' .* each of 1 probes"),
        ({"mate_distances": [1.0, 2.0]}, "'mate_distances'"),
        ({"rows": np.eye(4)}, r"probes \[P, D\]"),
        ({"k": 0}, "'k'"),
    ],
)
def test_what_cannot_be_searched_is_refused(options: dict[str, Any], match: str) -> None:
    given: dict[str, Any] = {"probes": np.ones((1, 3)), "rows": np.eye(3), "n_gallery": 3}
    with pytest.raises(ValueError, match=match):
        search_part(**(given | options))
