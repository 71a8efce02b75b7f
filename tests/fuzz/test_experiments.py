"""Mutated YAML files: read as YAML says, run to the same numbers, or refused in sentences."""

import os
import random
import subprocess
import sys
from contextlib import chdir

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.errors import FacebenchError
from facebench.experiment.yaml_reader import read_yaml
from facebench.testing.world import write_world
from support.mutation import canary, damaged, fuzzed

NET = """
import torch
from torch import nn
from facebench import BaseModel


class Net(BaseModel):
    def __init__(self, name, weights_path=None, extract_layers=None, *, width=4, device=None):
        self.width = width
        super().__init__(name, weights_path, extract_layers, device=device)

    def _build_model(self):
        torch.manual_seed(1)
        self.model = nn.Sequential(
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, self.width)
        )

    def _forward(self, input_tensor):
        return self.model(input_tensor)
"""
SETTINGS = """\
# An experiment.
name: small
images: images
device: cpu
batch_size: 8
num_workers: 0
seed: 3
report: false
plots: false
cache: store
output: runs
"""
EXPERIMENTS = (
    SETTINGS
    + """\
models:
  net: {model: "net.py:Net", width: 4}
  wide:
    model: net.py:Net
    width: 6
    layers: ["1", '2']
tasks:
  verify: {task: accuracy, pairs: pairs.csv, true_label: same}
  rate:
    task: correlation
    pairs: pairs.csv   # rated by people
    correlation_metric: spearman
  effect: &effect
    task: relative-difference
    pairs: pairs.csv
    group_column: group
  again:
    <<: *effect
    distance: euclidean
""",
    SETTINGS
    + """\
models:
- name: net
  model: net.py:Net
tasks:
- name: verify
  task: accuracy
  pairs: "${FACEBENCH_FUZZ_PAIRS:-pairs.csv}"
  true_label: >-
    same
- {name: conditions, task: conditioned-average, pairs: pairs.csv, normalize: false}
""",
)
VALUES = (
    "", "~", "null", "[]", "{}", "[a, b]", "{a: 1}", "true", "yes", "on", "no", "-1", "0", "1", "3",
    "1e3", "1.5", ".nan", ".inf", "0x10", "0o17", "010", "1_000", "1:30", "2024-01-31", "1e400",
    "9" * 5000, "x" * 5000, "é", '"\\0"', '"\\x7f"', '"\\ud800"', "'", '"', "|", ">", "@", "`", "%",
    "!!python/object/apply:os.system [touch CANARY]", "!!python/name:os.system", "!!binary aGk=",
    "!!set {a}", "!!float 3", "!!str 3", "!!int x", "!x 3", "&a [*a]", "*effect", "*nothing",
    "${HOME}", "${NOTHING_OF_THIS_NAME}", "${X:-5}", "$$", "${", "images", "pairs.csv", "../images",
    "/dev/null", "fifo", "net.py", "net.py:Net", "os:system", "accuracy", "same", "group",
    "float16", "skip", "stop", "1 KB", "4 GB", "cuda", "spearman", "euclidean", "[" * 40 + "]" * 40,
    "[" * 5000 + "]" * 5000, "{a: " * 2000, "- " * 2000 + "a",
)  # fmt: skip
KEYS = (
    "name", "images", "models", "tasks", "seed", "batch_size", "distance", "include", "plugins",
    "precision", "max_memory", "on_bad_image", "nothing", "1", "true", "null", "''", '"a b"', "? a",
    "? [a]", "[a]", "{a}", "<<", "é", "model", "task", "pairs", "layers", "width", "folds", "seeds",
    "x" * 3000, "a.b", "../x",
)  # fmt: skip
SAME_FOR_ALL = ("seed", "distance", "precision", "images", "on_bad_image", "device", "batch_size")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    write_world(folder)
    (folder / "net.py").write_text(NET)
    (folder / "part.yaml").write_text("seed: 3\n")
    os.mkfifo(folder / "fifo")
    return folder


def called(command, *arguments):
    done = CliRunner().invoke(app, [command, "x.yaml", *arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert "Traceback" not in done.output
    assert done.exit_code in (0, 1, 2), done.stderr
    if done.exit_code:
        assert "Error: " in done.stderr
        assert len(done.stderr) < 20_000
    return done


def numbers(text):
    """Run an experiment; its results, or None where it does not succeed."""
    from pathlib import Path

    Path("x.yaml").write_bytes(text)
    done = called("run", "--quiet")
    if done.exit_code:
        return None
    found = load_run(done.stdout.strip().splitlines()[-1]).results
    return found[["task", "model", "layer", "condition", "metric", "value"]]


@pytest.fixture(scope="module")
def undamaged(world):
    with chdir(world):
        return [numbers(text.encode()) for text in EXPERIMENTS]


def mutant(text, rng):
    lines = text.splitlines()
    place = rng.randrange(1, len(lines))
    line = lines[place]
    key, colon, value = line.partition(": ")
    indent = " " * (len(line) - len(line.lstrip()))
    change = rng.randrange(14)
    if change <= 3:
        lines[place] = f"{key}{colon or ': '}{rng.choice(VALUES)}"
    elif change == 4:
        lines[place] = f"{indent}{rng.choice(KEYS)}: {value}"
    elif change == 5:
        lines.insert(place, f"{indent}{rng.choice(KEYS)}: {rng.choice(VALUES)}")
    elif change == 6:
        lines.insert(rng.randrange(len(lines)), line)
    elif change == 7:
        del lines[place]
    elif change == 8:
        other = rng.randrange(1, len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    elif change == 9:
        lines[place] = rng.choice([" ", "  ", "\t", "- ", "# "]) + line
    elif change == 10:
        lines.insert(
            0, f"include: {rng.choice(['x.yaml', 'part.yaml', 'fifo', '/dev/zero', *VALUES])}"
        )
    elif change == 11:
        end = rng.choice(["\r\n", "\r", "\u2028", "\n\n", "\n---\n", "\n...\n"])
        return end.join(lines).encode()
    elif change == 12:
        return text.encode(rng.choice(["utf-16", "utf-8-sig", "latin-1", "utf-32"]))
    else:
        return damaged(text.encode(), rng)
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass")


def as_yaml_says(path):
    """Compose with PyYAML alone, every scalar as text; None where that is no plain tree."""
    try:
        with path.open("rb") as file:
            text = file.read().decode("utf-8-sig")
            node = yaml.compose(text, yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None

    def plain(item):
        if isinstance(item, yaml.ScalarNode):
            return item.value
        if isinstance(item, yaml.SequenceNode):
            return [plain(part) for part in item.value]
        keys = [plain(key) for key, _ in item.value]
        assert len(set(map(str, keys))) == len(keys), "a key that is there twice was read"
        return dict(zip(keys, (plain(part) for _, part in item.value), strict=True))

    return None if node is None or "<<" in text else plain(node)


def means(value, text):
    """Tell whether a value is what a scalar's text means."""
    if isinstance(value, dict):
        return value.keys() == text.keys() and all(means(value[k], text[k]) for k in value)
    if isinstance(value, list):
        return len(value) == len(text) and all(map(means, value, text))
    if value is None:
        return text in ("", "~", "null", "Null", "NULL")
    if isinstance(value, bool):
        return str(value).lower() == text.lower()
    if isinstance(value, int):
        return value == (int(text, 0) if text[:2].lower() in ("0x", "0o") else int(text))
    if isinstance(value, float):
        return value == float(text.replace(".inf", "inf").replace(".nan", "nan")) or value != value
    return value == text


def entries(tree, section):
    """Give entries by name, however they are written."""
    found = tree.get(section)
    if isinstance(found, list):
        return {entry["name"]: {k: v for k, v in entry.items() if k != "name"}
                for entry in found if isinstance(entry, dict) and "name" in entry}  # fmt: skip
    return found if isinstance(found, dict) else {}


@fuzzed(in_ci=15)
def test_experiments(seed, world, undamaged):
    rng = random.Random(f"experiments {seed}")
    which = rng.randrange(len(EXPERIMENTS))
    content = mutant(EXPERIMENTS[which], rng)
    path = world / "x.yaml"
    path.write_bytes(content)
    tree = None
    try:
        found = read_yaml(path)
    except FacebenchError as error:
        assert path.name in str(error)  # noqa: PT017
    else:
        tree = as_yaml_says(path)
        assert tree is None or means(found.plain(), tree)
    with canary(world):
        done = called("validate", "--quiet")
        if seed % 100 == 0:
            command = [sys.executable, "-m", "facebench.cli", "validate", "--quiet", "x.yaml"]
            apart = subprocess.run(command, capture_output=True, text=True, check=False)
            assert apart.returncode == done.exit_code
            assert "Traceback" not in apart.stderr
        if done.exit_code or rng.random() < 0.5:
            return
        after = numbers(content)
    if after is None or not isinstance(tree, dict):
        return
    original = yaml.load(EXPERIMENTS[which], yaml.BaseLoader)
    if any(tree.get(key) != original.get(key) for key in (*SAME_FOR_ALL, "include", "plugins")):
        return
    before = undamaged[which]
    kept = {
        section: [
            name
            for name, entry in entries(tree, section).items()
            if entry == entries(original, section).get(name)
        ]
        for section in ("models", "tasks")
    }

    def unchanged(results):
        rows = results["model"].isin(kept["models"]) & results["task"].isin(kept["tasks"])
        return results[rows].sort_values(list(results.columns[:-1])).reset_index(drop=True)

    pd.testing.assert_frame_equal(unchanged(after), unchanged(before))
