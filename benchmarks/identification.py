"""The search of a gallery against the plain matrix product of the same vectors, and in shards.

    python benchmarks/identification.py [--gallery 1000000] [--probes 1000]
    python benchmarks/identification.py --shards 8 [--gallery 1000000]
    python benchmarks/identification.py --shards 16 --gallery 10000000 --only 1

The first prints the ratio of the product's CPU time to the search's, best of two rounds in which
both take turns. Limits: top 20 and the rank of the mate at 0.6 or more of the product alone, and
likewise of FAISS's exact search (IndexFlatIP, top 20 only), where FAISS is installed; memory,
beyond the embeddings, at most 0.5 GiB.

The second searches a file of the gallery in shards, each in a process of its own as `facebench
identify` does, merges them, and compares them with one search: they must be equal to the last bit.
Limit: 4 GiB for each shard; the CPU time of all shards over that of one shard of all rows has none.
The third makes and searches the first shard only, as a machine of sixteen would.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from facebench.data.embedding_files.row_files import RowFiles
from facebench.metrics.search import row_distances, search_gallery
from facebench.metrics.search_parts import merge_parts, search_part
from facebench.store.search_files import read_part, write_part

_DIMENSIONS, _ROWS = 512, 16_384
_MEASURES = ("cosine", "euclidean", "inner_product")


def peak() -> float:
    """Return the process's peak of memory, in GiB."""
    status = Path("/proc/self/status")
    if status.is_file():
        # What getrusage tells includes the process that started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Call a function; gives the CPU time of all its threads, and what it returns."""
    started = time.process_time()
    result = function()
    return time.process_time() - started, result


def product(probes: np.ndarray, gallery: np.ndarray) -> None:
    """Multiply all probes with all templates, as fast as NumPy does."""
    table = np.empty((len(probes), min(_ROWS, len(gallery))), dtype=np.float32)
    for start in range(0, len(gallery), _ROWS):
        block = gallery[start : start + _ROWS]
        np.matmul(probes, block.T, out=table[:, : len(block)])


def draw(generator: np.random.Generator, gallery: np.ndarray) -> None:
    """Fill a gallery with random vectors, block by block."""
    for start in range(0, len(gallery), _ROWS):
        block = gallery[start : start + _ROWS]
        block[:] = generator.standard_normal(block.shape, dtype=np.float32)


def draw_probes(
    generator: np.random.Generator, gallery: np.ndarray, n_probes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Give probes near templates, and the rows of these."""
    mates = np.sort(generator.integers(0, len(gallery), n_probes))
    noise = generator.standard_normal((n_probes, _DIMENSIONS), dtype=np.float32)
    return gallery[mates] + 2 * noise, mates


def compare(n_gallery: int, n_probes: int) -> None:
    """Print the ratios to the product, and to FAISS."""
    generator = np.random.default_rng(0)
    gallery = np.empty((n_gallery, _DIMENSIONS), dtype=np.float32)
    draw(generator, gallery)
    probes, mates = draw_probes(generator, gallery, n_probes)
    held = peak()
    ways = {
        "product": lambda: product(probes, gallery),
        **{
            measure: lambda measure=measure: search_gallery(
                probes, gallery, k=20, mates=mates, measure=measure
            )
            for measure in _MEASURES
        },
    }
    best: dict[str, float] = {}
    beyond = held
    for _ in range(2):
        for name, way in ways.items():
            seconds, _ = timed(way)
            best[name] = min(best.get(name, np.inf), seconds)
    beyond = peak()
    try:
        import faiss

        for _ in range(2):
            seconds, found = timed(
                lambda: faiss.knn(probes, gallery, 20, metric=faiss.METRIC_INNER_PRODUCT)
            )
            best["FAISS"] = min(best.get("FAISS", np.inf), seconds)
            again, ours = timed(ways["inner_product"])
            best["inner_product"] = min(best["inner_product"], again)
        same = float((found[1] == ours.indices).mean())
    except ImportError:
        pass
    rate = 2e-9 * len(gallery) * len(probes) * _DIMENSIONS / best["product"]
    print(
        f"{len(probes):,} probes, {len(gallery):,} templates of {_DIMENSIONS}: product alone "
        f"{best['product']:.2f} s CPU ({rate:.0f} GFLOP/s)"
    )
    for measure in _MEASURES:
        ratio = best["product"] / best[measure]
        print(f"top 20 and rank, {measure}: {best[measure]:.2f} s, ratio {ratio:.2f} (limit 0.6)")
    if "FAISS" in best:
        ratio = best["FAISS"] / best["inner_product"]
        print(
            f"FAISS, top 20 by inner product: {best['FAISS']:.2f} s, ratio {ratio:.2f} (limit 0.6)"
            f"; {same:.4%} of its neighbours are ours at the same place"
        )
    print(f"peak {beyond:.2f} GiB, {beyond - held:.2f} beyond the embeddings (limit 0.5)")


def search_shard(folder: Path, number: int, count: int, n_gallery: int) -> None:
    """Search a shard's rows of the files in a folder, and publish what was found."""
    asked = np.load(folder / "asked.npz")
    rows = RowFiles(sorted(folder.glob("gallery*.npy")), "default")
    first, stop = (n_gallery * (number + more) // count for more in (0, 1))
    seconds, part = timed(
        lambda: search_part(
            asked["probes"],
            rows.blocks(first, stop),
            n_gallery=n_gallery,
            first=first,
            mates=asked["mates"],
            mate_distances=asked["mate_distances"],
        )
    )
    write_part(folder / "parts", part, "")
    print(f"{seconds:.2f} {peak():.3f}")


def in_shards(n_gallery: int, n_probes: int, count: int, n_made: int) -> None:
    """Search in shards, each in its process; print peaks, CPU time, and whether all is equal."""
    generator = np.random.default_rng(0)
    n_rows = n_gallery * n_made // count
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        gallery = np.lib.format.open_memmap(
            folder / "gallery.npy", "w+", np.float32, (n_rows, _DIMENSIONS)
        )
        draw(generator, gallery)
        probes, mates = draw_probes(generator, gallery, n_probes)
        own = row_distances(probes, gallery[mates], "cosine")
        gallery.flush()
        np.savez(folder / "asked.npz", probes=probes, mates=mates, mate_distances=own)

        def of_shard(number: int, count: int) -> tuple[float, float]:
            command = [sys.executable, __file__, "--gallery", str(n_gallery), "--one"]
            arguments = [str(folder), str(number), str(count)]
            done = subprocess.run(
                [*command, *arguments], check=True, capture_output=True, text=True, env=os.environ
            )
            seconds, held = map(float, done.stdout.split())
            return seconds, held

        seconds, peaks = zip(*(of_shard(number, count) for number in range(n_made)), strict=True)
        print(
            f"{n_probes:,} probes, {n_gallery:,} templates of {_DIMENSIONS}, {n_made} of {count} "
            f"shards of {n_gallery // count:,}: {np.mean(seconds):.1f} s CPU a shard, peak "
            f"{max(peaks):.2f} GiB (limit 4)"
        )
        if n_made < count:
            return
        merged = merge_parts([read_part(path)[0] for path in (folder / "parts").iterdir()])
        alone, _ = of_shard(0, 1)
        whole = search_gallery(probes, gallery, mates=mates)
        equal = all(
            np.array_equal(one, other) for one, other in zip(merged.result(), whole, strict=True)
        )
        ratio = sum(seconds) / alone
        print(f"CPU time of all shards: {ratio:.2f} times that of one for all rows")
        print(f"equal to one search, to the last bit: {'yes' if equal else 'NO'}")
        sys.exit(not equal)


def main() -> None:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gallery", type=int, default=1_000_000)
    parser.add_argument("--probes", type=int, default=1_000)
    parser.add_argument("--shards", type=int, default=0)
    parser.add_argument(
        "--only", type=int, default=0, help="how many of the shards, from the first"
    )
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        folder, number, count = asked.one
        search_shard(Path(folder), int(number), int(count), asked.gallery)
    elif asked.shards:
        in_shards(asked.gallery, asked.probes, asked.shards, asked.only or asked.shards)
    else:
        compare(asked.gallery, asked.probes)


if __name__ == "__main__":
    main()
