"""Measures per participant and item, against the definitions and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from facebench.errors import InputError
from facebench.people.measures import (
    item_measures,
    measures_for,
    person_measure,
    person_measures,
    truth_of,
)
from facebench.people.simulation import Observers
from facebench.people.trials import Trials


@pytest.fixture(scope="module")
def trials():
    drawn = Observers({"upright": 2.0, "inverted": 1.0}, sd_item=0.4).trials(6, 30, seed=3)
    table = drawn.table.copy()
    table.loc[[5, 70], ["response", "correct"]] = np.nan
    return Trials(table, drawn.kind)


def test_measures_are_those_of_the_definitions(trials):
    found = person_measures(trials, ["condition"])

    assert list(found.columns[:2]) == ["participant", "condition"]
    for _, row in found.iterrows():
        own = trials.table[
            (trials.table["participant"] == row["participant"])
            & (trials.table["condition"] == row["condition"])
        ]
        answered = own.dropna(subset=["response"])
        assert row["Trials"] == len(answered)
        assert row["Missing"] == len(own) - len(answered)
        same = answered["response"].where(answered["correct"] == 1, 1 - answered["response"])
        hits, n_same = answered["response"][same == 1].sum(), (same == 1).sum()
        false, n_different = answered["response"][same == 0].sum(), (same == 0).sum()
        hit, fa = (hits + 0.5) / (n_same + 1), (false + 0.5) / (n_different + 1)
        right = answered[answered["correct"] == 1]
        signed = answered["confidence"] * np.where(answered["response"] == 1, 1, -1)
        expected = {
            "Accuracy": answered["correct"].mean(),
            "Hit Rate": hits / n_same,
            "False Alarm Rate": false / n_different,
            "d'": norm.ppf(hit) - norm.ppf(fa),
            "Criterion c": -(norm.ppf(hit) + norm.ppf(fa)) / 2,
            "AUC of Confidence": roc_auc_score(same, signed),
            "P(Same)": answered["response"].mean(),
            "Mean RT": right["rt"].mean(),
            "Median RT": right["rt"].median(),
            "Inverse Efficiency": right["rt"].mean() / answered["correct"].mean(),
        }
        for name, value in expected.items():
            assert row[name] == pytest.approx(value), name
    assert set(measures_for(trials)) == {*expected, "A'"}


def test_shares_are_what_a_measure_loses_without_a_trial(trials):
    table = trials.table[trials.table["condition"] == "upright"]
    one = Trials(table, trials.kind)
    answered = table.index[table["response"].notna()]
    for name in ("Accuracy", "d'", "Criterion c", "A'", "Mean RT", "Inverse Efficiency",
                 "AUC of Confidence"):  # fmt: skip
        made = person_measure(one, name)
        sums = pd.Series(made.share).groupby(made.participant).sum()
        np.testing.assert_allclose(sums, 0, atol=1e-12)
        for row in (0, 17, 100):
            without = person_measure(Trials(table.drop(answered[row]), one.kind), name)
            who = made.participant[row]
            lost = made.values[who] - without.values[who]
            assert lost == pytest.approx(made.share[row], rel=0.25, abs=0.01), (name, row)
    made = person_measure(one, "Median RT")
    for who in range(2):
        own = made.participant == who
        rt = table.loc[answered, "rt"].to_numpy()[own & ~np.isnan(made.share)]
        rng = np.random.default_rng(0)
        drawn = np.median(rng.choice(rt, (2000, rt.size)), axis=1)
        error = np.sqrt(np.nansum(made.share[own] ** 2))
        assert error == pytest.approx(drawn.std(), rel=0.5)


def test_participants_without_a_class_have_no_rate():
    table = pd.DataFrame(
        {"participant": ["a", "a", "b"], "img1": "x", "img2": ["y", "z", "y"],
         "response": [1.0, 0.0, 1.0], "correct": [1.0, 1.0, 1.0]}
    )  # fmt: skip
    values = person_measure(Trials(table, "same-different"), "d'").values
    assert np.isfinite(values[0])
    assert np.isnan(values[1])
    assert list(truth_of(Trials(table, "same-different"))) == [1, 0, 1]


def test_items_are_the_same_in_either_order():
    table = pd.DataFrame(
        {"participant": ["a", "b", "a"], "img1": ["x", "y", "x"], "img2": ["y", "x", "z"],
         "response": [1.0, 4.0, 2.0]}
    )  # fmt: skip
    found = item_measures(Trials(table, "rating"))
    assert list(found["Mean Rating"]) == [2.5, 2]
    assert list(found["Participants"]) == [2, 1]
    assert list(found["img2"]) == ["y", "z"]


def test_item_measures_by_condition(trials):
    found = item_measures(trials, ["condition"])
    assert len(found) == 60
    own = trials.table[
        (trials.table["condition"] == "upright") & (trials.table["img1"] == "3a.jpg")
    ]
    row = found[(found["condition"] == "upright") & (found["img1"] == "3a.jpg")].iloc[0]
    assert row["P(Same)"] == pytest.approx(own["response"].mean())
    assert row["Accuracy"] == pytest.approx(own["correct"].mean())


def test_what_trials_do_not_give_is_said(trials):
    with pytest.raises(InputError, match=r"do not give the measure 'dprime'.*They give: Accuracy"):
        person_measure(trials, "dprime")
    with pytest.raises(InputError, match="no column 'view'"):
        person_measures(trials, ["view"])
