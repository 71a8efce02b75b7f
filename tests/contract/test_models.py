"""What every shipped model, and one as a user would write it, has to do alike."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from facebench.experiment.registry import MODELS
from facebench.models import recipe_model
from facebench.models.architectures import cvlface_vit, ir, iresnet, vgg_face
from facebench.models.base import BaseModel
from facebench.models.clip import CLIPModel
from facebench.models.dino import DinoModel
from facebench.models.dlib_resnet import DlibResNetModel
from facebench.models.module import ModuleModel
from facebench.models.onnx import OnnxModel
from facebench.models.recipe_matching import build_network
from facebench.models.recipes import RECIPES
from facebench.models.timm import TimmModel
from facebench.models.torch_export import ExportedModel
from facebench.models.torchscript import TorchScriptModel
from facebench.models.torchvision import TorchvisionModel
from facebench.models.transformers import TransformersModel
from facebench.models.vgg16 import Vgg16Model
from facebench.testing import MODEL_CHECKS, Check, ModelCase
from support import whole_networks
from support.stranger import write_stranger


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
    # Of the images that are compared, where that is not the size of its input.
    side: int | None = None


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


def timm_case(_request: pytest.FixtureRequest) -> Case:
    pytest.importorskip("timm")
    return Case(
        lambda layers=None: TimmModel("timm", "test_resnet", None, layers, pretrained=False),
        ["conv1", "layer1.0", "layer2", "global_pool", "fc"],
        160,
        96,
    )


def torchvision_case(_request: pytest.FixtureRequest) -> Case:
    return Case(
        lambda layers=None: TorchvisionModel(
            "torchvision", "shufflenet_v2_x0_5", None, layers, pretrained=False
        ),
        ["conv1", "maxpool", "stage2.0", "conv5", "fc"],
        224,
        1024,
    )


def transformers_case(pooling: str, outputs: int) -> Callable[[pytest.FixtureRequest], Case]:
    def case(request: pytest.FixtureRequest) -> Case:
        folder = request.getfixturevalue("dino_registers_folder")
        return Case(
            lambda layers=None: TransformersModel("transformers", folder, layers, pooling=pooling),
            ["embeddings", "encoder.layer.0", "encoder.layer.1.norm1", "layernorm"],
            28,
            outputs,
        )

    return case


def module_case(request: pytest.FixtureRequest) -> Case:
    file = write_stranger(request.getfixturevalue("tmp_path"))
    return Case(
        lambda layers=None: ModuleModel(
            "module", f"{file}:MobileFaceNet", None, layers, input={"size": 112}, pretrained=False
        ),
        ["conv1", "blocks.1.conv.0.prelu", "linear7", "flatten"],
        112,
        32,
    )


def dlib_case(align: bool) -> Callable[[pytest.FixtureRequest], Case]:
    def case(_request: pytest.FixtureRequest) -> Case:
        if importlib.util.find_spec("face_recognition_models") is None:
            pytest.skip("face_recognition_models is not installed")
        return Case(
            lambda layers=None: DlibResNetModel("dlib", layers, align=align),
            ["conv1", "affine1", "layer3.0.shortcut", "layer5.0", "avgpool", "fc"],
            150,
            128,
        )

    return case


def file_case(
    model: type[BaseModel], save: Callable[..., Path], name: str, layers: list[str]
) -> Callable[[pytest.FixtureRequest], Case]:
    def case(request: pytest.FixtureRequest) -> Case:
        path = save(request.getfixturevalue("tmp_path") / name)
        make: Any = model
        return Case(
            lambda layers=None: make(name, path, layers, input=whole_networks.INPUT),
            layers,
            whole_networks.SIZE,
            16,
        )

    return case


@cache
def drawn_once(name: str) -> nn.Module:
    return build_network(RECIPES[name])


def recipe_case(
    name: str,
    layers: list[str],
    size: int = 112,
    outputs: int = 512,
    side: int | None = None,
    slim: ModuleType | None = None,
) -> Callable[[pytest.FixtureRequest], Case]:
    """Take a published network; `slim` is the module of one whose inner layers are made narrow.

    Weights are drawn at random once, unless two instances are to be compared.
    """

    def case(request: pytest.FixtureRequest) -> Case:
        extra = RECIPES[name].extra
        if extra and importlib.util.find_spec(extra) is None:
            pytest.skip(f"{extra} is not installed")
        cls = MODELS.get(name)
        patch = request.getfixturevalue("monkeypatch").setattr
        if slim is not None:
            patch(slim, "_WIDTHS", (8, 16, 32, 512))
        if recipe_model.build_network is build_network and "twice" not in request.node.name:
            patch(recipe_model, "build_network", lambda _recipe: deepcopy(drawn_once(name)))
        return Case(
            lambda layers=None: cls(name, extract_layers=layers, pretrained=False, device="cpu"),
            layers,
            size,
            outputs,
            side,
        )

    return case


def vgg_face_case(request: pytest.FixtureRequest) -> Case:
    tiny = request.getfixturevalue("tiny_vgg16")
    request.getfixturevalue("monkeypatch").setattr(vgg_face, "vgg16", tiny)
    layers = ["features.0", "features.30", "classifier.0", "classifier.5"]
    return recipe_case("vgg-face", layers, 224, 12)(request)


def cvlface_vit_case(request: pytest.FixtureRequest) -> Case:
    """Take a smaller transformer of the same layers."""
    patch = request.getfixturevalue("monkeypatch").setattr
    patch(cvlface_vit, "_PATCH", 28)
    patch(cvlface_vit, "_N_PATCHES", 16)
    patch(
        recipe_model,
        "build_network",
        lambda _recipe: cvlface_vit.cvlface_vit(2, heads=8, mlp_ratio=1),
    )
    layers = ["patch_embed", "blocks.0", "blocks.1.attn", "norm", "feature.1"]
    return recipe_case("cvlface-vit-base", layers)(request)


CASES = {
    "user": user_case,
    "vgg16": vgg_case,
    "dino-cls": dino_case("cls", 16),
    "dino-mean": dino_case("mean", 16),
    "dino-tokens": dino_case("tokens", 16 * 5),
    "clip": clip_case("clip_folder"),
    "clip-vision": clip_case("clip_vision_folder"),
    "timm": timm_case,
    "torchvision": torchvision_case,
    "transformers-mean": transformers_case("mean", 16),
    "transformers-tokens": transformers_case("tokens", 16 * 8),
    "module": module_case,
    "dlib": dlib_case(align=False),
    "dlib-aligned": dlib_case(align=True),
    "onnx": file_case(
        OnnxModel,
        whole_networks.save_onnx,
        "net.onnx",
        ["/relu/Relu_output_0", "/layer1/layer1.1/Add_1_output_0"],
    ),
    "torchscript": file_case(
        TorchScriptModel, whole_networks.save_script, "net.pt", whole_networks.LAYERS
    ),
    "torch-export": file_case(
        ExportedModel, whole_networks.save_exported, "net.pt2", whole_networks.LAYERS
    ),
    "adaface": recipe_case(
        "adaface-ir18", ["input_layer", "body.0", "body.7.res_layer.3"], slim=ir
    ),
    "cvlface-vit": cvlface_vit_case,
    "edgeface": recipe_case("edgeface-xxs", ["stem", "stages.1.blocks.0", "head.norm"]),
    "facenet": recipe_case("facenet", ["conv2d_1a", "mixed_6a", "block8", "last_bn"], 160, side=96),
    "iresnet": recipe_case(
        "iresnet18", ["bn1", "layer2.1", "layer4.0.bn3", "fc", "features"], slim=iresnet
    ),
    "mobilefacenet": recipe_case("mobilefacenet", ["conv1", "conv_3.model.0", "conv_6_dw", "bn"]),
    "vgg-face": vgg_face_case,
    "vggface2": recipe_case("vggface2-senet50", ["maxpool", "layer1.0", "layer4"], 224, 2048),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param](request)


def checked(case: Case) -> ModelCase:
    # Small where the network takes any size, for speed.
    return ModelCase(case.make, case.layers, case.side or (64 if case.size == 224 else case.size))


@pytest.mark.parametrize("check", MODEL_CHECKS, ids=str)
def test_contract(case: Case, check: Check[ModelCase]) -> None:
    check(checked(case))


def test_its_width(case: Case) -> None:
    table = case.make().get_output(checked(case).batch())["default"]
    assert table.shape == (2, case.outputs)


def test_its_input(case: Case, image_folder: Any) -> None:
    (path,) = image_folder(1, size=60)
    tensor = case.make().preprocess_image(path)
    assert tensor.shape == (3, case.size, case.size)
    assert tensor.dtype == torch.float32


def test_simplified_layers_hold_no_others(case: Case) -> None:
    model = case.make()
    modules = dict(model.model.named_modules())
    simplified = model.get_layer_names(simplified=True)
    names = model.get_layer_names()
    assert simplified == [name for name in names if not any(modules[name].children())]
    asked = [simplified[0], simplified[-1]]
    assert list(case.make(asked).get_output(checked(case).batch())) == asked


def test_layers_are_found_where_none_are_named(case: Case) -> None:
    found = ModelCase(case.make, side=checked(case).batch().shape[-1]).layers
    assert found
    assert set(found) <= set(case.make().get_layer_names())
