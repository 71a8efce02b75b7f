"""Labels in any spelling."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics.labels import as_labels, label_words


class TestLabels:
    @pytest.mark.parametrize(
        "genuine",
        [
            1,
            True,
            np.int64(1),
            np.bool_(True),
            1.0,
            "1",
            "1.0",
            "same",
            "Same ",
            "TRUE",
            "Yes",
            "y",
            "match",
            "Genuine",
            "mated",
        ],
    )
    def test_genuine_in_any_spelling_is_1(self, genuine: object) -> None:
        assert as_labels([genuine]).tolist() == [1]

    @pytest.mark.parametrize(
        "impostor",
        [
            0,
            False,
            np.int8(0),
            np.bool_(False),
            0.0,
            "0",
            "different",
            " DIFFERENT",
            "False",
            "no",
            "N",
            "Non-Match",
            "non_match",
            "nonmatch",
            "mismatch",
            "impostor",
            "imposter",
            "non mated",
        ],
    )
    def test_impostor_in_any_spelling_is_0(self, impostor: object) -> None:
        assert as_labels([impostor]).tolist() == [0]

    @pytest.mark.parametrize(
        "value", [2, -1, 0.5, "maybe", "", "genuin", None, float("nan"), "10", "sam"]
    )
    def test_anything_else_is_told(self, value: object) -> None:
        with pytest.raises(ValueError, match="same/different") as caught:
            as_labels([1, 0, value])
        assert repr(value) in str(caught.value)

    @pytest.mark.parametrize(
        ("labels", "wrong"),
        [
            (["same", "no"], "no"), (["yes", "different"], "different"), ([1, 0, "match"], "match"),
            (["genuine", "impostor", 1], 1),
        ],
    )  # fmt: skip
    def test_labels_of_two_spellings_are_told(self, labels: list[object], wrong: object) -> None:
        with pytest.raises(ValueError, match="as those before are") as caught:
            as_labels(labels)
        assert f"Got {wrong!r} at position {labels.index(wrong)}." in str(caught.value)

    def test_words_are_given_as_they_are_written(self) -> None:
        assert label_words(["non-match", "Match", "match"]) == ("Match", "non-match")
        assert label_words([True, 0, "1"]) is None
        assert label_words(["yes"]) == ("yes", "")

    def test_no_labels_are_no_labels(self) -> None:
        assert as_labels([]).shape == (0,)
