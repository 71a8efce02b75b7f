"""Intervals of the likeness of RDMs against a loop."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from facebench.metrics.ratings.draws import RatedUnits
from facebench.metrics.rdm import condensed, rdm, square
from facebench.metrics.rsa import RDM_MEASURES, compare
from facebench.metrics.uncertainty.rsa_intervals import rdm_likeness


class TestLikeness:
    @pytest.mark.parametrize("measure", RDM_MEASURES)
    @pytest.mark.parametrize("by", ["image", "rater", "both"])
    def test_its_interval_is_that_of_a_loop(self, measure: str, by: str) -> None:
        generator = np.random.default_rng(3)
        first, second = np.triu_indices(7, 1)
        one = rdm(generator.normal(size=(7, 3)))
        people = one[:, None] + generator.normal(size=(21, 4)) ** 2
        units = RatedUnits(first, second, 7, 4, by, "jackknife", 200, 0)
        mean = people.mean(axis=1).round(9)
        stays = [(first != image) & (second != image) for image in range(7)]
        versions = {
            "image": [compare(one[kept], mean[kept], measure) for kept in stays],
            "rater": [
                compare(one, np.delete(people, rater, axis=1).mean(axis=1).round(9), measure)
                for rater in range(4)
            ],
        }
        spread = {
            name: (len(versions[name]) - 1) * np.var(np.arctanh(versions[name]))
            for name in (versions if by == "both" else [by])
        }
        total = sum(spread.values())
        freedom = total**2 / sum(
            value**2 / (len(versions[name]) - 1) for name, value in spread.items()
        )
        value = compare(one, mean, measure)
        step = stats.t.ppf(0.975, freedom) * np.sqrt(total)
        found = rdm_likeness(one, people, measure, units)
        assert found.value == pytest.approx(value)
        assert_allclose(found[1:], np.tanh(np.arctanh(value) + np.array([-step, step])), atol=1e-6)

    def test_images_without_distances_are_left_out(self) -> None:
        generator = np.random.default_rng(3)
        one = square(rdm(generator.normal(size=(7, 3))))
        people = generator.random((21, 4))
        units = RatedUnits(*np.triu_indices(7, 1), 7, 4, "image", "jackknife", 200, 0)
        one[2] = one[:, 2] = np.nan
        stays = np.delete(np.arange(7), 2)
        others = np.stack([condensed(square(each)[np.ix_(stays, stays)]) for each in people.T])
        fewer = RatedUnits(*np.triu_indices(6, 1), 6, 4, "image", "jackknife", 200, 0)
        found = rdm_likeness(condensed(one), people, "cosine-whitened", units)
        expected = rdm_likeness(
            condensed(one[np.ix_(stays, stays)]), others.T, "cosine-whitened", fewer
        )
        assert_allclose(found, expected)
