"""What a model's code reads while it runs is in its key, or the model is not kept."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from facebench.engine.fingerprint import ModelFingerprint, model_fingerprint
from facebench.experiment.plugins import import_plugin

BEGINNING = """
import functools
import io
import json
import os
from os import environ, getenv
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from torch import nn
from facebench import BaseModel
from facebench.data.images import open_image

HERE = Path(__file__).parent

class Base(BaseModel):
    def _build_model(self):
        torch.manual_seed(0)
        self.model = nn.Linear(2, 2)
    def _forward(self, x):
        return self.model(x)
"""


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Give the fingerprint of class M of a file that is written as told."""

    def make(source: str, name: str = "m") -> ModelFingerprint:
        path = tmp_path / f"{name}.py"
        path.write_text(BEGINNING + source, encoding="utf-8")
        return model_fingerprint(import_plugin(path.name, tmp_path).M("m"))

    (tmp_path / "k.txt").write_text("2")
    return make


READING = {
    "a file in _forward": """
class M(Base):
    def _forward(self, x):
        return self.model(x) * float((HERE / "k.txt").read_text())
""",
    "open": """
class M(Base):
    def _forward(self, x):
        with open(HERE / "k.txt") as file:
            return self.model(x) * float(file.read())
""",
    "a helper that loads": """
def scale():
    return json.load(io.open(HERE / "k.txt"))
class M(Base):
    def _forward(self, x):
        return self.model(x) * scale()
""",
    "what is loaded once": """
@functools.cache
def scale():
    return np.loadtxt(HERE / "k.txt")
class M(Base):
    def _forward(self, x):
        return self.model(x) * scale()
""",
    "another method": """
class M(Base):
    def _scale(self):
        return np.load(HERE / "k.npy")
    def _forward(self, x):
        return self.model(x) * self._scale()
""",
    "a property": """
class M(Base):
    @property
    def scale(self):
        return float(Path("k.txt").read_text())
    def _forward(self, x):
        return self.model(x) * self.scale
""",
    "a module imported as it runs": """
class M(Base):
    def _forward(self, x):
        import numpy as numbers
        return self.model(x) * numbers.loadtxt(HERE / "k.txt")
""",
    "the preprocessing of an image": """
class M(Base):
    def _default_preprocess(self, image):
        return torch.zeros(3, 2, 2) + float((HERE / "k.txt").read_text())
""",
    "a file beside the image": """
class M(Base):
    def preprocess_image(self, path):
        pixels = np.array(Image.open(path))
        return torch.tensor(pixels * np.load(Path(path).with_suffix(".npy")))
""",
    "a file beside the image that facebench opens": """
class M(Base):
    def preprocess_image(self, path):
        return super().preprocess_image(path) * float(Path("k.txt").read_text())
""",
    "a network's module": """
class Scaled(nn.Linear):
    def forward(self, x):
        return super().forward(x) * float((HERE / "k.txt").read_text())
class M(Base):
    def _build_model(self):
        self.model = Scaled(2, 2)
""",
    "a hook": """
class M(Base):
    def _build_model(self):
        self.model = nn.Linear(2, 2)
        self.model.register_forward_hook(lambda m, i, o: o * np.loadtxt(HERE / "k.txt"))
""",
    "an object that is called": """
class Scale:
    def __call__(self):
        return np.loadtxt(HERE / "k.txt")
class M(Base):
    def _build_model(self):
        super()._build_model()
        self.scale = Scale()
    def _forward(self, x):
        return self.model(x) * self.scale()
""",
    "a variable whose name is computed": """
class M(Base):
    def _forward(self, x):
        return self.model(x) * float(os.environ["K" + x.name])
""",
    "the whole environment": """
class M(Base):
    def _forward(self, x):
        return self.model(x) * len(os.environ)
""",
    "code that is made": """
class M(Base):
    def _forward(self, x):
        return self.model(x) * eval("2")
""",
    **{
        f"by {what}": f"""
class M(Base):
    def _forward(self, x):
        import {what.partition(".")[0]}
        return self.model(x) * float({call})
"""
        for what, call in {
            "subprocess.run": "subprocess.run(['cat', 'k.txt'], capture_output=True).stdout",
            "os.popen": "os.popen('cat k.txt').read()",
            "os.stat": "os.stat('k.txt').st_mtime_ns",
            "os.path": "os.path.getsize('k.txt')",
            "io.FileIO": "io.FileIO('k.txt').read()",
            "fileinput": "next(fileinput.FileInput('k.txt'))",
            "pandas.read_fwf": "pandas.read_fwf('k.txt', header=None)[0][0]",
            "torch.from_file": "torch.from_file('k.txt', dtype=torch.uint8, size=1)[0]",
            "socket": "socket.create_connection(('localhost', 1)).recv(1)",
        }.items()
    },
}


CHANGING = {
    "random.random": "random.random()",
    "random of numpy": "np.random.rand()",
    "torch.rand": "torch.rand(1)",
    "a method": "torch.empty(1).normal_()",
    "a variational layer": "torch.randn_like(x)",
    "time": "time.time() % 1",
    "the day": "datetime.date.today().day",
    "os.urandom": "os.urandom(1)[0]",
}


@pytest.mark.parametrize("what", CHANGING)
def test_what_draws_numbers_or_asks_for_the_time_is_not_kept(made: Any, what: str) -> None:
    source = f"""
import datetime, random, time
class M(Base):
    def _forward(self, x):
        return self.model(x) * {CHANGING[what]}
"""
    assert "draws random numbers or asks for the time" in made(source).why


@pytest.mark.parametrize(
    "body",
    [
        "x * torch.rand(1) if self.model.training else x",
        "x * torch.rand(1, generator=torch.Generator().manual_seed(0))",
        "x * float(np.random.default_rng(0).random())",
        "(time.perf_counter(), x)[1]",
    ],
)
def test_what_draws_in_training_only_or_from_a_seed_is_kept(made: Any, body: str) -> None:
    source = f"import time\nclass M(Base):\n    def _forward(self, x):\n        return {body}\n"
    assert made(source).why == ""


@pytest.mark.parametrize(
    ("method", "is_kept"), [("_build_model", True), ("__init__", True), ("_forward", False)]
)
@pytest.mark.parametrize("question", ["Path('w.pt').exists()", "os.path.exists('w.pt')"])
def test_a_question_to_the_file_system_counts_where_it_is_asked_per_image(
    made: Any, method: str, is_kept: bool, question: str
) -> None:
    source = f"""
class M(Base):
    def {method}(self, *given):
        if {question}:
            print("found")
        return super().{method}(*given)
"""
    why = made(source).why
    assert (why == "") == is_kept
    assert is_kept or "exists" in why


SEARCHING = {
    "globals": "globals()['HERE']",
    "sys.modules": "sys.modules[__name__].HERE",
    "sys._getframe": "sys._getframe(1).f_globals['HERE']",
    "an operator that others registered": "torch.ops.of_somebody.scale(x)",
}


@pytest.mark.parametrize("what", SEARCHING)
def test_code_that_finds_any_name_is_not_kept(made: Any, what: str) -> None:
    source = f"import sys\nclass M(Base):\n    def _forward(self, x):\n        {SEARCHING[what]}\n"
    fingerprint = made(source + "        return self.model(x)\n")
    assert fingerprint.preprocessing is None
    assert re.search("looks names up|calls an operator", fingerprint.why)


@pytest.mark.slow
@pytest.mark.parametrize("what", READING)
def test_what_reads_something_unknown_is_not_kept(made: Any, what: str) -> None:
    fingerprint = made(READING[what])
    assert fingerprint.preprocessing is None
    assert "reads" in fingerprint.why or "makes code" in fingerprint.why
    assert "fingerprint = " in fingerprint.why
    declared = READING[what].replace("class M(Base):", "class M(Base):\n    fingerprint = 'v1'")
    assert made(declared, "declared").preprocessing is not None


KEPT = {
    "reading while the network is built": """
class M(Base):
    def _build_model(self):
        super()._build_model()
        self.scale = self._scale()
    def _scale(self):
        return float((HERE / "k.txt").read_text())
    def _forward(self, x):
        return self.model(x) * self.scale
""",
    "reading while the file is imported": """
SCALE = float((HERE / "k.txt").read_text())
class M(Base):
    def _forward(self, x):
        return self.model(x) * SCALE
""",
    "a variable": """
class M(Base):
    def _forward(self, x):
        return self.model(x) * float(os.environ.get("SOME_SCALE", "2"))
""",
    "a variable by function": """
class M(Base):
    def _forward(self, x):
        return self.model(x) * float(getenv("SOME_SCALE", "2"))
""",
    "a variable of the imported environment": """
class M(Base):
    def _forward(self, x):
        return self.model(x) * float(environ["SOME_SCALE"] if "y" else 0)
""",
}


@pytest.mark.parametrize("what", KEPT)
def test_what_is_known_by_its_value_is_kept_and_told_apart(
    made: Any, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_SCALE", "2")
    before = made(KEPT[what]).layer_key("default")
    assert made(KEPT[what], "moved").layer_key("default") == before
    monkeypatch.setenv("SOME_SCALE", "9")
    (tmp_path / "k.txt").write_text("9")
    assert made(KEPT[what], "changed").layer_key("default") != before


@pytest.mark.parametrize(
    "body",
    [
        "return torch.tensor(np.array(Image.open(path)))",
        "return torch.tensor(np.array(open_image(path)))",
        "return super().preprocess_image(path) * 2",
        "return torch.tensor(np.frombuffer(Path(path).read_bytes()))",
        "return torch.tensor(np.array(Image.open(path))) if os.path.exists(path) else None",
    ],
)
def test_the_image_itself_may_be_read(made: Any, body: str) -> None:
    source = f"class M(Base):\n    def preprocess_image(self, path):\n        {body}\n"
    assert made(source).why == ""


def test_what_is_written_and_facebench_s_own_settings_do_not_count(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
class M(Base):
    def _forward(self, x):
        with (HERE / "log").open("a") as file:
            file.write(os.environ.get("FACEBENCH_ANYTHING", ""))
        return self.model(x)
"""
    before = made(source).layer_key("default")
    monkeypatch.setenv("FACEBENCH_ANYTHING", "1")
    assert made(source, "again").layer_key("default") == before


HELPERS = {
    "its function": ("import helper", "helper.f(x)"),
    "a function of it": ("from helper import f", "f(x)"),
    "its constant": ("import helper as h", "x * h.K"),
    "imported as it runs": ("", "__import_here__"),
}


@pytest.mark.parametrize("how", HELPERS)
def test_a_helper_module_that_changes_is_noticed(
    how: str, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    begin, use = HELPERS[how]
    body = f"return {use}"
    if not begin:
        body = "from helper import f\n        return f(x)"
    source = f"{begin}\nclass M(Base):\n    def _forward(self, x):\n        {body}\n"

    def with_helper(text: str, name: str) -> str:
        helper = ModuleType("helper")
        helper.__file__ = str(tmp_path / "helper.py")
        exec(text, vars(helper))
        monkeypatch.setitem(sys.modules, "helper", helper)
        return made(source, name).layer_key("default")

    plain = "K = 2.0\ndef f(x):\n    return x * K\n"
    before = with_helper(plain, "a")
    assert with_helper("# scaled\n" + plain, "b") == before
    assert with_helper(plain.replace("2.0", "9.0"), "c") != before


def test_an_object_that_holds_the_environment_is_not_kept(made: Any) -> None:
    source = """
class M(Base):
    def _build_model(self):
        super()._build_model()
        self.settings = os.environ
"""
    assert "holds the environment" in made(source).why
