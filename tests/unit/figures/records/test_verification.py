"""The pictures of verification: what they show, against loops and the metrics themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from facebench import PlotHelper
from facebench.errors import InputError
from facebench.figures.records.error_curves import det_figure, discard_figure, roc_figure
from facebench.figures.records.pair_pictures import groups_figure, hardest_figure, scores_figure
from facebench.figures.records.scores import each_layer
from facebench.metrics.verification import error_vs_discard, tar_at_far

PEOPLE, PICTURES = "abcdefgh", 3


def comparisons(layers: int = 1, *, ties: bool = False, seed: int = 0) -> pd.DataFrame:
    """All genuine pairs of 8 people of 3 pictures, and as many impostor pairs."""
    random = np.random.default_rng(seed)
    names = [f"{person}/{person}_{number}.png" for person in PEOPLE for number in range(PICTURES)]
    pairs = [(one, two) for i, one in enumerate(names) for two in names[:i]]
    genuine = [pair for pair in pairs if pair[0][0] == pair[1][0]]
    others = [pair for pair in pairs if pair[0][0] != pair[1][0]]
    picked = [others[i] for i in random.choice(len(others), len(genuine), replace=False)]
    frames = []
    for layer in range(layers):
        rows = pd.DataFrame([*genuine, *picked], columns=["img1", "img2"])
        rows["same"] = [1] * len(genuine) + [0] * len(picked)
        distance = random.normal(2 - 1.5 * rows["same"], 0.8).clip(0.01)
        rows["model_computed_distance"] = distance.round(1) if ties else distance
        rows["group1"] = ["first" if name[0] < "d" else "second" for name in rows["img1"]]
        rows["group2"] = ["first" if name[0] < "d" else "second" for name in rows["img2"]]
        rows["quality"] = random.integers(0, 9, len(rows))
        frames.append(rows.assign(layer_name=f"layer {layer}" if layers > 1 else "default"))
    return pd.concat(frames, ignore_index=True)


def results(frame: pd.DataFrame, task: str = "LFW", **columns: Any) -> pd.DataFrame:
    layers = list(dict.fromkeys(frame["layer_name"]))
    return pd.DataFrame({"Task Name": task, "Model Name": "net", "Layer Name": layers, **columns})


def layers_of(frame: pd.DataFrame, **options: Any) -> list[Any]:
    rows = results(frame, Threshold=1.25)
    return list(each_layer(rows, {"net": {"LFW": frame}}, "same", "a test", **options))


def texts(figure: Any) -> str:
    figure.canvas.draw()
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    found += [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [axes.get_title(loc="left"), axes.get_title()]
        legend = axes.get_legend()
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    return "\n".join(found)


METHODS: dict[str, dict[str, Any]] = {
    "roc_plot": {"identity": "folder", "n_resamples": 50},
    "det_plot": {"identity": ("person1", "person2"), "n_resamples": 50},
    "score_histogram": {"threshold_column": "Threshold"},
    "error_discard_plot": {"quality": "quality", "fmr": 0.1},
    "group_heat_map": {},
    "hardest_pairs": {"images_path": "nowhere", "count": 2},
}


def draw(method: str, frame: pd.DataFrame, folder: Path, **changes: Any) -> list[Path]:
    rows = pd.concat([results(frame, task, Threshold=1.25) for task in ("LFW", "a/b")])
    people = {f"person{side}": frame[f"img{side}"].str[0] for side in (1, 2)}
    given = {"net": dict.fromkeys(("LFW", "a/b"), frame.assign(**people))}
    options = {"performances": rows, "distances": given, "label_column": "same"}
    options |= {"output_dir": folder, "file_name": "picture"} | METHODS[method] | changes
    return getattr(PlotHelper, method)(**options)


@pytest.mark.parametrize("method", METHODS)
def test_a_picture_per_task_that_leaves_no_trace(method: str, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    paths = draw(method, comparisons(), tmp_path / "new")
    assert [path.name for path in paths] == ["LFW_picture.png", "a_b-c14cdd_picture.png"]
    picture = imread(paths[0])[..., :3]
    assert picture.min() < 0.5
    edges = (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:])
    assert all(edge.min() == 1 for edge in edges)
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before
    with plt.style.context("dark_background"):
        assert draw(method, comparisons(), tmp_path / "dark")[0].read_bytes() == (
            paths[0].read_bytes()
        )


def test_threads_draw_what_one_draws(tmp_path: Path) -> None:
    methods = ["roc_plot", "score_histogram", "group_heat_map"] * 2
    with ThreadPoolExecutor(4) as pool:
        folders = [tmp_path / str(index) for index in range(len(methods))]
        drawn = list(pool.map(draw, methods, [comparisons()] * len(methods), folders))
    for one, other in zip(drawn[:3], drawn[3:], strict=True):
        assert one[0].read_bytes() == other[0].read_bytes()


# --- curves -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [True, False])
def test_the_roc_is_tar_at_far_everywhere(ties: bool) -> None:
    frame = comparisons(ties=ties)
    (line,) = roc_figure(layers_of(frame), "LFW", None, 0).axes[0].lines
    x, y = line.get_xdata(), line.get_ydata()
    assert line.get_drawstyle() == "steps-post"
    assert (x[0], x[-1]) == (1 / 24, 1.0)
    for far in np.linspace(1 / 24, 1, 97).clip(max=1 - 1e-9) + 1e-12:
        drawn = y[np.searchsorted(x, far, side="right") - 1]
        distance = frame["model_computed_distance"]
        found = tar_at_far(frame["same"], distance, float(far), higher_is_better=False)
        assert drawn == pytest.approx(found.tar)


def test_long_curves_are_thinned_between_pixels_only() -> None:
    random = np.random.default_rng(1)
    same = np.arange(60_000) % 2
    frame = pd.DataFrame({"same": same, "layer_name": "default"})
    frame["model_computed_distance"] = random.normal(-same, 1.0)
    (line,) = roc_figure(layers_of(frame), "LFW", None, 0).axes[0].lines
    x, y = line.get_xdata(), line.get_ydata()
    assert x.size < 5_000
    for far in (1e-4, 1e-3, 0.0123, 0.3):
        found = tar_at_far(same, -frame["model_computed_distance"], far)
        drawn = y[np.searchsorted(x, far, side="right") - 1]
        assert drawn == pytest.approx(found.tar, abs=0.005)


def test_the_det_has_normal_deviate_axes() -> None:
    frame = comparisons(ties=True)
    roc = roc_figure(layers_of(frame), "LFW", None, 0).axes[0].lines[0]
    axes = det_figure(layers_of(frame), "LFW", None, 0).axes[0]
    (line,) = axes.lines
    inner = (line.get_ydata() > 0.01) & (line.get_ydata() < 0.99)
    assert line.get_ydata()[inner] == pytest.approx(1 - roc.get_ydata()[inner])
    places = [axes.transData.transform((rate, rate)) for rate in (0.1, 0.5, 0.9)]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1])
    assert "EER" in texts(axes.figure)


def test_bands_hold_the_curve_and_say_how_they_were_made() -> None:
    figure = roc_figure(layers_of(comparisons(), columns=("img1", "img2")), "LFW", "folder", 200)
    assert "Bands: pointwise 95 %, 200 bootstraps of identities." in texts(figure)
    assert len(figure.axes[0].collections) == 1
    figure = roc_figure(layers_of(comparisons()), "LFW", None, 20)
    assert "bootstraps of pairs" in texts(figure)
    assert len(roc_figure(layers_of(comparisons()), "LFW", None, 0).axes[0].collections) == 0


def test_too_few_to_resample_is_said() -> None:
    frame = comparisons().iloc[[0, 40]].copy()
    assert "No band: too few" in texts(roc_figure(layers_of(frame), "LFW", None, 50))


def test_curves_beyond_six_get_panels_with_the_others_in_grey() -> None:
    together = roc_figure(layers_of(comparisons(6)), "LFW", None, 0)
    assert len(together.axes) == 1
    assert len({line.get_color() for line in together.axes[0].lines}) == 6
    apart = roc_figure(layers_of(comparisons(7)), "LFW", None, 0)
    assert len(apart.axes) == 7
    assert [axes.get_title(loc="left") for axes in apart.axes][:2] == [
        "net: layer 0",
        "net: layer 1",
    ]
    assert all(len(axes.collections[0].get_segments()) == 7 for axes in apart.axes)
    boxes = [axes.get_tightbbox() for axes in apart.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_one_class_and_failures_are_said() -> None:
    frame = comparisons(2)
    frame.loc[frame["layer_name"] == "layer 0", "same"] = 1
    frame.loc[50, "model_computed_distance"] = np.nan
    for draw_figure in (roc_figure, det_figure):
        figure = draw_figure(layers_of(frame), "LFW", None, 0)
        assert "no curve: pairs of one class only" in texts(figure)
        assert "48 pairs, 1 failed" in texts(figure)


def test_error_against_discard() -> None:
    frame = comparisons()
    (line,) = discard_figure(layers_of(frame), "LFW", ("quality",), 0.1).axes[0].lines
    found = error_vs_discard(
        frame["same"],
        frame["model_computed_distance"],
        frame["quality"],
        fmr=0.1,
        higher_is_better=False,
    )
    shown = len(line.get_xdata())
    assert 0 < shown < found.discard.size
    assert line.get_xdata() == pytest.approx(found.discard[:shown])
    assert line.get_ydata() == pytest.approx(found.fnmr[:shown])
    twice = frame.assign(other=frame["quality"] + 1)
    (same,) = discard_figure(layers_of(twice), "LFW", ("other", "quality"), 0.1).axes[0].lines
    assert same.get_ydata() == pytest.approx(line.get_ydata())


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


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("roc_plot", {"label_column": "truth"}, "It lacks truth"),
        ("roc_plot", {"label_column": "img1"}, "must hold 0/1, true/false or same/different"),
        ("roc_plot", {"distances": {}}, r"Got none at distances\['net'\]\['LFW'\]"),
        ("roc_plot", {"performances": results(comparisons())[:0]}, "empty table"),
        ("det_plot", {"identity": "files"}, "must be 'folder', two columns or None. Got 'files'"),
        ("det_plot", {"identity": ("group1", "group2")}, "Genuine pairs are of one identity"),
        ("score_histogram", {"threshold_column": "T"}, "'threshold_column' parameter of Plot"),
        ("error_discard_plot", {"fmr": 1e-3}, "cannot be told from 24 impostor comparisons"),
        ("error_discard_plot", {"quality": "img1"}, "The 'img1' column of .* must hold numbers"),
        ("group_heat_map", {"group_columns": ("g", "h")}, "It lacks g, h"),
        ("hardest_pairs", {"count": 0}, "'count' parameter of .* must be 1 or more. Got 0"),
    ],
)
def test_errors(method: str, changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        draw(method, comparisons(), tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


def test_pairs_without_groups_are_told(tmp_path: Path) -> None:
    frame = comparisons().assign(group1=None)
    with pytest.raises(InputError, match="No row has both"):
        draw("group_heat_map", frame, tmp_path)
