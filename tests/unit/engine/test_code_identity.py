"""What a preprocessing is, by what it does: code, settings, and what it uses."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import defaultdict, namedtuple
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision import transforms

from facebench.engine.code_identity import Identifier, Unidentified
from support.fingerprints import made, with_function


class Crop:
    def __init__(self, margin: int) -> None:
        self.margin = margin

    def __call__(self, image: Any) -> Any:
        return image.crop((self.margin,) * 4)


def with_attribute(function: Any, angle: int) -> Any:
    function.angle = angle
    return function


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
    "a function's attribute": lambda n: with_attribute(
        made("def f(image):\n    return image.rotate(f.angle)"), n
    ),
    "an Ellipsis": lambda n: made(f"def f(image):\n    return image[..., {n}]"),
    "a derived dictionary": lambda n: made(
        "def f(image):\n    return D", D=defaultdict(partial(int, n), a=1)
    ),
    "a named tuple": lambda n: made("def f(image):\n    return D", D=namedtuple("Size", "side")(n)),
    "a tensor of half precision": lambda n: made(
        "def f(image):\n    return D", D=torch.arange(n, dtype=torch.bfloat16)
    ),
    "a recursion": lambda n: made(f"def f(image):\n    return f(image) if image else {n}"),
}


@pytest.mark.slow
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


@pytest.mark.parametrize("hidden", [random.Random(1), threading.local(), np.random.default_rng(1)])
def test_objects_with_a_state_that_nobody_sees_are_unknown(hidden: Any) -> None:
    assert with_function(made("def f(image):\n    return O", O=hidden)) is None


def test_what_is_unknown_is_unknown_where_it_is_met_again() -> None:
    identifier, hidden = Identifier(), random.Random(1)
    for _ in range(2):
        with pytest.raises(Unidentified):
            identifier.describe([hidden])


ARRAYS = {
    "mask": lambda n: np.ma.array([1.0, 2.0], mask=[0, n == 20]),
    "fill value": lambda n: np.ma.array([1.0, 2.0], mask=[0, 1], fill_value=n),
    "class": lambda n: np.ones(2) if n == 10 else np.ones(2).view(np.recarray),
    "conjugate": lambda n: torch.tensor([n * 1j]).conj(),
    "order in memory": lambda n: np.asarray(np.ones((2, 3)), order="C" if n == 10 else "F"),
    "strides": lambda n: torch.ones(3, 2) if n == 10 else torch.ones(2, 3).T,
    "sparse": lambda n: torch.tensor([[0, n]]).to_sparse(),
    "quantized": lambda n: torch.quantize_per_tensor(torch.ones(2), n, 0, torch.quint8),
    "quantized by channel": lambda n: torch.quantize_per_channel(
        torch.ones(2, 2), torch.tensor([1.0, n]), torch.zeros(2), 0, torch.qint8
    ),
}


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")  # Deprecated in 2.14.
@pytest.mark.parametrize("what", ARRAYS)
def test_arrays_of_every_kind_are_told_apart(what: str) -> None:
    first, same, other = (Identifier().describe(ARRAYS[what](n)) for n in (10, 10, 20))
    assert first == same != other


def test_the_class_of_a_class_counts() -> None:
    def kind(number: int) -> type:
        class Meta(type):
            @property
            def gain(cls) -> int:
                return number

        return Meta("Net", (), {})

    assert Identifier().describe(kind(1)) != Identifier().describe(kind(2))


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_package_in_a_folder_of_its_own_counts_by_its_version(
    is_installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        package = folder / "some_zoo"
        package.mkdir(parents=True)
        lines = ["__version__ = '1.0'", "OPAQUE = iter(())", f"NUMBER = {number}"]
        lines += ["def f(image):", "    return image, NUMBER, OPAQUE"]
        (package / "__init__.py").write_text("\n".join(lines))
        if is_installed:
            (folder / "some_zoo-1.0.dist-info").mkdir()
            (folder / "some_zoo-1.0.dist-info" / "RECORD").write_text("some_zoo/__init__.py,,\n")
        with monkeypatch.context() as place:
            place.syspath_prepend(str(folder))
            place.delitem(sys.modules, "some_zoo", raising=False)
            import some_zoo

            found.append(with_function(some_zoo.f))
            place.delitem(sys.modules, "some_zoo")
    assert (found[0] is not None) == is_installed
    assert found[0] == found[1]


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


@pytest.mark.slow
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
