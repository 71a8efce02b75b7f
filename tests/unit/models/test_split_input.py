"""A preprocessing in two parts gives the numbers of the preprocessing itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.models import ResNet18_Weights

from facebench import TorchvisionModel
from facebench.models import recipe_model
from facebench.models.network_input import NetworkInput
from facebench.models.split_input import SplitInput, split_input
from support.forwarded import Small

NORMAL = transforms.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    path = tmp_path / "a.jpg"
    Image.fromarray(values).resize((280, 200)).save(path, quality=95)
    return path


@pytest.mark.parametrize(
    "function",
    [
        transforms.Compose([transforms.Resize((24, 32)), transforms.ToTensor(), NORMAL]),
        transforms.Compose([transforms.CenterCrop(24), transforms.ToTensor()]),
        NetworkInput((30, 20), (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), resize=60),
        NetworkInput((30, 20), (127.5,) * 3, (128.0,) * 3, "bgr", 255.0, interpolation="bicubic"),
        NetworkInput((30, 20), channels="grey"),
        ResNet18_Weights.DEFAULT.transforms(),
    ],
)
def test_known_functions(function: object, photograph: Path) -> None:
    model = Small(preprocess_function=function)  # type: ignore[arg-type]
    split = split_input(model)
    assert isinstance(split, SplitInput)
    found = split.finish(split.read(model, photograph)[None])[0]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, model.preprocess_image(photograph), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_families(photograph: Path) -> None:
    for model in (
        Small(preprocess_function=None),
        TorchvisionModel("a", architecture="resnet18", pretrained=False, device="cpu"),
        recipe_model.iresnet18("b", pretrained=False, device="cpu"),
    ):
        split = split_input(model)
        assert isinstance(split, SplitInput), split
        found = split.finish(split.read(model, photograph)[None])[0]
        torch.testing.assert_close(found, model.preprocess_image(photograph), rtol=0, atol=1e-6)


def test_a_processor_of_transformers(photograph: Path) -> None:
    processor = pytest.importorskip("transformers").CLIPImageProcessor()

    class Processed(Small):
        def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
            return torch.as_tensor(processor(images=image, return_tensors="pt")["pixel_values"][0])

    Processed._default_preprocess.__module__ = "facebench.models.hub"
    model = Processed(preprocess_function=None)
    model._processor = processor
    split = split_input(model)
    assert isinstance(split, SplitInput)
    found = split.finish(split.read(model, photograph)[None])[0]
    torch.testing.assert_close(found, model.preprocess_image(photograph), rtol=0, atol=2e-6)


class Reading(Small):
    """Reads images itself."""

    def preprocess_image(self, image_path: object) -> torch.Tensor:
        return super().preprocess_image(image_path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Reading(preprocess_function=None), "Reading has its own preprocess_image"),
        (Small(preprocess_function=lambda image: image), "is not known to end"),
        (
            Small(preprocess_function=transforms.Compose([transforms.ToTensor(), NORMAL, NORMAL])),
            "does not end in ToTensor",
        ),
        (Small(preprocess_function=transforms.Compose([])), "does not end in ToTensor"),
    ],
)
def test_what_is_not_known_is_not_split(model: Small, why: str) -> None:
    found = split_input(model)
    assert isinstance(found, str)
    assert why in found


def test_pixels_of_another_type_are_refused(photograph: Path) -> None:
    floats = transforms.Lambda(lambda image: image.convert("F"))
    model = Small(preprocess_function=transforms.Compose([floats, transforms.ToTensor()]))
    split = split_input(model)
    assert isinstance(split, SplitInput)
    with pytest.raises((TypeError, ValueError)):
        split.read(model, photograph)
