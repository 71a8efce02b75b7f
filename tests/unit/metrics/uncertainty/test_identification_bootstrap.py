"""Intervals of identification: against a loop, at their ends, and how often they cover."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from facebench.metrics.identification import RankedProbes, cmc, rank_k, rank_probes, tpir_at_fpir
from facebench.metrics.stats import wilson
from facebench.metrics.uncertainty.identification_bootstrap import identification_intervals


def ranked(seed: int, n_people: int = 30, per_person: int = 3) -> RankedProbes:
    generator = np.random.default_rng(seed)
    identities = np.repeat(np.arange(n_people).astype(str), per_person)
    mated = np.repeat(np.arange(n_people) % 3 > 0, per_person)
    similarities = generator.integers(0, 8, identities.size) + 2.0 * mated
    ranks = np.where(mated, generator.integers(1, 4, identities.size), 0)
    return RankedProbes(identities, mated, similarities, ranks, 20)


def test_against_a_loop_of_repeated_probes() -> None:
    probes = ranked(1)
    found = identification_intervals(
        [probes, ranked(2)], ranks=[2], fpir=[0.3], n_resamples=60, seed=3
    )
    draws = np.random.default_rng(3).multinomial(30, np.full(30, 1 / 30), size=60)
    people = np.unique(probes.identities)
    rates, tpirs = [], []
    for draw in draws:
        both = []
        for gallery in (probes, ranked(2)):
            rows = np.repeat(
                np.arange(gallery.mated.size), draw[np.searchsorted(people, gallery.identities)]
            )
            resampled = RankedProbes(*(column[rows] for column in gallery[:4]), 20)
            both.append((rank_k(resampled, k=2), tpir_at_fpir(resampled, fpir=0.3).tpir))
        rates.append(np.mean([rate for rate, _ in both]))
        tpirs.append(np.mean([tpir for _, tpir in both]))
    assert_allclose(found.rank[0], np.quantile(rates, [0.025, 0.975]))
    assert_allclose(found.tpir[0], np.quantile(tpirs, [0.025, 0.975]))
    assert found.method == "95% bootstrap by identity (60 resamples; Wilson at 0 and 1)"


def test_one_probe_per_person_is_a_plain_proportion() -> None:
    probes = ranked(4, per_person=1)
    found = identification_intervals([probes], ranks=[1, 20])
    hits = int((probes.ranks[probes.mated] == 1).sum())
    assert found.rank == [wilson(hits, 20), wilson(20, 20)]
    assert found.method == "95% Wilson"


def test_where_all_resamples_agree_people_are_the_trials() -> None:
    probes = ranked(5)._replace(ranks=np.zeros(90, dtype=np.intp))
    found = identification_intervals([probes], ranks=[20], fpir=[1.0, 0.01])
    assert found.rank[0] == wilson(0, 20)
    assert found.tpir[0] == wilson(0, 20)
    assert np.isnan(found.tpir[1]).all()


def test_ranked_probes_stand_for_scores() -> None:
    generator = np.random.default_rng(6)
    scores, people = generator.integers(0, 5, (20, 6)), generator.integers(0, 9, 20)
    probes = rank_probes(scores, people, range(6))
    assert (cmc(probes).rates == cmc(scores, people, range(6)).rates).all()
    assert tpir_at_fpir(probes) == tpir_at_fpir(scores, people, range(6))


def test_no_galleries_is_told() -> None:
    with pytest.raises(ValueError, match="no galleries"):
        identification_intervals([])


def test_coverage_where_probes_of_a_person_agree() -> None:
    """A person is found with a probability of their own: intervals by probe would be too narrow."""
    generator = np.random.default_rng(7)
    covered = 0
    for _ in range(150):
        skill = generator.beta(2, 1, 60)
        identities = np.repeat(np.arange(60), 6)
        hits = generator.random(360) < np.repeat(skill, 6)
        probes = RankedProbes(
            identities, np.ones(360, bool), hits.astype(float), np.where(hits, 1, 2), 60
        )
        low, high = identification_intervals([probes], n_resamples=200).rank[0]
        covered += low <= 2 / 3 <= high
    assert 0.88 <= covered / 150 <= 0.99
