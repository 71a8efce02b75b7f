"""Reading trials: from the files of any program to `Trials`, by a description."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from facebench.errors import InputError
from facebench.people.codes import plain_code, usual_codes
from facebench.people.description import MISSING, TrialsDescription, load_description
from facebench.people.exclusions import excluded
from facebench.people.files import SUFFIXES, find_files, read_file
from facebench.people.health import cautions
from facebench.people.layout import column_names
from facebench.people.table_reader import TableReader, plain_table
from facebench.people.trials import RESPONSE, Trials
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean_file

__all__ = ["files_of_trials", "people_of", "read_all_trials", "read_trials"]


def people_of(value: Trials | StrPath | Mapping[str, Any], folder: StrPath | None = None) -> Trials:
    """Give trials, however they are given.

    Parameters
    ----------
    value : Trials, path or mapping
        Trials; or the YAML file that describes them, or what it would say.
    folder : str or Path, optional
        What paths in a mapping are relative to. Default: the working directory.

    Returns
    -------
    Trials

    Raises
    ------
    InputError
        See `read_trials`.
    """
    return value if isinstance(value, Trials) else read_trials(value, folder=folder)


def files_of_trials(
    description: StrPath | Mapping[str, Any], folder: StrPath | None = None
) -> list[Path]:
    """Name the files that trials are read from: those of trials, and tables joined to them.

    Parameters
    ----------
    description, folder
        See `read_trials`.

    Returns
    -------
    list of Path

    Raises
    ------
    ConfigError, InputError
        If the description is wrong, or a file is missing.
    """
    if not isinstance(description, Mapping) and _is_table(Path(description)):
        # It names no other files, and need not be read for that.
        path = Path(description).absolute()
        return find_files([path.name], path.parent)
    said, root, _ = _described(description, folder)
    listed_names = [said.images.names] if (root / said.images.names).is_file() else []
    joined = [str(table.file) for table in said.join]
    return find_files([*said.trials, *joined, *listed_names], root)


def read_trials(
    description: StrPath | Mapping[str, Any], *, folder: StrPath | None = None
) -> Trials:
    """Read the trials of an experiment, and leave out what the description excludes.

    Parameters
    ----------
    description : path or mapping
        A YAML file that describes the trials, or what it would say: see docs/people.md. Or a table
        whose columns are called as those of `Trials`, which needs no description.
    folder : str or Path, optional
        What paths in the description are relative to. Default: the folder of the YAML file; of a
        mapping, the working directory.

    Returns
    -------
    Trials
        Its `notes` say what was left out and what was assumed.

    Raises
    ------
    ConfigError
        If the description is wrong.
    InputError
        If a file cannot be read, a column is missing, or a code is unknown: with file and row.
    """
    trials, rules = read_all_trials(description, folder=folder)
    return excluded(trials, rules.exclude)


def read_all_trials(
    description: StrPath | Mapping[str, Any], *, folder: StrPath | None = None
) -> tuple[Trials, TrialsDescription]:
    """Read trials without excluding any; see `read_trials`.

    Returns
    -------
    trials : Trials
    description : TrialsDescription
    """
    said, root, assumed = _described(description, folder)
    reader = TableReader(said, root)
    source = str(description) if not isinstance(description, Mapping) else ", ".join(said.trials)
    trials = Trials(reader.table(), said.kind, source)
    return replace(trials, notes=(*assumed, *reader.notes, *cautions(trials))), said


def _described(
    description: StrPath | Mapping[str, Any], folder: StrPath | None
) -> tuple[TrialsDescription, Path, tuple[str, ...]]:
    """Give a description, what its paths are relative to, and what was assumed."""
    if isinstance(description, Mapping):
        return load_description(description), Path(folder or "").absolute(), ()
    if not isinstance(description, str | os.PathLike):
        msg = (
            "Trials must be a file that describes them (.yaml), a table of them, or what the file "
            f"would say. Got {description!r}."
        )
        raise InputError(msg)
    path = Path(description)
    if not _is_table(path):
        root = path.parent if folder is None else Path(folder)
        return load_description(path), root.absolute(), ()
    kind = _kind_of(path)
    said = load_description({"trials": path.name, "kind": kind})
    note = f"{path.name}: trials were taken to be of kind {kind!r}."
    return said, path.absolute().parent, (note,)


def _is_table(path: Path) -> bool:
    """Tell whether a path is that of trials themselves, rather than of their description."""
    return path.suffix.lower() in SUFFIXES


def _kind_of(path: Path) -> str:
    """Tell the kind of trials that a table in the form of `Trials` holds."""
    table = read_file(path, plain_table(path), []).table if path.is_file() else None
    if table is None:
        msg = f"{path} does not exist.{did_you_mean_file(path)}"
        raise InputError(msg)
    if "target" in table:
        return "choice"
    if "image" in table:
        return "old-new"
    if {"img1", "img2", RESPONSE} <= {*table.columns}:
        codes = {*map(plain_code, table[RESPONSE])} - {*map(plain_code, MISSING)}
        return "same-different" if codes <= usual_codes("same-different") else "rating"
    msg = (
        f"{path} has no columns 'img1' and 'img2', 'target' or 'image' that say what was shown. "
        "Describe its columns in a YAML file, see docs/people.md. It has: "
        f"{column_names(table)}."
    )
    raise InputError(msg)
