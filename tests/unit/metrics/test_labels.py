"""Labels in any spelling."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics.verification import as_labels


class TestLabels:
    @pytest.mark.parametrize(
        "genuine", [1, True, np.int64(1), np.bool_(True), 1.0, "1", "1.0", "same", "Same ", "TRUE"]
    )
    def test_genuine_in_any_spelling_is_1(self, genuine: object) -> None:
        assert as_labels([genuine]).tolist() == [1]

    @pytest.mark.parametrize(
        "impostor",
        [0, False, np.int8(0), np.bool_(False), 0.0, "0", "different", " DIFFERENT", "False"],
    )
    def test_impostor_in_any_spelling_is_0(self, impostor: object) -> None:
        assert as_labels([impostor]).tolist() == [0]

    @pytest.mark.parametrize(
        "value", [2, -1, 0.5, "yes", "", "genuine", None, float("nan"), "10", "sam"]
    )
    def test_anything_else_is_told(self, value: object) -> None:
        with pytest.raises(ValueError, match="same/different") as caught:
            as_labels([1, 0, value])
        assert repr(value) in str(caught.value)

    def test_no_labels_are_no_labels(self) -> None:
        assert as_labels([]).shape == (0,)
