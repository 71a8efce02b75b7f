"""Matrices show ranks."""

from __future__ import annotations

import numpy as np

from facebench.figures.drawing.rdm import Matrix, matrix_figure


def test_ranks_are_coloured_and_missing_pairs_are_not() -> None:
    values = np.array([[0, 5, 100.0], [5, 0, np.nan], [100, np.nan, 0]])
    figure = matrix_figure(
        [Matrix("m", "", values)], ["a", "b", "c"], title="t", value_label="v", ranked=True
    )
    shown = figure.axes[0].images[0].get_array()
    assert shown[0, 1] == 0
    assert shown[0, 2] == 1
    assert shown.mask[1, 2]
