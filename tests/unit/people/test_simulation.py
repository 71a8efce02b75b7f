"""Simulated observers are what they are said to be."""

import numpy as np
import pandas as pd
import pytest

from facebench.errors import InputError
from facebench.people import read_trials
from facebench.people.measures import person_measures
from facebench.people.simulation import Observers, simulated_trials


@pytest.mark.slow
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


class TestTrialsOfATable:
    PAIRS = pd.DataFrame(
        [(f"{c}/{n}a", f"{c}/{n}b", n % 2, c) for c in ("upright", "inverted") for n in range(60)],
        columns=["img1", "img2", "same", "condition"],
    )

    def test_everyone_judges_every_pair_once_and_better_upright(self, tmp_path):
        table = simulated_trials(self.PAIRS, n_participants=20)
        keys = ["img1", "img2", "condition"]
        for _, own in table.groupby("participant"):
            assert {*map(tuple, own[keys].to_numpy())} == {*map(tuple, self.PAIRS[keys].to_numpy())}
            assert len(own) == len(self.PAIRS)
        label = table.merge(self.PAIRS)["same"]
        assert (table["correct"] == (table["response"] == label)).all()
        means = table.groupby("condition")["correct"].mean()
        assert means["upright"] > means["inverted"] > 0.6
        # The table needs no description.
        table.to_csv(tmp_path / "t.csv", index=False)
        assert len(read_trials(tmp_path / "t.csv").table) == len(table)

    def test_ratings_are_larger_for_one_person(self):
        table = simulated_trials(self.PAIRS, "rating").merge(self.PAIRS)
        assert set(table["response"]) == {*range(1, 9)}
        means = table.groupby("same")["response"].mean()
        assert means[1] - means[0] > 1

    def test_the_seed_decides(self):
        one, other, third = (simulated_trials(self.PAIRS, seed=seed) for seed in (1, 1, 2))
        assert one.equals(other)
        assert not one.equals(third)

    @pytest.mark.parametrize("pairs", [PAIRS.drop(columns="same"), PAIRS.assign(same=0.5)])
    def test_labels_are_needed(self, pairs):
        with pytest.raises(InputError, match="need pairs with the columns img1, img2 and same"):
            simulated_trials(pairs)
