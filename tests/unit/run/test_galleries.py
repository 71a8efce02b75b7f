"""Galleries with distractors through whole runs: from packs, in shards, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facebench import IdentificationTask, MultiModelTaskManager, load_run
from facebench.cli import app
from facebench.data.embedding_files import write_embeddings
from facebench.errors import InputError
from facebench.experiment.config import load_config
from facebench.experiment.digest import experiment_digest
from facebench.tasks.shared import distractors
from support import runs


def table(images: range, first_person: int = 0) -> pd.DataFrame:
    rows = [(f"{n:02d}.png", f"p{first_person + place:02}") for place, n in enumerate(images)]
    return pd.DataFrame(rows, columns=["image", "identity"])


GALLERY, PROBES, CROWD = table(range(6)), table(range(6, 13)), table(range(13, 24), 50)


def manager(folder: Path, gallery: Any = GALLERY, **options: Any) -> MultiModelTaskManager:
    task = IdentificationTask(
        "who", gallery, PROBES, folder / "images", distractors=options.pop("distractors", None)
    )
    given = {"batch_size": 4, "num_workers": 0, "cache_dir": folder / "cache", **options}
    return MultiModelTaskManager([runs.make_model(["2", "4"])], task, **given)


def items(made: MultiModelTaskManager, folder: Path, name: str) -> pd.DataFrame:
    made.run_all_tasks_all_models(folder / name, plots=False)
    found = made.model_task_distances_dfs["net"]["who"]
    return found[["rank", "mate_distance", "templates", "distance_1", "distance_5", "layer_name"]]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Images, and packs of the embeddings of a crowd."""
    runs.make_world(tmp_path)
    crowd = IdentificationTask("crowd", CROWD, CROWD, tmp_path / "images")
    for number in range(2):
        MultiModelTaskManager(
            [runs.make_model(["2", "4"])],
            crowd,
            num_workers=0,
            cache_dir=tmp_path / f"node {number}",
            packs=tmp_path / "crowd",
        ).embed_shard(number, 2)
    return tmp_path


def test_packs_searched_in_shards_give_the_numbers_of_one_gallery(
    world: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shared = {"packs": world / "packs", "distractors": world / "crowd"}
    with pytest.raises(InputError, match=r"13 images .* not embedded yet. .*facebench embed"):
        manager(world, **shared).search_shard(0, 3)
    manager(world, **shared).embed_shard(0, 1)
    whole = pd.concat([GALLERY, CROWD])
    expected = items(manager(world, whole, packs=world / "crowd"), world, "whole")
    assert expected["templates"].eq(17).all()
    alone = items(manager(world, distractors=world / "crowd"), world, "alone")
    pd.testing.assert_frame_equal(alone, expected, check_exact=True)
    for number in range(3):
        node = manager(world, cache_dir=world / f"other node {number}", **shared)
        parts = node.search_shard(number, 3)
        assert [part.layer for part in parts] == ["2", "4"]
        assert all(part.is_new for part in parts)
    monkeypatch.setattr(distractors, "_searched", None)
    merged = items(manager(world, cache_dir=world / "last", **shared), world, "merged")
    pd.testing.assert_frame_equal(merged, expected, check_exact=True)
    # Images of the task that are in the packs are no distractors; of other tasks they are.
    monkeypatch.undo()
    manager(world, packs=world / "crowd").embed_shard(0, 1)
    beside = manager(world, distractors=world / "crowd")
    beside.add_tasks(IdentificationTask("crowd", CROWD, CROWD, world / "images"))
    again = items(beside, world, "again")
    pd.testing.assert_frame_equal(again, expected, check_exact=True)
    for pack in (world / "crowd").iterdir():
        if pack.is_file():
            data = bytearray(pack.read_bytes())
            data[-5] ^= 1
            pack.write_bytes(data)
    with pytest.raises(InputError, match=r"rows of the packs in .* are damaged"):
        items(manager(world, distractors=world / "crowd"), world, "damaged")


def test_packs_of_another_model_are_refused(world: Path) -> None:
    made = manager(world, distractors=world / "crowd", precision="bfloat16")
    with pytest.raises(InputError, match=r"No pack .* same weights.* There are: net 2 \(float32\)"):
        items(made, world, "out")


def test_shards_need_packs_and_distractors(tmp_path: Path) -> None:
    runs.make_world(tmp_path)
    with pytest.raises(InputError, match="packs"):
        manager(tmp_path).search_shard(0, 2)
    with pytest.raises(InputError, match="No identification task has distractors"):
        manager(tmp_path, packs=tmp_path / "packs").search_shard(0, 2)
    with pytest.raises(InputError, match="do not exist"):
        manager(tmp_path, distractors=tmp_path / "gone.npy").plan()


def test_files_of_another_width_are_told_after_the_first_batch(tmp_path: Path) -> None:
    runs.make_world(tmp_path)
    np.save(tmp_path / "crowd.npy", np.ones((5, 3), dtype=np.float32))
    made = MultiModelTaskManager(
        [runs.make_model(["4"])],
        IdentificationTask(
            "who", GALLERY, PROBES, tmp_path / "images", distractors=tmp_path / "crowd.npy"
        ),
        batch_size=2,
        num_workers=0,
        cache_dir=None,
    )
    with pytest.raises(InputError, match="have 3 values, embeddings of 'net', layer '4', have 8"):
        made.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert made.models["net"].images_seen < 13


EXPERIMENT = """\
name: crowd
packs: packs
models:
  theirs: {model: embeddings, file: own.npz}
tasks:
  who:
    task: identification
    gallery: gallery.csv
    probes: probes.csv
    distractors: 'crowd/{model}/{layer}-*.npy'
"""


def call(*arguments: str) -> tuple[int, Any, str]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout or "null"), done.stderr


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    (tmp_path / "x.yaml").write_text(EXPERIMENT)
    for name, rows in (("gallery", GALLERY), ("probes", PROBES)):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    names = [*GALLERY["image"], *PROBES["image"]]
    layers = {
        "a": generator.normal(size=(13, 5)).astype(np.float32),
        "b": generator.normal(size=(13, 3)).astype(np.float32),
    }
    write_embeddings(tmp_path / "own.npz", names, layers, range(13))
    (tmp_path / "crowd" / "theirs").mkdir(parents=True)
    for layer, rows in layers.items():
        for number in range(2):
            others = generator.normal(size=(20, rows.shape[1]))
            np.save(tmp_path / "crowd" / "theirs" / f"{layer}-{number}.npy", others)
    monkeypatch.chdir("/")
    file = str(tmp_path / "x.yaml")
    for number in range(2):
        status, found, talk = call("identify", file, "--shard", f"{number}/2")
        assert status == 0, talk
        assert [part["first"] for part in found["parts"]] == [20 * number] * 2
    with monkeypatch.context() as patch:
        patch.setattr(distractors, "_searched", None)
        status, _, talk = call("run", file, "--output", str(tmp_path / "runs"))
    assert status == 0, talk
    (made,) = (tmp_path / "runs").iterdir()
    results = load_run(made).results
    assert len(load_run(made).manifest["data"]["who"]["distractors"]) == 64
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
    # Other distractors are another experiment, also where their names are the same.
    before = experiment_digest(load_config(tmp_path / "x.yaml"))
    np.save(tmp_path / "crowd" / "theirs" / "a-0.npy", np.ones((20, 5)))
    assert experiment_digest(load_config(tmp_path / "x.yaml")) != before
