"""What shells complete, asked as they ask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.commands.completion import run_folders


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with two experiments, three runs, and other folders."""
    monkeypatch.chdir(tmp_path)
    for run in ("study/2025", "study/2026", "other/2024"):
        folder = tmp_path / "runs" / run
        folder.mkdir(parents=True)
        (folder / "results.csv").touch()
        said = {"tasks": {"inversion": {}, f"of-{folder.name}": {}}, "models": {"dlib": {}}}
        (folder / "manifest.json").write_text(json.dumps(said))
    (tmp_path / "faces" / "ann").mkdir(parents=True)
    (tmp_path / "faces" / "manifest.json").touch()
    return tmp_path


def completed(words: str) -> list[str]:
    """Complete the last word of a command, by the protocol of bash."""
    number = len(words.split(" ")) - 1
    asked = {"_FACEBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    return CliRunner().invoke(app, [], prog_name="facebench", env=asked).stdout.split()


@pytest.mark.parametrize("begun", ["", "ru", "runs/", "./runs/s"])
def test_folders_of_runs_and_of_their_experiments(place: Path, begun: str) -> None:
    found = run_folders(begun)
    before = "./" if begun.startswith("./") else ""
    study = [f"{before}runs/{name}" for name in ("study", "study/2026", "study/2025")]
    assert [name for name in found if "study" in name] == study
    assert not any("faces" in name for name in found)
    assert ("runs/other/2024" in found) == (begun[-1:] != "s")


def test_absolute_paths_and_what_is_not_there(place: Path) -> None:
    assert run_folders(str(place / "runs" / "o")) == [
        str(place / "runs" / "other"), str(place / "runs" / "other" / "2024"),
    ]  # fmt: skip
    assert run_folders("nowhere/") == run_folders("/nowhere/x") == run_folders("[") == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("facebench tasks inv", ["inversion-effect"]),
        ("facebench models dlib-r", ["dlib-resnet"]),
        ("facebench stimuli --conditions inv", ["inverted"]),
        ("facebench align faces --detector m", ["mtcnn"]),
        ("facebench align faces --template arc", ["arcface112"]),
        ("facebench report x --layer-choice h", ["held-out"]),
        ("facebench compare runs/study runs/o", ["runs/other", "runs/other/2024"]),
        # The tasks of the latest run.
        ("facebench export runs/study --task ", ["inversion", "of-2026"]),
        ("facebench export runs/study/2025 --long x.csv --task of", ["of-2025"]),
        ("facebench export runs/study --model ", ["dlib"]),
        ("facebench export nowhere --model ", []),
    ],
)
def test_names_are_completed(place: Path, words: str, expected: list[str]) -> None:
    assert completed(words) == expected


def test_a_broken_manifest_completes_nothing(place: Path) -> None:
    for text in ("", "[]", "{}", '{"tasks": 3}'):
        (place / "runs" / "other" / "2024" / "manifest.json").write_text(text)
        assert completed("facebench export runs/other --task ") == []
