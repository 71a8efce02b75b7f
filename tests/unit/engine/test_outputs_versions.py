"""The versions that built-in code declares: raised when outputs change, and only then.

Two things are recorded for each: what its code looks like, without names of modules, comments,
docstrings and messages, and some numbers that it gives. To record them anew:
`python tests/unit/engine/test_outputs_versions.py`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import pkgutil
import sys
import tempfile
import textwrap
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import facebench
from facebench import (
    BaseModel,
    CLIPModel,
    DinoModel,
    DlibResNetModel,
    EnsembleModel,
    ModuleModel,
    TimmModel,
    TorchvisionModel,
    TransformersModel,
    Vgg16Model,
)
from facebench.data import images
from facebench.engine import forward
from facebench.experiment.registry import MODELS
from facebench.faces import aligner, chips, detection, detectors, landmarks, templates, yunet
from facebench.metrics import distances
from facebench.models import (
    base,
    classifier,
    clip,
    dino,
    ensemble,
    hub,
    layers,
    onnx,
    onnx_engine,
    onnx_graph,
    options,
    recipe_matching,
    script_graph,
    tapped,
    timm,
    torch_export,
    torchscript,
    torchvision,
    transformers,
    vgg16,
    views,
)
from facebench.models.architectures import (
    cvlface_vit,
    edgeface,
    inception_resnet_v1,
    ir,
    iresnet,
    mobilefacenet,
    vgg_face,
    vggface2,
)
from facebench.models.dlib import network as dlib_network
from facebench.models.network_input import NetworkInput, network_input
from facebench.models.recipe_model import RecipeModel
from facebench.stimuli import render_face, sample_identity, sample_view

GOLDEN = Path(__file__).parents[2] / "golden" / "outputs_versions.json"


class Plain(BaseModel):
    def _build_model(self) -> None:
        self.model = nn.Sequential(nn.Conv2d(3, 2, 16, stride=16), nn.ReLU(True), nn.Flatten())
        fill(self.model)

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor)


def joined() -> list[float]:
    model = EnsembleModel(members=[Plain("a", device="cpu"), viewing(Plain("b", device="cpu"))])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.png")
        waves().save(path)
        return some(model.get_output(model.preprocess_image(path))["default"])


def viewing(model: BaseModel) -> BaseModel:
    return model.set_views("concat", 5)


def viewed() -> list[float]:
    batch = torch.sin(torch.arange(2 * 3 * 32 * 32) / 7).reshape(2, 3, 32, 32)
    return some(viewing(Plain("plain", device="cpu")).get_output(batch)["default"])


def fill(network: nn.Module) -> None:
    """Give a network weights that no random number generator decides."""
    with torch.no_grad():
        for number, own in enumerate(network.parameters()):
            waves = torch.sin(torch.arange(own.numel()) * 0.7 + number)
            own.copy_(waves.reshape(own.shape) * 0.2)


def waves(side: int = 40) -> Image.Image:
    y, x = np.mgrid[0:side, 0:side]
    channels = [127 + 90 * np.sin(x / 7 + c) * np.cos(y / 5) for c in range(3)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def some(values: Any, count: int = 6) -> list[float]:
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    return [float(value) for value in flat[:: max(1, len(flat) // count)]]


def decoded() -> list[float]:
    grey = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000
    clear = np.dstack([np.asarray(waves(8)), np.arange(64, dtype=np.uint8).reshape(8, 8) * 4])
    turned = Image.Exif()
    turned[0x0112] = 6
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.tif")
        for image, options in (
            (waves(8), {}),
            (Image.fromarray(grey), {}),
            (Image.fromarray(grey.astype(np.float32) / 63_000), {}),
            (Image.fromarray(clear), {}),
            (waves(8).quantize(4), {}),
            (waves(8), {"exif": turned}),
        ):
            image.save(path, **options)
            found += some(images.open_image(path))
    return found


def embedded() -> list[float]:
    model = Plain("plain", extract_layers=["0", "2"], device="cpu")
    outputs = model.get_output(model.preprocess(waves())[None])
    return [*some(outputs["0"]), *some(outputs["2"])]


def cut() -> list[float]:
    face = render_face(sample_identity(1), sample_view(1)).image
    return [
        *some(chips.face_chip(face).pixels, 12),
        *some(chips.face_chip(np.asarray(waves())).box),
    ]


class FixedDetector:
    name, identity, box_kind, longest_side = "fixed", "fixed 1", "whole", 640

    def __init__(self, points: bool = True) -> None:
        five = ((14.0, 15.0), (26.0, 14.0), (20.5, 21.0), (15.0, 27.0), (25.0, 26.0))
        self.faces = [detection.Face((8.0, 5.0, 31.0, 36.0), 0.9, five if points else None)]

    def __call__(self, _image: Any) -> list[detection.Face]:
        return self.faces


def cut_by_templates() -> list[float]:
    found = []
    for name in templates.TEMPLATES:
        for detector in (FixedDetector(), FixedDetector(points=False)):
            found += some(aligner.FaceAligner(name, detector)(np.asarray(waves())).pixels, 12)
    return found


def decoded_by_yunet() -> list[float]:
    outputs = {}
    for stride in (8, 16, 32):
        for kind, width in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
            values = np.sin(np.arange((64 // stride) ** 2 * width) * 1.3) * 0.5 + 0.5
            outputs[f"{kind}_{stride}"] = values.reshape(1, -1, width).astype(np.float32)
    faces = yunet.decoded_faces(outputs, 64)
    return [len(faces), *some([(*face.box, face.score, *np.ravel(face.points)) for face in faces])]


def tiny_vgg16() -> list[float]:
    model = Vgg16Model.__new__(Vgg16Model)
    model.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 5))
    fill(model.model)
    with torch.no_grad():
        return some(model._forward(model_input(32)))


def model_input(side: int) -> torch.Tensor:
    pixels = np.array(waves(side), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def tiny_dino() -> list[float]:
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14
    )
    model = DinoModel.__new__(DinoModel)
    model.model = Dinov2Model(config).eval()
    fill(model.model)
    found = []
    for model.pooling in ("cls", "mean", "tokens"):
        with torch.no_grad():
            found += some(model._forward(model_input(28)))
    return found


def tiny_clip() -> list[float]:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        image_size=32, patch_size=16, projection_dim=12,
    )  # fmt: skip
    model = CLIPModel.__new__(CLIPModel)
    model.model = CLIPVisionModelWithProjection(config).eval()
    fill(model.model)
    with torch.no_grad():
        return some(model._forward(model_input(32)))


def registered(model: BaseModel) -> list[float]:
    fill(model.model)
    batch = model.preprocess(waves())[None]
    return [*some(batch), *some(model.get_output(batch)["default"])]


def of_timm() -> list[float]:
    return registered(TimmModel("a", "test_resnet.r160_in1k", pretrained=False, device="cpu"))


def of_torchvision() -> list[float]:
    return registered(TorchvisionModel("a", "shufflenet_v2_x0_5", pretrained=False, device="cpu"))


def of_transformers() -> list[float]:
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    found = []
    for pooling in ("cls", "mean", "tokens", "pooler"):
        model = TransformersModel(
            "a", "vit", pooling=pooling, pretrained=False, device="cpu",
            options={**sizes, "intermediate_size": 32, "image_size": 32},
        )  # fmt: skip
        found += registered(model)
    return found


def prepared() -> list[float]:
    own = network_input({"size": [8, 12], "channels": "bgr", "max_value": 255, "resize": 14})
    return some(own(waves()), 20)


def dlib_model() -> list[float]:
    model = DlibResNetModel(align=False, pretrained=False, device="cpu")
    fill(model.model)
    batch = model.preprocess(waves())[None]
    return [*some(batch), *some(model.get_output(batch)["default"])]


def tapped_network() -> list[float]:
    class Doubling:
        fingerprint = "doubling"

        def run(self, batch: torch.Tensor, taps: Any) -> list[Any]:
            return [batch.mean((2, 3)), *(batch.amax((2, 3)) for _ in taps)]

        def to(self, device: torch.device) -> None:
            pass

    found: list[float] = []

    def keep(_module: nn.Module, _inputs: Any, value: torch.Tensor) -> None:
        found.extend(some(value))

    for at_once in (None, 1, 2):
        network = tapped.TappedNetwork(Doubling(), {"tap": "Max"}, at_once)
        network.tap.register_forward_hook(keep)
        found += some(network(model_input(8).repeat(3, 1, 1, 1)))
    return found


def tiny_onnx() -> list[float]:
    from onnx import TensorProto, helper, save

    def described(name: str, sides: list[Any]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, sides)

    nodes = [helper.make_node("GlobalMaxPool", ["x"], ["max"])]
    nodes.append(helper.make_node("Flatten", ["max"], ["out"]))
    inputs, outputs = [described("x", ["n", 3, 24, 24])], [described("out", ["n", 3])]
    made = helper.make_model(
        helper.make_graph(nodes, "tiny", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    with tempfile.TemporaryDirectory() as folder:
        save(made, Path(folder, "tiny.onnx"))
        model = onnx.OnnxModel("tiny", Path(folder, "tiny.onnx"), ["max", "out"], device="cpu")
    outputs = model.get_output(model.preprocess(waves())[None])
    return [*some(outputs["max"]), *some(outputs["out"])]


def recipe_model() -> list[float]:
    cls = MODELS.get("mobilefacenet")
    model = cls("it", pretrained=False, input={"channels": "rgb"}, device="cpu")
    fill(model.model)
    batch = model.preprocess(waves(112))[None]
    return [*some(batch), *some(model.get_output(batch)["default"])]


def measured() -> list[float]:
    left, right = np.sin(np.arange(24.0)).reshape(4, 6), np.cos(np.arange(24.0)).reshape(4, 6)
    left[3] = 0
    rows, first, second = np.concatenate([left, right]), np.arange(4), np.arange(4, 8)
    found = []
    for distance in (
        distances.RowDistance("cosine"),
        distances.RowDistance("cosine", eps=1e-8),
        *(distances.RowDistance("minkowski", p=p) for p in (0.0, 1.0, 2.0, 3.0, float("inf"))),
        distances.RowDistance("minkowski", offset=1e-6),
    ):
        found += [*distance(left, right), *distance.between(rows, first, second)]
    return [float(value) for value in found]


def nothing() -> list[float]:
    return []


ARCHITECTURES = [
    cvlface_vit, edgeface, inception_resnet_v1, ir, iresnet, mobilefacenet, vgg_face, vggface2,
]  # fmt: skip


def parts_of(module: Any) -> dict[str, tuple[list[Any], Callable[[], list[float]]]]:
    """List the networks of a module, each with the code it is made of."""
    own = [value for value in vars(module).values() if _is_own(value, module)]
    functions = [value for value in own if not isinstance(value, type)]
    return {
        value.outputs_version: ([value, *functions], nothing)
        for value in own
        if isinstance(value, type)
    }


def _is_own(value: Any, module: Any) -> bool:
    is_code = inspect.isfunction(value) or isinstance(value, type)
    return is_code and value.__module__ == module.__name__


# Version → the code that it stands for, and numbers that this gives.
PARTS: dict[str, tuple[list[Any], Callable[[], list[float]]]] = {
    images.open_image.outputs_version: ([images.open_image, images._as_rgb], decoded),
    chips.face_chip.outputs_version: (
        [
            chips.face_chip, detection.find_face, detection.choose_face, detection.reduced,
            detection.reduced_size, detection._off_centre, detection.central_square,
            detection.box_of, detection.scaled_rectangle,
        ],
        cut,
    ),
    detection.DlibHog.outputs_version: ([detection.DlibHog.__call__], cut),
    detectors.DlibCnn.outputs_version: ([detectors.DlibCnn.__call__], nothing),
    detectors.Mtcnn.outputs_version: (
        [detectors.Mtcnn.__call__, detectors._of_facenet, detectors._of_mtcnn], nothing,
    ),
    yunet.YuNet.outputs_version: (
        [
            yunet.YuNet.__call__, yunet.YuNet._found, yunet._enlarged, yunet.decoded_faces,
            yunet._without_overlap, yunet._any_size,
        ],
        decoded_by_yunet,
    ),
    aligner.FaceAligner.outputs_version: (
        [
            aligner.FaceAligner.__call__, aligner.FaceAligner._face,
            aligner.FaceAligner.locate, aligner.FaceAligner.cut,
            aligner.FaceAligner._points, aligner._holds, aligner._distance, aligner._middle,
            landmarks.five_of_68, landmarks.five_of_points, templates._turn_and_shift,
            templates.points_chip, templates.box_chip, templates.box_as,
        ],
        cut_by_templates,
    ),
    BaseModel.outputs_version: (
        [
            BaseModel.preprocess, BaseModel._default_preprocess, BaseModel.preprocess_image,
            BaseModel.get_output, BaseModel.read_layers, BaseModel._placed,
            base._imagenet_transform, layers.first_tensor, layers.batch_output,
            layers.flat_copy, layers.LayerRecorder,
            forward.as_rows,
        ],
        embedded,
    ),
    Vgg16Model.outputs_version: ([Vgg16Model._build_model, Vgg16Model._forward], tiny_vgg16),
    DinoModel.outputs_version: (
        [DinoModel._published, DinoModel._default_preprocess, DinoModel._forward, hub.processed],
        tiny_dino,
    ),
    CLIPModel.outputs_version: (
        [
            CLIPModel._published, CLIPModel._default_preprocess, CLIPModel._forward,
            hub.vision_part, hub.processed,
        ],
        tiny_clip,
    ),
    ModuleModel.outputs_version: (
        [ModuleModel._default_preprocess, ModuleModel._forward, ModuleModel._picked],
        nothing,
    ),
    NetworkInput.outputs_version: ([NetworkInput.__call__, NetworkInput._sized], prepared),
    TimmModel.outputs_version: (
        [
            TimmModel._prepare, TimmModel._default_preprocess, TimmModel._forward,
            TimmModel._classifiers, timm._described,
        ],
        of_timm,
    ),
    TorchvisionModel.outputs_version: (
        [
            TorchvisionModel._build_model, TorchvisionModel._default_preprocess,
            TorchvisionModel._forward, torchvision._as_published, torchvision._described,
            classifier.entering, classifier.last_layer,
        ],
        of_torchvision,
    ),
    TransformersModel.outputs_version: (
        [
            TransformersModel._default_preprocess, TransformersModel._run,
            TransformersModel._forward, TransformersModel._mean, transformers._tokens_named,
            transformers._described,
        ],
        of_transformers,
    ),
    DlibResNetModel.outputs_version: (
        [
            DlibResNetModel._default_preprocess, DlibResNetModel._forward,
            dlib_network.pixels_to_input, aligner.FaceAligner.__call__, aligner.FaceAligner._face,
            aligner.FaceAligner.locate, aligner.FaceAligner.cut, detection.choose_face,
            detection.reduced, detection.reduced_size, detection._off_centre,
            detection.central_square,
        ],
        dlib_model,
    ),
    tapped.Tap.outputs_version: ([tapped.Tap], nothing),
    tapped.TappedNetwork.outputs_version: (
        [tapped.TappedNetwork.forward, tapped._joined], tapped_network,
    ),
    tapped.TappedModel.outputs_version: (
        [tapped.TappedModel._default_preprocess, tapped.TappedModel._forward], nothing,
    ),
    onnx.OnnxModel.outputs_version: (
        [onnx_engine.OnnxEngine._run, onnx_engine.OnnxEngine._made, onnx_graph._mend_blocks],
        tiny_onnx,
    ),
    torch_export.ExportedModel.outputs_version: ([torch_export._ExportedEngine.run], nothing),
    torchscript.TorchScriptModel.outputs_version: (
        [torchscript._ScriptEngine._with_layers, script_graph._Walk, script_graph._run_node],
        nothing,
    ),
    EnsembleModel.outputs_version: (
        [
            EnsembleModel.preprocess_image, EnsembleModel._forward, EnsembleModel._build_model,
            ensemble._only,
        ],
        joined,
    ),
    views._OUTPUTS_VERSION: (
        [views.through_views, views._crops, views._mean, options.ModelOptions._through_views],
        viewed,
    ),
    dlib_network.ChannelAffine.outputs_version: ([dlib_network.ChannelAffine], nothing),
    dlib_network.PaddedSum.outputs_version: (
        [dlib_network.PaddedSum, dlib_network._pad_to], nothing,
    ),
    dlib_network.ResidualBlock.outputs_version: ([dlib_network.ResidualBlock], nothing),
    dlib_network.DlibResNet.outputs_version: (
        [dlib_network.DlibResNet.__init__, dlib_network.DlibResNet.forward, dlib_network._stage],
        nothing,
    ),
    RecipeModel.outputs_version: (
        [
            RecipeModel._read_weights, RecipeModel._build_model, RecipeModel._default_preprocess,
            RecipeModel._forward, recipe_matching.build_network, recipe_matching.find_part,
            recipe_matching._renamed, vgg_face,
        ],
        recipe_model,
    ),
    **{
        version: parts
        for module in ARCHITECTURES
        for version, parts in parts_of(module).items()
    },
    distances._OUTPUTS_VERSION: (
        [
            distances.cosine, distances._cosine_distance, distances.minkowski,
            distances.RowDistance.__call__, distances.RowDistance.between,
            distances.RowDistance._norms,
        ],
        measured,
    ),
}  # fmt: skip


def code_digest(parts: list[Any]) -> str:
    """Digest source code without what changes no number."""
    trees = [ast.parse(textwrap.dedent(inspect.getsource(part))) for part in parts]
    shapes = json.dumps([_shape(tree) for tree in trees])
    return hashlib.sha256(shapes.encode()).hexdigest()[:16]


def _shape(node: Any) -> Any:
    if isinstance(node, list):
        return [_shape(part) for part in node if not _is_silent(part)]
    if not isinstance(node, ast.AST):
        return repr(node)
    # Fields that later versions of Python have added are empty here.
    fields = [(name, part) for name, part in ast.iter_fields(node) if part not in (None, [])]
    typing = {"annotation", "returns", "type_comment", "kind", "ctx", "simple"}
    return [
        type(node).__name__,
        *([name, _shape(part)] for name, part in fields if name not in typing),
    ]


def _is_silent(node: Any) -> bool:
    """Tell of a statement whether it is a docstring, an import, a message or the version."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Raise():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="msg" | "outputs_version")]):
            return True
        case ast.Call(func=ast.Name(id="outputs_version")):
            return True
    return False


def recorded() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


def now(version: str) -> dict[str, Any]:
    parts, numbers = PARTS[version]
    return {"code": code_digest(parts), "numbers": numbers()}


def advice(version: str) -> str:
    return (
        f"The code or the outputs behind {version!r} have changed. If any number may differ, raise "
        "the version where it is declared (outputs_version), so that nobody is given the "
        f"embeddings of before. Then record it: python tests/unit/engine/{Path(__file__).name}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("version", PARTS)
def test_a_version_is_raised_when_outputs_change(version: str) -> None:
    assert version in recorded(), advice(version)
    before, after = recorded()[version], now(version)
    # Other versions of torch, dlib and Pillow and other processors round differently.
    assert after["numbers"] == pytest.approx(before["numbers"], rel=1e-2, abs=1e-4, nan_ok=True), (
        advice(version)
    )
    assert after["code"] == before["code"], advice(version)


def test_everything_that_declares_a_version_is_recorded() -> None:
    declared = {distances._OUTPUTS_VERSION, views._OUTPUTS_VERSION}
    for name in ("models", "faces", "data", "engine", "metrics", "stimuli"):
        package = import_module(f"facebench.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for value in list(vars(import_module(module.name)).values()):
                own = getattr(value, "__dict__", {})
                if str(getattr(value, "__module__", "")).startswith("facebench."):
                    declared |= {own["outputs_version"]} if "outputs_version" in own else set()
    assert declared == set(PARTS) == set(recorded())


FAMILIES = [
    *(base, clip, dino, onnx, tapped, timm, torch_export, torchscript, torchvision, transformers),
    *(vgg16, dlib_network),
]


@pytest.mark.parametrize("module", [*FAMILIES, *ARCHITECTURES])
def test_every_network_and_family_declares_a_version(module: Any) -> None:
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, nn.Module | BaseModel)
            and value.__module__.startswith("facebench.")
            # What is inherited counts as the code of those that inherit it.
            and (value is BaseModel or not inspect.isabstract(value))
        ):
            assert "outputs_version" in vars(value), value


def test_comments_messages_and_imports_change_no_digest() -> None:
    def shape_of(source: str) -> Any:
        return _shape(ast.parse(source))

    plain = shape_of("def f(x):\n    return x + 1")
    spoken = shape_of(
        "import a\ndef f(x: int) -> int:\n    '''Add.'''\n    msg = 'no'  # why\n    return x + 1"
    )
    assert plain == spoken
    assert plain != shape_of("def f(x):\n    return x + 2")


if __name__ == "__main__":
    lines = [f"{json.dumps(version)}: {json.dumps(now(version))}" for version in PARTS]
    GOLDEN.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    sys.stdout.write(f"{GOLDEN} of facebench {facebench.__version__}\n")
