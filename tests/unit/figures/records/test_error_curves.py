"""ROC, DET and error-versus-discard figures hold the numbers of the metrics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from facebench.figures.records.error_curves import det_figure, discard_figure, roc_figure
from facebench.metrics.verification import error_vs_discard, tar_at_far
from support.verified import comparisons, layers_of, texts

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
    frame["model_computed_distance"] = frame["same"]  # the genuine pair is the farther one
    assert "No band: too few" in texts(roc_figure(layers_of(frame), "LFW", None, 50))


def test_perfect_separation_says_so_with_its_exact_interval() -> None:
    frame = comparisons(2)
    frame["model_computed_distance"] = 1.0 - frame["same"]
    n_genuine = int(frame["same"].sum() / 2)
    n_impostor = len(frame) // 2 - n_genuine
    upper = beta.ppf(0.975, 1, n_genuine)  # Clopper and Pearson, by SciPy's quantiles
    for draw_figure in (roc_figure, det_figure):
        figure = draw_figure(layers_of(frame), "LFW", None, 100)
        said = " ".join(texts(figure).split())
        assert f"no errors among {n_genuine + n_impostor} pairs" in said
        assert f"No errors among {n_genuine} genuine and {n_impostor} impostor pairs" in said
        assert f"FNMR at most {100 * float(f'{upper:.2g}'):g} %" in said
        (axes,) = figure.axes
        assert 0 < axes.get_xlim()[0] < axes.get_xlim()[1] <= 1
        low, high = axes.get_ylim()
        assert high <= 1.01
        # The interval is on the axis.
        band = axes.collections[0].get_paths()[0].vertices[:, 1]
        edge = upper if draw_figure is det_figure else 1 - upper
        assert low <= edge <= high
        assert np.isclose(band, edge).any()


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
