"""What an experiment is, as far as a later run can tell: any change in what it reads shows."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facebench.experiment.config import load_config
from facebench.experiment.digest import data_digest, experiment_digest
from facebench.store import EmbeddingStore

MODEL = """
import os
from pathlib import Path
import helper
from parts.inner import more

HERE = Path(__file__).parent
beside = __import__("importlib").import_module("by_name")

class M:
    scale = (Path(__file__).parent / "k.txt").read_text()
    other = os.environ.get("SOME_SCALE")

    def _build_model(self, k=1):
        names = [f"w{k}.pt", "v%d.pt" % k, "u" + ".npz"]
        return [HERE / "data" / "deep" / "k.npy", names]
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
    (tmp_path / "data" / "deep").mkdir(parents=True)
    for name, text in {
        "m.py": MODEL,
        "helper.py": "from deep import K\n",
        "deep.py": "K = 2\n",
        "parts/__init__.py": "",
        "parts/inner.py": "from . import beside\nmore = beside\n",
        "parts/beside.py": "B = 2\n",
        "unused.py": "",
        "k.txt": "2",
        "data/deep/k.npy": "2",
        "by_name.py": "K = 2",
        "w1.pt": "2",
        "v1.pt": "2",
        "u1.npz": "2",
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
    "a module by its name": lambda folder: (folder / "by_name.py").write_text("K = 3"),
    "a file in a folder": lambda folder: (folder / "data" / "deep" / "k.npy").write_text("3"),
    "a file of an f-string": lambda folder: (folder / "w1.pt").write_text("3"),
    "a file by %": lambda folder: (folder / "v1.pt").write_text("3"),
    "a file by its suffix": lambda folder: (folder / "u1.npz").write_text("3"),
    "a variable": lambda _folder: os.environ.update(SOME_SCALE="3"),
}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["m.py:M", "m:M"])
@pytest.mark.parametrize("what", CHANGES)
def test_what_a_plug_in_takes_from_outside_counts(folder: Path, what: str, target: str) -> None:
    before = digest(folder, target)
    assert digest(folder, target) == before
    CHANGES[what](folder)
    assert digest(folder, target) != before


def test_a_module_on_the_search_path_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    package = elsewhere / "somewhere"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "net.py").write_text("K = 1")
    monkeypatch.syspath_prepend(str(elsewhere))
    before = digest(folder, "somewhere.net:M")
    (package / "net.py").write_text("K = 2")
    assert digest(folder, "somewhere.net:M") != before


def test_numbers_count_as_they_are_written(folder: Path) -> None:
    found = set()
    for code in ("1.1", "1.10"):
        text = EXPERIMENT.format(target="m.py:M").replace(
            "pairs.csv", f"pairs.csv, groups: [{code}]"
        )
        (folder / "x.yaml").write_text(text)
        found.add(experiment_digest(load_config(folder / "x.yaml")))
    assert len(found) == 2


def test_weights_beside_an_onnx_file_count(folder: Path) -> None:
    onnx = pytest.importorskip("onnx")
    tensor = onnx.numpy_helper.from_array(np.array([1.0, 2.0]), "w")
    graph = onnx.helper.make_graph([], "net", [], [], initializer=[tensor])
    model = onnx.helper.make_model(graph)
    onnx.save(
        model, folder / "n.onnx", save_as_external_data=True, location="n.bin", size_threshold=0
    )
    before = digest(folder, "n.onnx")
    content = (folder / "n.bin").read_bytes()
    (folder / "n.bin").write_bytes(content[::-1])
    assert digest(folder, "n.onnx") != before


def test_the_files_of_an_index_of_weights_count(folder: Path) -> None:
    index = folder / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "model-00001-of-00001.safetensors"}}')
    before = digest(folder, index.name)
    (folder / "model-00001-of-00001.safetensors").write_bytes(b"1")
    assert digest(folder, index.name) != before
    index.write_text("{}")
    assert digest(folder, index.name) != before


def test_a_folder_that_timm_has_saved_counts(folder: Path) -> None:
    (folder / "net").mkdir()
    (folder / "net" / "model.safetensors").write_bytes(b"1")
    before = digest(folder, "local-dir:net")
    (folder / "net" / "model.safetensors").write_bytes(b"2")
    assert digest(folder, "local-dir:net") != before


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


def replace_quietly(path: Path, content: bytes = b"new") -> None:
    """Replace the content of a file and keep its size and time."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture(params=["no store", "a store"])
def images(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Path:  # fmt: skip
    """Images in all kinds of places, old enough for their digests to be remembered."""
    store = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("FACEBENCH_CACHE", str(store))
    if request.param == "a store":
        EmbeddingStore(store).close()
        now = time.time_ns
        monkeypatch.setattr(time, "time_ns", lambda: now() + 10**10)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    images = folder / "images"
    for name in ("ann/1.jpg", ".hidden/1.jpg", "old/1.jpg", "deep/er/1.jpg"):
        (images / name).parent.mkdir(parents=True)
        (images / name).write_bytes(b"old")
    for name in ("bob/1.jpg", "bob/in/1.jpg", "1.jpg"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_bytes(b"old")
    (images / "bob").symlink_to(elsewhere / "bob")
    (images / "one.jpg").symlink_to(elsewhere / "1.jpg")
    (images / "current").symlink_to("ann")
    (images / ".#1.jpg").symlink_to("someone@host.1234:5678")
    (images / "itself").symlink_to("itself")
    (images / "ann" / "round").symlink_to("..")
    (elsewhere / "bob" / "round").symlink_to(images)
    (images / "disk").symlink_to("/")
    return images


IMAGES_CHANGED: dict[str, Callable[[Path], object]] = {
    "an image": lambda images: replace_quietly(images / "ann/1.jpg"),
    "an image by another file": lambda images: shutil.copy(
        images.parent / "m.py", images / "ann/1.jpg"
    ),
    "in a folder that is a link": lambda images: replace_quietly(images / "bob/1.jpg"),
    "in a folder of a linked one": lambda images: replace_quietly(images / "bob/in/1.jpg"),
    "behind a link": lambda images: replace_quietly(images / "one.jpg"),
    "in a hidden folder": lambda images: replace_quietly(images / ".hidden/1.jpg"),
    "a new image": lambda images: (images / "deep/er/2.jpg").write_bytes(b"new"),
    "an image less": lambda images: (images / "deep/er/1.jpg").unlink(),
    "a renamed image": lambda images: (images / "ann/1.jpg").rename(images / "ann/2.jpg"),
    "a link elsewhere": lambda images: (
        (images / "current").unlink(),
        (images / "current").symlink_to("old"),
    ),
    "a link to nothing": lambda images: (
        (images / "one.jpg").unlink(),
        (images / "one.jpg").symlink_to("nothing.jpg"),
    ),
}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Links need privileges on Windows")
@pytest.mark.parametrize("what", IMAGES_CHANGED)
def test_images_count_by_content_wherever_links_lead(images: Path, what: str) -> None:
    before, data = digest(images.parent), data_digest(load_config(images.parent / "x.yaml"))
    assert digest(images.parent) == before
    IMAGES_CHANGED[what](images)
    assert digest(images.parent) != before
    assert data_digest(load_config(images.parent / "x.yaml")) != data


@pytest.mark.skipif(os.name == "nt", reason="Links need privileges on Windows")
def test_times_places_and_lock_files_do_not_count(images: Path, tmp_path: Path) -> None:
    (images / "bob/round").unlink()  # It leads to this very place.
    before = digest(images.parent)
    os.utime(images / "ann/1.jpg")
    (images / ".#1.jpg").unlink()
    (images / ".git").mkdir()
    (images / ".git/index").write_bytes(b"")
    assert digest(images.parent) == before
    moved = shutil.copytree(images.parent, tmp_path / "moved", symlinks=True)
    assert digest(moved) == before


def test_a_table_behind_a_link_counts(folder: Path) -> None:
    (folder / "pairs.csv").rename(folder / "true.csv")
    (folder / "pairs.csv").symlink_to("true.csv")
    before = digest(folder)
    (folder / "true.csv").write_text("img1,img2,distance\na,b,1\n")
    assert digest(folder) != before


@pytest.mark.parametrize("inline", [False, True])
def test_trials_of_people_count_by_content_wherever_they_are_described(
    folder: Path, inline: bool
) -> None:
    (folder / "people").mkdir()
    (folder / "people" / "one.csv").write_text("a")
    described = "{trials: 'people/*.csv', kind: rating}"
    (folder / "trials.yaml").write_text(described)
    given = described if inline else "trials.yaml"
    task = f"tasks: {{s: {{task: similarity, pairs: pairs.csv, people: {given}}}}}"
    (folder / "p.yaml").write_text(f"images: images\nmodels: {{m: {{model: 'm.py:M'}}}}\n{task}\n")

    def found() -> str:
        return experiment_digest(load_config(folder / "p.yaml"))

    before = found()
    assert found() == before
    (folder / "people" / "one.csv").write_text("b")
    changed = found()
    assert changed != before
    (folder / "people" / "two.csv").write_text("c")
    assert found() not in (before, changed)


def test_a_run_of_its_own_output_is_the_same_experiment(folder: Path) -> None:
    text = EXPERIMENT.format(target="m.py:M").replace("images: images", "images: .")
    (folder / "x.yaml").write_text(text)
    before = experiment_digest(load_config(folder / "x.yaml"))
    (folder / "runs/x").mkdir(parents=True)
    (folder / "runs/x/results.csv").touch()
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/m.pyc").touch()
    assert experiment_digest(load_config(folder / "x.yaml")) == before
