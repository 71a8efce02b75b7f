"""A small world of images, pairs and tasks for whole runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.metrics.pairwise import euclidean_distances
from torch import nn

from facebench import AccuracyTask, BaseModel, CorrelationTask, MultiModelTaskManager
from facebench.store.database import SHARDS_NAME

LAYERS = ["0", "1", "2", "4"]
N_IMAGES = 24


class Net(BaseModel):
    """A conv net with an in-place ReLU; its first layers are wide, its last narrow."""

    def _build_model(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.model = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(72, 8),
        )
        for parameter in self.model.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
        self.images_seen = 0

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        self.images_seen += len(input_tensor)
        # A test that kills runs has them take their time over a batch.
        time.sleep(float(os.environ.get("FACEBENCH_TEST_SLEEP", "0")))
        return self.model(input_tensor)


def transform(image: Image.Image) -> torch.Tensor:
    pixels = np.asarray(image.resize((24, 24)), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)


def make_world(folder: Path) -> Path:
    """Write images, and tables of sparse and of many pairs."""
    images = folder / "images"
    images.mkdir(parents=True)
    rng = np.random.default_rng(5)
    for index in range(N_IMAGES):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((32, 32), Image.Resampling.BICUBIC).save(images / f"{index:02d}.png")
    names = [f"{index:02d}.png" for index in range(N_IMAGES)]
    first, second = np.triu_indices(N_IMAGES, 1)
    chosen = rng.permutation(len(first))[:60]
    pd.DataFrame(
        {
            "img1": [names[i] for i in first[chosen]],
            "img2": [names[i] for i in second[chosen]],
            "same": [int(k % 2) for k in range(60)],
        }
    ).to_csv(folder / "same.csv", index=False)
    pd.DataFrame(
        {
            "img1": [names[i] for i in range(0, N_IMAGES, 2)],
            "img2": [names[i] for i in range(1, N_IMAGES, 2)],
            "distance": rng.random(N_IMAGES // 2),
        }
    ).to_csv(folder / "rated.csv", index=False)
    return folder


def tasks(folder: Path) -> list:
    images = folder / "images"
    return [
        AccuracyTask("verify", folder / "same.csv", images, true_label="same"),
        CorrelationTask("rate", folder / "rated.csv", images, euclidean_distances),
    ]


def make_model(layers: list[str] | None = None) -> Net:
    asked = LAYERS if layers is None else layers
    return Net("net", extract_layers=asked, preprocess_function=transform, device="cpu")


def manager_of(world: Path, *names: str) -> MultiModelTaskManager:
    """Make a manager of all tasks, with models of these names."""
    models = []
    for name in names:
        model = make_model(["4"])
        model.name = name
        models.append(model)
    return MultiModelTaskManager(models, tasks(world), cache_dir=None, num_workers=0, batch_size=8)


def run(folder: Path, output: Path, **options: object) -> MultiModelTaskManager:
    manager = MultiModelTaskManager(make_model(), tasks(folder), **{"batch_size": 4, **options})
    manager.run_all_tasks_all_models(output, plots=False)
    return manager


def damage_a_row(cache: Path) -> None:
    """Flip a bit of the largest file of a store."""
    shards = [path for path in (cache / SHARDS_NAME).iterdir() if path.is_file()]
    shard = max(shards, key=lambda path: path.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 0x40
    shard.write_bytes(content)


def distances(manager: MultiModelTaskManager) -> np.ndarray:
    """Give every distance of a run, in one order."""
    by_task = manager.model_task_distances_dfs["net"]
    return np.concatenate(
        [by_task[task]["model_computed_distance"].to_numpy() for task in ("verify", "rate")]
    )
