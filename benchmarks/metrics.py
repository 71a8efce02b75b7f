"""Verification metrics against a plain stable argsort of the same scores, in one run.

    python benchmarks/metrics.py [--scores 10000000] [--stream 100000000]

Limits: ROC + AUC + EER + TAR at FAR of all scores in at most 1.0 times the argsort; the streaming
ROC within 4 GiB of memory; 1,000 identity bootstraps of AUC and of TAR at FAR within 10 times the
argsort.
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from facebench.metrics.stats import bootstrap
from facebench.metrics.verification import StreamingRoc, auc, eer, roc, tar_at_far


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest time of some runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def stream_peak(n_scores: int) -> tuple[float, float, float]:
    """Stream float32 scores, held whole; returns seconds, peak GiB and the AUC's error bound."""
    generator = np.random.default_rng(1)
    labels = np.empty(n_scores, dtype=bool)
    scores = np.empty(n_scores, dtype=np.float32)
    for part in range(0, n_scores, 1_000_000):
        size = min(1_000_000, n_scores - part)
        labels[part : part + size] = generator.random(size) < 0.5
        noise = generator.standard_normal(size, dtype=np.float32)
        scores[part : part + size] = noise + labels[part : part + size]
    stream = StreamingRoc(-8, 9)
    started = time.perf_counter()
    stream.update(labels, scores)
    auc(stream.result())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return time.perf_counter() - started, peak, stream.auc_error


def main() -> None:
    """Time all and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", type=int, default=10_000_000)
    parser.add_argument("--stream", type=int, default=100_000_000)
    arguments = parser.parse_args()

    # First, as the peak of memory is that of the whole process.
    streamed, peak, error = stream_peak(arguments.stream)
    print(f"streaming {arguments.stream:,} scores: {streamed:.1f} s, peak {peak:.2f} GiB (limit 4)")
    print(f"  its AUC is exact to {error:.1e}")

    generator = np.random.default_rng(0)
    labels = generator.random(arguments.scores) < 0.5
    scores = generator.normal(size=arguments.scores) + labels

    def headline() -> None:
        curve = roc(labels, scores)
        auc(curve)
        eer(curve)
        tar_at_far(curve)

    sorting = seconds(lambda: np.argsort(scores, kind="stable"))
    metrics = seconds(headline)
    print(f"argsort of {arguments.scores:,} scores: {sorting:.2f} s")
    print(f"ROC + AUC + EER + TAR at FAR: {metrics:.2f} s, ratio {metrics / sorting:.2f} (limit 1)")

    people = generator.integers(0, 1500, (6000, 2))
    people[:3000, 1] = people[:3000, 0]
    same = people[:, 0] == people[:, 1]
    pair_scores = generator.normal(size=6000) + 2 * same

    def intervals() -> None:
        for metric in ("auc", "tar@1e-2"):
            bootstrap(
                same, pair_scores, metric, by="identity", members1=people[:, 0],
                members2=people[:, 1], n_resamples=1000,
            )  # fmt: skip

    resampling = seconds(intervals, repeats=1)
    print(
        f"Identity bootstraps of AUC and TAR at FAR, 1,000 of 6,000 pairs: {resampling:.2f} s, "
        f"ratio to the argsort {resampling / sorting:.2f} (limit 10)"
    )


if __name__ == "__main__":
    main()
