"""A small version of docs/intervals.md: coverage and size with few people, and for many layers."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

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
    # 80 worlds: two Monte-Carlo errors are .035 of coverage and .05 of size.
    n_worlds, slack = (600, 0.01) if NIGHTLY else (80, 0.04)
    found = script.verification_design(n_people, design, noise, n_worlds)
    for name, (coverage, size, _) in found.items():
        assert coverage >= 0.92 - slack, name
        assert size <= 0.06 + 1.3 * slack, name
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
