"""What shells complete: names of models, tasks, detectors, and folders of runs.

A shell asks at every Tab: nothing here imports torch or pandas.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from glob import escape
from pathlib import Path

import typer

__all__ = [
    "detectors",
    "kinds_of_figures",
    "layer_choices",
    "model_names",
    "models_of_run",
    "run_folders",
    "task_names",
    "tasks_of_run",
    "templates",
]

_MANIFEST = "manifest.json"
_RESULTS = "results.csv"
# Runs are in runs/NAME/TIME; deeper ones are found once their beginning is typed.
_DEPTHS = ("", "*/", "*/*/")


def model_names(incomplete: str) -> list[str]:
    """Complete the name of a model."""
    from facebench.experiment.registry import MODELS

    return _beginning(incomplete, MODELS.names())


def task_names(incomplete: str) -> list[str]:
    """Complete the name of a task."""
    from facebench.experiment.registry import TASKS

    return _beginning(incomplete, TASKS.names())


def detectors(incomplete: str) -> list[str]:
    """Complete the name of a face detector."""
    return _beginning(incomplete, ("dlib-hog", "dlib-cnn", "mtcnn"))


def templates(incomplete: str) -> list[str]:
    """Complete the name of an alignment template."""
    from facebench.faces.templates import TEMPLATES

    return _beginning(incomplete, TEMPLATES)


def layer_choices(incomplete: str) -> list[str]:
    """Complete how the layer that stands for a model is chosen."""
    return _beginning(incomplete, ("same pairs", "held-out"))


def kinds_of_figures(incomplete: str) -> list[str]:
    """Complete the kind of a figure of a saved run."""
    from facebench.figures.kinds import KINDS

    return _beginning(incomplete, KINDS)


def run_folders(incomplete: str) -> list[str]:
    """Complete the folder of a run, or of all runs of an experiment, which stands for its latest.

    Parameters
    ----------
    incomplete : str
        The beginning of a path.

    Returns
    -------
    list of str
        Folders of experiments first, then runs, the latest first.
    """
    typed, slash, last = incomplete.rpartition("/")
    begun = Path(typed + slash)
    experiments: dict[str, None] = {}
    runs: dict[str, None] = {}
    with suppress(OSError):
        roots = [root for root in begun.glob(f"{escape(last)}*") if root.is_dir()]
        # Folders of thousands of people are not looked through where nothing is typed.
        for root in roots if incomplete else [Path("runs"), *roots]:
            for depth in _DEPTHS if incomplete or root.name == "runs" else _DEPTHS[:1]:
                for found in sorted(root.glob(f"{depth}{_RESULTS}"), reverse=True):
                    runs[str(found.parent)] = None
                    if (found.parent / _MANIFEST).is_file() and found.parent != root:
                        experiments[str(found.parent.parent)] = None
    before = "./" if incomplete.startswith("./") else ""
    return [before + path for path in [*experiments, *runs]]


def tasks_of_run(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a task of the run that was named before."""
    return _beginning(incomplete, _of_run(context, "tasks"))


def models_of_run(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a model of the run that was named before."""
    return _beginning(incomplete, _of_run(context, "models"))


def _of_run(context: typer.Context, what: str) -> list[str]:
    # While an option lacks its value, arguments before it are not assigned yet.
    run = Path(str(context.params.get("run") or next(iter(context.args), "")))
    manifests = [run / _MANIFEST, *sorted(run.glob(f"*/{_MANIFEST}"), reverse=True)]
    with suppress(OSError, ValueError, StopIteration, TypeError, KeyError):
        latest = next(path for path in manifests if path.is_file())
        return [*json.loads(latest.read_text(encoding="utf-8"))[what]]
    return []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
