"""Every example of docs/onnx.md runs, on networks of the names it uses."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from facebench.cli import app
from support.pages import examples
from support.whole_networks import save_exported, save_onnx, save_script

EXAMPLES = examples("onnx.md", "yaml")


@pytest.fixture
def folder(tmp_path, world, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    (tmp_path / "faces").symlink_to(world.images)
    (tmp_path / "pairs.csv").write_bytes(world.pairs.read_bytes())
    return tmp_path


def save(name):
    if name.endswith(".onnx"):
        save_onnx(name, batch=None if name == "net.onnx" else 1)
    else:
        (save_script if name.endswith(".pt") else save_exported)(name)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example(folder, example):
    (folder / "e.yaml").write_text(example)
    ((name, said),) = yaml.safe_load(example)["models"].items()
    save(said["weights"])
    done = CliRunner().invoke(app, ["run", "e.yaml"])
    assert done.exit_code == 0, done.output
    (manifest,) = folder.glob("runs/*/2*/manifest.json")
    facts = json.loads(manifest.read_text())["models"][name]
    assert {"file", "sha256", "input", "engine"} <= set(facts)
    assert facts.get("input from", "").startswith("guessed") == ("input" not in said)


def test_every_kind_has_an_example():
    named = {
        model["model"] for text in EXAMPLES for model in yaml.safe_load(text)["models"].values()
    }
    assert named == {"onnx", "torchscript", "torch-export"}
