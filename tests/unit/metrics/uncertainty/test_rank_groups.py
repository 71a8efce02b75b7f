"""Letters of systems: shared if and only if two are not told apart."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from facebench.metrics.stats import holm
from facebench.metrics.uncertainty.rank_groups import letters, letters_of_tests


@given(st.integers(1, 7), st.data())
def test_letters_are_shared_by_those_not_told_apart(n, data):
    everyone = list(combinations(range(n), 2))
    apart = data.draw(st.lists(st.sampled_from(everyone), unique=True)) if everyone else []
    found = [set(word) for word in letters(n, apart)]
    assert all(found)
    for pair in everyone:
        one, other = pair
        assert bool(found[one] & found[other]) == (pair not in apart)


@given(st.lists(st.floats(0, 1), min_size=10, max_size=10))
def test_letters_of_tests_are_holms(p_values):
    found = [set(word) for word in letters_of_tests(5, p_values)]
    for (one, other), p in zip(combinations(range(5), 2), holm(p_values), strict=True):
        assert bool(found[one] & found[other]) == (p >= 0.05)


def test_more_groups_than_letters():
    words = letters(30, list(combinations(range(30), 2)))
    assert words[0] == "a"
    assert words[29] == "(30)"
