"""All 39 layers of VGG16 in bounded memory: sparse pairs, and all pairs of some images.

Run with ``python benchmarks/wide_layers.py`` (the first 200 pairs), ``--pairs 1000`` for all of
View 1's dev-test, ``--dense 200`` for all 19,900 pairs of 200 images. Each run is a process of its
own, whose peak memory is compared with that of the interpreter with torch loaded. The limits: 4 GiB
above it; at most 1.05 forwards an image (dense: 2); for sparse pairs 1.3 times the bare forward of
the same images in the same memory layout.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from lfw_photographs import arguments_and_lfw

from facebench import AccuracyTask, ConditionedAverageDistances, MultiModelTaskManager, Vgg16Model
from facebench.engine.memory import peak_memory
from facebench.tasks.base import BaseTask

MEMORY_LIMIT, TIME_LIMIT, SPARSE_LIMIT, DENSE_LIMIT = 4 * 2**30, 1.3, 1.05, 2.0


def make_task(lfw: Path, folder: Path, pairs: int, dense: int) -> BaseTask:
    """Write the table of pairs and make its task."""
    table = pd.read_csv(lfw / "pairs_dev_test.csv")
    path = folder / "pairs.csv"
    if dense:
        names = list(dict.fromkeys([*table["img1"], *table["img2"]]))[:dense]
        rows = [(*pair, "all") for pair in itertools.combinations(names, 2)]
        pd.DataFrame(rows, columns=["img1", "img2", "condition"]).to_csv(path, index=False)
        return ConditionedAverageDistances("dense", path, lfw / "images")
    parts = [table[table["same"] == label].head(pairs // 2) for label in (0, 1)]
    pd.concat(parts).to_csv(path, index=False)
    return AccuracyTask("sparse", path, lfw / "images", true_label="same")


def measured(lfw: Path, pairs: int, dense: int, max_memory: str) -> dict[str, float | str]:
    """Run once in this process."""
    names = Vgg16Model("names", pretrained=False).get_layer_names(simplified=True)
    base = peak_memory()
    model = Vgg16Model("vgg16", extract_layers=names, pretrained=False)
    with tempfile.TemporaryDirectory() as scratch:
        task = make_task(lfw, Path(scratch), pairs, dense)
        manager = MultiModelTaskManager(
            model, task, cache_dir=Path(scratch) / "cache", max_memory=max_memory
        )
        started = time.perf_counter()
        manager.run_all_tasks_all_models(Path(scratch) / "out", plots=False)
        seconds = time.perf_counter() - started
    record = manager.records["vgg16"]
    bare = Vgg16Model("bare", pretrained=False)
    batch = torch.rand(16, 3, 224, 224).contiguous(memory_format=bare.memory_format)
    with torch.inference_mode():
        bare.model(batch)
        began = time.perf_counter()
        for _ in range(4):
            bare.model(batch)
        per_image = (time.perf_counter() - began) / 64
    return {
        "images": record.n_images,
        "layers": len(names),
        "wide": next((how for how in record.layers.values() if how != "kept"), "none"),
        "forwards": record.n_forwards / record.n_images,
        "above": record.peak_memory - base,
        "seconds": seconds,
        "bare": per_image * record.n_images,
        "forward": record.seconds["forward"],
        "distance": record.seconds.get("distance", 0.0),
    }


def main() -> None:
    """Run in a fresh process and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--dense", type=int, default=0, metavar="IMAGES")
    parser.add_argument("--max-memory", default="4GiB")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments, lfw = arguments_and_lfw(parser)
    if arguments.here:
        print(json.dumps(measured(lfw, arguments.pairs, arguments.dense, arguments.max_memory)))
        return
    command = [sys.executable, __file__, *sys.argv[1:], "--here"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    limit = DENSE_LIMIT if arguments.dense else SPARSE_LIMIT
    print(f"{found['images']} images, {found['layers']} layers, wide ones {found['wide']}")
    print(
        f"peak above the interpreter: {found['above'] / 2**30:.2f} GiB "
        f"(limit: {MEMORY_LIMIT / 2**30:g})"
    )
    print(f"forwards an image: {found['forwards']:.3f} (limit: {limit:g})")
    print(f"forward {found['forward']:.1f} s, distances {found['distance']:.1f} s")
    ratio = found["seconds"] / found["bare"]
    told = "" if arguments.dense else f" (limit: {TIME_LIMIT:g})"
    print(f"{found['seconds']:.1f} s, bare forward {found['bare']:.1f} s: ratio {ratio:.2f}{told}")


if __name__ == "__main__":
    main()
