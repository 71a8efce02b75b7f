"""Pictures of representations: what is drawn, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facebench import PlotHelper
from facebench.errors import InputError
from facebench.figures.drawing import mds, rdm
from facebench.figures.drawing.rdm import Matrix, matrix_figure

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


@pytest.mark.slow
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


def test_people_have_a_map_of_their_own_images(tables, tmp_path, monkeypatch) -> None:
    drawn = []
    whole = mds.map_figure
    monkeypatch.setattr(
        "facebench.figures.drawing.mds.map_figure",
        lambda charts, **options: drawn.append((charts, options)) or whole(charts, **options),
    )
    rows, distances = tables
    pairs = distances["m"]["t"]
    pairs.loc[pairs["img1"] == "a.png", "model_computed_distance"] = np.nan
    pictures = {"b.png": np.zeros((8, 8, 3), np.uint8)}
    PlotHelper.mds_plot(
        rows, distances, tmp_path, "maps", reference="distance", pictures=pictures,
        groups={"a.png": "A", "b.png": "B"},
    )  # fmt: skip
    people, network = drawn[0][0]
    assert people.label == "people"
    assert list(people.names) == NAMES
    assert list(network.names) == NAMES[1:]
    assert len(network.places) == 4
    # People who compared no three images with each other have none.
    pairs.loc[:, "distance"] = np.nan
    PlotHelper.mds_plot(rows, distances, tmp_path, "maps", reference="distance")
    assert [chart.label for chart in drawn[1][0]] == ["m: fc"]


@pytest.mark.slow
def test_few_of_many_layers_of_every_model_and_it_is_said(tables, tmp_path, monkeypatch) -> None:
    drawn = []
    whole = rdm.matrix_figure
    monkeypatch.setattr(
        "facebench.figures.drawing.rdm.matrix_figure",
        lambda *given, **options: drawn.append((given, options)) or whole(*given, **options),
    )
    rows, distances = tables
    pairs = distances["m"]["t"]
    many = [f"layer{i}" for i in range(30)]
    frames = {
        model: {"t": pd.concat([pairs.assign(layer_name=layer) for layer in many])}
        for model in ("m", "n")
    }
    rows = pd.DataFrame(
        {"Task Name": "t", "Model Name": ["m"] * 30 + ["n"] * 30, "Layer Name": many * 2}
    )
    PlotHelper.rdm_plot(rows, frames, tmp_path, "r", reference="distance", most_panels=8)
    (matrices, _), options = drawn[0]
    assert [matrix.label for matrix in matrices] == [
        "people", *(f"{m}: layer{i}" for m in "mn" for i in (0, 10, 19, 29))
    ]  # fmt: skip
    assert "4 of 30 layers of m and n: evenly spaced" in options["note"]


@pytest.mark.parametrize("sizes", [[108], [108, 3, 40], [70, 70], [20, 10]])
def test_likeness_of_many_layers_is_named(sizes) -> None:
    names = [f"layer{i}" for size in sizes for i in range(size)]
    groups = [f"net {k}" for k, size in enumerate(sizes) for _ in range(size)]
    figure = matrix_figure(
        [Matrix("", "", np.eye(len(names)))], names, title="t", value_label="v", size=9.0,
        alike=True, groups=groups,
    )  # fmt: skip
    axes = figure.axes[0]
    ticks = axes.get_yticks().tolist()
    shown = [text.get_text() for text in axes.get_yticklabels()]
    assert shown == [names[at] for at in ticks]
    assert set(np.cumsum(sizes) - 1) <= set(ticks)
    assert min(np.diff(ticks)) * 9.0 * 72 / len(names) > 6 or 3 in sizes
    many = len(names) > 60
    lines = [line for line in axes.lines if line.get_color() == "white"]
    assert len(lines) == 2 * (len(sizes) - 1)
    said = [text.get_text() for text in axes.texts if text.get_text().startswith("net")]
    assert said == ([f"net {k}" for k in range(len(sizes))] if many and len(sizes) > 1 else [])
