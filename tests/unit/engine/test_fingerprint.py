"""Change what determines an embedding and it is a miss; change what does not and it is a hit."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import fx, nn
from torchvision import transforms

from facebench.engine.cache import ModelCache
from facebench.engine.code_identity import Identifier, replaced_in
from facebench.engine.fingerprint import model_fingerprint, running
from facebench.experiment.plugins import import_plugin
from facebench.metrics.distances import RowDistance
from facebench.models.base import BaseModel
from facebench.models.clip import CLIPModel
from facebench.models.dino import DinoModel
from facebench.models.dlib_resnet import DlibResNetModel
from facebench.store import EmbeddingStore
from support.fingerprints import Net, key, made, with_function

SCALE = 2


def test_names_devices_and_layers_asked_for_do_not_matter() -> None:
    assert key(Net()) == key(Net("another", device="cpu")) == key(Net(extract_layers=["0", "2"]))


def test_weights_from_a_file_are_the_weights(tmp_path: Path) -> None:
    torch.save(Net().model.state_dict(), tmp_path / "a.pt")
    first = model_fingerprint(Net(weights_path=tmp_path / "a.pt")).weights
    (tmp_path / "a.pt").rename(tmp_path / "b.pt")
    second = Net(weights_path=tmp_path / "b.pt")
    assert first == model_fingerprint(second).weights == model_fingerprint(Net()).weights
    assert key(second) != ""


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net[0].weight.data.view(-1)[5].add_(1e-6),
        lambda net: net[1].running_mean.add_(1),
        lambda net: net[1].register_buffer("extra", torch.zeros(1), persistent=False),
        lambda net: net.half(),
        lambda net: setattr(net[1], "eps", 1e-3),
        lambda net: setattr(net[0], "stride", (2, 2)),
        lambda net: net.__setitem__(2, nn.GELU()),
        lambda net: net[2].register_forward_hook(lambda _m, _i, output: output * 2),
    ],
)
def test_anything_else_in_the_network_is_a_miss(change: Callable[[Any], object]) -> None:
    changed = Net()
    with torch.no_grad():
        change(changed.model)
    assert key(changed) != key(Net())


def test_the_order_of_values_in_memory_does_not_matter() -> None:
    other = Net()
    other.model.to(memory_format=torch.channels_last)
    assert key(other) == key(Net())


def test_settings_layer_pooling_type_and_extras_are_told_apart() -> None:
    model = Net()
    keys = [
        key(model),
        key(Net(gain=2.0)),
        key(model, "0"),
        key(model, "default", "mean"),
        key(model, "default", dtype="float16"),
        key(model, "default", extra="autocast"),
    ]
    assert len(set(keys)) == len(keys)
    assert key(Net(gain=1.0)) == keys[0]


def test_an_alignment_switched_off_is_a_miss() -> None:
    assert key(DlibResNetModel(align=True)) != key(DlibResNetModel(align=False))


def test_an_edited_forward_or_preprocess_image_is_a_miss() -> None:
    class_source = """
class f(Net):
    def _forward(self, x):
        return self.model(x) {forward}
    def preprocess_image(self, path):
        return helper(path) * {scale}
"""
    helper = made("def f(path):\n    return open(path)")

    def edited(forward: str = "", scale: int = 1, helper: Any = helper) -> str:
        source = class_source.format(forward=forward, scale=scale)
        return key(made(source, Net=Net, helper=helper)("x"))

    assert edited() == edited()
    other = made("def f(path):\n    return open(path, 'rb')")
    assert len({edited(), edited("+ 1"), edited(scale=2), edited(helper=other)}) == 4


def test_a_processor_from_another_folder_is_told_by_its_settings(dino_folder: Path) -> None:
    model = DinoModel("d", version=str(dino_folder), device="cpu")
    before = key(model)
    model._processor.image_mean = [0.1, 0.1, 0.1]
    assert key(model) != before
    assert key(DinoModel("d", version=str(dino_folder), pooling="mean")) != before


class Crop:
    def __init__(self, margin: int) -> None:
        self.margin = margin

    def __call__(self, image: Any) -> Any:
        return image.crop((self.margin,) * 4)


def test_what_cannot_be_looked_into_is_unknown_until_it_is_declared() -> None:
    function = made("def f(image):\n    return O", O=(value for value in []))
    unknown = model_fingerprint(Net("my net", preprocess_function=function))
    assert unknown.preprocessing is None
    assert "'my net' are not kept" in unknown.why
    assert "preprocess_function.fingerprint = " in unknown.why
    with pytest.raises(ValueError, match="not kept"):
        unknown.layer_key("default")
    function.fingerprint = "my-crop v1"
    declared = with_function(function)
    assert declared is not None
    function.fingerprint = "my-crop v2"
    assert with_function(function) not in (None, declared)


def test_a_model_with_an_unknown_attribute_may_declare_itself() -> None:
    model = Net()
    model.detector = iter([])
    assert model_fingerprint(model).preprocessing is None
    assert "'detector'" in model_fingerprint(model).why
    model.fingerprint = "v1"
    first = key(model)
    model.fingerprint = "v2"
    assert key(model) != first
    model.fingerprint = "v1"
    model.gain = 3.0
    assert key(model) != first


def test_another_version_of_a_library_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(Net())
    monkeypatch.setattr("facebench.engine.fingerprint.package_version", lambda name: f"{name} 99.9")
    assert key(Net()) != before


def test_another_format_of_the_store_is_a_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    before, notes = key(Net()), model_fingerprint(Net()).notes_key
    monkeypatch.setattr("facebench.engine.fingerprint.FORMAT", 99)
    assert key(Net()) != before
    assert model_fingerprint(Net()).notes_key != notes


def test_notes_belong_to_the_preprocessing_not_to_the_weights() -> None:
    changed = Net()
    changed.model[0].weight.data.add_(1)
    assert model_fingerprint(changed).notes_key == model_fingerprint(Net()).notes_key
    cropped = Net(preprocess_function=Crop(3))
    assert model_fingerprint(cropped).notes_key != model_fingerprint(Net()).notes_key


class Given(BaseModel):
    """A model of a network made elsewhere."""

    def __init__(self, network: nn.Module) -> None:
        self._given = network
        super().__init__("given", device="cpu")

    def _build_model(self) -> None:
        self.model = self._given
        del self._given

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor)


class Max(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).amax((2, 3))


class Mean(Max):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).mean((2, 3))


class Pool(nn.Module):
    def __init__(self, how: Any) -> None:
        super().__init__()
        self._how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(x, self._how)((2, 3))


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize(
    "wrap",
    [
        lambda net: net,
        fx.symbolic_trace,
        lambda net: nn.Sequential(fx.symbolic_trace(net)),
        lambda net: nn.Sequential(torch.jit.script(net)),
        lambda net: nn.Sequential(torch.jit.trace(net, torch.zeros(1, 3, 8, 8))),
    ],
)
def test_another_graph_over_the_same_weights_is_a_miss(wrap: Callable[[nn.Module], Any]) -> None:
    assert key(Given(wrap(Max()))) == key(Given(wrap(Max()))) != key(Given(wrap(Mean())))


def test_private_attributes_of_a_networks_modules_count() -> None:
    assert key(Given(Pool("amax"))) == key(Given(Pool("amax"))) != key(Given(Pool("mean")))


def test_a_network_that_holds_what_nobody_knows_is_not_kept_until_declared() -> None:
    # As an ONNX session, which is not told by anything that Python can see.
    network = nn.Sequential(Pool(threading.Lock()))
    unknown = model_fingerprint(Given(network))
    assert unknown.preprocessing is None
    assert "its module '0' (Pool)" in unknown.why
    assert "'_how'" in unknown.why
    assert "model.fingerprint" in unknown.why
    declared = Given(network)
    declared.fingerprint = "v1"
    first = key(declared)
    declared.fingerprint = "v2"
    assert key(declared) != first
    network[0].fingerprint = "session v1"
    assert model_fingerprint(Given(network)).why == ""


def test_a_replaced_method_of_a_known_module_counts() -> None:
    plain, replaced = nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())
    replaced[0].forward = lambda x: x * 2
    assert key(Given(plain)) != key(Given(replaced))
    replaced[0].forward = partial(torch.mul, threading.Lock())
    assert model_fingerprint(Given(replaced)).preprocessing is None


def gain_of(model: Any) -> float:
    return model._gain


class Mixin:
    def gained(self, x: torch.Tensor) -> torch.Tensor:
        return x * self._gain  # type: ignore[attr-defined]


class Decorated(Net):
    @torch.no_grad()
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor) * self._gain


class ByName(Net):
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor) * getattr(self, "_" + "gain")


class ByHelper(Net):
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor) * gain_of(self)


class ByMixin(Net, Mixin):
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.gained(self.model(input_tensor))


@pytest.mark.parametrize("kind", [Decorated, ByName, ByHelper, ByMixin])
def test_private_attributes_of_a_model_count(kind: type[Net]) -> None:
    def with_gain(gain: float) -> str:
        model = kind()
        model._gain = gain
        return key(model)

    assert with_gain(2) == with_gain(2) != with_gain(3)


def test_what_a_decorated_method_uses_is_not_only_built_from() -> None:
    class Built(Net):
        built_from = ("width",)

    class Widened(Built):
        @torch.no_grad()
        def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
            return self.model(input_tensor) * self.width

    def with_width(kind: type[Net], width: int) -> str:
        model = kind()
        model.width = width
        return key(model)

    assert with_width(Built, 2) == with_width(Built, 3)
    assert with_width(Widened, 2) != with_width(Widened, 3)


def test_a_method_of_an_instance_counts() -> None:
    model = Net()
    model._forward = lambda x: x  # type: ignore[method-assign]
    assert key(model) != key(Net())
    network = Net()
    network.model[0]._conv_forward = lambda x, weight, bias: x
    assert key(network) != key(Net())


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (nn.ReLU, "forward"),
        (nn.Conv2d, "_conv_forward"),
        (nn.functional, "relu"),
        (torch.Tensor, "relu"),
        (Image.Image, "resize"),
    ],
)
def test_what_others_put_into_a_library_counts(
    place: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [key(Net())]
    for changed in (lambda *_: 1, lambda *_: 2):
        monkeypatch.setattr(place, name, changed)
        found.append(key(Net()))
    assert len(set(found)) == 3
    monkeypatch.undo()
    assert key(Net()) == found[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "name", "other"),
    [
        (nn.functional, "relu", nn.functional.gelu),
        (nn.functional, "relu", nn.functional.threshold),
        (nn.functional, "relu", nn.GELU()),
        (nn.functional, "gelu", nn.functional.max_pool2d),
        (torch, "relu", torch.sigmoid),
        (torch, "relu", partial(torch.clamp, min=1)),
        (torch.Tensor, "relu", torch.Tensor.sigmoid),
        (nn.ReLU, "forward", nn.GELU.forward),
        (nn.Conv2d, "_conv_forward", nn.Conv1d._conv_forward),
        (Image.Image, "resize", Image.Image.reduce),
    ],
)
def test_functions_of_a_library_that_are_exchanged_count(
    place: Any, name: str, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key(Net())
    monkeypatch.setattr(place, name, other)
    assert key(Net()) != before
    monkeypatch.undo()
    assert key(Net()) == before


def test_a_library_as_it_is_counts_by_its_version_only() -> None:
    places = [torch, nn.functional, torch.Tensor, Image, Image.Image, transforms.functional]
    places += [kind for kind in vars(nn).values() if isinstance(kind, type)]
    assert replaced_in(places, Identifier()) == []


@pytest.mark.parametrize("when", ["forward", "forward_pre"])
def test_hooks_of_all_modules_count(when: str) -> None:
    before = key(Net())
    handle = getattr(nn.modules.module, f"register_module_{when}_hook")(lambda *_: None)
    try:
        assert key(Net()) != before
    finally:
        handle.remove()
    assert key(Net()) == before


def test_how_torch_rounds_counts() -> None:
    plain = key(Net())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert key(Net()) != plain
    torch.set_float32_matmul_precision("medium")
    try:
        assert key(Net()) != plain
    finally:
        torch.set_float32_matmul_precision("highest")
    assert key(Net()) == plain


def quantized(seed: int) -> BaseModel:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    return Given(torch.ao.quantization.quantize_dynamic(network, {nn.Linear}))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:torch.quantize_per_tensor")
def test_quantized_weights_count() -> None:
    assert key(quantized(1)) == key(quantized(1)) != key(quantized(2))


class Gain(nn.Module):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gain


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_attributes_of_torchscript_count() -> None:
    first, same, other = (
        key(Given(nn.Sequential(torch.jit.script(Gain(gain))))) for gain in (1.0, 1.0, 2.0)
    )
    assert first == same != other
    running = nn.Sequential(torch.jit.script(Gain(1.0)))
    running.eval()
    assert key(Given(running)) == first


def test_a_compiled_network_is_not_kept() -> None:
    compiled = Given(torch.compile(nn.Sequential(nn.ReLU()), backend="eager"))
    assert model_fingerprint(compiled).preprocessing is None


MODEL_FILE = """
import torch
from torch import nn
from facebench import BaseModel
import logging
log = logging.getLogger(__name__)

class M(BaseModel):
    def _build_model(self):
        torch.manual_seed(0)
        self.model = nn.Linear(3, 2)
    def _forward(self, x):
        log.debug("running")
        return self.model(x)
"""


@pytest.mark.parametrize("declaration", ["", "    fingerprint = 'v1'\n"])
def test_where_a_models_code_is_does_not_matter(tmp_path: Path, declaration: str) -> None:
    source = MODEL_FILE.replace("(BaseModel):\n", f"(BaseModel):\n{declaration}")
    (tmp_path / "a.py").write_text(source)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.py").write_text(f"# As published.\n{source}")
    script: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "script.py", "exec", dont_inherit=True), script)
    keys = {
        key(import_plugin("a.py", tmp_path).M("m")),
        key(import_plugin("b.py", tmp_path / "sub").M("m")),
        key(script["M"]("m")),
    }
    assert len(keys) == 1
    edited = source.replace("self.model(x)", "self.model(x) * 2")
    (tmp_path / "c.py").write_text(edited)
    is_same = key(import_plugin("c.py", tmp_path).M("m")) in keys
    assert is_same == bool(declaration)


def test_a_subclass_does_not_inherit_what_its_base_declares() -> None:
    class Declared(Net):
        fingerprint = "v1"

    class Changed(Declared):
        def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
            return super()._forward(input_tensor) + 1

    changed = key(Changed())
    Changed._forward = lambda self, x: self.model(x) - 1  # type: ignore[method-assign]
    assert key(Changed()) != changed


class Scaled(DlibResNetModel):
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return super()._forward(input_tensor) * SCALE


@pytest.mark.slow
@pytest.mark.parametrize("kind", [DlibResNetModel, Scaled])
def test_built_in_code_counts_by_its_declared_version(
    kind: type[DlibResNetModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_here() -> str:
        return key(kind("d", pretrained=False, device="cpu"))

    before = made_here()
    with monkeypatch.context() as moved:
        moved.setattr(DlibResNetModel, "__module__", "facebench.errors")
        moved.setattr(DlibResNetModel, "_default_preprocess", lambda _self, _image: None)
        assert made_here() == before
    for changed in (DlibResNetModel, BaseModel, type(kind("d", pretrained=False).model)):
        with monkeypatch.context() as raised:
            raised.setattr(changed, "outputs_version", "raised")
            assert made_here() != before


def test_a_subclass_of_built_in_code_counts_by_its_own_code_too() -> None:
    plain = key(DlibResNetModel("d", pretrained=False))
    scaled = key(Scaled("d", pretrained=False))
    assert plain != scaled
    globals()["SCALE"] = 3
    try:
        assert key(Scaled("d", pretrained=False)) != scaled
    finally:
        globals()["SCALE"] = 2


def test_stored_distances_are_named_by_version_and_settings() -> None:
    assert RowDistance("cosine").key == "distances-2 cosine p=2.0 offset=0.0 eps=0.0"


def test_what_running_changes_leaves_no_trace_on_the_model() -> None:
    class Counting(Net):
        def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
            self.gain += 0
            self.count = getattr(self, "count", 0) + 1
            return self.model(input_tensor)

        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    model = Counting()
    model.count = 0
    before, attributes = key(model), set(vars(model))
    with running(model):
        model.get_output(torch.zeros(1, 3, 8, 8))
    assert model.count == 1
    assert key(model) == before
    assert set(vars(model)) == attributes
    model.count = 7
    assert key(model) != before


def test_that_nothing_is_kept_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = Net("my net", preprocess_function=made("def f(image):\n    return O", O=iter(())))
    store = EmbeddingStore(tmp_path)
    for _ in range(2):
        assert not ModelCache(model, store, 0, [], "float32").is_on
    [record] = [item for item in caplog.records if "not kept" in item.getMessage()]
    assert record.getMessage().count("my net") == 1


def test_a_model_that_was_copied_or_pickled_is_the_same() -> None:
    import copy
    import pickle

    from support.runs import make_model

    model = make_model()
    before = model_fingerprint(model)
    copied = pickle.loads(pickle.dumps(copy.copy(model)))
    assert model_fingerprint(model) == before
    assert model_fingerprint(copied) == before


@pytest.mark.slow
@pytest.mark.parametrize("family", ["dino", "dino, untrained", "clip", "clip, vision tower"])
def test_a_network_in_another_folder_is_the_same(
    family: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kind = DinoModel if family.startswith("dino") else CLIPModel
    fixture = {"clip": "clip_folder", "clip, vision tower": "clip_vision_folder"}
    folder = request.getfixturevalue(fixture.get(family, "dino_folder"))
    options = {"pretrained": False} if "untrained" in family else {}

    def key_in(place: Path) -> list[str]:
        model = kind("m", version=str(place), device="cpu", **options)
        return [key(model), model_fingerprint(model).notes_key]

    before = key_in(folder)
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert key_in(moved) == before
    # What is in the folder counts.
    path = moved / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    settings["image_mean"] = [0.1, 0.2, 0.3]
    path.write_text(json.dumps(settings))
    assert key_in(moved) != before


def test_what_a_subclass_reads_of_its_origin_counts(dino_folder: Path, tmp_path: Path) -> None:
    class Reading(DinoModel):
        def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
            return super()._forward(input_tensor) * len(self.version)

    moved = shutil.copytree(dino_folder, tmp_path / "moved")
    first, second = (
        key(Reading("m", version=str(place), device="cpu")) for place in (dino_folder, moved)
    )
    assert first != second
