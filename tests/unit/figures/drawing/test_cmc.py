"""The picture of cumulative match characteristics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from facebench.errors import InputError
from facebench.figures.plot_helper import PlotHelper, _cmc_figure


def curves(n_layers: int = 2, size: int = 20, band: bool = True) -> pd.DataFrame:
    frames = []
    for index in range(n_layers):
        ranks = np.arange(1, size + 1)
        rates = 1 - 0.5 / (ranks + index)
        frame = pd.DataFrame({"Rank": ranks, "Rate": rates})
        if band:
            frame = frame.assign(**{"Rate CI Low": rates - 0.1, "Rate CI High": rates})
        frames.append(
            frame.assign(**{"Task Name": "LFW", "Model Name": "_net", "Layer Name": f"l{index}"})
        )
    return pd.concat(frames, ignore_index=True)


def test_curves_bands_and_names() -> None:
    axes = _cmc_figure(curves(), "CMC: LFW").axes[0]
    assert [list(line.get_ydata())[:2] for line in axes.lines] == [
        [0.5, 0.75],
        [0.75, pytest.approx(1 - 0.5 / 3)],
    ]
    assert len(axes.collections) == 2
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["_net: l0  0.500", "_net: l1  0.750"]
    assert len({line.get_color() for line in axes.lines}) == 2
    assert axes.get_ylim() == pytest.approx((0.3, 1.0))
    assert axes.get_xscale() == "linear"
    assert 1 in axes.get_xticks()


def test_large_galleries_have_a_logarithmic_axis_and_no_band_is_no_harm() -> None:
    axes = _cmc_figure(curves(size=1000, band=False), "CMC: LFW").axes[0]
    assert axes.get_xscale() == "log"
    assert not axes.collections


@pytest.mark.slow
def test_one_picture_per_task_and_many_layers_in_it(tmp_path: Path) -> None:
    table = curves(40, 5)
    both = pd.concat([table, table.assign(**{"Task Name": "a/b"})])
    paths = PlotHelper.cmc_plot(both, tmp_path / "new", "cmc")
    assert [
        path.name.startswith(name) for path, name in zip(paths, ("LFW_cmc", "a_b"), strict=True)
    ]
    picture = imread(paths[0])[..., :3]
    assert min(picture[:8].min(), picture[-8:].min(), picture[:, -8:].min()) == 1


def test_a_single_rank_and_a_missing_interval_can_be_drawn(tmp_path: Path) -> None:
    table = curves(1, 1)
    table["Rate CI Low"] = np.nan
    assert PlotHelper.cmc_plot(table, tmp_path, "cmc")[0].is_file()


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (curves().iloc[:0], "empty"),
        (curves().drop(columns="Rate"), "lacks Rate"),
        (curves().assign(Rank="first"), "'Rank' column of curves"),
    ],
)
def test_tables_that_cannot_be_drawn_are_told(
    table: pd.DataFrame, match: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=match):
        PlotHelper.cmc_plot(table, tmp_path, "cmc")
