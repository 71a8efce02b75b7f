"""Change what determines an embedding and it is a miss; change what does not and it is a hit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import transforms

from facebench.engine.fingerprint import model_fingerprint
from facebench.models.base import BaseModel
from facebench.models.dino import DinoModel
from facebench.models.dlib_resnet import DlibResNetModel

SCALE = 2


class Net(BaseModel):
    def __init__(self, name: str = "net", gain: float = 1.0, **options: Any) -> None:
        self.gain = gain
        super().__init__(name, **options)

    def _build_model(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU())

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        return self.model(input_tensor) * self.gain


def key(model: BaseModel, *arguments: Any, **options: Any) -> str:
    return model_fingerprint(model).layer_key(*(arguments or ("default",)), **options)


def made(source: str, **names: Any) -> Callable[..., Any]:
    """Compile a function `f` as a module of its own would."""
    space: dict[str, Any] = {"__name__": "a_users_module", **names}
    exec(source, space)
    return space["f"]


def with_function(function: Any) -> str | None:
    return model_fingerprint(Net(preprocess_function=function)).preprocessing


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


PREPROCESSINGS: dict[str, Callable[[int], Any]] = {
    "torchvision": lambda n: transforms.Compose([transforms.Resize(n), transforms.ToTensor()]),
    "a lambda in torchvision": lambda n: transforms.Lambda(lambda image: image.rotate(n)),
    "a closure": lambda n: lambda image: image.rotate(n),
    "a default": lambda n: made(f"def f(image, n={n}):\n    return image"),
    "a constant": lambda n: made(f"def f(image):\n    return image.rotate({n})"),
    "a global": lambda n: made("def f(image):\n    return image.rotate(N)", N=n),
    "a helper": lambda n: made(
        "def f(image):\n    return help(image)", help=made(f"def f(image):\n    return {n}")
    ),
    "a helper's global": lambda n: made(
        "def f(image):\n    return help(image)", help=made("def f(image):\n    return N", N=n)
    ),
    "a partial": lambda n: partial(made("def f(n, image):\n    return image"), n),
    "an object": Crop,
    "a method": lambda n: Crop(n).__call__,
    "an array": lambda n: made("def f(image):\n    return A", A=np.arange(n)),
    "a tensor": lambda n: made("def f(image):\n    return A", A=torch.arange(n)),
    "a recursion": lambda n: made(f"def f(image):\n    return f(image) if image else {n}"),
}


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_a_preprocessing_is_told_by_what_it_does(name: str) -> None:
    make = PREPROCESSINGS[name]
    found = [with_function(make(n)) for n in (10, 10, 20)]
    assert found[0] is not None
    assert found[0] == found[1] != found[2]
    assert found[0] != with_function(None)


def test_names_and_comments_of_a_preprocessing_do_not_matter() -> None:
    plain = made("def f(image):\n    return image.rotate(3)")
    spoken = made("def f(image):\n    # turned a bit\n    return image.rotate(3)")
    assert with_function(plain) == with_function(spoken)


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


_IN_A_PROCESS = """
import json
from facebench.engine.code_identity import Identifier
from facebench.data.images import open_image

class Crop:
    sizes = {"b", "a", "c"}
    def __call__(self, image):
        return open_image(image).crop((1, 2, 3, 4)) if image in {"x", "y", "z"} else self

described = json.dumps(Identifier().describe([Crop(), lambda image: image, open_image]))
"""


def test_every_process_finds_the_same_identity() -> None:
    found = []
    for seed in ("1", "2"):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path]),
            "PYTHONHASHSEED": seed,
        }
        result = subprocess.run(
            [sys.executable, "-c", f"{_IN_A_PROCESS}print(described)"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(result.stdout)
    assert found[0] == found[1] != ""


def test_a_model_that_was_copied_or_pickled_is_the_same() -> None:
    import copy
    import pickle

    from support.runs import make_model

    model = make_model()
    before = model_fingerprint(model)
    copied = pickle.loads(pickle.dumps(copy.copy(model)))
    assert model_fingerprint(model) == before
    assert model_fingerprint(copied) == before
