"""Whatever arguments an experiment gives to models and tasks, `validate` ends with a sentence."""

import contextlib
import re
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from facebench.cli import app
from facebench.experiment.arguments import parameters_of
from facebench.experiment.registry import MODELS, TASKS
from facebench.testing.world import write_world

NET = """
from collections.abc import Sequence

import torch
from torch import nn

from facebench import BaseModel


class Net(BaseModel):
    def __init__(self, name, weights_path=None, extract_layers=None, *, width: int = 4,
                 sides: Sequence[int] = (2, 2), kind="a", seed: int = 0, device=None):
        self.width, self.sides, self.kind, self.seed = width, sides, kind, seed
        super().__init__(name, weights_path, extract_layers, device=device)

    def _build_model(self):
        pool = nn.AdaptiveAvgPool2d(tuple(self.sides))
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            last = nn.Linear(12, min(self.width, 64))
        self.model = nn.Sequential(pool, nn.Flatten(), last)

    def _forward(self, input_tensor):
        return {"a": self.model(input_tensor)}[self.kind]
"""
# What each task needs to be made of the generated tables.
NEEDED = {name: {"pairs": "pairs.csv"} for name in TASKS.names()} | {
    "identification": {"gallery": "gallery.csv", "probes": "probes.csv"},
    "template-verification": {"templates": "templates.csv", "pairs": "template_pairs.csv"},
    "matching": {"trials": "trials.csv"},
    "ranking": {"trials": "trials.csv"},
    "recognition-memory": {"study": "study.csv", "test": "test.csv"},
    "probe": {"table": "table.csv", "target": "label"},
    "odd-one-out": {"triplets_file_path": "triplets_file_path.csv"},
    "rsa": {"reference": "pairs.csv"},
    "group-errors": {"pairs": "pairs.csv", "fmr": 0.25},
}
TEXTS = st.sampled_from(
    ["", "same", "img1", "near", "nobody", "pairs.csv", "images", "no.csv", "gallery.csv", "a/b",
     "euclidean", "spearman", "builtins:len", "os:sep", "net.py", "net.py:Net", "no.py:x", "0",
     "ä" * 300]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), st.integers(), st.floats(), TEXTS
)  # fmt: skip
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(TEXTS, SCALARS, max_size=2),
    st.lists(st.lists(SCALARS, max_size=2), max_size=2),
)
MODEL_KEYS = ["weights", "layers", "seeds", "width", "sides", "kind", "seed", "device", "nothing"]
SETTINGS = ["device", "batch_size", "num_workers", "precision", "max_memory", "seed", "distance",
            "accelerate", "on_bad_image", "on_no_face", "cache", "images", "plugins", "output",
            "name"]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    write_world(folder)
    (folder / "net.py").write_text(NET)
    return folder


@pytest.fixture(scope="module")
def validated(place):

    def call(model=None, task=("accuracy", {}), **settings):
        name, arguments = task
        said = {
            "images": "images",
            "num_workers": 0,
            "models": {"m": {"model": "net.py", **(model or {})}},
            "tasks": {"t": {"task": name, **NEEDED.get(name, {}), **arguments}},
        }
        (place / "x.yaml").write_text(yaml.safe_dump(said | settings))
        done = CliRunner().invoke(app, ["validate", "x.yaml"])
        assert done.exception is None or isinstance(done.exception, SystemExit), repr(said)
        assert done.exit_code in (0, 2), done.stderr
        assert "Traceback" not in done.output
        if done.exit_code == 2:
            errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
            assert errors, done.stderr
        return SimpleNamespace(status=done.exit_code, talk=done.stderr)

    with contextlib.chdir(place):
        yield call


def assert_clear(done):
    """A sentence, and not what Python happened to stumble over."""
    if done.status == 2:
        assert not re.match(r"Error: \S+ \w*(Error|Exception): ", done.talk), done.talk


fuzzed = settings(max_examples=25)


def test_what_is_needed_is_enough(validated):
    for name in TASKS.names():
        done = validated(task=(name, {}))
        # Effects ask for conditions that are not among the generated ones.
        assert done.status == 0 or "names the condition" in done.talk, done.talk


@fuzzed
@given(data=st.data())
def test_any_argument_of_any_task_of_ours(validated, data):
    name = data.draw(st.sampled_from(TASKS.names()))
    known = [key for key in parameters_of(TASKS.get(name)) if key != "name"]
    keys = st.sampled_from([*known, "nothing"])
    arguments = data.draw(st.dictionaries(keys, VALUES, min_size=1, max_size=2))
    assert_clear(validated(task=(name, arguments)))


@fuzzed
@given(arguments=st.dictionaries(st.sampled_from(MODEL_KEYS), VALUES, min_size=1, max_size=3))
def test_any_argument_of_a_model_of_a_file(validated, arguments):
    validated(model=arguments)


@fuzzed
@given(said=st.dictionaries(st.sampled_from(SETTINGS), VALUES, min_size=1, max_size=3))
def test_any_setting(validated, said):
    validated(**said)


def test_no_seeds_and_the_same_twice(validated):
    assert "models.m.seeds must name at least one." in validated(model={"seeds": []}).talk
    assert "Two models are named 'm-seed3'" in validated(model={"seeds": [3, 3]}).talk


@settings(max_examples=12)
@given(
    name=st.sampled_from(
        [*MODELS.names(), "net.py:Net", "net:Net", "no.py", "pairs.csv", "os:sep"]
    ),
    version=st.sampled_from(["nowhere", "ViT-B/32", "", 3, ["a"], "images"]),
)
def test_models_that_are_not_there(validated, name, version):
    keys = {"clip": "version", "dinov2": "version", "vgg16": "weights", "dlib-resnet": "weights"}
    keys |= {"embeddings": "file", "scores": "file"}
    assert_clear(validated(model={"model": name, keys.get(name, "kind"): version}))
