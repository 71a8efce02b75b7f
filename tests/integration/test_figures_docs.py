"""The examples of docs/figures.md run, and the kinds that it lists are those there are."""

from __future__ import annotations

import re

import pytest
import yaml

from facebench.experiment.schema import ExperimentSettings
from facebench.figures.kinds import KINDS
from facebench.results.run_folder import RunFolder
from support.pages import examples, text_of
from support.small_run import small_manager

pytestmark = pytest.mark.integration
PAGE = "figures.md"


def test_the_page(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    manager = small_manager(tmp_path / "faces")
    RunFolder.create(tmp_path / "runs", "study").save(manager)
    verify = next(name for name in manager.tasks if name.startswith("verify"))
    saved, own = examples(PAGE, "python")
    exec(saved.replace('"LFW"', repr(verify)), {})
    exec(own, {})
    written = {path.name for path in (tmp_path / "paper").iterdir()}
    assert written == {"auc.pdf", "layers.svg", "roc.png", "LFW_auc.pdf", "LFW_auc.png"}
    assert "LFW_auc.pdf" in capsys.readouterr().out


def test_the_kinds_of_the_page_are_those_of_run_plot() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", text_of(PAGE), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(KINDS)


def test_the_setting_is_one() -> None:
    [text] = examples(PAGE, "yaml")
    whole = {"models": {"m": {"model": "vgg16"}}, "tasks": {"t": {"task": "rsa"}}}
    assert ExperimentSettings(**whole, **yaml.safe_load(text)).figures == ["png", "pdf"]
