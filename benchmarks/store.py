"""Reading embeddings from the store against a plain memory map of the same, in one process.

    python benchmarks/store.py [--rows 100000] [--width 512] [--cache-dir DIR]

The rows are written in batches of 32, as a run does, and read back whole, verified, in the order
of writing and in a random one; the plain way copies the whole of a numpy memmap, or fancy-indexes
it. Files are in the page cache for both.

The store promises that every row it gives has the checksum it was written with. The least that this
costs is a copy in pieces that fit into the processor's cache, and XXH3 of each row: the checked
copy, which takes some four times as long as the plain one. Limit: in order, at most 2.0 times the
checked copy.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xxhash

from facebench.store import open_store

LIMIT = 2.0
PIECE = 1 << 22
BATCH = 32
LAYERS = 39


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest time of some runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def compare(folder: Path, rows: np.ndarray, images: list[bytes]) -> None:
    """Write, read in order and at random, and print the ratios."""
    store = open_store(folder / "store")
    if store is None:
        message = f"{folder} cannot hold a store."
        raise SystemExit(message)
    started = time.perf_counter()
    for first in range(0, len(rows), BATCH):
        store.write({"layer": rows[first : first + BATCH]}, images[first : first + BATCH])
    took = time.perf_counter() - started
    print(
        f"writing: {took:.2f} s, {took / (len(rows) / BATCH) * 1e3:.2f} ms per batch of {BATCH}, "
        f"{rows.nbytes / took / 1e6:.0f} MB/s"
    )
    plain_path = folder / "plain.bin"
    # Written as the store's rows are: of a file that is written at once, Linux maps larger pages.
    with plain_path.open("wb", buffering=0) as file:
        for first in range(0, len(rows), BATCH):
            file.write(rows[first : first + BATCH])

    def plain() -> np.ndarray:
        return np.array(np.memmap(plain_path, dtype=np.float32, mode="r", shape=rows.shape))

    checksums = [xxhash.xxh3_64_intdigest(row) for row in rows]

    def checked() -> np.ndarray:
        mapped = np.memmap(plain_path, dtype=np.float32, mode="r", shape=rows.shape)
        copied, step = np.empty_like(rows), max(1, PIECE // rows[0].nbytes)
        for first in range(0, len(rows), step):
            copied[first : first + step] = mapped[first : first + step]
            found = list(map(xxhash.xxh3_64_intdigest, copied[first : first + step]))
            if found != checksums[first : first + step]:
                message = "A row is damaged."
                raise SystemExit(message)
        return copied

    order = np.random.default_rng(1).permutation(len(rows))
    shuffled = [images[index] for index in order]

    def plain_random() -> np.ndarray:
        return np.memmap(plain_path, dtype=np.float32, mode="r", shape=rows.shape)[order]

    np.testing.assert_array_equal(store.read("layer", images)[0], rows)
    np.testing.assert_array_equal(store.read("layer", shuffled)[0], rows[order])
    fresh = seconds(lambda: read_anew(folder / "store", images))
    for name, stored, copied in (
        ("in order", seconds(lambda: store.read("layer", images)), seconds(plain)),
        ("in order, opened anew", fresh, seconds(plain)),
        ("at random", seconds(lambda: store.read("layer", shuffled)), seconds(plain_random)),
    ):
        print(
            f"reading {name}: store {stored * 1e3:.0f} ms, plain {copied * 1e3:.0f} ms, "
            f"ratio {stored / copied:.2f}"
        )
    times = {checked: [], plain: [], store.read: []}
    for _ in range(15):
        for work, taken in times.items():
            started = time.process_time()
            work(*(("layer", images) if work == store.read else ()))
            taken.append(time.process_time() - started)
    in_order = min(times[store.read]) / min(times[checked])
    print(f"checked copy over plain copy: {min(times[checked]) / min(times[plain]):.2f}")
    print(f"has(): {seconds(lambda: store.has('layer', shuffled)) * 1e3:.0f} ms")
    print(f"ratio: {in_order:.2f} (limit: at most {LIMIT:g})")
    store.close()


def read_anew(folder: Path, images: list[bytes]) -> None:
    """Read as a new process does, its index not yet in memory."""
    store = open_store(folder)
    if store is not None:
        with store:
            store.read("layer", images)


def write_many_layers(folder: Path) -> None:
    """Time batches of many narrow layers, whose cost is the index's."""
    store = open_store(folder / "layers")
    if store is None:
        return
    rng = np.random.default_rng(2)
    rows = {f"layer{index}": rng.random((BATCH, 8), dtype=np.float32) for index in range(LAYERS)}
    batches = 100
    started = time.perf_counter()
    for _ in range(batches):
        store.write(rows, [rng.bytes(16) for _ in range(BATCH)])
    took = (time.perf_counter() - started) / batches
    print(f"writing {BATCH} images x {LAYERS} layers: {took * 1e3:.1f} ms per batch")
    pairs = [rng.bytes(16) for _ in range(100_000)]
    distances = rng.random((len(pairs), 1), dtype=np.float32)
    wrote = seconds(lambda: store.write({"pairs": distances}, pairs), repeats=1)
    read = seconds(lambda: store.read("pairs", pairs))
    print(
        f"{len(pairs):,} pair distances: writing {wrote * 1e3:.0f} ms, reading {read * 1e3:.0f} ms"
    )
    store.close()


def main() -> None:
    """Run all and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--cache-dir", type=Path, help="where to make a temporary store")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((arguments.rows, arguments.width), dtype=np.float32)
    images = [rng.bytes(16) for _ in range(len(rows))]
    with tempfile.TemporaryDirectory(dir=arguments.cache_dir) as scratch:
        write_many_layers(Path(scratch))
        compare(Path(scratch), rows, images)


if __name__ == "__main__":
    main()
