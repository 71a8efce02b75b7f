"""Errors per group against loops."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.metrics import groups
from facebench.metrics.verification import auc, dprime


@pytest.mark.parametrize("sign", [1, -1])
def test_group_errors_against_loops(sign: int) -> None:
    generator = np.random.default_rng(1)
    group1, group2 = generator.choice(["x", "y", "z"], (2, 300))
    labels = generator.integers(0, 2, 300).astype(bool)
    group2[labels] = group1[labels]
    scores = generator.normal(size=300) + labels
    found = groups.group_errors(
        labels, sign * scores, group1, group2, sign * 0.5, higher_is_better=sign > 0
    )
    for group in "xyz":
        inside = (group1 == group) & (group2 == group)
        assert found.fmr[group] == np.mean(scores[inside & ~labels] >= 0.5)
        assert found.fnmr[group] == np.mean(scores[inside & labels] < 0.5)
        assert found.auc[group] == auc(labels[inside], scores[inside])
        assert found.dprime[group] == pytest.approx(dprime(labels[inside], scores[inside]))
    cross = group1 != group2
    assert found.cross_fmr == np.mean(scores[cross] >= 0.5)
    assert list(found.cross_fmr_of) == [("x", "y"), ("x", "z"), ("y", "z")]


def test_group_errors_of_python_s_own_strings() -> None:
    as_objects = [np.array(list(names), dtype=object) for names in ("aab", "abb")]
    found = groups.group_errors([1, 0, 1], [0.9, 0.8, 0.1], *as_objects, 0.5)
    assert (found.fnmr, found.cross_fmr_of) == ({"a": 0.0, "b": 1.0}, {("a", "b"): 1.0})


def test_a_genuine_pair_of_two_groups_is_told() -> None:
    with pytest.raises(ValueError, match="position 0"):
        groups.group_errors([1], [1.0], ["x"], ["y"], 0.5)


def test_fairness_at_its_ends() -> None:
    equal, one = [0.1, 0.1, 0.1], [0.0, 0.0, 0.3]
    assert groups.fdr(equal, equal) == 1
    assert groups.garbe(equal, equal) == pytest.approx(0)
    assert groups.garbe(one, one) == pytest.approx(1)
    assert groups.garbe([0, 0], [0, 0]) == 0
    assert groups.max_min_ratio(one) == np.inf
    assert np.isnan(groups.max_min_ratio([0, 0]))
    assert groups.max_geomean_ratio(equal) == pytest.approx(1)
    for wrong in ([0.1], [-0.1, 0.2]):
        with pytest.raises(ValueError, match="two groups"):
            groups.max_min_ratio(wrong)
