"""The narrowest layers are kept, and a batch of the others fits into the window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from facebench.engine.memory import FLOAT
from facebench.engine.placement import place_layers, window_of

WIDTHS = st.lists(st.integers(1, 5000), min_size=1, max_size=8).map(
    lambda widths: {f"layer {place}": width for place, width in enumerate(widths)}
)


@given(WIDTHS, st.integers(1, 500), st.integers(1000, 10**8), st.integers(1, 64), st.booleans())
def test_what_is_kept_fits_and_nothing_narrower_is_left_out(
    widths: dict[str, int], n_images: int, budget: int, batch_size: int, needs_tables: bool
) -> None:
    found = place_layers(widths, n_images, budget, batch_size, needs_tables=needs_tables)
    # In network order, each layer in one of the two.
    assert sorted([*found.kept, *found.wide], key=list(widths).index) == list(widths)
    assert [layer for layer in widths if layer in found.kept] == found.kept
    assert found.kept_bytes == n_images * FLOAT * sum(widths[layer] for layer in found.kept)
    assert found.kept_bytes <= budget // (2 if needs_tables else 8)
    if found.kept and found.wide:
        assert max(widths[name] for name in found.kept) <= min(widths[name] for name in found.wide)
    assert 1 <= found.batch_size <= batch_size
    if found.wide and found.batch_size > 1:
        assert found.batch_size * sum(widths.values()) * FLOAT <= window_of(budget)


def test_all_are_kept_where_that_is_asked_for() -> None:
    found = place_layers({"a": 10**6}, 10**6, 1000, 32, keep_all=True)
    assert (found.kept, found.wide, found.batch_size) == (["a"], [], 32)
