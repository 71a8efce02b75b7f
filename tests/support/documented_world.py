"""What the commands of the pages find: faces, tables, experiments and finished runs, all small."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from typer.testing import CliRunner

from facebench.cli import app
from facebench.stimuli import make_conditions, make_rendered_faces
from support.face_sets import calfw
from support.whole_networks import save_onnx

PEOPLE, PHOTOGRAPHS, RATERS = 4, 2, 3
TINY = """
from torch import nn

from facebench import BaseModel


class Tiny(BaseModel):
    def _build_model(self):
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())

    def _forward(self, input_tensor):
        return self.model(input_tensor)
"""
WORDS = """
import numpy as np


def encode(texts):
    return np.array([[len(text), text.count("1"), text.count("2")] for text in texts], float)
"""
EXPERIMENT = """
images: faces
num_workers: 0
plots: false
packs: packs
models:
  dlib-resnet: {model: dlib-resnet}
tasks:
  same-person: {task: verification, pairs: pairs.csv, true_label: same, folds: 2}
"""
STUDY = """
images: faces
num_workers: 0
plots: false
report: false
name: study
models: {shallow: tiny.py, plain: {model: dlib-resnet, pretrained: false}}
tasks:
  LFW: {task: verification, pairs: pairs.csv, true_label: same, folds: 2}
"""
INVERSION = """
images: stimuli
num_workers: 0
plots: false
report: false
name: inversion
models: {shallow: tiny.py, plain: {model: dlib-resnet, pretrained: false}}
tasks:
  Inversion: {task: inversion-effect, pairs: stimuli/inverted.csv, people: people.yaml}
"""
# As docs/models_of_similarity.md has it, with a file of distances besides.
SIMILARITY = """
images: faces
num_workers: 0
plots: false
report: false
name: x
models:
  vgg: {model: embeddings, file: vgg.npz}
  clip: {model: embeddings, file: clip.npz}
  theirs: {model: embeddings, file: theirs.npz}
  words: {model: text, file: texts.csv, encoder: "words.py:encode"}
tasks:
  people: {task: predictors, pairs: pairs.csv, predictors: {pixels: pixels}}
"""
PEOPLES_TRIALS = """
trials: trials.csv
kind: same-different
columns:
  {participant: participant, img1: img1, img2: img2, response: response, rt: rt, group: group}
conditions: condition
response: {same: 1, different: 0}
"""


def facebench(*arguments: str) -> str:
    """Run a command; returns what it prints."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, f"{arguments}\n{done.output}\n{done.stderr}\n{done.exception!r}"
    return done.output


def make_world(folder: Path) -> None:
    """Write it all into a folder, which is the current one."""
    rng = np.random.default_rng(0)
    photographs = make_rendered_faces(
        folder / "rendered", n_people=PEOPLE, n_images=PHOTOGRAPHS, size=160, workers=1
    ).images_path
    photographs.rename(folder / "faces")
    make_conditions(folder / "faces", folder / "stimuli", ["inverted"], workers=1)
    # A folder of photographs, as they come.
    for path in Path("faces").glob("*.*"):
        path.unlink()
    names = sorted(str(path.relative_to("faces")) for path in Path("faces").rglob("*.png"))
    pairs = pd.DataFrame(
        [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]], columns=["img1", "img2"]
    )
    pairs["same"] = (pairs["img1"].str[:10] == pairs["img2"].str[:10]).astype(int)
    for rater in range(1, RATERS + 1):
        pairs[f"rater_{rater}"] = (3 - 2 * pairs["same"] + rng.normal(size=len(pairs))).round(2)
    pairs.to_csv("pairs.csv", index=False)
    pairs.drop(columns="same").to_csv("ratings.csv", index=False)
    for name in ("vgg", "clip", "theirs"):
        np.savez(f"{name}.npz", names=names, embeddings=rng.normal(size=(len(names), 8)))
    pd.DataFrame({"image": names, "text": names}).to_csv("texts.csv", index=False)
    write_trials()
    for name, text in {
        "tiny.py": TINY, "words.py": WORDS, "people.yaml": PEOPLES_TRIALS,
        "experiment.yaml": EXPERIMENT, "x.yaml": EXPERIMENT, "study.yaml": STUDY,
        "similarity.yaml": SIMILARITY, "inversion.yaml": INVERSION,
    }.items():  # fmt: skip
        Path(name).write_text(text, encoding="utf-8")
    shutil.copytree("faces", "photographs")
    save_onnx("net.onnx", batch=None)
    calfw(folder / "data" / "calfw")
    make_runs()


def write_trials() -> None:
    """Write trials of two groups of participants who saw the stimuli."""
    facebench("people", "simulate", "stimuli/inverted.csv", "--participants", "8", "--quiet")
    trials = pd.read_csv("trials.csv")
    number = trials["participant"].str[1:].astype(int)
    trials["group"] = np.where(number % 2, "control", "prosopagnosia")
    trials.to_csv("trials.csv", index=False)


def make_runs() -> None:
    """Run the experiments, and put copies where the pages look."""
    for name in ("similarity", "inversion", "experiment", "study"):
        facebench("run", f"{name}.yaml", "--quiet")
    facebench("run", "study.yaml", "--quiet", "--set", "tasks.LFW.folds=3")
    runs = Path("runs")
    (runs / "study" / "latest").unlink()
    first, second = sorted(runs.glob("study/2*"))
    shutil.copytree(first, runs / "first" / first.name)
    shutil.copytree(second, runs / "second" / second.name)
    first.rename(runs / "study" / "2026-11-01-a1")
    second.rename(runs / "study" / "2026-11-02-b2")
