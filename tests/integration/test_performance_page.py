"""docs/performance.md shows the figures that were kept, and the script reads what is printed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.integration
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("all_benchmarks", BENCHMARKS / "all.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    # Run: python benchmarks/all.py --page
    assert script.page(script.read_figures()) == script.PAGE.read_text(encoding="utf-8")


def test_every_command_has_its_script(script: ModuleType) -> None:
    names = {benchmark.command.split()[0] for benchmark in script.BENCHMARKS}
    assert not [name for name in names if not (BENCHMARKS / name).is_file()]


@pytest.mark.parametrize(
    ("line", "value", "limit", "is_kept"),
    [
        ("  ratio to the limit: 0.813 (limit: at least 0.9)", "0.813", "≥ 0.9", False),
        ("peak 1.97 GiB, 0.31 beyond (limit 0.5)", "0.31 beyond", "≤ 0.5", True),
        ("  3.50 s for 1,000 models (limit: 10, kept)", "3.50 s for 1,000 models", "≤ 10", True),
        ("differ by 1.2e-05 (limit 0.0001); ready in 8 s", "1.2e-05", "≤ 0.0001", True),
        ("exponent: 1.05 (limit: 1.1, EXCEEDED)", "1.05", "≤ 1.1", False),
    ],
)
def test_figures_are_read(
    script: ModuleType, line: str, value: str, limit: str, is_kept: bool
) -> None:
    (found,) = script.figures_of(script.Benchmark("x.py", ""), line)
    assert (found.value, found.limit, found.is_kept) == (value, limit, is_kept)


def test_no_script_hides_a_package_that_others_import() -> None:
    # The folder of a script is searched first: accelerate.py would stand for the package.
    hidden = [
        path.stem
        for path in BENCHMARKS.glob("*.py")
        if path.stem in {"accelerate", "datasets", "evaluate", "onnx", "torch"}
    ]
    assert not hidden
