from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.optimize import differential_evolution
from scipy.special import expit, ndtr
from scipy.stats import binom

from facebench.metrics.psychometric import Psychometric, PsychometricFit, fit_psychometric
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.tasks.series import SLOPE, THRESHOLD, function_columns

NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ
LEVELS = np.arange(0.0, 181.0, 20.0)
MIDDLE, SCALE, LAPSE = 90.0, 18.0, 0.1
TRUE_SLOPE = -(1 - 0.5 - LAPSE) / 4 / SCALE


def falling(levels: np.ndarray, lapse: float | np.ndarray = LAPSE) -> np.ndarray:
    return 0.5 + (0.5 - lapse) * expit((MIDDLE - levels) / SCALE)


@pytest.mark.parametrize("shape", ["logistic", "normal"])
@pytest.mark.parametrize("rising", [True, False])
def test_exact_shares_give_their_function(shape: str, rising: bool) -> None:
    standard = (LEVELS - MIDDLE) / SCALE * (1 if rising else -1)
    cumulative = expit(standard) if shape == "logistic" else ndtr(standard)
    shares = 0.2 + 0.75 * cumulative
    fit = fit_psychometric(LEVELS, shares, np.full(10, 50), guess=None, shape=shape)
    density = 0.25 if shape == "logistic" else 1 / np.sqrt(2 * np.pi)
    assert fit.threshold == pytest.approx(MIDDLE, abs=0.05)
    assert abs(fit.slope) == pytest.approx(0.75 * density / SCALE, rel=2e-3)
    assert (fit.slope > 0) == rising
    assert (fit.guess, fit.lapse) == pytest.approx((0.2, 0.05), abs=2e-3)
    np.testing.assert_allclose(fit(LEVELS), shares, atol=2e-3)


def test_it_is_the_most_likely_function() -> None:
    rng = np.random.default_rng(0)
    n = np.full(LEVELS.size, 40)
    hits = rng.binomial(n, falling(LEVELS))
    fit = PsychometricFit(LEVELS, hits / n, n)

    def surprise(parameters: np.ndarray) -> float:
        middle, scale, lapse = parameters
        p = 0.5 + (0.5 - lapse) * expit((middle - LEVELS) / scale)
        return -float(binom.logpmf(hits, n, np.clip(p, 1e-9, 1 - 1e-9)).sum())

    best = differential_evolution(
        surprise, [(0, 180), (3, 100), (0, 0.49)], seed=1, tol=1e-10, maxiter=300
    )
    own = surprise(np.array([fit.function.middle, -fit.function.scale, fit.function.lapse]))
    assert own <= best.fun + 1e-6
    saturated = -float(binom.logpmf(hits, n, hits / n).sum())
    assert fit.deviance == pytest.approx(2 * (own - saturated), abs=1e-6)


def test_a_criterion_moves_the_threshold_and_the_function_is_found_again() -> None:
    n = np.full(LEVELS.size, 40)
    fit = fit_psychometric(LEVELS, falling(LEVELS), n, criterion=0.75)
    assert fit(fit.threshold) == pytest.approx(0.75, abs=1e-6)
    again = Psychometric.at(*fit[:4], criterion=0.75)
    np.testing.assert_allclose(again(LEVELS), fit(LEVELS))


def test_one_step_is_near_a_fit_of_its_own() -> None:
    rng = np.random.default_rng(2)
    n = np.full(LEVELS.size, 60)
    shares = rng.binomial(n, falling(LEVELS)) / n
    fit = PsychometricFit(LEVELS, shares, n)
    moved = shares + rng.normal(0, 0.002, (5, LEVELS.size))
    exact = [fit_psychometric(LEVELS, one, n) for one in moved]
    step = fit.of(moved)
    near = np.array([one.threshold for one in exact]) - fit.function.threshold
    np.testing.assert_allclose(step.threshold - fit.function.threshold, near, atol=0.15)


@pytest.mark.parametrize(
    ("levels", "shares", "told"),
    [
        ([0, 1, 2], [0.9, 0.7, 0.5], "3 numbers to be fitted take more levels"),
        ([0, 1, 2, 3, 4], [0.5] * 5, "the same at all levels"),
        (np.arange(6), [0.99, 0.985, 0.98, 0.97, 0.96, 0.95], "not within the levels"),
        (np.arange(6), [0.9, 0.9, 0.9, 0.5, 0.5, 0.5], "within one step between levels"),
    ],
)
def test_what_cannot_be_told_is_nan_and_said(levels: list, shares: list, told: str) -> None:
    fit = PsychometricFit(levels, shares, np.full(len(levels), 30), lapse=None)
    assert told in fit.undefined
    assert np.isnan(fit.function.slope)


def experiment(rng: np.random.Generator, people: int = 24, answers: int = 6) -> tuple:
    """Simulate people of different lapse rates, whose answers therefore hang together."""
    lapse = rng.uniform(0, 2 * LAPSE, people)
    p = falling(LEVELS[:, None], lapse)
    hits = rng.binomial(answers, p)
    share = hits.mean(axis=1) / answers
    left = (hits.sum(axis=1)[:, None] - hits).T / (answers * (people - 1))
    fit = PsychometricFit(LEVELS, share, np.full(LEVELS.size, people * answers))
    unit = np.arange(people)
    jackknife = StratifiedJackknife(unit, unit, np.zeros(people, dtype=int))
    return function_columns(fit, fit.of(left), jackknife.error).columns, lapse


def covered(n: int, seed: int) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    truth = {THRESHOLD: MIDDLE, SLOPE: TRUE_SLOPE}
    hits: dict[str, list[bool]] = {name: [] for name in truth}
    for _ in range(n):
        row, _ = experiment(rng)
        for name, value in truth.items():
            low, high = row[f"{name} CI Low"], row[f"{name} CI High"]
            if not np.isnan(low):
                hits[name].append(low <= value <= high)
    return {name: float(np.mean(found)) for name, found in hits.items()}


@pytest.mark.slow
def test_intervals_of_threshold_and_slope_hold_the_truth() -> None:
    found = covered(60, 0)
    # What 60 experiments of 95 % intervals may show.
    assert min(found.values()) > 0.85


@pytest.mark.skipif(not NIGHTLY, reason="takes minutes (set FACEBENCH_NIGHTLY)")
def test_intervals_cover_as_they_say() -> None:
    found = covered(1000, 1)
    assert all(0.93 <= share <= 0.98 for share in found.values()), found
