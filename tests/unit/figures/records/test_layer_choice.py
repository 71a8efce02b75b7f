"""Which of many layers are shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebench.figures.records.layer_choice import few_layers, in_pages
from facebench.figures.records.run_facts import RunFacts
from support.layer_values import table


class TestFewLayers:
    def test_all_where_there_is_room(self) -> None:
        frame = table(range(5))
        shown, note = few_layers(frame, 5)
        assert shown is frame
        assert note == ""

    @pytest.mark.slow
    @given(
        st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 40),
        st.integers(0, 10_000),
    )  # fmt: skip
    def test_every_model_keeps_its_best_layer_and_others_as_there_is_room(
        self, sizes, most, seed
    ) -> None:
        rng = np.random.default_rng(seed)
        frame = pd.concat(
            [table(rng.normal(size=size), f"m{i}") for i, size in enumerate(sizes)]
        )  # index values repeat, as in tables put together
        frame = frame.reset_index(drop=True)
        for which, best in (
            ("largest", frame["AUC"].abs()), ("highest", frame["AUC"]), ("lowest", -frame["AUC"])
        ):  # fmt: skip
            shown, note = few_layers(frame, most, {"AUC": which})
            assert shown.index.is_monotonic_increasing
            assert len(shown) <= max(most, len(sizes))
            assert (note != "") == (len(shown) < len(frame))
            for model, part in frame.groupby("Model Name"):
                own = shown[shown["Model Name"] == model]
                assert best[part.index].idxmax() in own.index
                if len(own) > 1:
                    assert part.index[-1] in own.index
        if len(sizes) == 1 and note:
            assert f"{len(shown)} of {len(frame)} layers of m0" in note

    def test_models_alike_in_number_are_told_in_few_words(self) -> None:
        frame = pd.concat([table(range(39), f"m{i}") for i in range(30)], ignore_index=True)
        shown, note = few_layers(frame, 45, {"AUC": "highest"})
        assert len(shown) == 30
        assert note == (
            "Shown is 1 of 39 layers of each of 30 models: where AUC is highest. "
            "The tables hold all."
        )

    def test_the_measure_that_a_run_names_chooses(self) -> None:
        frame = table([3.0, 1.0, 2.0])
        declared = {"AUC": {"better": "lower", "headline": True}}
        RunFacts(measures={str(frame["Task Name"].iloc[0]): declared}).note(frame)
        assert few_layers(frame, 1)[0]["AUC"].tolist() == [1.0]


class TestInPages:
    def test_a_page_holds_so_many_layers_and_says_which_page_it_is(self) -> None:
        frame = pd.concat([table(range(2), f"m{i}") for i in range(25)], ignore_index=True)
        drawn: list[tuple[pd.DataFrame, str]] = []
        pages = in_pages(frame, 20, lambda rows, note: drawn.append((rows, note)), "Some.")
        assert len(pages) == len(drawn) == 3
        assert max(len(rows) for rows, _ in drawn) <= 20
        assert pd.concat([rows for rows, _ in drawn]).equals(frame)
        assert all(rows["Model Name"].value_counts().eq(2).all() for rows, _ in drawn)
        assert [note for _, note in drawn] == [f"Page {k} of 3. Some." for k in (1, 2, 3)]

    def test_one_page_says_nothing_of_pages(self) -> None:
        (said,) = in_pages(table(range(3)), 20, lambda _, note: note, "Some.")
        assert said == "Some."
