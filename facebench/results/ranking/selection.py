"""Which runs a leaderboard is of: folders of runs are looked into, nothing is counted twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from facebench.errors import InputError
from facebench.results.checksums import CHECKSUMS
from facebench.results.reader import Run, latest_run, load_run
from facebench.results.schema import MANIFEST_FILE
from facebench.types import StrPath

__all__ = ["load_runs", "run_labels"]


def load_runs(paths: Iterable[StrPath]) -> tuple[list[Run], list[str]]:
    """Read runs, each once.

    Parameters
    ----------
    paths : iterable of str or Path
        Runs; ``runs/NAME`` for its latest; ``runs`` for the latest of every experiment in it.

    Returns
    -------
    list of Run, list of str
        The runs in the order given, and sentences on what was left out.

    Raises
    ------
    InputError
        If there are none, or one path stands for many.
    RunFolderError
        If one is not a readable run.
    """
    if isinstance(paths, str | Path):
        msg = f"A leaderboard needs a list of runs. Got {str(paths)!r}: write [{str(paths)!r}]."
        raise InputError(msg)
    notes: list[str] = []
    found: dict[Path, Run] = {}
    known: dict[tuple[str, str], Path] = {}
    for path in paths:
        for folder in _folders(Path(path), notes):
            real = folder.resolve()
            if real in found:
                continue
            run = load_run(folder)
            tables = run.manifest[CHECKSUMS]
            same = known.get((run.id, str(sorted(tables.items())))) if tables else None
            if same is not None:
                notes.append(f"{folder} is a copy of {same}, and is counted once.")
                continue
            found[real] = run
            known[run.id, str(sorted(tables.items()))] = folder
    if not found:
        msg = "A leaderboard needs one run or more. Got none."
        raise InputError(msg)
    return list(found.values()), notes


def _folders(path: Path, notes: list[str]) -> list[Path]:
    """Give the run that a path means, or the latest run of every experiment in a folder of runs."""
    folder = latest_run(path)
    if (folder / MANIFEST_FILE).exists() or not path.is_dir():
        return [folder]
    experiments = sorted({file.parents[1] for file in path.glob(f"*/*/{MANIFEST_FILE}")})
    experiments = [experiment for experiment in experiments if not experiment.is_symlink()]
    if not experiments:
        return [folder]
    for experiment in experiments:
        n_runs = sum(not file.parent.is_symlink() for file in experiment.glob(f"*/{MANIFEST_FILE}"))
        if n_runs > 1:
            notes.append(
                f"{experiment} holds {n_runs} runs; only the latest is counted. Give "
                f"{experiment}/* for all of them."
            )
    return [latest_run(experiment) for experiment in experiments]


def run_labels(runs: Iterable[Run]) -> list[str]:
    """Name runs briefly, no two alike: with the end of their folder's name where needed."""
    found = list(runs)
    names = [str(run.manifest["name"]) for run in found]
    longer = [
        name if names.count(name) == 1 else f"{name} {run.path.name.rpartition('-')[2]}"
        for name, run in zip(names, found, strict=True)
    ]
    return [
        label if longer.count(label) == 1 else f"{label} ({run.path})"
        for label, run in zip(longer, found, strict=True)
    ]
