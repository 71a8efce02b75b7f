"""Resamples are those of the bootstrap, the same at every call."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from facebench.metrics.stats import bootstrap
from facebench.metrics.uncertainty.replicates import verification_replicates
from facebench.metrics.uncertainty.resamples import Resamples, percentiles

FAR = (0.5, 0.2, 0.05)


@pytest.mark.parametrize("by", ["pair", "image", "identity"])
def test_resamples_are_those_of_the_bootstrap(by: str) -> None:
    generator = np.random.default_rng(2)
    members = generator.integers(0, 40, (200, 2))
    members[:100, 1] = members[:100, 0]
    labels = (members[:, 0] == members[:, 1]).astype(int)
    scores = generator.normal(size=200).round(1) + labels
    resamples = Resamples(labels, by, *members.T, n_resamples=300, seed=4)
    found = verification_replicates(labels, scores, resamples, far=[0.1])
    for metric, name in (("auc", "auc"), ("tar@0.1", "tar@0.1")):
        expected = bootstrap(labels, scores, metric, by=by, members1=members[:, 0],
                             members2=members[:, 1], n_resamples=300, seed=4)  # fmt: skip
        assert_allclose(percentiles(found[name]), expected, atol=1e-6)


def test_weights_are_the_same_at_every_call_kept_or_not(monkeypatch) -> None:
    labels = [1, 0] * 50
    kept = Resamples(labels, n_resamples=30)
    first, second = (np.concatenate(list(kept.weights()), axis=1) for _ in range(2))
    monkeypatch.setattr("facebench.metrics.uncertainty.resamples._KEPT", 0)
    monkeypatch.setattr("facebench.metrics.uncertainty.resamples._TOGETHER", 250)
    parted = np.concatenate(list(Resamples(labels, n_resamples=30).weights()), axis=1)
    assert_array_equal(first, second)
    assert_array_equal(first, parted)
    assert first.shape == (100, 30)
    assert (first.sum(axis=0) == 100).all()


def test_narrow_and_wide_rows_add_up_alike(monkeypatch) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 80)
    scores = generator.normal(size=80) + labels
    resamples = Resamples(labels, n_resamples=10)
    found = verification_replicates(labels, scores, resamples, far=FAR)
    monkeypatch.setattr("facebench.metrics.uncertainty.replicates._WIDE", 1)
    for name, values in verification_replicates(labels, scores, resamples, far=FAR).items():
        assert_array_equal(values, found[name])


def test_resamples_within_groups_draw_as_many_of_each() -> None:
    people = np.array([0, 1, 2, 3, 0, 2])
    others = np.array([0, 1, 2, 3, 1, 3])
    groups = np.array([0, 0, 1, 1, 0, 1])
    drawn = Resamples(people == others, "identity", people, others, n_resamples=200)
    weights = np.concatenate(list(drawn.within(groups).weights()), axis=1)
    np.testing.assert_array_equal(weights[:2].sum(axis=0), 2)
    np.testing.assert_array_equal(weights[2:4].sum(axis=0), 2)
    np.testing.assert_array_equal(weights[4], weights[0] * weights[1])
    assert set(weights[0]) == {0, 1, 2}
    # A person in two groups belongs to none.
    assert drawn.within(np.array([0, 1, 1, 1, 0, 1])) is drawn
