"""Every example of docs/configuration.md is a configuration that builds."""

import re
import textwrap

import pytest

from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.experiment.schema import ExperimentSettings
from support.pages import examples, text_of

PAGE = text_of("configuration.md")
EXAMPLES = examples("configuration.md", "yaml")

NET = """
    from torch import nn
    from facebench import BaseModel

    class MyNet(BaseModel):
        def _build_model(self):
            self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())

        def _forward(self, input_tensor):
            return self.model(input_tensor)
"""
TASK = """
    from facebench import AccuracyTask

    class MyTask(AccuracyTask):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, true_label="same", **options)

    def my_distance(a, b):
        return abs(a - b).sum()
"""
COMMON = """
models: dlib-resnet
tasks: {same-person: {task: verification, pairs: pairs.csv}}
"""


@pytest.fixture
def folder(tmp_path, world, monkeypatch):
    monkeypatch.delenv("FACES", raising=False)
    (tmp_path / "faces").symlink_to(world.images)
    (tmp_path / "pairs.csv").write_bytes(world.pairs.read_bytes())
    (tmp_path / "my_net.py").write_text(textwrap.dedent(NET))
    (tmp_path / "my_task.py").write_text(textwrap.dedent(TASK))
    (tmp_path / "my_names.py").write_text("")
    (tmp_path / "common.yaml").write_text(COMMON)
    return tmp_path


@pytest.mark.usefixtures("tiny_vgg16")
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example(folder, example):
    (folder / "x.yaml").write_text(example)
    experiment = build_experiment(load_config(folder / "x.yaml"))
    assert experiment.models
    assert experiment.tasks


def test_every_setting_has_its_row():
    table = PAGE.partition("## All settings")[2].partition("```")[0]
    named = set(
        re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)))
    )
    assert named == {*ExperimentSettings.model_fields, "include"}


def test_the_fullest_example_has_every_setting():
    [full] = [example for example in EXAMPLES if "name: everything" in example]
    assert set(re.findall(r"^(\w+):", full, re.MULTILINE)) == set(ExperimentSettings.model_fields)
