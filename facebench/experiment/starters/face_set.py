"""An experiment for one of the usual face data sets, with its official pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facebench.data.bibliography import (
    BIBTEX_BESIDE_DATA,
    as_bibtex,
    citations_beside,
    publications,
)
from facebench.data.identity import IDENTITY_COLUMNS
from facebench.data.sets.preparing import PreparedList, PreparedSet
from facebench.errors import InputError
from facebench.experiment.starters.blocks import quoted, relative_to
from facebench.utils.files import atomic_path, write_csv

__all__ = ["SetFiles", "write_face_set"]

_HEAD = """\
# {title}. Run it with `facebench run {file}`.
# Protocol: {protocol}
# Licence: {licence}
# Reference: {reference}
{remarks}
name: {name}

models:                   # by name; see `facebench models`
  dlib-resnet:
    model: dlib-resnet
    align: {align}           # {why}

tasks:                    # by name; see `facebench tasks`
"""
_FMR = (0.01, 0.1, 0.5)
_WHY = {
    True: "the images are cut out and aligned already",
    False: "find and cut the face; false takes images as they are",
}


@dataclass(frozen=True)
class SetFiles:
    """What was written.

    Attributes
    ----------
    experiment : Path
        The YAML file.
    pairs : list of Path
        The tables of pairs.
    """

    experiment: Path
    pairs: list[Path]


def write_face_set(prepared: PreparedSet, folder: Path, *, replace: bool = False) -> SetFiles:
    """Write a table for each list of pairs, and an experiment that measures them.

    Parameters
    ----------
    prepared : PreparedSet
        From `prepare_face_set`.
    folder : Path
        Where to; made if need be.
    replace : bool, default False
        Whether files that are there already are replaced.

    Raises
    ------
    InputError
        If a file already exists.
    """
    import pandas as pd

    face_set = prepared.face_set
    experiment = folder / f"{face_set.name}.yaml"
    tables = {f"{item.official.name}.csv": item.pairs for item in prepared.lists}
    tasks = [_verification(item, folder) for item in prepared.lists]
    if face_set.has_groups:
        first = prepared.lists[0]
        pooled = f"{first.official.name}.csv"
        if len(prepared.lists) > 1:
            pooled = f"{face_set.name}.csv"
            tables[pooled] = pd.concat([item.pairs for item in prepared.lists], ignore_index=True)
        n_impostor = int((tables[pooled]["same"] == 0).sum())
        tasks.append(_group_errors(face_set.name, pooled, first, n_impostor, folder))
    paths = [folder / name for name in tables]
    for path in (experiment, *paths):
        if path.exists() and not replace:
            msg = f"{path} already exists. Choose another --output, or --force to replace it."
            raise InputError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    for path, table in zip(paths, tables.values(), strict=True):
        write_csv(table, path)
    _cite(face_set.citation, experiment)
    head = _HEAD.format(
        title=face_set.title,
        file=experiment.name,
        protocol=face_set.protocol,
        licence=face_set.licence,
        reference=face_set.reference,
        remarks="".join(f"# Note: {remark}\n" for remark in prepared.remarks),
        name=quoted(face_set.name),
        align="false" if face_set.is_aligned else "true",
        why=_WHY[face_set.is_aligned],
    )
    with atomic_path(experiment) as temporary:
        temporary.write_text(head + "\n".join(tasks), encoding="utf-8")
    return SetFiles(experiment, paths)


def _cite(citation: str, experiment: Path) -> None:
    """Add the data set to what is cited for the data of a folder."""
    known = publications([*citations_beside(experiment), citation])
    with atomic_path(experiment.parent / BIBTEX_BESIDE_DATA) as temporary:
        temporary.write_text(as_bibtex(known), encoding="utf-8")


def _verification(item: PreparedList, folder: Path) -> str:
    columns = item.pairs.columns
    settings: dict[str, Any] = {
        "pairs": quoted(f"{item.official.name}.csv"),
        "images": quoted(relative_to(item.images, folder)),
        "true_label": "same",
    }
    if "fold" in columns:
        settings["fold_column"] = "fold"
    return _task(item.official.name, "verification", settings, columns)


def _group_errors(name: str, pairs: str, item: PreparedList, n_impostor: int, folder: Path) -> str:
    settings = {
        "pairs": quoted(pairs),
        "images": quoted(relative_to(item.images, folder)),
        "true_label": "same",
        # The smallest false match rate of these that so many impostor pairs can show.
        "fmr": next((rate for rate in _FMR if rate * n_impostor >= 1), _FMR[-1]),
    }
    return _task(f"{name}-groups", "group-errors", settings, item.pairs.columns)


def _task(name: str, task: str, settings: dict[str, Any], columns: Iterable[str]) -> str:
    if set(IDENTITY_COLUMNS) <= set(columns):
        settings = {**settings, "identity": f"[{', '.join(IDENTITY_COLUMNS)}]"}
    lines = [f"  {name}:", f"    task: {task}"]
    lines += [f"    {key}: {value}" for key, value in settings.items()]
    return "\n".join(lines) + "\n"
