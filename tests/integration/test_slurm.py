"""Shards on a real SLURM of two nodes, one of which dies in the middle: one run's numbers."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from support import slurm
from support.runs import N_IMAGES, make_world

pytestmark = [
    pytest.mark.skipif(bool(slurm.absent()), reason=slurm.absent()),
    pytest.mark.timeout(1200),
]

MODEL = '''
import hashlib
import os
import time
from pathlib import Path

import torch
from torch import nn

from facebench import BaseModel


class Slow(BaseModel):
    """Notes which images went through, and takes its time."""

    def _build_model(self):
        generator = torch.Generator().manual_seed(3)
        layer = nn.Linear(48, 8)
        for parameter in layer.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), layer)

    def _forward(self, input_tensor):
        marks = [hashlib.sha256(row.numpy().tobytes()).hexdigest()[:12] for row in input_tensor]
        with Path(f"seen/{os.uname().nodename}-{os.getpid()}").open("a") as file:
            file.write(" ".join(marks) + "\\n")
        time.sleep(float(os.environ.get("FACEBENCH_TEST_SLEEP", "0")))
        return self.model(input_tensor)
'''
EXPERIMENT = """
images: images
models: {slow: {model: slow.py, layers: ["0", "2"]}}
batch_size: 2
num_workers: 0
report: false
plots: false
cache: store
packs: packs
tasks:
  same: {task: accuracy, pairs: same.csv, true_label: same}
  who: {task: identification, gallery: gallery.csv, probes: probes.csv, distractors: "{layer}.npy"}
"""


def call(*arguments, status=0):
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == status, (done.stderr, done.exception)
    return json.loads(done.stdout)


def forwards(folder):
    """Give the images of every batch, without those on which a network is tried at first."""
    batches = []
    for path in folder.iterdir():
        lines = [line.split() for line in path.read_text().splitlines()]
        # It is tried on three images, then on two; batches have two at most.
        tried = {n for n, marks in enumerate(lines) if len(marks) == 3}
        tried |= {n + 1 for n in tried}
        batches += [marks for n, marks in enumerate(lines) if n not in tried]
    return batches


def test_an_array_of_which_a_node_dies(tmp_path, monkeypatch):
    make_world(tmp_path)
    (tmp_path / "slow.py").write_text(MODEL)
    (tmp_path / "x.yaml").write_text(EXPERIMENT)
    images = sorted(path.name for path in (tmp_path / "images").iterdir())
    for name, shown in (("gallery", images[:4]), ("probes", images[4:8])):
        rows = {"image": shown, "identity": ["a", "b", "c", "d"]}
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
    for layer, width in (("0", 48), ("2", 8)):
        others = np.random.default_rng(width).random((30, width), dtype=np.float32)
        np.save(tmp_path / f"{layer}.npy", others)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seen").mkdir()
    alone = call(
        "run", "x.yaml", "--set", "cache=one", "--set", "packs=none", "--set", "name=alone"
    )
    (tmp_path / "seen").rename(tmp_path / "alone")
    (tmp_path / "seen").mkdir()
    with slurm.Cluster(tmp_path / "slurm") as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FACEBENCH_TEST_SLEEP", "0.4")
        jobs = call(
            "slurm", "x.yaml", "--shards", 6, "--cpus", 1, "--time", 30, "--submit", "-o", "jobs"
        )["jobs"]

        def at_work():
            return [
                path for path in (tmp_path / "seen").iterdir() if path.read_text().count("\n") > 3
            ]

        cluster.wait(at_work, "a shard at work", 180)
        cluster.kill("n1")
        cluster.wait(
            lambda: not cluster.call("squeue", "-h", "-j", ",".join(jobs)).strip(),
            "the report",
            900,
        )
        told = call("status", "x.yaml")
        states, searches = told["states"], told["searches"]["states"]
        logs = [path.read_text() for path in (tmp_path / "jobs/logs").iterdir()]
        assert states["done"] == searches["done"] == 6, f"{told}\n{logs}\n{cluster.log()}"
    batches = forwards(tmp_path / "seen")
    counts = Counter(mark for marks in batches for mark in marks)
    assert len(counts) == N_IMAGES
    # Of a node's two cores, each had a batch in work.
    assert sum(counts.values()) - N_IMAGES <= 2 * 2, counts
    found = [path.parent for path in tmp_path.glob("runs/x/2*/manifest.json")]
    assert len(found) == 1, logs
    for name in ("results", "distances"):
        ours, theirs = (
            getattr(load_run(path), name).drop(columns="run", errors="ignore")
            for path in (found[0], alone["run"])
        )
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
