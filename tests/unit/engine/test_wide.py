"""Layers too wide to keep give what they would if they were kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from facebench import EmbeddingTask, MultiModelTaskManager
from facebench.engine import pass_plan
from support import runs

# Bytes that leave the wide layers no room.
LITTLE = 150_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.make_world(tmp_path_factory.mktemp("world"))


class SomeValues(EmbeddingTask):
    """Depends on the order of the values."""

    def compute_items(self, embeddings: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(np.array(embeddings[:, :5]), columns=list("abcde"))

    def compute_task_performance(self, items: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"Mean": [items["a"].mean()]})

    @staticmethod
    def plot(output_dir: str, performances: pd.DataFrame) -> None:
        pass


def test_rows_on_disk_reach_tasks_in_the_order_of_kept_ones(world: Path, tmp_path: Path) -> None:
    names = [f"{number:02d}.png" for number in range(8)]

    def items(how: str, **options: Any) -> pd.DataFrame:
        model = runs.make_model(["0"])
        model.use_memory_format(torch.channels_last)
        task = SomeValues("values", names, world / "images")
        manager = MultiModelTaskManager(model, task, 4, cache_dir=None, num_workers=0, **options)
        manager.run_all_tasks_all_models(tmp_path / how, plots=False)
        assert manager.records["net"].layers == {"0": how}
        return manager.model_task_distances_dfs["net"]["values"][list("abcde")]

    np.testing.assert_allclose(items("spilled", max_memory=40_000), items("kept"), rtol=1e-5)


def test_distances_are_found_again_where_no_layer_is_kept(world: Path, tmp_path: Path) -> None:
    forwards = []
    for number in range(2):
        manager = MultiModelTaskManager(
            runs.make_model(["0"]),
            runs.tasks(world),
            cache_dir=tmp_path / "cache",
            num_workers=0,
            max_memory=LITTLE,
        )
        manager.run_all_tasks_all_models(tmp_path / str(number), plots=False)
        assert manager.records["net"].layers["0"] != "kept"
        forwards.append(manager.records["net"].n_forwards)
    assert forwards[0] >= runs.N_IMAGES
    assert forwards[1] == 0


class Reusing(nn.Module):
    """Writes every output into the memory of the last, as CUDA graphs do."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.memory: dict[torch.Size, torch.Tensor] = {}

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        output = self.layer(batch)
        memory = self.memory.setdefault(output.shape, torch.empty_like(output))
        return memory.copy_(output)


class ReusingNet(runs.Net):
    def _build_model(self) -> None:
        super()._build_model()
        self.model[0] = Reusing(self.model[0])


class FewAtOnce(ReusingNet):
    """Has memory for two images at once only."""

    def read_layers(self, batch: torch.Tensor, limit: int | None = None) -> dict[str, torch.Tensor]:
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return super().read_layers(batch, limit)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "batch_size"), [(ReusingNet, 1), (FewAtOnce, 4)])
def test_a_network_may_use_its_memory_again(
    world: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[ReusingNet],
    batch_size: int,
) -> None:
    monkeypatch.setattr(pass_plan, "_SPILL_SECONDS", float("inf"))
    options = {"cache_dir": None, "num_workers": 0}
    kept = runs.run(world, tmp_path / "kept", **options)
    net = kind("net", extract_layers=runs.LAYERS, preprocess_function=runs.transform)
    manager = MultiModelTaskManager(
        net, runs.tasks(world), batch_size, max_memory=2 * LITTLE, **options
    )
    manager.run_all_tasks_all_models(tmp_path / "wide", plots=False)
    assert manager.records["net"].layers["0"] == "streamed"
    np.testing.assert_allclose(runs.distances(manager), runs.distances(kept), atol=1e-5)
