"""Runs made from a saved one: what its manifest says is changed, and its tables if need be."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from facebench.results.schema import DISTANCES_FILE, MANIFEST_FILE, RESULTS_FILE


def copied_run(
    run: Path, root: Path, name: str, change: Callable[[dict[str, Any]], None] = lambda _: None
) -> Path:
    """Copy a run to `root`/`name`, and change its manifest; returns the copy."""
    folder = root / name / run.name
    shutil.copytree(run, folder)
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest |= {"name": name, "run": f"{name}/{run.name}"}
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def change_tables(
    folder: Path,
    results: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
    distances: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
) -> Path:
    """Change the tables of a run as if it had written them so; returns the folder."""
    for name, change in ((RESULTS_FILE, results), (DISTANCES_FILE, distances)):
        table = pd.read_parquet(folder / name)
        change(table).to_parquet(folder / name, index=False)
    path = folder / MANIFEST_FILE
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "files": {}}), encoding="utf-8")
    return folder
