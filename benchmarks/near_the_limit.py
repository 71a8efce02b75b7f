"""How near a first run comes to what the machine allows: raw forward time plus shared decoding.

Run with ``python benchmarks/near_the_limit.py [vgg16 clip dlib dlib-aligned] [--images N]``. The
limit is the raw forward time of the same images on ready tensors, in the best of several settings
(memory layout, batch size), plus the time to decode and preprocess them divided by the cores. The
run is end to end: empty store, tables exported, no plots. Then the same again on a warm store.
Printed last is the ratio in processor time, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from facebench import AccuracyTask, CLIPModel, DlibResNetModel, MultiModelTaskManager, Vgg16Model
from facebench.models.base import BaseModel
from facebench.utils.cores import usable_cores

LIMITS = {"vgg16": 0.90, "clip": 0.90, "dlib": 0.90, "dlib-aligned": 0.75}
WARM_LIMIT = 50.0
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
BATCHES = (16, 32)


def make_clip(folder: Path) -> BaseModel:
    """Save a ViT-B/32 vision tower of random weights, and load it as a user would."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        image_size=224,
        patch_size=32,
        projection_dim=512,
    )
    torch.manual_seed(0)
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    CLIPImageProcessor().save_pretrained(folder)
    return CLIPModel("clip", version=str(folder))


def models(folder: Path) -> dict[str, Callable[[], BaseModel]]:
    """Give what makes each model."""
    return {
        "vgg16": lambda: Vgg16Model("vgg16", pretrained=False),
        "clip": lambda: make_clip(folder / "clip"),
        "dlib": lambda: DlibResNetModel("dlib", align=False),
        "dlib-aligned": lambda: DlibResNetModel("dlib-aligned"),
    }


def cpu_seconds() -> float:
    """Processor time of this process and of those that it has ended, in seconds."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def decode_seconds(model: BaseModel, images: list[Path]) -> tuple[float, float, torch.Tensor]:
    """Time reading and preprocessing one by one in one thread; also gives the tensors."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started, cpu = time.perf_counter(), cpu_seconds()
    tensors = [model.preprocess_image(path) for path in images]
    spent, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    torch.set_num_threads(threads)
    return spent, cpu, torch.stack(tensors)


def forward_seconds(model: BaseModel, tensors: torch.Tensor) -> tuple[float, float, str]:
    """Time the bare network in its best setting: per image, by clock and processor, and which."""
    times = {}
    for name, layout in LAYOUTS.items():
        model.use_memory_format(layout)
        for size in BATCHES:
            ready = tensors.contiguous(memory_format=layout).split(size)
            with torch.inference_mode():
                model._forward(ready[0])
                started, cpu = time.perf_counter(), cpu_seconds()
                for batch in ready:
                    model._forward(batch)
                spent, cpu = time.perf_counter() - started, cpu_seconds() - cpu
            times[f"{name}, batch {size}"] = spent / len(tensors), cpu / len(tensors)
    model.use_memory_format(type(model).memory_format)
    best = min(times, key=times.__getitem__)
    return *times[best], best


def measure(name: str, make: Callable[[], BaseModel], table: Path, images: Path) -> None:
    """Time limit, first run and warm run of one model, and print them."""
    task = AccuracyTask("verify", table, images, true_label="same")
    names = dict.fromkeys([*task.pairs_df["img1"], *task.pairs_df["img2"]])
    files = [images / each for each in names]
    model = make()
    some = files[:: max(1, len(files) // 96)]
    before, decode_cpu, tensors = decode_seconds(model, some)
    raw_before, raw_cpu, setting = forward_seconds(model, tensors)
    with tempfile.TemporaryDirectory() as scratch:
        seconds, cpu = [], []
        for output in ("first", "warm"):
            manager = MultiModelTaskManager(make(), task, cache_dir=Path(scratch) / "cache")
            started, spent = time.perf_counter(), cpu_seconds()
            manager.run_all_tasks_all_models(Path(scratch) / output, plots=False)
            seconds.append(time.perf_counter() - started)
            cpu.append(cpu_seconds() - spent)
    # Before and after: what else runs on the machine slows the limit too.
    after, decode_cpu_after, _ = decode_seconds(model, some)
    raw_after, raw_cpu_after, _ = forward_seconds(model, tensors)
    decode = (before + after) / 2 / len(some) * len(files) / usable_cores()
    raw = (raw_before + raw_after) / 2 * len(files)
    ratio = (raw + decode) / seconds[0]
    per_image = (raw_cpu + raw_cpu_after + (decode_cpu + decode_cpu_after) / len(some)) / 2
    record = manager.records[model.name]
    print(f"{name}: {len(files)} images; best raw setting: {setting}; ran as {record.layout}")
    print(f"  raw forward {raw:.1f} s + decoding on {usable_cores()} cores {decode:.1f} s")
    print(f"  first run {seconds[0]:.1f} s, warm run {seconds[1]:.2f} s")
    print(f"  ratio to the limit: {ratio:.3f} (limit: at least {LIMITS[name]:g})")
    print(f"  the same in processor time: {per_image * len(files) / cpu[0]:.3f}")
    print(f"  first / warm: {seconds[0] / seconds[1]:.0f} (vgg16's limit: {WARM_LIMIT:g})")


def main() -> None:
    """Measure the models asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="MODEL", help=", ".join(LIMITS))
    parser.add_argument("--pairs", type=int, default=200, help="of 1,000")
    default = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("FACEBENCH_DATA", default))
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in LIMITS]
    if unknown:
        parser.exit(2, f"No model {unknown[0]!r} is timed here. Choose of: {', '.join(LIMITS)}.\n")
    lfw = arguments.data / "lfw_view1"
    if not lfw.is_dir():
        parser.exit(2, f"No data at {lfw}: give --data or set FACEBENCH_DATA.\n")
    with tempfile.TemporaryDirectory() as scratch:
        pairs = pd.read_csv(lfw / "pairs_dev_test.csv")
        half = arguments.pairs // 2
        table = Path(scratch) / "pairs.csv"
        parts = [pairs[pairs["same"] == label].head(half) for label in (0, 1)]
        pd.concat(parts).to_csv(table, index=False)
        made = models(Path(scratch))
        for name in arguments.names or LIMITS:
            measure(name, made[name], table, lfw / "images")


if __name__ == "__main__":
    main()
