"""Links from a report to the files of a run's figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from facebench.figures.output import FORMATS
from facebench.results.exports import MODELS_FOLDER
from facebench.results.saved_figures import FIGURES_FOLDER
from facebench.utils.files import safe_name

__all__ = ["FigureFile", "figure_files"]


class FigureFile(NamedTuple):
    """A figure and its files: what it is called, and a relative link by format."""

    name: str
    links: dict[str, str]


def figure_files(folder: Path, tasks: Iterable[str]) -> dict[str, list[FigureFile]]:
    """Find the figures of a run.

    Parameters
    ----------
    folder : Path
        The run's folder, from which links start.
    tasks : iterable of str
        The tasks' names.

    Returns
    -------
    dict of str to list of FigureFile
        By task; those of all tasks are under ''.
    """
    stems = {f"{safe_name(task)}_": task for task in tasks}
    found: dict[str, dict[tuple[str, str], dict[str, str]]] = {}
    wanted = {f".{name}" for name in FORMATS}
    for place in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not (place.name.endswith(" Plots") or place.name == FIGURES_FOLDER):
            continue
        for path in sorted(place.iterdir()) if place.is_dir() else []:
            if path.suffix not in wanted or path.name.startswith("."):
                continue
            # Of tasks 'a' and 'a_b' the longer name is meant.
            own = max((stem for stem in stems if path.name.startswith(stem)), key=len, default="")
            if place.name == MODELS_FOLDER:
                own = ""
            name = path.stem.removeprefix(own).replace("_", " ")
            links = found.setdefault(stems.get(own, ""), {}).setdefault((place.name, name), {})
            links[path.suffix.removeprefix(".")] = quote(f"{place.name}/{path.name}")
    return {
        task: [FigureFile(name, links) for (_, name), links in figures.items()]
        for task, figures in found.items()
    }
