"""A run of 100,000 small images with a network that costs nothing, against decoding them.

The images are JPEGs of 64 pixels that the script makes (500 pictures, each file of other bytes).
The run has an empty store, a task on pairs of all images, and is saved with data health and report.

    python benchmarks/many_images.py [--images 100000] [--profile]

Printed are seconds of the processor: of decoding and preprocessing alone, by Pillow in a bare loop
and by the network's own `preprocess_image`, and of each stage of the run. The limit: the whole run
takes at most 1.5 times as long as Pillow's loop. `preprocess_image` takes less time than that for
such plain JPEGs, so that the ratio to it, which has no limit, is larger.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import pstats
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn

from facebench import AccuracyTask, BaseModel, MultiModelTaskManager, RunFolder
from facebench.results.report.run_page import write_report

LIMIT = 1.5
SIDE, PICTURES, PER_PERSON = 64, 500, 10


class Instant(BaseModel):
    """The mean of the pixels of each channel."""

    def _build_model(self) -> None:
        self.model = nn.AdaptiveAvgPool2d(1)

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor).flatten(1)


def pixels(image: Image.Image) -> torch.Tensor:
    """Turn an image into a tensor, as it is."""
    return torch.from_numpy(np.asarray(image, dtype=np.float32).transpose(2, 0, 1)) / 255


def make_images(folder: Path, n_images: int) -> list[str]:
    """Write the images; names of their files."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(PICTURES):
        rough = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        rough.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    names = []
    for number in range(n_images):
        name = f"person{number // PER_PERSON:06d}/{number % PER_PERSON}.jpg"
        if number % PER_PERSON == 0:
            (folder / name).parent.mkdir(parents=True)
        # What follows the end of a JPEG is not decoded.
        (folder / name).write_bytes(made[number % PICTURES] + number.to_bytes(8, "big"))
        names.append(name)
    return names


def make_pairs(path: Path, names: list[str]) -> None:
    """Write a pair for every image: with the next of the person, or with one of the next person."""
    first = np.arange(len(names))
    same = first % 2 == 0
    last = first % PER_PERSON == PER_PERSON - 1
    second = np.where(same & ~last, first + 1, (first + PER_PERSON) % len(names))
    table = {"img1": names, "img2": [names[place] for place in second], "same": same.astype(int)}
    pd.DataFrame(table).to_csv(path, index=False)


def main() -> None:
    """Time decoding, then the run, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--profile", action="store_true", help="print where the run's time goes")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        images = folder / "images"
        names = make_images(images, given.images)
        make_pairs(folder / "pairs.csv", names)
        model = Instant("instant", preprocess_function=pixels)
        model.preprocess_image(images / names[0])
        started = time.process_time()
        for name in names:
            with Image.open(images / name) as image:
                pixels(image.convert("RGB"))
        pillow = time.process_time() - started
        started = time.process_time()
        for name in names:
            model.preprocess_image(images / name)
        decode = time.process_time() - started
        profile = cProfile.Profile()
        seconds: dict[str, float] = {}
        if given.profile:
            profile.enable()
        started = time.process_time()
        task = AccuracyTask("accuracy", folder / "pairs.csv", images, true_label="same")
        manager = MultiModelTaskManager(model, task, cache_dir=folder / "cache", num_workers=0)
        run = RunFolder.create(folder / "runs", "many")
        seconds["read pairs"] = time.process_time() - started
        manager.run_all_tasks_all_models(run.path, plots=False)
        seconds["run"] = time.process_time() - started - sum(seconds.values())
        run.save(manager)
        seconds["save"] = time.process_time() - started - sum(seconds.values())
        write_report(run.path)
        seconds["report"] = time.process_time() - started - sum(seconds.values())
        if given.profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(40)
            pstats.Stats(profile).sort_stats("cumtime").print_stats(70)
    print(f"{len(names)} images of {SIDE} pixels")
    print(f"decoding alone: Pillow {pillow:.1f} s, preprocess_image {decode:.1f} s")
    print("the run:", ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds.items()))
    phases = {name: round(value, 1) for name, value in manager.records["instant"].seconds.items()}
    print(f"phases of the model (clock): {phases}")
    total = sum(seconds.values())
    kept = "kept" if total <= LIMIT * pillow else "EXCEEDED"
    print(f"ratio to Pillow: {total / pillow:.2f} (limit: {LIMIT:g}, {kept})")
    print(f"ratio to preprocess_image: {total / decode:.2f}")


if __name__ == "__main__":
    main()
