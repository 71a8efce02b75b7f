"""Packs against the store, and how many images shards send through a network.

    python benchmarks/shards.py [--rows 50000] [--width 512] [--data FOLDER]

Reading: the same rows, verified, from a store and from eight packs, opened anew, in one process and
back to back. Limit: packs take at most 1.5 times as long.

Forwards: pairs of wide layers in 8 shards. The pairs are those of LFW's View 1, where FOLDER has
pairs_dev_train.csv and pairs_dev_test.csv; otherwise as many of drawn people. Limit: at most 1.3
forward passes per image.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from facebench.engine.schedule import pair_blocks
from facebench.store import EmbeddingStore
from facebench.store.exchange import publish
from facebench.store.pack_files import PackLayer
from facebench.store.packs import Packs

SHARDS = 8
READING, FORWARDS = 1.5, 1.3


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest time of some runs."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def reading(folder: Path, n_rows: int, width: int) -> None:
    """Compare reading from packs with reading from a store."""
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((n_rows, width)).astype(np.float32)
    images = sorted(rng.bytes(16) for _ in range(n_rows))
    (folder / "store").mkdir()
    (folder / "empty").mkdir()
    with EmbeddingStore(folder / "store") as store:
        for first in range(0, n_rows, 32):
            store.write({"layer": rows[first : first + 32]}, images[first : first + 32])
        packs = Packs(folder / "packs")
        layer = PackLayer("layer", "float32", width, "net", "layer")
        started = time.perf_counter()
        for shard in range(SHARDS):
            publish(store, packs, [layer], images[shard::SHARDS])
        took = time.perf_counter() - started
    print(f"publishing: {took:.2f} s, {rows.nbytes / took / 1e6:.0f} MB/s in {SHARDS} packs")

    def from_store() -> np.ndarray:
        with EmbeddingStore(folder / "store") as store:
            return store.read("layer", images)[0]

    def from_packs() -> np.ndarray:
        with EmbeddingStore(folder / "empty", packs=Packs(folder / "packs")) as store:
            return store.read("layer", images)[0]

    np.testing.assert_array_equal(from_packs(), rows)
    stored, packed = seconds(from_store), seconds(from_packs)
    print(
        f"reading {rows.nbytes / 1e6:.0f} MB: store {stored * 1e3:.0f} ms, packs "
        f"{packed * 1e3:.0f} ms, ratio: {packed / stored:.2f} (limit: at most {READING:g})"
    )


def pairs_of(data: Path | None) -> tuple[str, np.ndarray, int]:
    """Give pairs of images by number, and how many images there are."""
    tables = [] if data is None else sorted(data.glob("pairs_dev_*.csv"))
    if tables:
        table = pd.concat([pd.read_csv(path) for path in tables])
        numbers, names = pd.factorize(table[["img1", "img2"]].to_numpy().ravel())
        what, pairs, n_images = "LFW View 1", numbers.reshape(-1, 2), len(names)
    else:
        rng = np.random.default_rng(4)
        people = np.repeat(np.arange(3095), rng.geometric(0.62, 3095))
        n_images = len(people)
        genuine = [
            rng.choice(np.flatnonzero(people == person), 2, replace=False)
            for person in rng.permutation(3095)
            if (people == person).sum() > 1
        ]
        impostor = rng.integers(n_images, size=(1600, 2))
        what, pairs = (
            "drawn people",
            np.concatenate([genuine, impostor[np.diff(impostor)[:, 0] != 0]]),
        )
    return what, np.unique(np.sort(pairs, axis=1), axis=0), n_images


def forwards(data: Path | None) -> None:
    """Count the images of all shards against the different ones."""
    what, pairs, n_images = pairs_of(data)
    blocks = pair_blocks(pairs, n_images, SHARDS)
    sizes = [len(np.unique(pairs[blocks == block])) for block in range(SHARDS)]
    n_compared = len(np.unique(pairs))
    print(
        f"{what}: {len(pairs):,} pairs of {n_compared:,} images in {SHARDS} shards of "
        f"{min(sizes)} to {max(sizes)} images"
    )
    print(f"forwards per image: {sum(sizes) / n_compared:.4f} (limit: at most {FORWARDS:g})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--data", type=Path, default=os.environ.get("FACEBENCH_DATA"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        reading(Path(folder), chosen.rows, chosen.width)
    forwards(chosen.data)
