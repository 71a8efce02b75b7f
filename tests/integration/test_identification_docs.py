"""docs/identification.md: its experiment, its commands in two shards, and its Python."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.data.embedding_files import write_embeddings
from facebench.experiment.config import load_config
from facebench.experiment.digest import experiment_digest
from facebench.run.shard_status import StatusFile
from facebench.tasks.shared import distractors
from support.pages import DOCS

EXPERIMENT = """\
name: study
packs: packs
models:
  theirs: {model: embeddings, file: own.npz}
"""


def block(language: str) -> str:
    """Give the first example of the page in a language."""
    page = (DOCS / "identification.md").read_text(encoding="utf-8")
    found = re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert found is not None
    return found[1]


def table(images: range) -> pd.DataFrame:
    rows = [(f"{n:02d}.png", f"p{place:02}") for place, n in enumerate(images)]
    return pd.DataFrame(rows, columns=["image", "identity"])


GALLERY, PROBES = table(range(6)), table(range(6, 13))


def test_the_python_of_the_page() -> None:
    exec(compile(block("python"), "identification", "exec"), {"__name__": "page"})


def call(*arguments: str) -> tuple[int, Any, str]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout or "null"), done.stderr


def test_the_commands_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    (tmp_path / "x.yaml").write_text(EXPERIMENT + block("yaml"))
    for name, rows in (("gallery", GALLERY), ("probes", PROBES)):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    names = [*GALLERY["image"], *PROBES["image"]]
    layers = {
        "a": generator.normal(size=(13, 5)).astype(np.float32),
        "b": generator.normal(size=(13, 3)).astype(np.float32),
    }
    write_embeddings(tmp_path / "own.npz", names, layers, range(13))
    (tmp_path / "megaface" / "theirs").mkdir(parents=True)
    for layer, rows in layers.items():
        for number in range(2):
            others = generator.normal(size=(20, rows.shape[1]))
            np.save(tmp_path / "megaface" / "theirs" / f"{layer}-{number}.npy", others)
    monkeypatch.chdir("/")
    file = str(tmp_path / "x.yaml")
    with monkeypatch.context() as patch:
        patch.setattr(StatusFile, "batch", lambda _self, _n: os.kill(os.getpid(), signal.SIGUSR1))
        assert call("identify", file, "--shard", "0/2")[0] == 75
    assert call("status", file)[1]["searches"]["states"]["stopped"] == 1
    for number in range(2):
        status, found, talk = call("identify", file, "--shard", f"{number}/2")
        assert status == 0, talk
        assert [part["first"] for part in found["parts"]] == [20 * number] * 2
    searches = call("status", file)[1]["searches"]
    assert searches["states"]["done"] == searches["shards"] == 2
    # What the first had done when the signal came, it did not do again.
    assert [one["n_forwards"] for one in searches["each"]] == [20, 40]
    with monkeypatch.context() as patch:
        patch.setattr(distractors, "_searched", None)
        status, _, talk = call("run", file, "--output", str(tmp_path / "runs"))
    assert status == 0, talk
    (made,) = (tmp_path / "runs").iterdir()
    results = load_run(made).results
    assert len(load_run(made).manifest["data"]["megaface"]["distractors"]) == 64
    counts = results[results["metric"] == "Distractors"]["value"]
    assert counts.tolist() == [40, 40]
    status, found, talk = call("slurm", file, "--shards", "2", "--output", str(tmp_path / "jobs"))
    assert status == 0, talk
    scripts = [tmp_path / "jobs" / f"{name}.sbatch" for name in ("shards", "search", "report")]
    assert found["submit"] == (
        f"shards=$(sbatch --parsable {scripts[0]}) && search=$(sbatch --parsable "
        f'--dependency=afterok:"$shards" --kill-on-invalid-dep=yes {scripts[1]}) && sbatch '
        f'--dependency=afterok:"$search" --kill-on-invalid-dep=yes {scripts[2]}'
    )
    assert f'identify {file} --shard "$SLURM_ARRAY_TASK_ID/2"' in scripts[1].read_text()
    assert "scontrol requeue" in scripts[1].read_text()
    # Other distractors are another experiment, also where their names are the same.
    before = experiment_digest(load_config(tmp_path / "x.yaml"))
    np.save(tmp_path / "megaface" / "theirs" / "a-0.npy", np.ones((20, 5)))
    assert experiment_digest(load_config(tmp_path / "x.yaml")) != before
