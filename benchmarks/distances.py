"""Distances of a million pairs: against NumPy's plain way, and against scikit-learn pair by pair.

Run with ``python benchmarks/distances.py``. The limits: at most 3 times a plain fancy index and
einsum of the same numbers, and at least 500 times faster than calling scikit-learn per pair.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics.pairwise import cosine_distances

from facebench.tasks.shared.distance_metric import DistanceMetric

PLAIN_LIMIT, SKLEARN_LIMIT = 3.0, 500.0
WIDTH = 512


def plain(rows: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Index and multiply, block by block so that it fits into memory: the least there is to do."""
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    values = np.empty(len(first), dtype=np.float32)
    for start in range(0, len(first), 8192):
        block = slice(start, start + 8192)
        i, j = first[block], second[block]
        values[block] = 1 - np.einsum("ij,ij->i", rows[i], rows[j]) / (norms[i] * norms[j])
    return values


def seconds(function: Callable[[], object]) -> float:
    """Time a call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def main() -> None:
    """Time the three ways in turn and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--images", type=int, default=100_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((arguments.images, WIDTH), dtype=np.float32)
    first, second = rng.integers(0, arguments.images, (2, arguments.pairs))
    metric = DistanceMetric(cosine_distances, "benchmark")
    found = metric.between(rows, first, second)
    np.testing.assert_allclose(found, plain(rows, first, second), atol=1e-5)
    ours, others = [], []
    for _ in range(3):
        ours.append(seconds(lambda: metric.between(rows, first, second)))
        others.append(seconds(lambda: plain(rows, first, second)))
    one_by_one = 2000
    sklearn = seconds(
        lambda: [
            cosine_distances(rows[i : i + 1], rows[j : j + 1])
            for i, j in zip(first[:one_by_one].tolist(), second[:one_by_one].tolist(), strict=True)
        ]
    )
    per_pair = sklearn / one_by_one * arguments.pairs
    best, reference = statistics.median(ours), statistics.median(others)
    print(f"{arguments.pairs:,} pairs over {arguments.images:,} x {WIDTH}")
    print(f"facebench {best:.2f} s, plain NumPy {reference:.2f} s, scikit-learn {per_pair:.0f} s")
    print(f"ratio to plain NumPy: {best / reference:.2f} (limit: at most {PLAIN_LIMIT:g})")
    print(f"faster than per pair: {per_pair / best:.0f} (limit: at least {SKLEARN_LIMIT:g})")


if __name__ == "__main__":
    main()
