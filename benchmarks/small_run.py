"""What a small run of wide layers costs: all 39 layers of VGG16 on about 100 images.

Run with ``python benchmarks/small_run.py``: 60 pairs of View 1's dev-test in batches of 8 images,
with 2 GiB of memory, on an empty store. The bare forward is that of the same network in the same
layout in memory, on ready tensors in batches of 8. Both are measured in CPU seconds of one thread:
half of the forward passes before the run and half after it, since what else runs on the machine
slows both. The limit: at most 1.3 times the bare forward.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import pandas as pd
import torch
from lfw_photographs import arguments_and_lfw

from facebench import AccuracyTask, MultiModelTaskManager, Vgg16Model
from facebench.models.base import BaseModel

LIMIT = 1.3
BATCH = 8


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has ended, in seconds."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def bare_forward(model: BaseModel, n_images: int) -> float:
    """Measure the bare network on so many ready images; CPU seconds."""
    batch = torch.rand(BATCH, 3, 224, 224).contiguous(memory_format=model.memory_format)
    with torch.inference_mode():
        model.model(batch)
        began = cpu_seconds()
        for first in range(0, n_images, BATCH):
            model.model(batch[: n_images - first])
        return cpu_seconds() - began


def main() -> None:
    """Measure forward and run alternately, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--max-memory", default="2GiB")
    parser.add_argument("--threads", type=int, default=1, help="of the network")
    arguments, lfw = arguments_and_lfw(parser)
    torch.set_num_threads(arguments.threads)
    names = Vgg16Model("names", pretrained=False).get_layer_names(simplified=True)
    model = Vgg16Model("vgg16", extract_layers=names, pretrained=False)
    bare = Vgg16Model("bare", pretrained=False)
    pairs = pd.read_csv(lfw / "pairs_dev_test.csv")
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "pairs.csv"
        parts = [pairs[pairs["same"] == label].head(arguments.pairs // 2) for label in (0, 1)]
        pd.concat(parts).to_csv(table, index=False)
        task = AccuracyTask("verify", table, lfw / "images", true_label="same")
        n_images = len({*task.pairs_df["img1"], *task.pairs_df["img2"]})
        manager = MultiModelTaskManager(
            model,
            task,
            cache_dir=Path(scratch) / "cache",
            batch_size=BATCH,
            max_memory=arguments.max_memory,
        )
        half = n_images // 2
        forward = bare_forward(bare, half)
        began = cpu_seconds()
        manager.run_all_tasks_all_models(Path(scratch) / "out", plots=False)
        seconds = cpu_seconds() - began
        forward += bare_forward(bare, n_images - half)
    record = manager.records["vgg16"]
    places = list(record.layers.values())
    counts = ", ".join(f"{places.count(how)} {how}" for how in dict.fromkeys(places))
    print(f"{n_images} images, {len(names)} layers ({counts}), {record.layout}")
    print(f"forwards per image: {record.n_forwards / n_images:.3f}")
    print("wall seconds: " + ", ".join(f"{k} {v:.1f}" for k, v in record.seconds.items()))
    print(f"CPU seconds: the run {seconds:.1f}, the bare forward {forward:.1f}")
    print(f"ratio: {seconds / forward:.2f} (limit: at most {LIMIT:g})")


if __name__ == "__main__":
    main()
