"""The documented default stands for scikit-learn's function, which loads when it is called."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from sklearn.metrics import pairwise

import facebench
from facebench.registry import METRICS
from facebench.tasks.shared.distance_metric import DistanceMetric, metric_name
from facebench.tasks.shared.sklearn_distances import cosine_distances

DEFAULTS = [
    facebench.AccuracyTask,
    facebench.BaseTask,
    facebench.IdentificationTask,
    facebench.InversionEffect,
    facebench.TemplateVerificationTask,
]


@pytest.mark.parametrize("task", DEFAULTS, ids=lambda task: task.__name__)
def test_the_default_equals_the_function(task):
    default = inspect.signature(task).parameters["distance_metric"].default
    assert default == pairwise.cosine_distances
    assert pairwise.cosine_distances == default
    assert default != pairwise.euclidean_distances
    assert {pairwise.cosine_distances: "cosine"}[default] == "cosine"
    assert default.__name__ == "cosine_distances"
    assert metric_name(default) == "cosine_distances"
    assert inspect.signature(default) == inspect.signature(pairwise.cosine_distances)
    assert inspect.unwrap(default) is inspect.unwrap(pairwise.cosine_distances)


def test_a_task_gives_the_very_function():
    metric = DistanceMetric(cosine_distances, "a test")
    assert metric.function is pairwise.cosine_distances
    metric.function = pairwise.manhattan_distances
    assert metric.function is pairwise.manhattan_distances


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_copies_are_equal(copied):
    assert copied(cosine_distances) == cosine_distances == pairwise.cosine_distances
    metric = copied(DistanceMetric(cosine_distances, "a test"))
    assert metric.function is pairwise.cosine_distances


@pytest.mark.parametrize("name", ["cosine", "euclidean", "manhattan"])
def test_the_registered_names_compute_the_same(name):
    left, right = np.random.default_rng(0).random((2, 1, 5))
    function = METRICS.get(name)
    expected = getattr(pairwise, f"{name}_distances")
    assert function == expected
    assert function(left, right) == expected(left, right)
    metric = DistanceMetric(function, "a test")
    assert metric(left, right) == expected(left, right)[0, 0]
