"""The benchmark of engines, on a small network."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from facebench.models.acceleration import nnpack_is_available
from support.forwarded import Small

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "acceleration.py"


@pytest.mark.integration
@pytest.mark.skipif(not nnpack_is_available(), reason="this torch has no NNPACK")
def test_it_prints_a_line_for_each_model_and_engine(capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(SCRIPT))
    script["MODELS"].clear()
    script["MODELS"]["small"] = (lambda: Small("small", ["0", "4"]), 32)
    script["main"](["--engines", "winograd", "--images", "3", "--rounds", "1"])
    line, best = capsys.readouterr().out.splitlines()
    assert line.startswith("small winograd: ")
    assert "largest difference" in line
    assert "(limit 0.0001)" in line
    assert best.startswith("small: best winograd, ")
    assert best.endswith("x torch (limit: at least 1.2)")
