"""A small version of the tables of ratings, choices and RDMs in docs/intervals.md."""

import os

import pytest

from support.pages import script_of_docs

NIGHTLY = "FACEBENCH_NIGHTLY" in os.environ


@pytest.fixture(scope="module")
def script():
    return script_of_docs("intervals_of_ratings")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("simulate", "arguments"),
    [
        ("rates", (8, 4, 0.6, True)),
        ("rates", (12, 5, 0.0, False)),
        ("choices", (8,)),
        ("whitened", (12,)),
    ],
)
def test_a_small_table(script, simulate, arguments):
    n_worlds = 600 if NIGHTLY else 40
    found = getattr(script, simulate)(*arguments, n_worlds)
    del found["worlds"]
    # Of 40 intervals 34 or fewer hold in one of fifty, 31 or fewer in one of ten thousand.
    assert found.pop("size", 0.0) <= (0.08 if NIGHTLY else 0.2)
    assert min(found.values()) >= (0.9 if NIGHTLY else 0.775), found
