"""Rated pairs against a plain loop of SciPy over images left out, in one process.

    python benchmarks/ratings.py [--images 110] [--layers 39] [--raters 16]

The loop has the jackknife of Pearson's, Spearman's and Kendall's correlation with the mean rating
and of Spearman's with single raters; facebench's numbers have rho-a, ceilings, shares and a p value
as well. Limits: 39 layers of 6,000 pairs in 10 s of CPU, and 5 times faster than the loop, which is
timed on one layer. The first layer also pays for what depends on people alone.
"""

import argparse
import time

import numpy as np
from scipy.stats import kendalltau, pearsonr, spearmanr

from facebench.metrics.ratings.pairs import RatedPairs


def plain_loop(
    distances: np.ndarray, ratings: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    """Leave out each image in turn, as a script would; returns the standard errors."""
    mean, values = ratings.mean(axis=1), []
    for image in range(int(second.max()) + 1):
        kept = (first != image) & (second != image)
        own = distances[kept]
        with_mean = [
            correlate(own, mean[kept]).statistic for correlate in (pearsonr, spearmanr, kendalltau)
        ]
        single = np.mean([spearmanr(own, rater).statistic for rater in ratings[kept].T])
        values.append([*with_mean, single])
    return np.sqrt((len(values) - 1) * np.var(values, axis=0))


def main() -> None:
    """Time both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=110)
    parser.add_argument("--layers", type=int, default=39)
    parser.add_argument("--raters", type=int, default=16)
    arguments = parser.parse_args()

    generator = np.random.default_rng(0)
    first, second = np.triu_indices(arguments.images, 1)
    points = generator.normal(size=(arguments.images, 4))
    truth = np.linalg.norm(points[first] - points[second], axis=1)
    ratings = truth[:, None] + generator.normal(size=(truth.size, arguments.raters))
    layers = truth + generator.normal(size=(arguments.layers, truth.size))

    started = time.process_time()
    plain_loop(layers[0], ratings, first, second)
    loop = time.process_time() - started

    started = time.process_time()
    rated = RatedPairs(ratings, first, second)
    rated.ceiling_intervals()
    rated.compare(layers[0])
    once = time.process_time() - started
    for layer in layers[1:]:
        rated.compare(layer)
    total = time.process_time() - started
    print(f"{truth.size:,} pairs of {arguments.images} images, {arguments.raters} raters")
    print(f"plain loop: {loop:.2f} s a layer, {loop * arguments.layers:.0f} s for all (scaled)")
    print(f"facebench: {total:.1f} s CPU for {arguments.layers} layers, {once:.1f} s for the first")
    print(f"ratio {loop * arguments.layers / total:.1f} (limit 5)")


if __name__ == "__main__":
    main()
