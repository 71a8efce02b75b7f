"""A small version of the tables of people, choices, read-outs and designs in docs/intervals.md."""

import os

import pytest

from support.pages import script_of_docs

pytestmark = pytest.mark.integration
NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ


@pytest.fixture(scope="module")
def script():
    return script_of_docs("intervals_of_people")


@pytest.mark.parametrize(
    ("simulate", "arguments", "options"),
    [
        ("beside", (12, 14, "accuracy"), {"graded": False}),
        ("observed", ("both", 0.5), {}),
        ("matching", (40, 2), {"shared": False}),
        ("memory", (24, 12), {}),
        ("orders", (12, 8), {}),
        ("read_outs", (24,), {"classes": True}),
        ("read_outs", (24,), {"classes": False}),
        ("psychometric", (24,), {}),
        ("unique_variance", (24, 1.0), {}),
    ],
)
def test_a_small_table(script, simulate, arguments, options):
    n_worlds = 500 if NIGHTLY else 20
    found = getattr(script, simulate)(*arguments, **options, n_worlds=n_worlds)
    del found["worlds"]
    # Of 20 intervals 14 or fewer hold in one of four hundred thousand.
    assert min(found.values()) >= (0.9 if NIGHTLY else 0.75), found


@pytest.mark.parametrize("design", [("few impostors", 20, 0.0, 0.0), ("blocks", 10, 0.0, 0.0)])
def test_a_small_table_of_designs(design):
    found = script_of_docs("intervals_of_designs").rates(*design, 500 if NIGHTLY else 10)
    for measure, (held, size) in found.items():
        # Each world has two networks: of 20 intervals 14 or fewer hold in one of 400,000.
        assert held >= (0.9 if NIGHTLY else 0.75), measure
        assert size <= (0.08 if NIGHTLY else 0.4), measure
