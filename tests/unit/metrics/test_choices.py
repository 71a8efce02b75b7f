"""Choices among alternatives against loops, SciPy's own maximum and analytic cases."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import logsumexp

from facebench.metrics.choices import (
    ChoiceModel,
    absence_criterion,
    choice_ceiling_likelihoods,
    choice_shares,
    fit_choices,
    held_out_log_probabilities,
    log_probabilities,
    margins,
    with_absence,
)


def some_distances(n: int = 40, k: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = rng.uniform(0.1, 1, (n, k))
    table[rng.random(n) < 0.3, k - 1] = np.inf
    return table


def drawn(table: np.ndarray, temperature: float, n: int, seed: int = 1, none: float | None = None):
    rng = np.random.default_rng(seed)
    if none is not None:
        table = np.column_stack((table, np.full(len(table), none)))
    chances = np.exp(-table / temperature)
    chances /= chances.sum(axis=1, keepdims=True)
    return np.array([rng.multinomial(n, row) for row in chances])


def test_ties_share_and_margins_agree_with_choices() -> None:
    table = np.array([[0.2, 0.2, 0.9], [0.5, 0.1, np.inf], [np.nan, 0.1, 0.2]])
    shares = choice_shares(table)
    assert_allclose(shares[:2], [[0.5, 0.5, 0], [0, 1, 0]])
    assert np.isnan(shares[2]).all()
    rng = np.random.default_rng(3)
    table, right = some_distances(200), rng.integers(0, 3, 200)
    margin = margins(table, right)
    assert ((margin > 0) == (choice_shares(table)[np.arange(200), right] == 1)).all()
    assert_allclose(
        margin, [np.delete(row, k).min() - row[k] for row, k in zip(table, right, strict=True)]
    )


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_the_fitted_temperature_is_the_most_likely(shift: float) -> None:
    table = some_distances()
    counts = drawn(table, 0.15, 30)
    found = fit_choices(table + shift, counts)

    def unlikely(slope: float) -> float:
        logs = -slope * table
        with np.errstate(invalid="ignore"):
            logs = logs - logsumexp(logs, axis=1, keepdims=True)
            return -np.where(counts > 0, counts * logs, 0).sum()

    best = minimize(lambda at: unlikely(at[0]), [5.0], method="Nelder-Mead")
    assert found.slope == pytest.approx(best.x[0], rel=1e-3)
    assert found.temperature == pytest.approx(0.15, rel=0.1)


def test_absence_is_fitted_with_the_temperature_or_given() -> None:
    table = some_distances(60)
    counts = drawn(table, 0.1, 200, none=0.4)
    found = fit_choices(table, counts)
    assert found.temperature == pytest.approx(0.1, rel=0.05)
    assert -found.absence * found.temperature == pytest.approx(0.4, abs=0.02)
    given = fit_choices(table, counts, absence=0.4)
    assert -given.absence / given.slope == pytest.approx(0.4)
    both = fit_choices(table, counts, absence=0.4, temperature=0.1)
    assert both.slope == pytest.approx(10)
    assert both.absence == pytest.approx(-4)
    at_given = fit_choices(table, counts, temperature=0.1)
    assert at_given.slope == pytest.approx(10)
    probability = np.exp(log_probabilities(table, found))
    assert_allclose(probability.sum(axis=1), 1)
    # The constant of "none" makes its expected number that of the choices.
    assert (probability[:, -1] * 200).sum() == pytest.approx(counts[:, -1].sum(), rel=1e-4)


def test_choices_no_better_than_chance_have_no_temperature() -> None:
    table = np.array([[0.1, 0.9], [0.8, 0.3]])
    for counts in ([[1, 3], [4, 1]], [[2, 2], [2, 2]]):
        found = fit_choices(table, counts)
        assert found.slope == 0
        assert found.temperature == np.inf
        assert_allclose(np.exp(log_probabilities(table, found)), 0.5)
    same = fit_choices(np.full((2, 2), 0.3), [[3, 1, 4], [2, 2, 4]])
    assert_allclose(np.exp(log_probabilities([[0.3, 0.3]], same)), [[0.25, 0.25, 0.5]], atol=1e-6)
    assert np.isnan(fit_choices(table, np.zeros((2, 2))).slope)


def test_likelihoods_are_held_out_by_group() -> None:
    table = some_distances(12, 2, seed=5)
    table[~np.isfinite(table)] = 0.5
    counts = drawn(table, 0.2, 9)
    group = np.repeat(list("abcd"), 3)
    found = held_out_log_probabilities(table, counts, group)
    for name in "abcd":
        out = group == name
        model = fit_choices(table[~out], counts[~out])
        assert_allclose(found[out], log_probabilities(table[out], model))
    assert np.isnan(held_out_log_probabilities(table, counts, ["a"] * 12)).all()


def test_the_criterion_by_trying_all() -> None:
    rng = np.random.default_rng(7)
    table = rng.uniform(0, 1, (60, 5)).round(2)
    right = np.where(rng.random(60) < 0.4, -1, rng.integers(0, 5, 60))
    table[right >= 0, right[right >= 0]] *= 0.5
    absent = right < 0

    def decided(criterion: float) -> tuple[float, float, float]:
        shares = choice_shares(with_absence(table, criterion))
        correct = shares[np.arange(60), np.where(absent, 5, right)]
        return correct.mean(), shares[~absent, 5].mean(), 1 - shares[absent, 5].mean()

    tried = np.arange(-0.005, 1.01, 0.005)
    best = absence_criterion(table, right, "best")
    assert decided(best)[0] == pytest.approx(max(decided(at)[0] for at in tried))
    equal = absence_criterion(table, right, "equal error")
    gaps = [abs(decided(at)[1] - decided(at)[2]) for at in tried]
    assert abs(decided(equal)[1] - decided(equal)[2]) == pytest.approx(min(gaps))
    assert np.isnan(absence_criterion(table, np.zeros(60, dtype=int), "best"))


def test_a_distance_at_the_criterion_is_accepted() -> None:
    assert choice_shares(with_absence([[0.25, 0.5]], 0.25)).tolist() == [[1, 0, 0]]


def test_ceilings_by_a_loop() -> None:
    counts, offered = np.array([[3, 1, 0], [1, 0, 0]]), np.array([[1, 1, 1], [1, 1, 0]], bool)
    lower, upper = choice_ceiling_likelihoods(counts, offered)
    expected = 3 * np.log((2 + 0.5) / (3 + 1.5)) + np.log((0 + 0.5) / (3 + 1.5))
    assert lower[0] == pytest.approx(expected)
    assert upper[0] == pytest.approx(3 * np.log(0.75) + np.log(0.25))
    assert np.isnan([lower[1], upper[1]]).all()


def test_a_temperature_so_high_that_it_is_infinite() -> None:
    assert_allclose(np.exp(log_probabilities([[0.0, 5.0]], ChoiceModel(0.0))), [[0.5, 0.5]])
