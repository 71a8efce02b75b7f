"""People's answers to the pairs of a task, against counts by hand and scikit-learn."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from facebench.errors import InputError
from facebench.people.names import ImageFinder
from facebench.tasks.shared.people_answers import PairAnswers
from support.people_worlds import CONDITIONS, answers_to, pairs_of, trials_of

PAIRS = pairs_of()
CELL = (PAIRS["condition"] != "upright").to_numpy().astype(int)
SAME = PAIRS["same"].to_numpy() == 1


def taken(table, kind="same-different", **options):
    given = {"task": "inversion", "condition_column": "condition", **options}
    return PairAnswers(trials_of(table, kind), PAIRS, CELL, CONDITIONS, SAME, **given)


@pytest.fixture(scope="module")
def table():
    return answers_to(PAIRS)[0]


def of_cell(table, who, k):
    own = table[table["participant"] == f"s{who}"].reset_index(drop=True)
    rows = k == CELL
    return own[rows], SAME[rows]


def test_measures_of_every_participant_are_those_of_a_count(table):
    answers = taken(table.drop(columns="confidence"))
    graded = taken(table)
    assert not answers.is_graded
    assert graded.is_graded
    for who in range(6):
        for k in range(2):
            own, same = of_cell(table, who, k)
            said = own["response"] == 1
            hits, false = (said & same).sum(), (said & ~same).sum()
            n, m = same.sum(), (~same).sum()
            z = norm.ppf((hits + 0.5) / (n + 1)) - norm.ppf((false + 0.5) / (m + 1))
            confidence = own["confidence"] * np.where(said, 1, -1)
            found = {m: answers.values(m)[who, k] for m in ("accuracy", "auc", "dprime", "tar")}
            assert found["accuracy"] == pytest.approx((said == same).mean())
            assert found["auc"] == pytest.approx(roc_auc_score(same, said))
            assert found["dprime"] == pytest.approx(z)
            assert found["tar"] == pytest.approx(norm.cdf(z + norm.ppf(0.01)))
            assert answers.values("mean distance")[who, k] == pytest.approx(1 - said.mean())
            assert graded.values("auc")[who, k] == pytest.approx(roc_auc_score(same, confidence))


def test_leaving_out_pairs_is_measuring_the_others(table):
    kept = np.random.default_rng(3).random((len(PAIRS), 4)) < 0.8
    for answers in (taken(table), taken(table.drop(columns="confidence"))):
        for measure in ("auc", "dprime", "mean distance"):
            drawn = answers.replicates(measure, kept)
            for column in range(4):
                rest = PAIRS[kept[:, column]][["img1", "img2"]]
                part = taken(table.merge(rest, on=["img1", "img2"]))
                part.evidence = part.evidence if answers.is_graded else None
                np.testing.assert_allclose(drawn[column], part.values(measure))


def test_the_spread_of_pairs_is_free_of_the_noise_of_answers():
    pairs = pairs_of(200, ("upright",))
    rng = np.random.default_rng(0)
    item = rng.normal(0, 1.5, len(pairs))
    table = pd.concat(
        [
            pairs[["img1", "img2"]].assign(
                participant=f"s{who}", response=item + rng.normal(rng.normal(0, 3), 2, len(pairs))
            )
            for who in range(4)
        ]
    )
    cell = np.zeros(len(pairs), dtype=int)
    answers = PairAnswers(trials_of(table, "rating"), pairs, cell, ["a"], None, task="t")
    # Mean answers vary by sqrt(1.5² + 2² / 4) = 1.8; pairs by 1.5.
    assert answers.spread_of_pairs([0]) == pytest.approx(1.5, abs=0.12)
    assert answers.by_pair.std() == pytest.approx(1.8, abs=0.15)


def test_names_of_images_are_found_as_far_as_they_are_clear():
    finder = ImageFinder(["upright/ann/1.png", "upright/bob/1.png", "inverted/ann/2.jpg"])
    assert finder.find("stimuli\\upright\\ann\\1.png") == "upright/ann/1.png"
    assert finder.find("ann/1") == "upright/ann/1.png"
    assert finder.find("2.jpg") == "inverted/ann/2.jpg"
    assert finder.find("1.png") is None
    assert finder.find("2.png") is None


def test_the_order_of_images_and_folders_of_conditions_do_not_matter(table):
    swapped = table.rename(columns={"img1": "img2", "img2": "img1"})
    np.testing.assert_array_equal(taken(swapped).pair, taken(table).pair)
    plain = table.assign(condition=table["img1"].str.partition("/")[0])
    for side in ("img1", "img2"):
        plain[side] = plain[side].str.partition("/")[2]
    np.testing.assert_array_equal(taken(plain).pair, taken(table).pair)


def test_trials_of_other_pairs_are_counted_and_named(table, caplog):
    other = table.copy()
    other.loc[[0, 5], "img1"] = "upright/p0/11.png"
    with caplog.at_level(logging.WARNING):
        answers = taken(other)
    assert answers.n_trials == len(table) - 2
    [note] = answers.notes
    assert note.startswith("2 of 192 trials in trials.csv are left out")
    assert "did you mean 'upright/p0/1.png'" in note
    assert note in caplog.text
    with pytest.raises(InputError, match=r"None of the 192 trials in trials.csv shows one"):
        taken(table.assign(img1="nothing.png"))


def test_bad_trials_are_refused_with_what_to_do(table):
    with pytest.raises(InputError, match=r"'inverted', of which no trial"):
        taken(table[table["img1"].str.startswith("upright")])
    with pytest.raises(InputError, match=r"of kind 'same-different' or 'rating'. Got 'old-new'"):
        taken(table.assign(image="x"), "old-new")
    with pytest.raises(InputError, match=r"No trial in trials.csv .* has a response"):
        taken(table.assign(response=np.nan))
    same = np.tile(SAME, 6)
    turned = table.assign(correct=(table["response"] != same).astype(float))
    with pytest.raises(InputError, match="seem to be turned round"):
        taken(turned)
    wrong = table.assign(condition="inverted")
    with pytest.raises(InputError, match="name another 'condition' than the pairs file"):
        taken(wrong)


def test_doubtful_trials_are_told(table, caplog):
    same = np.tile(SAME, 6)
    correct = (table["response"] == same).astype(float)
    correct[0] = 1 - correct[0]
    with caplog.at_level(logging.WARNING):
        answers = taken(table.assign(correct=correct))
    assert "1 of 192 trials in trials.csv have a 'correct' that contradicts" in caplog.text
    assert answers.n_trials == 192
    some = table.copy()
    some.loc[3, "response"] = np.nan
    some.loc[4, "confidence"] = np.nan
    found = taken(some)
    assert found.notes == [
        "1 trials without a response are left out",
        "confidence is not used, since 1 of 191 trials have none",
    ]
    assert not found.is_graded
    assert "not used: it names none" in taken(table.assign(condition="A")).notes[0]
