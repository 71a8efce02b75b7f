"""Simulated observers are what they are said to be."""

import numpy as np
import pytest

from facebench.people.measures import person_measures
from facebench.people.simulation import Observers


def test_many_observers_have_the_expected_measures():
    observers = Observers({"a": 1.6, "b": 0.7}, criterion=0.3, lapse=0.1, sd_item=0.5)
    found = person_measures(observers.trials(150, 200, seed=1), ["condition"])
    for condition, rows in found.groupby("condition"):
        for name, value in observers.expected(condition).items():
            assert rows[name].mean() == pytest.approx(value, abs=0.1), (condition, name)


def test_without_lapses_and_item_effects_d_prime_is_that_of_the_observer():
    expected = Observers({"a": 1.6}, criterion=0.3).expected("a")
    assert expected["d'"] == pytest.approx(1.6)
    assert expected["Criterion c"] == pytest.approx(0.3)


def test_pairs_may_be_given_and_the_seed_decides():
    pairs = [("x", "y", 1), ("x", "z", 0)]
    one, other = (Observers().trials(3, pairs=pairs, seed=7).table for _ in range(2))
    assert one.equals(other)
    assert set(one["img2"]) == {"y", "z"}
    assert set(np.unique(one["confidence"])) <= {1, 2, 3, 4}
