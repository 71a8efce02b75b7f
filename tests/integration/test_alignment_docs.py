"""The examples of docs/alignment.md are run as they stand there."""

from __future__ import annotations

import shlex
import textwrap

import pandas as pd
import pytest
from PIL import Image

from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.faces.detectors import DETECTORS
from facebench.faces.templates import TEMPLATES
from support.pages import examples, text_of
from support.real_weights import YUNET, real_weights

pytestmark = pytest.mark.integration
PAGE = text_of("alignment.md")
NET = """
    from torch import nn
    from facebench import BaseModel

    class MyNet(BaseModel):
        def _build_model(self):
            self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())

        def _forward(self, input_tensor):
            return self.model(input_tensor)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    real_weights(YUNET, tmp_path).rename(tmp_path / "yunet.onnx")
    (tmp_path / "my_net.py").write_text(textwrap.dedent(NET))
    for name in ("crowd/1.jpg", "ann/2.jpg", "bob/5.jpg"):
        (tmp_path / "faces" / name).parent.mkdir(parents=True)
        Image.new("RGB", (60, 60), "grey").save(tmp_path / "faces" / name)
    (tmp_path / "pairs.csv").write_text(examples("alignment.md", "csv")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def example() -> str:
    """Give the configuration, with a task that needs no more than two pairs."""
    (found,) = examples("alignment.md", "yaml")
    assert "task: verification" in found
    return found.replace("task: verification", "task: accuracy, true_label: same")


def test_the_configuration_builds(folder):
    (folder / "x.yaml").write_text(example())
    (model,) = build_experiment(load_config(folder / "x.yaml")).models
    found = model.face_alignment
    assert (found["template"], found["detector"], found["on_no_face"]) == (
        "arcface112", "yunet", "skip",
    )  # fmt: skip


def test_the_pairs_with_hints_are_read(folder):
    from facebench.run.alignment import hints_of
    from facebench.run.task_images import images_of

    (folder / "x.yaml").write_text(
        example().replace("which_face: centre", "which_face: column face")
    )
    experiment = build_experiment(load_config(folder / "x.yaml"))
    (model,), (task,) = experiment.models, experiment.tasks
    hints = hints_of(model, [task], {task.name: images_of(task)})
    assert {path.name: hint for path, hint in hints.items()} == {"1.jpg": (210.0, 96.0)}


def test_the_command_cuts(folder):
    from typer.testing import CliRunner

    from facebench.cli import app

    (line,) = examples("alignment.md", "bash")
    done = CliRunner().invoke(app, shlex.split(line)[1:], env={"FACEBENCH_CACHE": "off"})
    assert done.exit_code == 0, done.output
    assert len(pd.read_csv(folder / "chips" / "chips.csv")) == 0
    assert {path.name for path in (folder / "chips").iterdir()} == {
        "chips.csv", "alignment.json", "alignment.jsonl", "no_face.png",
    }  # fmt: skip


def test_every_template_and_detector_is_in_its_table():
    for name in [*TEMPLATES, *(set(DETECTORS) - {"yunet"})]:
        assert f"| `{name}` |" in PAGE
