"""A small version of docs/intervals.md: coverage and size with few people, and for many layers."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from scipy.stats import binom

DOCS = Path(__file__).parents[4] / "docs"
NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(DOCS))
    try:
        spec = importlib.util.spec_from_file_location("intervals", DOCS / "intervals_numbers.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(DOCS))
    return module


@pytest.mark.parametrize(
    ("n_people", "design", "noise"),
    [(8, "all", 0.77), (12, "sparse", 0.77), (20, "sparse", 0.38)],
)
def test_verification(script, n_people, design, noise):
    n_worlds = 600 if NIGHTLY else 80
    found = script.verification_design(n_people, design, noise, n_worlds)
    for name, (coverage, size, _) in found.items():
        # More intervals miss, or more tests reject, than chance makes of .93 and .06.
        held, told = round(2 * n_worlds * coverage), round(n_worlds * size)
        assert binom.cdf(held, 2 * n_worlds, 0.93) > 1e-4, (name, coverage)
        assert binom.sf(told - 1, n_worlds, 0.06) > 1e-3, (name, size)
    # Neither is bought by intervals without end, where there are errors to go by.
    if noise == 0.77:
        assert found["AUC"][0] <= 0.995
        assert found["d'"][0] <= 0.99


def test_correlations(script):
    for name, (coverage, size, _) in script.images_design(12, 120).items():
        assert coverage >= 0.9, name
        assert size <= 0.1, name


def test_the_largest_of_many_layers(script):
    found = script.layers_design(20, 50)
    assert found["own"] > 0.1
    assert found["max"] <= 0.12
