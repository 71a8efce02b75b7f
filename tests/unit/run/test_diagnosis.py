"""What is said of a machine: what is there, what is missing, and what to do."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

import facebench
from facebench.run.diagnosis import MISSING, diagnose


def test_versions_and_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "yet" / "to be made"))
    found = {check.what: check for check in diagnose()}
    assert found["facebench"].detail == facebench.__version__
    assert found["torch"].detail == metadata.version("torch")
    assert found["cache"].detail.startswith(str(tmp_path / "yet" / "to be made"))
    assert found["cache"].state == "ok"


def test_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACEBENCH_CACHE", "off")
    assert {check.what: check.detail for check in diagnose()}["cache"] == "off"


def test_a_missing_package_comes_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def without_typer(name: str) -> str:
        if name == "typer":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without_typer)
    found = {check.what: check for check in diagnose()}
    assert (found["typer"].state, found["typer"].detail) == (MISSING, "pip install typer")
