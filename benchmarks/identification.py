"""The search of a gallery against the plain matrix product of the same vectors, in one process.

    python benchmarks/identification.py [--gallery 1000000] [--probes 1000]

Limits: top 20 and the rank of the mate at 0.6 or more of the rate of the product alone; memory,
beyond the embeddings, at most 0.5 GiB. Ratios are of the best of two rounds, product and search
taking turns, so that a busy machine slows both.
"""

import argparse
import resource
import time

import numpy as np

from facebench.metrics.search import search_gallery

_DIMENSIONS, _ROWS = 512, 16_384
_MEASURES = ("cosine", "euclidean", "inner_product")


def peak() -> float:
    """Return the process's peak of memory, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def product(probes: np.ndarray, gallery: np.ndarray) -> float:
    """Multiply all probes with all templates, as fast as NumPy does; returns seconds."""
    table = np.empty((len(probes), min(_ROWS, len(gallery))), dtype=np.float32)
    started = time.perf_counter()
    for start in range(0, len(gallery), _ROWS):
        block = gallery[start : start + _ROWS]
        np.matmul(probes, block.T, out=table[:, : len(block)])
    return time.perf_counter() - started


def main() -> None:
    """Time both and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gallery", type=int, default=1_000_000)
    parser.add_argument("--probes", type=int, default=1_000)
    arguments = parser.parse_args()

    generator = np.random.default_rng(0)
    gallery = np.empty((arguments.gallery, _DIMENSIONS), dtype=np.float32)
    for start in range(0, len(gallery), _ROWS):
        block = gallery[start : start + _ROWS]
        block[:] = generator.standard_normal(block.shape, dtype=np.float32)
    mates = generator.integers(0, len(gallery), arguments.probes)
    noise = generator.standard_normal((arguments.probes, _DIMENSIONS), dtype=np.float32)
    probes = gallery[mates] + 2 * noise
    held = peak()

    best = dict.fromkeys(("product", *_MEASURES), np.inf)
    for _ in range(2):
        best["product"] = min(best["product"], product(probes, gallery))
        for measure in _MEASURES:
            started = time.perf_counter()
            search_gallery(probes, gallery, k=20, mates=mates, measure=measure)
            best[measure] = min(best[measure], time.perf_counter() - started)
    rate = 2e-9 * len(gallery) * len(probes) * _DIMENSIONS / best["product"]
    print(
        f"{len(probes):,} probes, {len(gallery):,} templates of {_DIMENSIONS}: product alone "
        f"{best['product']:.2f} s ({rate:.0f} GFLOP/s)"
    )
    for measure in _MEASURES:
        ratio = best["product"] / best[measure]
        print(f"top 20 and rank, {measure}: {best[measure]:.2f} s, ratio {ratio:.2f} (limit 0.6)")
    print(f"peak {peak():.2f} GiB, {peak() - held:.2f} beyond the embeddings (limit 0.5)")


if __name__ == "__main__":
    main()
