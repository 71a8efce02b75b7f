"""What a run says of itself, held against the world it ran in."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from datetime import datetime

import psutil
import pytest
import torch
import yaml
from typer.testing import CliRunner

import facebench
from facebench import load_run
from facebench.cli import app
from facebench.results.report.provenance_view import provenance_view

NET = """
import torch
from torch import nn

from facebench import BaseModel


class Net(BaseModel):
    def _build_model(self):
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 4))

    def _forward(self, input_tensor):
        return self.model(input_tensor)
"""


def call(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, f"{done.stderr}\n{done.exception!r}"
    return done


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def place(tmp_path, monkeypatch, world):
    """A folder under version control, with two models of other weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "pairs.csv").write_bytes(world.pairs.read_bytes())
    shutil.copytree(world.images, tmp_path / "faces")
    for seed in (1, 2):
        generator = torch.Generator().manual_seed(seed)
        weights = {"2.weight": (4, 12), "2.bias": (4,)}
        drawn = {key: torch.randn(shape, generator=generator) for key, shape in weights.items()}
        torch.save(drawn, tmp_path / f"{seed}.pth")
    said = {
        "images": "faces",
        "seed": 7,
        "num_workers": 0,
        "batch_size": 5,
        "models": {f"net{seed}": {"model": "net.py", "weights": f"{seed}.pth"} for seed in (1, 2)},
        "tasks": {"same": {"task": "accuracy", "pairs": "pairs.csv", "true_label": "same"}},
    }
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(said))
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    for words in (["init", "-q"], ["add", "x.yaml"], ["commit", "-q", "-m", "an experiment"]):
        author = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run([git, *author, *words], cwd=tmp_path, check=True)
    return tmp_path


def test_it_tells_all_that_a_repetition_needs(place, world):
    call("run", "x.yaml", "--set", "report=false")
    [path] = place.glob("runs/x/2*/")
    manifest = json.loads((path / "manifest.json").read_text())

    config = manifest["config"]["settings"]
    assert (config["seed"], config["batch_size"], config["report"]) == (7, 5, False)
    assert config["tasks"]["same"]["true_label"] == "same"
    assert manifest["config"]["file"] == str(place / "x.yaml")
    assert manifest["seeds"] == {"seed": 7}

    # Data, by content.
    data = manifest["data"]["same"]
    assert data["pairs_digest"] == sha256(place / "pairs.csv")
    images = {row[side] for row in world.rows for side in ("img1", "img2")}
    assert (data["images"]["n_images"], data["images"]["n_missing"]) == (len(images), 0)

    # Weights, and the code that used them.
    records = manifest["provenance"]["models"]
    digests = {record["weights_digest"] for record in records.values()}
    assert len(digests) == 2
    assert all(digests)
    assert len({record["settings_digest"] for record in records.values()}) == 1
    assert len(manifest["code"]["digest"]) == 64
    assert manifest["working_directory"]["path"] == str(place)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=place, text=True).strip()
    assert manifest["working_directory"]["git"]["commit"] == head
    assert manifest["working_directory"]["git"]["changed"] is False

    assert manifest["versions"]["facebench"] == facebench.__version__
    assert manifest["versions"]["torch"] == torch.__version__.partition("+")[0] or (
        manifest["versions"]["torch"] == torch.__version__
    )
    assert manifest["versions"]["python"] == platform.python_version()
    assert manifest["machine"]["host"] == platform.node()
    assert manifest["machine"]["cores"] == os.cpu_count()
    assert manifest["machine"]["memory_bytes"] == psutil.virtual_memory().total
    assert manifest["process"]["pid"] == os.getpid()

    # Timings and the cache.
    begun, saved = (datetime.fromisoformat(manifest[key]) for key in ("created", "saved"))
    took = (saved - begun).total_seconds() + 1
    for record in records.values():
        assert record["n_images"] == record["n_misses"] == record["n_forwards"] == len(images)
        assert record["n_hits"] == record["n_bad"] == 0
        assert {"digest", "decode", "forward", "metric", "export"} <= record["seconds"].keys()
        assert 0 < sum(record["seconds"].values()) < took
        assert record["device"]
    assert 0 < manifest["provenance"]["seconds"]["plot"] < took


def test_a_second_run_finds_what_the_first_stored(place):
    call("run", "x.yaml", "--set", "report=false")
    [one] = place.glob("runs/x/2*/")
    call("run", "x.yaml", "--set", "report=false", "--set", "distance=euclidean")
    # Names of runs within one second are in no order.
    [other] = set(place.glob("runs/x/2*/")) - {one}
    first, second = load_run(one).manifest, load_run(other).manifest
    for name, record in second["provenance"]["models"].items():
        earlier = first["provenance"]["models"][name]
        assert record["n_hits"] == earlier["n_misses"] > 0
        assert record["n_misses"] == record["n_forwards"] == 0
        assert record["weights_digest"] == earlier["weights_digest"]
    assert first["data"] == second["data"]
    assert first["config"]["digest"] != second["config"]["digest"]


def test_the_report_tells_it_and_its_configuration_repeats_the_run(place):
    call("run", "x.yaml")
    [path] = place.glob("runs/x/2*/")
    run = load_run(path)
    page = (path / "report.html").read_text()
    view = provenance_view(run)
    told = dict(pair for _, pairs in view["groups"] for pair in pairs)
    assert told["experiment file"] == str(place / "x.yaml")
    assert told["seed"] == "7"
    assert told["same › pairs_digest"] == sha256(place / "pairs.csv")
    record = run.manifest["provenance"]["models"]["net1"]
    assert told["models › net1 › weights_digest"] == record["weights_digest"]
    assert told["models › net1 › n_misses"] == str(record["n_misses"])
    for value in (record["weights_digest"], run.manifest["working_directory"]["git"]["commit"]):
        assert value in page

    # Saved as the page says, it is the same experiment: nothing is left to do.
    (place / "x.yaml").unlink()
    (place / "experiment.yaml").write_text(view["configuration"])
    again = call("run", "experiment.yaml")
    assert "Nothing is left to do" in again.stderr
