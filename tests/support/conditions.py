"""Comparisons in two conditions."""

from __future__ import annotations

import numpy as np

from facebench.metrics.conditions import ConditionScores
from facebench.metrics.effects import Contrast

SIMPLE = Contrast("difference", (0,), (1,))


def paired_cells(measure: str, n: int = 40, effect: float = 0.0, seed: int = 0) -> ConditionScores:
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(n) % 2 == 0, 2)
    cell = np.repeat([0, 1], n)
    shared = np.tile(rng.normal(size=n), 2)
    distances = 5 + shared + 0.5 * rng.normal(size=2 * n) - labels * (1 + effect * (cell == 0))
    ratings = np.tile(rng.normal(size=n), 2) + distances
    return ConditionScores(
        measure,
        cell,
        labels,
        distances,
        ratings if measure in ("pearson", "spearman") else None,
        4.5,
        0.2,
    )
