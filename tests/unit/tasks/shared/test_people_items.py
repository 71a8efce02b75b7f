"""Agreement pair by pair: correlations within kinds of pairs, decisions, error consistency."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from facebench.metrics.error_consistency import error_consistency
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.tasks.shared.people_answers import PairAnswers
from facebench.tasks.shared.people_items import ItemAgreement, crossed_decisions
from support.people_worlds import CONDITIONS, answers_to, pairs_of, trials_of

PAIRS = pairs_of()
CELL = (PAIRS["condition"] != "upright").to_numpy().astype(int)
SAME = PAIRS["same"].to_numpy() == 1
FIRST, SECOND = np.split(
    np.unique(np.concatenate([PAIRS["identity1"], PAIRS["identity2"]]), return_inverse=True)[1], 2
)
JACKKNIFE = StratifiedJackknife(FIRST, SECOND, CELL)


@pytest.fixture(scope="module")
def world():
    table, latent = answers_to(PAIRS)
    answers = PairAnswers(trials_of(table), PAIRS, CELL, CONDITIONS, SAME, task="t")
    network = latent + np.random.default_rng(2).normal(0, 0.5, len(PAIRS))
    return answers, ItemAgreement(answers, JACKKNIFE, "People", [0, 1]), network


def test_correlations_are_within_conditions_and_classes(world):
    answers, agreement, network = world
    row = agreement.columns(network, None)
    kinds = [(k == CELL) & (same == SAME) for k in range(2) for same in (True, False)]
    found = [spearmanr(network[rows], answers.by_pair[rows]).statistic for rows in kinds]
    assert row["Item Correlation with People"] == pytest.approx(np.mean(found))
    upright = row["upright Item Correlation with People"]
    assert upright == pytest.approx(np.mean(found[:2]))
    # Knowing who is the same person is no agreement about single pairs.
    label = agreement.columns(np.where(SAME, 0.0, 1.0) + 1e-3 * np.arange(len(SAME)) % 7, None)
    assert abs(label["Item Correlation with People"]) < 0.5
    assert "Error Consistency with People" not in row


def test_decisions_are_those_of_thresholds_from_other_people():
    rng = np.random.default_rng(0)
    distances = np.where(SAME, 0.0, 1.0) + rng.normal(0, 0.01, len(SAME))
    # Each condition has a scale of its own, and so a threshold.
    distances = np.where(CELL == 1, 10 + 5 * distances, distances)
    accepted = crossed_decisions(SAME, distances, CELL, JACKKNIFE)
    # The strictest threshold may lie just below the largest genuine distance.
    assert (accepted == SAME).mean() > 0.9
    assert not accepted[~SAME].any()
    noise = rng.normal(size=(200, len(SAME)))
    right = [(crossed_decisions(SAME, one, CELL, JACKKNIFE) == SAME).mean() for one in noise]
    # On the very pairs it would be well above chance.
    assert np.mean(right) == pytest.approx(0.5, abs=0.04)
    lost = np.full(len(SAME), np.nan)
    assert not crossed_decisions(SAME, lost, CELL, JACKKNIFE).any()


def test_error_consistency_is_kappa_averaged_over_participants_and_conditions(world):
    answers, agreement, network = world
    accepted = crossed_decisions(SAME, network, CELL, JACKKNIFE)
    row, people = agreement.columns(network, accepted), agreement.columns_of_people()
    right = np.nan_to_num(answers.rights.T) >= 0.5
    by_person = [
        [error_consistency((accepted == SAME)[k == CELL], own[k == CELL]).kappa for k in range(2)]
        for own in right
    ]
    expected = np.nanmean(np.nanmean(by_person, axis=1))
    assert row["Error Consistency with People"] == pytest.approx(expected)
    pairs = [
        np.nanmean(
            [
                error_consistency(right[a][k == CELL], right[b][k == CELL]).kappa
                for a in range(6)
                for b in range(a + 1, 6)
            ]
        )
        for k in range(2)
    ]
    assert people["Error Consistency"] == pytest.approx(np.mean(pairs))
    difference = row["Error Consistency with People"] - people["Error Consistency"]
    assert row["Error Consistency Difference from People"] == pytest.approx(difference)
    # Of one of the participants: as consistent with the others as its accuracy allows.
    twin = agreement.columns(network, np.where(right[0], SAME, ~SAME))
    assert twin["Error Consistency with People"] > people["Error Consistency"]
