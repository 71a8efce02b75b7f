"""Labelled scores: a worked example, and any few with many ties."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

# The worked example: six genuine and six impostor pairs, with ties across the classes.
GENUINE = [0.9, 0.8, 0.7, 0.7, 0.6, 0.5]

IMPOSTOR = [0.7, 0.7, 0.6, 0.4, 0.3, 0.2]

LABELS = [1] * 6 + [0] * 6

SCORES = GENUINE + IMPOSTOR

Case = tuple[list[int], list[float]]

# Few different scores for many pairs: ties everywhere, within and across the classes.
cases = (
    st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(-3, 3)), min_size=2, max_size=16)
    .filter(lambda rows: len({label for label, _ in rows}) == 2)
    .map(lambda rows: ([label for label, _ in rows], [score / 4 for _, score in rows]))
)


def rates(case: Case, threshold: float) -> tuple[Fraction, Fraction]:
    """Return false and true match rate at a threshold, counted one by one."""
    accepted = {0: 0, 1: 0}
    total = {0: 0, 1: 0}
    for label, score in zip(*case, strict=True):
        total[label] += 1
        accepted[label] += score >= threshold
    return Fraction(accepted[0], total[0]), Fraction(accepted[1], total[1])
