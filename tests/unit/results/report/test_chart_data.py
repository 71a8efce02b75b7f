"""Sliders and curves hold exact numbers."""

import numpy as np

from facebench.metrics.roc_curve import roc
from facebench.results.report.chart_data import curve_data, slider_data
from support.pairs_of import pairs_of


def test_slider_and_curve_are_exact():
    rng = np.random.default_rng(1)
    labels = np.arange(3000) % 2
    distances = np.round(rng.normal(size=3000) - 2 * labels, 3)
    distances[[5, 6, 7]] = np.nan
    pairs = pairs_of(labels, distances)
    data = slider_data(pairs)
    stops = np.linspace(data["low"], data["high"], len(data["genuine"]))
    for stop in (0, 17, 200, 399, 400):
        for name, value in (("genuine", 1), ("impostor", 0)):
            within = distances[labels == value] <= stops[stop]
            assert data[name][stop] == within.sum()
    assert data["totals"] == [1500, 1500]
    curve = curve_data(pairs)
    exact = roc(labels, distances, higher_is_better=False)
    points = set(zip(exact.false_matches, exact.n_genuine - exact.true_matches, strict=True))
    drawn = list(zip(curve["false_matches"], curve["misses"], strict=True))
    assert set(drawn) <= points
    assert len(drawn) < 250
    # On log axes no step is wider than a tenth of a decade.
    wide = np.diff(np.log10([x for x, _ in drawn if x > 30]))
    assert wide.max() < 0.1


def test_a_model_without_errors_has_bounds_in_place_of_a_curve():
    labels = np.arange(400) % 2
    found = curve_data(pairs_of(labels, 5.0 - 4 * labels + np.linspace(0, 1, 400)))
    # No more than the exact bounds of as many independent pairs would allow.
    exact = 1 - 0.025 ** (1 / 200)
    assert all(exact / 2 < bound < 1 for bound in found["bounds"])
    assert curve_data(pairs_of(labels, np.linspace(0, 1, 400)))["bounds"] is None


def test_a_slider_of_equal_distances_has_a_scale():
    data = slider_data(pairs_of(np.arange(20) % 2, np.full(20, 3.0)))
    assert data["low"] < 3 < data["high"]
    assert (data["genuine"][0], data["genuine"][-1], data["impostor"][-1]) == (0, 10, 10)
