"""Options of any model or task in an experiment: from YAML to the record of a run."""

from __future__ import annotations

import shutil
from pathlib import Path
from textwrap import dedent, indent
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from facebench.errors import ConfigError
from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.experiment.digest import experiment_digest
from facebench.models.acceleration import nnpack_is_available
from facebench.testing.world import generated_image, write_world

pytestmark = pytest.mark.integration

NET = """
    from torch import nn
    from facebench import BaseModel

    class MyNet(BaseModel):
        def _build_model(self):
            self.model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())

        def _forward(self, input_tensor):
            return self.model(input_tensor)

    class OwnFlip(MyNet):
        def __init__(self, name, flip="none"):
            self.flip = flip
            super().__init__(name, device="cpu")
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "store"))
    monkeypatch.setenv("NO_COLOR", "1")
    write_world(tmp_path)
    for number in range(8):
        path = tmp_path / "others" / f"other {number // 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        generated_image(900 + number, (32, 32)).save(path)
    (tmp_path / "net.py").write_text(dedent(NET), encoding="utf-8")
    return tmp_path


def experiment(world: Path, models: str, task: str = "") -> Path:
    path = world / "experiment.yaml"
    text = "name: try\nimages: images\nmodels:\n" + indent(dedent(models).strip("\n"), "  ")
    text += "\ntasks:\n  same: {task: accuracy, pairs: pairs.csv, true_label: same" + task + "}\n"
    path.write_text(text, encoding="utf-8")
    return path


def facebench(*arguments: Any, status: int = 0) -> SimpleNamespace:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == status, f"{done.output}\n{done.stderr}\n{done.exception!r}"
    return SimpleNamespace(out=done.stdout, talk=done.stderr)


def test_everything_at_once_and_its_record(world: Path) -> None:
    path = experiment(
        world,
        """
        plain: {model: net.py:MyNet}
        flipped: {model: net.py:MyNet, flip: concat, layers: ["0", "1"]}
        cropped: {model: net.py:MyNet, crops: 5, crop_scale: 0.8}
        centred: {model: net.py:MyNet, centre: others}
        whitened: {model: net.py:MyNet, whiten: others, shrinkage: 0.5}
        both: {model: ensemble, members: [plain, cropped]}
        scores: {model: ensemble, members: [plain, cropped], combine: scores, centre: null}
        """,
        ", score_norm: {kind: as, cohort: others, top: 4}",
    )
    facebench("validate", path)
    facebench("run", path)
    run = load_run(world / "runs" / "try")
    records = run.manifest["provenance"]["models"]
    assert records["flipped"]["wrappers"]["views"]["flip"] == "concat"
    assert records["cropped"]["wrappers"]["views"]["crop_scale"] == 0.8
    assert records["centred"]["wrappers"]["centre"]["n_images"] == 8
    assert records["whitened"]["wrappers"]["whiten"]["layers"]["default"]["shrinkage"] == 0.5
    assert [member["name"] for member in records["both"]["wrappers"]["members"]] == [
        *("plain", "cropped")
    ]
    for record in records.values():
        norm = record["wrappers"]["score_norm"]["same"]
        assert (norm["kind"], norm["top"], norm["n_images"]) == ("as", 4, 8)
    assert run.results["value"].notna().any()


@pytest.mark.skipif(not nnpack_is_available(), reason="this torch has no NNPACK")
def test_networks_run_by_another_engine_and_their_record(world: Path) -> None:
    path = experiment(
        world,
        """
        fast: net.py:MyNet
        exact: {model: net.py:MyNet, accelerate: none}
        flipped: {model: net.py:MyNet, flip: sum}
        both: {model: ensemble, members: [fast, exact]}
        """,
    )
    path.write_text("accelerate: winograd\npacks: packs\n" + path.read_text("utf-8"), "utf-8")
    facebench("embed", path)
    facebench("run", path)
    run = load_run(world / "runs" / "try")
    records = run.manifest["provenance"]["models"]
    for name in ("fast", "flipped"):
        assert records[name]["accelerate"].startswith("winograd")
        assert 0 <= records[name]["differences"]["default"] <= 1e-4
        assert records[name]["n_forwards"] == 0
    assert records["exact"]["accelerate"] is records["both"]["accelerate"] is None
    assert "fast and flipped ran in winograd" in run.methods()
    values = run.results.set_index("model")["value"]
    assert values["fast"].tolist() == pytest.approx(values["exact"].tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("start", "models", "said"),
    [
        ("accelerate: int9\n", "net: net.py:MyNet", "accelerate"),
        ("", "net: {model: net.py:MyNet, accelerate: int8}", "does not quantise"),
        ("precision: float16\n", "net: {model: net.py:MyNet, accelerate: compile}", "in float32"),
        ("accelerate: int8\n", "net: net.py:MyNet", "not quantised"),
        ("", "{a: net.py:MyNet, b: net.py:MyNet, "
         "c: {model: ensemble, members: [a, b], accelerate: compile}}", "its members"),
    ],
)  # fmt: skip
def test_what_no_engine_can_do_is_told_early(
    world: Path, start: str, models: str, said: str
) -> None:
    path = experiment(world, models)
    path.write_text(start + path.read_text("utf-8"), "utf-8")
    done = CliRunner().invoke(app, ["validate", str(path)])
    assert done.exit_code == 2, done.output
    assert said in f"{done.output} {done.stderr}"
    assert "Traceback" not in done.stderr


def test_the_digest_of_an_experiment_follows_the_other_images(world: Path) -> None:
    path = experiment(world, "net: {model: net.py:MyNet, whiten: others}")
    before = experiment_digest(load_config(path))
    generated_image(77, (32, 32)).save(world / "others" / "other 0" / "new.png")
    assert experiment_digest(load_config(path)) != before


@pytest.mark.parametrize(
    ("models", "task", "said"),
    [
        ("net: {model: net.py:MyNet, flip: add}", "", r"4:30: .*'sum', 'concat', 'mean'"),
        ("net: {model: net.py:MyNet, crops: 7}", "", r"'crops' .* 5 "),
        ("net: {model: net.py:MyNet, crops: 10, flip: sum}", "", "include mirror images"),
        ("net: {model: net.py:MyNet, whiten: nowhere}", "", r"'whiten' must be a folder"),
        ("net: {model: net.py:MyNet, whiten: others, centre: others}", "", "not both"),
        ("net: {model: net.py:MyNet, shrinkage: 0.1}", "", "together with 'whiten'"),
        ("net: {model: net.py:MyNet, flipp: sum}", "", "takes no 'flipp'"),
        ("both: {model: ensemble, members: [one, two]}", "", r"models of this file \(both\)"),
        ("both: {model: ensemble}", "", r"models of this file"),
        (
            """
            one: {model: net.py:MyNet}
            both: {model: ensemble, members: [one, both]}
            """,
            "",
            "is an ensemble itself",
        ),
        (
            """
            one: {model: net.py:MyNet, layers: ["0", "1"]}
            two: {model: net.py:MyNet}
            both: {model: ensemble, members: [one, two]}
            """,
            "",
            "must have one layer",
        ),
        ("net: {model: net.py:MyNet}", ", score_norm: as", "must be a mapping"),
        ("net: {model: net.py:MyNet}", ", score_norm: {cohort: others}", "needs a kind"),
        ("net: {model: net.py:MyNet}", ", score_norm: {kind: s}", "needs a 'cohort'"),
        (
            "net: {model: net.py:MyNet}",
            ", score_norm: {kind: s, cohort: nowhere}",
            "must be a folder",
        ),
        (
            "net: {model: net.py:MyNet}",
            ", score_norm: {kind: s, cohort: others, best: 3}",
            "kind, cohort",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    models: str, task: str, said: str, world: Path
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        build_experiment(load_config(experiment(world, models, task)))
    assert "experiment.yaml:" in str(caught.value)


def test_overlap_ends_a_run_before_it_begins(world: Path) -> None:
    shutil.copy(world / "images" / "person0" / "0.png", world / "others" / "other 0" / "x.png")
    path = experiment(world, "net: {model: net.py:MyNet, whiten: others}")
    for command in (("validate",), ("run", "--dry-run")):
        done = facebench(command[0], path, *command[1:], status=2)
        assert "evaluated in task 'same' too" in done.talk


def test_a_parameter_of_the_class_comes_first(world: Path) -> None:
    path = experiment(world, "net: {model: net.py:OwnFlip, flip: mine}")
    [model] = build_experiment(load_config(path)).models
    assert model.flip == "mine"  # type: ignore[attr-defined]
    assert model.views is None


def test_commands_take_them_too(world: Path) -> None:
    asked = ("embed", "images", "--model", "net.py:MyNet", "-o", "x.npz", "--set")
    facebench(*asked, "flip=concat")
    with np.load(world / "x.npz") as file:
        assert file["default"].shape[1] == 2 * 48
    assert "'flip'" in facebench(*asked, "flip=no", status=2).talk
