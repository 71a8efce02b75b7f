"""Labelled scores with failures and infinities, and errors counted one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

LABELS = [1] * 6 + [0] * 6

SCORES = [0.9, 0.8, 0.7, 0.7, 0.6, 0.5, 0.7, 0.7, 0.6, 0.4, 0.3, 0.2]

Case = tuple[list[int], list[float]]

values = st.integers(-3, 3).map(lambda x: x / 4) | st.sampled_from([np.nan, np.inf, -np.inf])

cases = (
    st.lists(st.tuples(st.sampled_from([0, 1]), values), min_size=2, max_size=16)
    .filter(lambda rows: len({label for label, _ in rows}) == 2)
    .map(lambda rows: ([label for label, _ in rows], [score for _, score in rows]))
)


def loop(case: Case) -> list[tuple[int, int, float]]:
    """Count false matches and false non-matches of every distinct score, none accepted first."""
    labels, scores = np.array(case[0], bool), np.array(case[1])
    points = [(0, int(labels.sum()), np.inf)]
    for score in sorted(set(scores[~np.isnan(scores)]), reverse=True):
        accepted = scores >= score
        points.append((int((accepted & ~labels).sum()), int((~accepted & labels).sum()), score))
    return points


def sizes(case: Case) -> tuple[int, int]:
    return sum(case[0]), len(case[0]) - sum(case[0])
