"""The simulations behind docs/intervals.md, small here and at night as long as there."""

from __future__ import annotations

import os
from types import ModuleType

import pytest

from support.pages import script_of_docs

NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ
nightly = pytest.mark.skipif(not NIGHTLY, reason="takes minutes (set FACEBENCH_NIGHTLY)")


@pytest.fixture(scope="module")
def simulations() -> ModuleType:
    return script_of_docs("intervals_of_effects")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_people", "name"),
    [
        (8, "paired, mean distance"),
        (12, "unpaired 1:4, spread 3:1, mean distance"),
        (12, "linked, AUC .85"),
        (24, "blocked, AUC .85"),
    ],
)
def test_a_small_table(simulations: ModuleType, n_people: int, name: str) -> None:
    task, world = simulations.designs(n_people)[name]()
    found = simulations.effect_rates(task, world, n_worlds=80)
    # Of 80 intervals 76 are expected, 68 or fewer in one of a thousand.
    assert found["size"] <= 0.15
    assert found["difference"] == pytest.approx(1 - found["size"])
    assert min(found["condition"], found["effect size"]) >= 0.85


@nightly
@pytest.mark.parametrize("n_people", [8, 12, 20, 30, 100])
def test_the_whole_table(simulations: ModuleType, n_people: int) -> None:
    for name, make in simulations.designs(n_people).items():
        found = simulations.effect_rates(*make(), n_worlds=600)
        # Monte-Carlo error of 600 worlds: ±.018.
        assert found["size"] <= 0.085, name
        assert found["condition"] >= 0.9, name


@nightly
@pytest.mark.parametrize("sizes", [[8] * 4, [20] * 4, [8, 12, 20, 30]])
@pytest.mark.parametrize("unequal", [False, True])
def test_fairness(simulations: ModuleType, sizes: list[int], unequal: bool) -> None:
    found = simulations.fairness_rates(sizes, unequal, 400)
    rejected = found.pop("rejected")
    assert min(found.values()) >= 0.9, found
    assert unequal or rejected <= 0.085
