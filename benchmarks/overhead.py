"""What the manager costs beside the decoding, with a network that costs nothing.

Run with ``python benchmarks/overhead.py``: 6,000 pairs, 4 tasks, 64 values an image, no plots. The
limit: at most 1.5 times the time to decode and preprocess the same images one by one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lfw_photographs import arguments_and_lfw
from PIL import Image
from scipy.stats import spearmanr
from torch import nn

from facebench import (
    AccuracyTask,
    BaseModel,
    ConditionedAverageDistances,
    CorrelationTask,
    MultiModelTaskManager,
    RelativeDifferenceTask,
)

LIMIT = 1.5


class Instant(BaseModel):
    """The identity on 64 values."""

    def _build_model(self) -> None:
        self.model = nn.Identity()

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor).flatten(1)


def tiny(image: Image.Image) -> torch.Tensor:
    """Reduce an image to 64 values."""
    pixels = np.asarray(image.convert("L").resize((8, 8)), dtype=np.float32)
    return torch.from_numpy(pixels)[None] / 255


def main() -> None:
    """Time decoding, then a run on an empty store, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=6000)
    arguments, lfw = arguments_and_lfw(parser)
    images = lfw / "images"
    names = sorted(str(path.relative_to(images)) for path in images.rglob("*.jpg"))
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(names), (2, arguments.pairs))
    rows = np.arange(arguments.pairs)
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "pairs.csv"
        pd.DataFrame(
            {
                "img1": [names[i] for i in first],
                "img2": [names[i] for i in second],
                "same": rows % 2,
                "distance": rng.random(arguments.pairs),
                "condition": np.array(["a", "b", "c"])[rows % 3],
                "group": np.array(["x", "y"])[rows % 2],
            }
        ).to_csv(table, index=False)
        tasks = [
            AccuracyTask("accuracy", table, images, true_label="same"),
            CorrelationTask("correlation", table, images, correlation_metric=spearmanr),
            ConditionedAverageDistances("conditions", table, images),
            RelativeDifferenceTask("difference", table, images, group_column="group"),
        ]
        model = Instant("instant", preprocess_function=tiny)
        used = sorted({*first.tolist(), *second.tolist()})
        started = time.perf_counter()
        for place in used:
            model.preprocess_image(images / names[place])
        decode = time.perf_counter() - started
        manager = MultiModelTaskManager(model, tasks, cache_dir=Path(scratch) / "cache")
        started = time.perf_counter()
        manager.run_all_tasks_all_models(Path(scratch) / "out", plots=False)
        seconds = time.perf_counter() - started
    print(f"{len(used)} images, {arguments.pairs} pairs, {len(tasks)} tasks")
    print(f"decoding one by one {decode:.1f} s, the run {seconds:.1f} s")
    print(f"phases: {manager.records['instant'].as_dict()['seconds']}")
    print(f"ratio: {seconds / decode:.2f} (limit: at most {LIMIT:g})")


if __name__ == "__main__":
    main()
