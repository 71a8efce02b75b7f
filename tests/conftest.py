"""What many tests need: generated images, and tiny networks in place of those of gigabytes."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Read when huggingface_hub is imported: no test may reach the network, or a developer's own cache.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_CACHE"] = str(Path(__file__).parent / "no-such-cache")
# Read when torch is imported: side by side, with a thread per core each, the processes of xdist
# spend their time waiting for each other.
os.environ["OMP_NUM_THREADS"] = os.environ.get(
    "OMP_NUM_THREADS",
    str(max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))),
)

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

# Machines are shared and noisy: no example is judged by its time, and CI draws the same ones.
settings.register_profile(
    "facebench",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("facebench")

ImageFolder = Callable[..., list[Path]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `pytest --all tests/unit` run slow tests too; see unit/conftest.py."""
    parser.addoption("--all", action="store_true", help="Run the slow tests of tests/unit too.")


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Take back what a command did to facebench's logger."""
    logger = logging.getLogger("facebench")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the names that a test registers: other tests list all there are."""
    from facebench.experiment import registry

    for names in (registry.MODELS, registry.TASKS, registry.METRICS, registry.CORRELATIONS):
        monkeypatch.setattr(names, "_registered", dict(names._registered))


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Name folders, one after the other; `mktemp` would list all there are, for every test."""
    folder = tmp_path_factory.mktemp("stores")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(scope="session", autouse=True)
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep fixtures of modules, which are made before `own_store`, off the developer's own."""
    os.environ["FACEBENCH_CACHE"] = str(tmp_path_factory.mktemp("shared-store"))


@pytest.fixture(autouse=True)
def own_store(stores: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test an empty embedding store."""
    store = next(stores)
    store.mkdir()
    monkeypatch.setenv("FACEBENCH_CACHE", str(store))


def write_images(folder: Path, count: int, size: int | tuple[int, int], seed: int) -> list[Path]:
    """Write pictures of smooth random colours, each different, as PNG."""
    rng = np.random.default_rng(seed)
    width, height = (size, size) if isinstance(size, int) else size
    paths = []
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        path = folder / f"image{index:03d}.png"
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths


@pytest.fixture
def image_folder(tmp_path: Path) -> ImageFolder:
    """Return a function (count, size=32, seed=0) that writes images and gives their paths."""

    def make(count: int, size: int | tuple[int, int] = 32, seed: int = 0) -> list[Path]:
        folder = tmp_path / f"images-{seed}-{size}"
        folder.mkdir()
        return write_images(folder, count, size, seed)

    return make


@pytest.fixture
def tiny_vgg16(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Let Vgg16Model build a VGG16 of the same layers and keys, but a few channels."""
    from torch import nn
    from torchvision.models.vgg import make_layers

    channels = [2, 2, "M", 3, 3, "M", 4, 4, 4, "M", 4, 4, 4, "M", 4, 4, 4, "M"]

    class TinyVgg(nn.Module):
        def __init__(self, num_classes: int) -> None:
            super().__init__()
            self.features = make_layers(channels)
            self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
            self.classifier = nn.Sequential(
                nn.Linear(4 * 7 * 7, 12), nn.ReLU(True), nn.Dropout(),
                nn.Linear(12, 12), nn.ReLU(True), nn.Dropout(),
                nn.Linear(12, num_classes),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return self.classifier(self.avgpool(self.features(x)).flatten(1))

    def vgg16(
        *, weights: Any = None, progress: bool = True, num_classes: int = 1000, **_other: Any
    ) -> TinyVgg:
        network = TinyVgg(num_classes)
        if weights is not None:
            network.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))
        return network

    monkeypatch.setattr("facebench.models.vgg16.vgg16", vgg16)
    return vgg16


def _saved(folder: Path, network: Any, processor: Any) -> Path:
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        network.save_pretrained(folder)
        processor.save_pretrained(folder)
    finally:
        if bars:
            logging.enable_progress_bar()
    return folder


def _dino_processor() -> Any:
    from transformers import BitImageProcessor

    # Not the defaults, so that a test notices when the folder's own settings are not used.
    return BitImageProcessor(
        size={"shortest_edge": 36},
        crop_size={"height": 28, "width": 28},
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.2, 0.3, 0.4],
    )


_DINO = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
    "mlp_ratio": 2,
    # As large as the other weights, so that no token is overlooked.
    "initializer_range": 0.5,
}


@pytest.fixture(scope="session")
def dino_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny random DINOv2 of 16 features, 4 patches and 2 layers."""
    import torch
    from transformers import Dinov2Config, Dinov2Model

    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Dinov2Model(Dinov2Config(**_DINO))
    return _saved(tmp_path_factory.mktemp("dino"), network, _dino_processor())


@pytest.fixture(scope="session")
def dino_registers_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny random DINOv2 with three register tokens."""
    transformers = pytest.importorskip("transformers")
    if not hasattr(transformers, "Dinov2WithRegistersModel"):
        pytest.skip("this transformers has no DINOv2 with registers")
    import torch

    config = transformers.Dinov2WithRegistersConfig(**_DINO, num_register_tokens=3)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = transformers.Dinov2WithRegistersModel(config)
    return _saved(tmp_path_factory.mktemp("dino_registers"), network, _dino_processor())


def _clip_config() -> Any:
    from transformers import CLIPConfig

    tower = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    tokens = {"vocab_size": 50, "max_position_embeddings": 8}
    special = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    return CLIPConfig(
        text_config={**tower, **tokens, **special},
        # The vision tower's own projection_dim stays at its default, 512.
        vision_config={**tower, "image_size": 32, "patch_size": 16},
        projection_dim=12,
    )


def _clip_processor() -> Any:
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(
        size={"shortest_edge": 40},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.2, 0.3, 0.4],
    )


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny random CLIP, text tower included, projecting to 12 features."""
    import torch
    from transformers import CLIPModel

    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = CLIPModel(_clip_config())
    return _saved(tmp_path_factory.mktemp("clip"), network, _clip_processor())


@pytest.fixture(scope="session")
def clip_vision_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny random CLIP vision tower alone, projecting to 12 features."""
    import torch
    from transformers import CLIPVisionModelWithProjection

    config = _clip_config().vision_config
    config.projection_dim = 12
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network = CLIPVisionModelWithProjection(config)
    return _saved(tmp_path_factory.mktemp("clip_vision"), network, _clip_processor())


@pytest.fixture(scope="session")
def clip_unprojected_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny random CLIP vision tower that lacks the projection."""
    from transformers import CLIPVisionModel

    network = CLIPVisionModel(_clip_config().vision_config)
    return _saved(tmp_path_factory.mktemp("clip_unprojected"), network, _clip_processor())
