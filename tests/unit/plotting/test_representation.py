"""Pictures of representations: what is drawn, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facebench import PlotHelper
from facebench.errors import InputError
from facebench.figures.intervals import Whisker, interval_figure
from facebench.figures.rdm import Matrix, matrix_figure

NAMES = [f"{letter}.png" for letter in "abcde"]
FIRST, SECOND = np.triu_indices(5, 1)


@pytest.fixture
def tables():
    distances = np.random.default_rng(0).random(10)
    pairs = pd.DataFrame(
        {
            "img1": np.array(NAMES)[FIRST],
            "img2": np.array(NAMES)[SECOND],
            "distance": distances,
            "layer_name": "fc",
            "model_computed_distance": distances + 1,
        }
    )
    rows = pd.DataFrame(
        {"Task Name": ["t"], "Model Name": ["m"], "Layer Name": ["fc"], "r": [0.4]}
    ).assign(**{"r CI Low": 0.1, "r CI High": 0.6})
    return rows, {"m": {"t": pairs}}


def test_every_picture_is_written(tables, tmp_path) -> None:
    rows, distances = tables
    picture = np.zeros((8, 8, 3), np.uint8)
    written = [
        *PlotHelper.interval_plot(rows, "r", "r", "r", tmp_path, "r", reference=(0.0, "chance")),
        *PlotHelper.interval_plot(rows.assign(r=np.nan), "r", "r", "r", tmp_path, "none"),
        *PlotHelper.rdm_plot(rows, distances, tmp_path, "rdms", reference="distance"),
        *PlotHelper.mds_plot(rows, distances, tmp_path, "maps", groups={"a.png": "A"}),
        *PlotHelper.mds_plot(
            rows, distances, tmp_path, "faces", pictures=dict.fromkeys(NAMES, picture)
        ),
        *PlotHelper.likeness_plot(
            pd.DataFrame([[1, -0.2], [-0.2, 1]], index=[("m", "fc"), ("m", "default")]),
            "t", tmp_path, "likeness",
        ),
    ]  # fmt: skip
    assert [path.name for path in written] == [
        "t_r.png", "t_none.png", "t_rdms.png", "t_maps.png", "t_faces.png", "t_likeness.png"
    ]  # fmt: skip
    for path in written:
        with Image.open(path) as image:
            assert min(image.size) > 60


def test_a_whisker_is_the_interval_and_the_axis_holds_it() -> None:
    figure = interval_figure(
        [Whisker("m", "m: fc", -0.9, -1.2, -0.7)], title="t", value_label="v", reference=(-1.1, "c")
    )
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    assert low < -1.2
    assert -0.7 < high < 0
    assert any(list(line.get_xdata()) == [-1.2, -0.7] for line in axes.lines)


def test_ranks_are_coloured_and_missing_pairs_are_not() -> None:
    values = np.array([[0, 5, 100.0], [5, 0, np.nan], [100, np.nan, 0]])
    figure = matrix_figure(
        [Matrix("m", "", values)], ["a", "b", "c"], title="t", value_label="v", ranked=True
    )
    shown = figure.axes[0].images[0].get_array()
    assert shown[0, 1] == 0
    assert shown[0, 2] == 1
    assert shown.mask[1, 2]


def test_a_map_leaves_out_images_with_missing_pairs(tables, tmp_path) -> None:
    rows, distances = tables
    pairs = distances["m"]["t"]
    pairs.loc[pairs["img1"] == "a.png", "model_computed_distance"] = np.nan
    assert PlotHelper.mds_plot(rows, distances, tmp_path, "maps")
    pairs["model_computed_distance"] = np.nan
    with pytest.raises(InputError, match="three images"):
        PlotHelper.mds_plot(rows, distances, tmp_path, "maps")


def test_what_is_missing_is_told(tables, tmp_path) -> None:
    rows, distances = tables
    with pytest.raises(InputError, match="'y' parameter"):
        PlotHelper.interval_plot(rows, "rho", "r", "r", tmp_path, "r")
    with pytest.raises(InputError, match="people"):
        PlotHelper.rdm_plot(rows, distances, tmp_path, "rdms", reference="people")
    with pytest.raises(InputError, match="must hold a table"):
        PlotHelper.rdm_plot(rows, {}, tmp_path, "rdms")


def test_a_likeness_of_many_layers_is_named_and_parted_by_model() -> None:
    names = [f"{model}: {layer}" for model in ("one", "two") for layer in range(45)]
    figure = matrix_figure(
        [Matrix("", "", np.eye(90))], names, title="t", value_label="v", size=9, alike=True,
        blocks=[45],
    )  # fmt: skip
    axes = figure.axes[0]
    written = [label.get_text() for label in axes.get_yticklabels()]
    assert 20 < len(written) <= 90
    assert [names[int(tick)] for tick in axes.get_yticks()] == written
    assert [list(line.get_ydata()) for line in axes.lines[::2]] == [[44.5, 44.5]]
