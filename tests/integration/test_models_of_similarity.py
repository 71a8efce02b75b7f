"""docs/models_of_similarity.md: its experiments run, from matrices to shares of the ceiling."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial.distance import pdist
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.data.rdms import read_rdms, write_rdms
from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.experiment.digest import experiment_digest
from facebench.experiment.execution import run_experiment
from support.pages import examples

pytestmark = pytest.mark.integration
blocks = partial(examples, "models_of_similarity.md")
N = 10
NAMES = [f"{number:02d}.png" for number in range(N)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All files that the page names; people weigh what VGG and words say."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", "off")
    rng = np.random.default_rng(0)
    first, second = np.triu_indices(N, 1)
    vgg, clip = rng.normal(size=(2, N, 4)).astype("f4")
    kinds = ["ab"[number % 2] for number in range(N)]
    words = np.array([kinds[a] != kinds[b] for a, b in zip(first, second, strict=True)])
    mean = pdist(vgg, "cosine") + words
    raters = {f"rater_{k}": mean + 0.3 * rng.normal(size=mean.size) for k in range(4)}
    names = np.array(NAMES)
    pairs = pd.DataFrame({"img1": names[first], "img2": names[second], **raters})
    pairs.to_csv("pairs.csv", index=False)
    write_rdms(Path("people.npz"), NAMES, {"p1": raters["rater_0"], "p2": raters["rater_1"]})
    write_rdms(Path("brightness.csv"), NAMES, {"b": rng.random(mean.size)})
    for name, rows in (("vgg", vgg), ("clip", clip)):
        np.savez(f"{name}.npz", images=names, out=rows)
    pd.DataFrame({"image": NAMES, "text": kinds}).to_csv("texts.csv", index=False)
    pd.DataFrame({"image": NAMES, "age": rng.integers(20, 60, N)}).to_csv("images.csv", index=False)
    Path("words.py").write_text(
        "def encode(texts):\n"
        "    return [[float('a' in text), float('b' in text)] for text in texts]\n"
    )
    for name in NAMES:
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(name)
    return tmp_path


def run(text: str) -> Path:
    Path("x.yaml").write_text(f"{text}\nplots: false\nreport: false\n", encoding="utf-8")
    config = load_config("x.yaml")
    outcome = run_experiment(build_experiment(config), experiment_digest(config), None)
    assert outcome.status == "finished"
    return outcome.path


def test_every_experiment_of_the_page_runs(folder: Path) -> None:
    matrices, beyond, several, words = blocks("yaml")
    found = load_run(run(matrices)).results
    assert set(found["task"]) == {"people", "layers"}
    assert "Partial Correlation" in set(found[found["task"] == "layers"]["metric"])
    found = load_run(run(beyond)).results
    assert {"age: Unique R2 (in sample)", "Share of Ceiling"} <= set(found["metric"])
    found = load_run(run(words)).results
    assert found["value"].notna().any()
    path = run(several)
    done = CliRunner().invoke(
        app, ["predictors", str(path), "-p", "vgg,clip,words,pixels", "-o", "shares.csv", "--json"]
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    table = pd.read_csv("shares.csv")
    assert len(told["predictors"]) == len(table)
    held_out = table[(table["what"] == "unique R2") & (table["judged_on"] == "other images")]
    unique = held_out.set_index("predictors")["value"]
    assert unique[["vgg", "words"]].min() > 0.05 > unique[["clip", "pixels"]].max()
    for example in blocks("python"):
        exec(compile(example, "models_of_similarity.md", "exec"), {})
    done = CliRunner().invoke(app, ["rdm", str(path), "-m", "vgg", "-o", "vgg.csv", "-q"])
    assert done.exit_code == 0, done.output
    own = np.load("vgg.npz")["out"]
    np.testing.assert_allclose(read_rdms("vgg.csv").vectors[0], pdist(own, "cosine"), rtol=1e-4)
    done = CliRunner().invoke(app, ["rdm", "x.yaml", "-m", "clip", "-o", "clip.mat", "-q"])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["rdm", str(path), "-o", "vgg.csv"])
    assert done.exit_code == 2
    assert "Say which model" in done.output
