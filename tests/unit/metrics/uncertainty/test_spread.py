"""A small version of docs/intervals.md: coverage and size with few people, and for many layers."""

import os

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import binom, t, ttest_1samp

from facebench.metrics.uncertainty.spread import (
    PairedDifference,
    Replicates,
    less_dyads,
    long_tailed,
    max_statistic,
    uneven_df,
)
from support.pages import script_of_docs

NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ


@pytest.fixture(scope="module")
def script():
    return script_of_docs("intervals_numbers")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_people", "design", "noise"),
    [(8, "all", 0.77), (12, "sparse", 0.77), (20, "sparse", 0.38)],
)
def test_verification(script, n_people, design, noise):
    n_worlds = 600 if NIGHTLY else 80
    found = script.verification_design(n_people, design, noise, n_worlds)
    for name, (coverage, size, _) in found.items():
        # More intervals miss, or more tests reject, than chance makes of .93 and .06.
        held, told = round(2 * n_worlds * coverage), round(n_worlds * size)
        assert binom.cdf(held, 2 * n_worlds, 0.93) > 1e-4, (name, coverage)
        assert binom.sf(told - 1, n_worlds, 0.06) > 1e-3, (name, size)
    # Neither is bought by intervals without end, where there are errors to go by.
    if noise == 0.77:
        assert found["AUC"][0] <= 0.995
        assert found["d'"][0] <= 0.99


@pytest.mark.slow
def test_correlations(script):
    for name, (coverage, size, _) in script.images_design(12, 120).items():
        assert coverage >= 0.9, name
        assert size <= 0.1, name


@pytest.mark.slow
def test_the_largest_of_many_layers(script):
    found = script.layers_design(20, "all", 50)
    assert found["own"] > 0.1
    assert found["max"] <= 0.12
    # The best of equal layers, by itself and as headlines have it: 100 intervals.
    assert found["best"] < 0.93
    assert found["headline"] >= 0.87
    # Held-out layers of equal networks: 100 intervals, 50 tests.
    assert found["held-out"] >= 0.87
    assert found["chosen"] <= 0.14
    assert found["letters"] <= 0.14


def layer_tests(n_groups: int, shared: float) -> list[PairedDifference]:
    """Give eight differences that share a part of their variance, of more and more errors."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=n_groups)
    made = []
    for layer in range(8):
        moved = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=n_groups)
        error = Replicates(0.0, moved).spread.error
        zero = Replicates(0.0, np.zeros(n_groups))
        found = Replicates((1.5 + layer / 4) * error, moved).minus(zero)
        assert found is not None
        made.append(found)
    return made


def test_correlations_of_few_groups_do_not_count():
    tests = layer_tests(15, 0.9)
    own = np.array([one.p_value for one in tests])
    assert max_statistic(tests) == pytest.approx(np.minimum(1, 8 * own))


def test_the_maximum_of_differences_is_that_of_a_multivariate_t():
    # Uncorrelated: as of independent differences. Correlated: less, but more than by themselves.
    own = np.array([one.p_value for one in layer_tests(400, 0.0)])
    assert max_statistic(layer_tests(400, 0.0)) == pytest.approx(1 - (1 - own) ** 8, abs=0.02)
    correlated = max_statistic(layer_tests(400, 0.95))
    assert (correlated < 0.8 * (1 - (1 - own) ** 8)).all()
    assert (correlated > own).all()


@pytest.mark.parametrize("scale", ["identity", "logit"])
def test_interval_test_and_equivalence_follow_from_one_error(scale):
    rng = np.random.default_rng(1)
    units = 0.8 + 0.01 * rng.normal(size=12)
    made = Replicates(0.8, units)
    error = np.sqrt(11 * units.var())
    assert made.spread == pytest.approx((error, 11))
    if scale == "identity":
        assert made.interval() == pytest.approx(t.interval(0.95, 11, 0.8, error))
    else:
        low, high = made.interval("logit")
        assert low <= expit(logit(0.8) - t.ppf(0.975, 11) * error / 0.16) + 1e-12
        assert 0 < low < 0.8 < high < 1
    other = Replicates(0.7, 0.7 + 0.01 * rng.normal(size=12))
    found = made.minus(other)
    assert (found.p_value < 0.05) == (found.low > 0)
    # SciPy's one-sample t test of pseudo-values is the same test.
    pseudo = 12 * found.difference - 11 * (units - other.units)
    centred = pseudo - pseudo.mean() + found.difference
    assert found.p_value == pytest.approx(ttest_1samp(centred, 0).pvalue, rel=1e-6)
    one_sided = [
        ttest_1samp(centred, -0.2, alternative="greater").pvalue,
        ttest_1samp(centred, 0.2, alternative="less").pvalue,
    ]
    assert found.equivalence(0.2) == pytest.approx(max(one_sided), rel=1e-6)
    assert found.detectable == pytest.approx(
        (t.ppf(0.975, 11) + t.ppf(0.8, 11)) * found.spread.error
    )


def test_pairs_of_two_units_are_taken_off_and_df_are_the_fewest():
    units, dyads = np.array([1.0, 2.0, 4.0, 3.0]), np.array([2.0, 2.5, 3.0])
    whole, surplus = 3 * units.var(), 2 * dyads.var()
    variance = (whole - 2 * min(surplus, whole / 2) ** 2 / whole) * 4 / 3
    made = Replicates(2.5, units, dyads, df=2.0)
    assert made.spread == pytest.approx((np.sqrt(variance), 2.0))
    other = Replicates(2.0, units[::-1].copy(), dyads, df=1.5)
    assert made.minus(other).spread.df == 1.5


def test_what_single_pairs_add_is_taken_off_as_far_as_it_is_all():
    # All of it at most halves a variance; next to nothing goes where units are what varies.
    assert less_dyads(4.0, 2.0) == less_dyads(4.0, 9.0) == 2.0
    assert less_dyads(4.0, 0.04) == pytest.approx(4.0, abs=1e-3)
    assert less_dyads(0.0, 1.0) == 0.0
    # What is peculiar to a triplet counts three times.
    assert less_dyads(6.0, 2.0, sides=3) == less_dyads(6.0, 9.0, sides=3) == 2.0
    assert less_dyads(6.0, 0.02, sides=3) == pytest.approx(6.0, abs=1e-3)


def test_degrees_of_freedom_of_a_variance_of_long_tails() -> None:
    rng = np.random.default_rng(0)
    for units in (rng.normal(size=30), rng.standard_t(3, size=30), rng.lognormal(size=30)):
        made = Replicates(0.0, units)
        found = long_tailed(made, 1.5)
        d = [float(unit - units.mean()) for unit in units]
        share = sum(one**4 for one in d) / sum(one**2 for one in d) ** 2
        assert found.df == pytest.approx(min(29, max(2, 2 / (share - 1 / 30))))
        assert found.spread.error == pytest.approx(1.5 * made.spread.error)
    # Nothing moves, or a number is not defined.
    assert long_tailed(Replicates(0.0, np.ones(5))).df is None
    assert long_tailed(Replicates(0.0, np.array([1.0, 2.0, np.nan]))).df is None


def test_one_unit_with_most_of_the_comparisons_leaves_two_degrees_of_freedom() -> None:
    # 33 images of one person and two of each of eleven others, all genuine pairs.
    assert uneven_df([528, *[1] * 11]) == 2
    assert uneven_df([20, 20, *[1] * 10]) == 3
