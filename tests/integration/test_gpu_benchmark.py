"""The benchmark of graphics cards runs as it is, in small, where there is none."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> list[str]:
    monkeypatch.setattr("sys.argv", [str(SCRIPT), "--small", "--device", "cpu", *arguments])
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    finally:
        torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert all(re.match(r"\[ *\d+ s\] ", line) for line in lines)
    return [line.partition("] ")[2] for line in lines]


def test_every_figure_has_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run(monkeypatch, capsys)
    assert lines[0].startswith("no card: figures of a CPU")
    assert lines[-1] == "done"
    for decoder in ("pillow", "torchvision"):
        told = f"decoding by {decoder}, images/s and core: alone "
        assert sum(line.startswith(told) for line in lines) == 1
    figures = [line for line in lines if "end to end" in line]
    variants = [line.partition(": end to end")[0] for line in figures]
    assert len(set(variants)) == len(figures) == 5
    assert not any("failed" in line or "left out" in line for line in lines)
    assert all("ratio to bare" in line and "decoding limit" in line for line in figures)
    assert all("from float32" in line for line in figures[1:])


def test_when_time_is_up_the_rest_is_left_out_and_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = run(monkeypatch, capsys, "--seconds", "0")
    assert sum("left out, time is up" in line for line in lines) == 5
    assert lines[-1] == "done"
