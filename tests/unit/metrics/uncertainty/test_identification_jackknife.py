"""Intervals of identification: against a loop, at their ends, and how often they cover."""

from __future__ import annotations

import os

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t

from facebench.metrics.identification import RankedProbes, cmc, rank_k, rank_probes, tpir_at_fpir
from facebench.metrics.stats import wilson
from facebench.metrics.uncertainty.identification_jackknife import (
    identification_intervals,
    identification_jackknife,
)
from support.pages import script_of_docs

NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ


def ranked(seed: int, n_people: int = 30, per_person: int = 3) -> RankedProbes:
    generator = np.random.default_rng(seed)
    identities = np.repeat(np.arange(n_people).astype(str), per_person)
    mated = np.repeat(np.arange(n_people) % 3 > 0, per_person)
    similarities = generator.integers(0, 8, identities.size) + 2.0 * mated
    ranks = np.where(mated, generator.integers(1, 4, identities.size), 0)
    return RankedProbes(identities, mated, similarities, ranks, 20)


def test_against_a_loop_over_people() -> None:
    both = [ranked(1), ranked(2)]
    found = identification_jackknife(both, ranks=[2], fpir=[0.3])

    def without(person: str | None) -> tuple[float, float]:
        measured = []
        for gallery in both:
            rows = gallery.identities != person
            left = RankedProbes(*(column[rows] for column in gallery[:4]), 20)
            measured.append((rank_k(left, k=2), tpir_at_fpir(left, fpir=0.3).tpir))
        return tuple(np.mean(measured, axis=0))

    people = np.unique(both[0].identities)
    in_gallery = np.unique(both[0].identities[both[0].mated])
    assert (found.rank[0].value, found.tpir[0].value) == pytest.approx(without(None))
    # People are left out in the order of their groups.
    assert_allclose(np.sort(found.rank[0].units), np.sort([without(who)[0] for who in in_gallery]))
    assert_allclose(np.sort(found.tpir[0].units), np.sort([without(who)[1] for who in people]))
    # Of ten people outside the gallery 30 probes in both, 18 of which may pass.
    assert found.tpir[0].df == 9
    intervals = identification_intervals(both, ranks=[2], fpir=[0.3])
    value, units = found.rank[0].value, found.rank[0].units
    step = t.ppf(0.975, 19) * np.sqrt(19 * units.var()) / (value * (1 - value))
    logits = np.log(value / (1 - value)) + np.array([-step, step])
    assert_allclose(intervals.rank[0], 1 / (1 + np.exp(-logits)))
    assert intervals.method == (
        "95 % jackknife of people (20 groups), t quantiles; score intervals next to 0 and 1; "
        "TPIR: 95 % jackknife of people (30 groups)"
    )


def test_one_probe_per_person_is_a_plain_proportion() -> None:
    probes = ranked(4, per_person=1)
    found = identification_intervals([probes], ranks=[1, 20])
    hits = int((probes.ranks[probes.mated] == 1).sum())
    assert found.rank == [wilson(hits, 20), wilson(20, 20)]
    assert found.method == "95 % Wilson"


def test_next_to_0_and_1_the_number_of_probes_counts() -> None:
    none = ranked(5)._replace(ranks=np.zeros(90, dtype=np.intp))
    found = identification_intervals([none], ranks=[20], fpir=[1.0, 0.01])
    for low, high in (found.rank[0], found.tpir[0]):
        # Of 60 probes of 20 people.
        assert low == 0
        assert wilson(0, 60).high <= high + 1e-12 <= wilson(0, 20).high + 1e-9
    assert found.few_rank == [True]
    assert found.few_tpir == [True, False]
    assert np.isnan(found.tpir[1]).all()


def test_few_people_of_either_kind_leave_few_degrees_of_freedom() -> None:
    probes = ranked(8)
    few_outside = np.flatnonzero(probes.mated | np.isin(probes.identities, ["0", "3", "6"]))
    left = RankedProbes(*(column[few_outside] for column in probes[:4]), 20)
    assert identification_jackknife([left], fpir=[0.5]).tpir[0].df == 2
    one_outside = np.flatnonzero(probes.mated | (probes.identities == "0"))
    alone = RankedProbes(*(column[one_outside] for column in probes[:4]), 20)
    # Without the only person outside there is no FPIR: only the numbers of probes say anything.
    (low, high), *_ = identification_intervals([alone], fpir=[0.5]).tpir
    assert 0 <= low < high <= 1


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
        low, high = identification_intervals([probes]).rank[0]
        covered += low <= 2 / 3 <= high
    assert 0.88 <= covered / 150 <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("n_people", "noise"), [(8, 0.77), (20, 0.77)])
def test_a_small_table(n_people: int, noise: float) -> None:
    script = script_of_docs("intervals_numbers")
    n_worlds = 600 if NIGHTLY else 60
    for name, (coverage, size, _) in script.gallery_design(n_people, noise, n_worlds).items():
        # Of 120 intervals 102 or fewer hold in one of a thousand.
        assert coverage >= (0.925 if NIGHTLY else 0.85), name
        assert size <= (0.085 if NIGHTLY else 0.15), name
