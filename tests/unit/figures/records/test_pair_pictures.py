"""Histograms, group errors and the hardest pairs against loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from facebench.figures.records.pair_pictures import groups_figure, hardest_figure, scores_figure
from support.verified import comparisons, layers_of, texts

# --- pairs ------------------------------------------------------------------------------------


def test_histograms_are_shares_of_their_class_with_the_threshold() -> None:
    frame = comparisons()
    frame.loc[0, "model_computed_distance"] = np.nan
    figure = scores_figure(layers_of(frame, threshold_column="Threshold"), "LFW", "Threshold")
    axes = figure.axes[0]
    sums = [patch.get_data().values.sum() for patch in axes.patches]
    assert sums == pytest.approx([1, 1, 1, 1])
    assert axes.lines[0].get_xdata() == [1.25, 1.25]
    same, distance = frame["same"] == 1, frame["model_computed_distance"]
    fmr = 100 * (distance[~same] <= 1.25).mean()
    fnmr = 100 * (1 - (distance[same] <= 1.25).mean())
    rates = f"FMR {fmr:.4g} %  FNMR {fnmr:.4g} %"
    for expected in (rates, "48 pairs, 1 failed", "1.250"):
        assert expected in texts(figure)


def test_histograms_without_a_spread_or_a_class() -> None:
    frame = comparisons()
    frame["model_computed_distance"] = 0.5
    assert "48 pairs" in texts(scores_figure(layers_of(frame), "LFW", None))
    alone = frame[frame["same"] == 1]
    assert "24 pairs" in texts(scores_figure(layers_of(alone), "LFW", None))
    failed = frame.assign(model_computed_distance=np.nan)
    assert "48 failed" in texts(scores_figure(layers_of(failed), "LFW", None))


def test_groups_against_loops() -> None:
    frame = comparisons()
    frame.loc[[1, 30], "group1"] = None
    columns = ("group1", "group2")
    layers = layers_of(frame, columns=columns, threshold_column="Threshold")
    figure = groups_figure(layers, "LFW", columns, "Threshold")
    drawn = [text.get_text() for text in figure.axes[0].texts]
    expected = []
    for row in ("first", "second"):
        for column in ("first", "second")[: 1 + (row == "second")]:
            hits = [
                pair.model_computed_distance <= 1.25
                for pair in frame.itertuples()
                if not pair.same and {pair.group1, pair.group2} == {row, column}
            ]
            expected += [f"{100 * np.mean(hits):.1f}", f"of {len(hits)}"]
        misses = [
            pair.model_computed_distance > 1.25
            for pair in frame.itertuples()
            if pair.same and pair.group1 == pair.group2 == row
        ]
        expected += [f"{100 * np.mean(misses):.1f}", f"of {len(misses)}"]
    written = [f"{float(text):.1f}" if text[0].isdigit() else text for text in drawn]
    assert [text for text in written if "  " not in text] == expected


def test_the_hardest_pairs_come_first_and_errors_are_framed(tmp_path: Path) -> None:
    from PIL import Image

    frame = comparisons()
    impostors = frame[frame["same"] == 0].sort_values("model_computed_distance")
    genuine = frame[frame["same"] == 1].sort_values("model_computed_distance", ascending=False)
    ordered = pd.concat([impostors[:8], genuine[:8]])
    damaged = ordered["img1"].iloc[0]
    for number, name in enumerate(sorted({*frame["img1"], *frame["img2"]})):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30 + number), (number, 0, 0)).save(path)
    (tmp_path / damaged).write_text("no image")
    layers = layers_of(frame, columns=("img1", "img2"), threshold_column="Threshold")
    figure = hardest_figure(layers, "LFW", tmp_path, 8, "Threshold")
    written = [text.get_text() for text in figure.texts]
    scores = [text for text in written if text.replace(".", "").isdigit()]
    assert scores == [f"{value:.3f}" for value in ordered["model_computed_distance"]]
    wrong = (ordered["model_computed_distance"] <= 1.25) != (ordered["same"] == 1)
    frames = [a for a in figure.artists if isinstance(a, Rectangle) and a.get_linewidth() == 1.6]
    assert len(frames) == wrong.sum()
    unreadable = (ordered[["img1", "img2"]] == damaged).to_numpy().sum()
    assert written.count("unreadable") == unreadable > 0
    assert Path(damaged).stem in written
