"""A report holds the values of the plain functions."""

from __future__ import annotations

import numpy as np

from facebench.metrics import verification as v
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.verification_report import verify


def test_values_are_those_of_the_plain_functions() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([1, 0], 100)
    scores = generator.normal(size=200) + 2 * labels
    folds = np.arange(200) % 10
    groups = JackknifeGroups(np.arange(200), np.arange(200))
    report = verify(labels, scores, folds, groups, far=[0.1, 0.001])
    crossed = v.kfold_accuracy(labels, scores, folds)
    assert report.accuracy.value == crossed.mean
    assert report.standard_error == crossed.standard_error
    assert report.threshold.value == crossed.thresholds.mean()
    assert report.oracle_accuracy.value == v.best_accuracy(labels, scores).accuracy
    assert report.auc.value == v.auc(labels, scores)
    assert report.eer.value == v.eer(labels, scores).rate
    assert report.dprime.value == v.dprime(labels, scores)
    assert report.tar[0].tar.value == v.tar_at_far(labels, scores, 0.1).tar
    assert not report.tar[1].resolvable
    assert np.isnan([report.tar[1].tar.value, *report.tar[1].tar.interval]).all()
    for estimate in report[:1] + report[2:9]:
        if not isinstance(estimate, float):
            assert estimate.interval.low <= estimate.value <= estimate.interval.high
    assert report.few_errors == ["AUC", "TAR@FAR=0.1"]


def test_without_folds_there_is_no_cross_validated_accuracy() -> None:
    labels, people = [1, 0] * 20, np.arange(40)
    report = verify(labels, people, None, JackknifeGroups(people, people), far=[0.1])
    assert np.isnan([report.accuracy.value, report.standard_error, report.threshold.value]).all()
    assert report.auc.value == v.auc(labels, people)
