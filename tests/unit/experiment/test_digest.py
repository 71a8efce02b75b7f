"""A rerun is told from a finished run by all that its plug-in files take from outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from facebench.experiment.config import load_config
from facebench.experiment.digest import experiment_digest

MODEL = """
import os
from pathlib import Path
import helper
from parts.inner import more

class M:
    scale = (Path(__file__).parent / "k.txt").read_text()
    other = os.environ.get("SOME_SCALE")
"""
EXPERIMENT = """
images: images
models: {{m: {{model: "{target}"}}}}
tasks: {{c: {{task: correlation, pairs: pairs.csv}}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "parts").mkdir()
    for name, text in {
        "m.py": MODEL,
        "helper.py": "from deep import K\n",
        "deep.py": "K = 2\n",
        "parts/__init__.py": "",
        "parts/inner.py": "from . import beside\nmore = beside\n",
        "parts/beside.py": "B = 2\n",
        "unused.py": "",
        "k.txt": "2",
        "other.txt": "2",
        "pairs.csv": "img1,img2,distance\n",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("SOME_SCALE", "2")
    return tmp_path


def digest(folder: Path, target: str = "m.py:M") -> str:
    (folder / "x.yaml").write_text(EXPERIMENT.format(target=target))
    return experiment_digest(load_config(folder / "x.yaml"))


CHANGES: dict[str, Callable[[Path], object]] = {
    "the file": lambda folder: (folder / "m.py").write_text(MODEL + "X = 1\n"),
    "a helper": lambda folder: (folder / "helper.py").write_text("K = 3\n"),
    "a helper's helper": lambda folder: (folder / "deep.py").write_text("K = 3\n"),
    "a package": lambda folder: (folder / "parts" / "__init__.py").write_text("A = 1\n"),
    "a module beside": lambda folder: (folder / "parts" / "beside.py").write_text("B = 3\n"),
    "a data file": lambda folder: (folder / "k.txt").write_text("3"),
    "a variable": lambda _folder: os.environ.update(SOME_SCALE="3"),
}


@pytest.mark.parametrize("target", ["m.py:M", "m:M"])
@pytest.mark.parametrize("what", CHANGES)
def test_what_a_plug_in_takes_from_outside_counts(folder: Path, what: str, target: str) -> None:
    before = digest(folder, target)
    assert digest(folder, target) == before
    CHANGES[what](folder)
    assert digest(folder, target) != before


def test_what_it_does_not_name_does_not_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest(folder)
    (folder / "unused.py").write_text("A = 1\n")
    (folder / "other.txt").write_text("3")
    monkeypatch.setenv("ANOTHER", "3")
    assert digest(folder) == before


def test_a_file_that_is_no_python_counts_by_its_content(folder: Path) -> None:
    (folder / "m.py").write_text("class M(:\n")
    before = digest(folder)
    (folder / "m.py").write_text("class M((:\n")
    assert digest(folder) != before
