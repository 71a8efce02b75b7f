"""Which of many layers are shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from facebench.figures.records.layer_choice import few_layers
from support.layer_values import table


class TestFewLayers:
    def test_all_where_there_is_room(self) -> None:
        frame = table(range(5))
        shown, note = few_layers(frame, 5)
        assert shown is frame
        assert note == ""

    @given(
        st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 40),
        st.integers(0, 10_000),
    )  # fmt: skip
    def test_every_model_keeps_its_ends_and_largest(self, sizes, most, seed) -> None:
        rng = np.random.default_rng(seed)
        frame = pd.concat(
            [table(rng.normal(size=size), f"m{i}") for i, size in enumerate(sizes)]
        )  # index values repeat, as in tables put together
        frame = frame.reset_index(drop=True)
        shown, note = few_layers(frame, most, ["AUC"])
        assert shown.index.is_monotonic_increasing
        assert len(shown) <= max(most, 4 * len(sizes))
        assert (note != "") == (len(shown) < len(frame))
        for model, part in frame.groupby("Model Name"):
            own = shown[shown["Model Name"] == model]
            assert {part.index[-1], part["AUC"].abs().idxmax()} <= set(own.index)
            assert len(own) >= min(2, len(part))
        if len(sizes) == 1 and note:
            assert f"{len(shown)} of {len(frame)} layers of m0" in note
