"""Weightings draw what the bootstrap draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facebench.metrics.stats import bootstrap
from facebench.metrics.uncertainty.replicates import verification_replicates
from support.drawn import Drawn


@pytest.mark.parametrize("by", ["pair", "image", "identity"])
def test_measures_on_resamples_are_those_of_the_bootstrap(by: str) -> None:
    generator = np.random.default_rng(2)
    members = generator.integers(0, 40, (200, 2))
    members[:100, 1] = members[:100, 0]
    labels = (members[:, 0] == members[:, 1]).astype(int)
    scores = generator.normal(size=200).round(1) + labels
    resamples = Drawn(labels, by, *members.T, n_resamples=300, seed=4)
    found = verification_replicates(labels, scores, resamples, far=[0.1])
    for metric, name in (("auc", "auc"), ("tar@0.1", "tar@0.1")):
        expected = bootstrap(labels, scores, metric, by=by, members1=members[:, 0],
                             members2=members[:, 1], n_resamples=300, seed=4)  # fmt: skip
        drawn = found[name][~np.isnan(found[name])]
        assert_allclose(np.quantile(drawn, (0.025, 0.975)), expected, atol=1e-6)
