"""Standard errors by influence, against resampling, brute force and other formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as t_distribution

from facebench.metrics.operating_points import eer
from facebench.metrics.stats import delong, delong_test
from facebench.metrics.uncertainty import correlation_influence, influence
from facebench.metrics.verification import dprime


@pytest.fixture
def scores():
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    return labels, np.round(labels + rng.normal(size=400), 2), rng.normal(size=400) + labels


def test_auc_error_is_delongs(scores):
    labels, score, _ = scores
    made = influence.auc_influence(labels, score)
    reference = delong(labels, score)
    assert made.estimate == pytest.approx(reference.auc)
    # DeLong divides by n - 1, the influence by n.
    error = influence.standard_error(made.values)
    assert error == pytest.approx(np.sqrt(reference.variance), rel=0.005)
    flipped = influence.auc_influence(labels, -score, higher_is_better=False)
    np.testing.assert_allclose(flipped.values, made.values)


def test_d_prime_and_what_each_pair_does_to_it():
    generator = np.random.default_rng(0)
    labels = np.array([1] * 12 + [0] * 20)
    scores = generator.normal(size=32) + labels

    def weighted(weights):
        def moments(chosen):
            mean = np.average(scores[chosen], weights=weights[chosen])
            return mean, np.average((scores[chosen] - mean) ** 2, weights=weights[chosen])

        (m1, v1), (m0, v0) = moments(labels == 1), moments(labels == 0)
        return (m1 - m0) / np.sqrt((v1 + v0) / 2)

    found = influence.dprime_influence(labels, scores)
    assert found.estimate == pytest.approx(dprime(labels, scores, ddof=0))
    step = 1e-6
    expected = [
        (weighted(1 + step * np.eye(32)[row]) - weighted(np.ones(32))) / step for row in range(32)
    ]
    np.testing.assert_allclose(found.values, expected, atol=1e-5)


def test_paired_difference_is_delongs(scores):
    labels, one, other = scores
    a, b = (influence.auc_influence(labels, score) for score in (one, other))
    made = influence.paired_difference(a, b)
    assert made.difference == pytest.approx(a.estimate - b.estimate)
    assert made.p_value == pytest.approx(delong_test(labels, one, other).p_value, rel=0.02)
    assert (made.low < 0 < made.high) == (made.p_value > 0.05)


def test_relative_difference_and_its_error():
    rng = np.random.default_rng(3)
    first, second = rng.gamma(4, 1, 250), rng.gamma(3, 1, 150)
    made = influence.relative_difference_influence(first, second)
    m1, m2 = first.mean(), second.mean()
    assert made.estimate == pytest.approx((m1 - m2) / (m1 + m2))
    draws = [
        influence.relative_difference_influence(
            rng.choice(first, first.size), rng.choice(second, second.size)
        ).estimate
        for _ in range(600)
    ]
    assert influence.standard_error(made.values) == pytest.approx(np.std(draws), rel=0.1)


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=25
    )
)
def test_shared_members_add_up_as_in_a_double_loop(rows):
    values, first, second = (np.array(column) for column in zip(*rows, strict=True))
    sides = [set(pair) for pair in zip(first, second, strict=True)]
    total = sum(
        values[k] * values[j]
        for k, one in enumerate(sides)
        for j, other in enumerate(sides)
        if one & other
    )
    expected = np.sqrt(max(total, (values**2).sum()))
    made = influence.standard_error(values, first, second)
    assert made == pytest.approx(expected, rel=1e-9, abs=1e-7)


def test_shared_images_widen_the_error_as_truth_demands():
    # Distances with an effect of each image: the mean's true spread is known by simulation.
    rng = np.random.default_rng(4)
    first, second = np.triu_indices(25, 1)
    means, errors, naive = [], [], []
    for _ in range(300):
        image = rng.normal(size=25)
        distances = image[first] + image[second] + rng.normal(size=first.size)
        made = influence.mean_influence(distances)
        means.append(made.estimate)
        errors.append(influence.standard_error(made.values, first, second))
        naive.append(influence.standard_error(made.values))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)
    assert np.mean(naive) < 0.5 * np.std(means)


@pytest.mark.parametrize(
    ("scale", "low", "high"), [("identity", None, None), ("logit", 0, 1), ("fisher", -1, 1)]
)
def test_intervals_stay_in_range(scale, low, high):
    for estimate in (0.001, 0.5, 0.999):
        made = influence.interval(estimate, 0.2, scale)
        assert made.low < estimate < made.high
        if low is not None:
            assert low <= made.low
            assert made.high <= high
    narrow = influence.interval(0.5, 1e-4, scale)
    assert narrow.high - narrow.low == pytest.approx(2 * norm.ppf(0.975) * 1e-4, rel=1e-3)


@pytest.mark.parametrize(
    ("measure", "arguments"),
    [
        (influence.mean_influence, ([],)),
        (influence.auc_influence, ([1, 1], [0.1, 0.2])),
        (correlation_influence.pearson_influence, ([1, 1], [0.1, 0.2])),
        (correlation_influence.spearman_influence, ([1, 2, 3], [0.1, 0.2])),
        (correlation_influence.kendall_influence, ([1, 2, 3], [1, 1, 1])),
        (influence.relative_difference_influence, ([1, -1], [0, 0])),
    ],
)
def test_what_is_not_defined_is_refused(measure, arguments):
    with pytest.raises(ValueError, match=r"\w+"):
        measure(*arguments)


def test_eer_influence_gives_the_spread_of_the_eer():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [300, 500])
    # The genuine scores vary more: both rates do not move alike with the threshold.
    spreads = np.where(labels, 1.6, 0.8)
    worlds = [2 * labels + spreads * rng.normal(size=800) for _ in range(300)]
    made = [influence.eer_influence(labels, scores) for scores in worlds]
    rates = [eer(labels, scores).rate for scores in worlds]
    assert [each.estimate for each in made] == rates
    expected = np.mean([influence.standard_error(each.values) for each in made])
    assert expected == pytest.approx(np.std(rates), rel=0.12)


@given(st.integers(0, 1000))
def test_eer_influence_follows_ranks_and_not_units(seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([1, 0], 15))
    scores = (labels + rng.normal(size=30)).round(1)
    made = influence.eer_influence(labels, scores)
    assert abs(made.values.sum()) < 1e-9
    turned = influence.eer_influence(labels, -scores, higher_is_better=False)
    np.testing.assert_allclose(turned.values, made.values)
    failed = np.where(scores == scores.min(), np.nan, scores)
    lowest = influence.eer_influence(labels, failed)
    if np.count_nonzero(scores == scores.min()) == 1:
        assert lowest.estimate == pytest.approx(made.estimate)


def test_eer_influence_of_perfect_scores_is_zero():
    made = influence.eer_influence([1, 1, 0, 0], [3, 4, 1, 2])
    assert made.estimate == 0
    assert not made.values.any()


def test_intervals_of_few_people_are_corrected_without_a_word() -> None:
    pairs = np.array([(i, j) for i in range(8) for j in range(i)])
    shared = influence.dyads(*pairs.T)
    made = influence.mean_influence(np.random.default_rng(0).normal(size=28))
    error = influence.dyadic_error(made.values, shared)
    found = influence.interval(made.estimate, error)
    assert found == pytest.approx(influence.linear_replicates(made, shared).interval())
    assert found.high - made.estimate > t_distribution.ppf(0.975, 7) * float(error)
    low, high = influence.interval(0.5, error, df=np.inf)
    assert high - low == pytest.approx(2 * norm.ppf(0.975) * float(error))


def test_tied_scores_widen_the_error_of_an_eer():
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 0], [30, 300])
    scores = rng.normal(size=330) + 1.5 * labels
    plain, tied = (influence.eer_influence(labels, x).values for x in (scores, np.round(scores)))
    # Here by a jump of several genuine scores at once.
    assert (tied**2).sum() > 1.2 * (plain**2).sum()
