"""Which group of people (by age, sex, ethnicity …) each side of a pair belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.data.pairs import PAIR_COLUMNS, row_name
from facebench.data.tables import read_text_table
from facebench.errors import InputError, PairsError
from facebench.tasks.shared.labelled_pairs import SamplingUnits
from facebench.types import StrPath

__all__ = ["GROUP_COLUMNS", "Groups", "groups_of_pairs"]

GROUP_COLUMNS = ("group1", "group2")
# Two columns of the pairs file, a file of person (or image) → group, or such a mapping.
Groups = Sequence[str] | StrPath | Mapping[str, str]
_UNKNOWN = ("", "nan", "none", "na", "n/a", "unknown")


def groups_of_pairs(
    pairs: pd.DataFrame,
    labels: NDArray[np.int8],
    units: SamplingUnits,
    groups: Groups,
    *,
    task: str,
    path: StrPath,
) -> list[NDArray[np.str_]]:
    """Look up the group of each side of each pair.

    Parameters
    ----------
    pairs : DataFrame
        The pairs.
    labels : array, shape [N]
        1 genuine, 0 impostor.
    units : SamplingUnits
        The people, as far as they are known.
    groups : pair of str, path, or mapping
        Two columns of `pairs`; a .json file (an object person → group) or a .csv file (a header,
        then person or image, and group); or such a mapping. An image's own entry comes before that
        of its person.
    task, path
        The task's name and its pairs file, for messages.

    Returns
    -------
    list of two arrays of str, shape [N]
        '' where a group is not known.

    Raises
    ------
    PairsError
        If a column or file is missing, no pair has groups, or a genuine pair has two groups.
    InputError
        If `groups` is something else.
    """
    if isinstance(groups, Mapping):
        found = _looked_up(pairs, units, groups)
    elif isinstance(groups, str | Path) or hasattr(groups, "__fspath__"):
        found = _looked_up(pairs, units, _read(Path(groups)))
    else:
        found = _columns(pairs, groups, path)
    known = (found[0] != "") & (found[1] != "")
    if not known.any():
        msg = (
            f"No pair of task {task!r} has a group on both sides: 'groups' gives none of the "
            f"{'people' if units.by == 'identity' else 'images'} in {path}."
        )
        raise PairsError(msg)
    split = np.flatnonzero(known & (labels == 1) & (found[0] != found[1]))
    if split.size:
        row = int(split[0])
        msg = (
            "A genuine pair is of one person, so of one group. In "
            f"{row_name(row, path)} of {path} the groups are {str(found[0][row])!r:.200} and "
            f"{str(found[1][row])!r:.200}."
        )
        raise PairsError(msg)
    return found


def _cleaned(values: Any) -> NDArray[np.str_]:
    texts = [str(value).strip() for value in values]
    return np.array(["" if text.lower() in _UNKNOWN else text for text in texts], dtype=np.str_)


def _columns(pairs: pd.DataFrame, groups: Any, path: StrPath) -> list[NDArray[np.str_]]:
    columns = list(groups) if isinstance(groups, Sequence) else []
    if len(columns) != 2:
        msg = (
            "The 'groups' parameter of GroupErrorTask must be two columns of the pairs file, a "
            f".json or .csv file of person and group, or a mapping. Got {groups!r} instead."
        )
        raise InputError(msg)
    for column in columns:
        if column not in pairs.columns:
            has = ", ".join(map(str, pairs.columns))
            msg = (
                f"The 'groups' parameter of GroupErrorTask must name columns of {Path(path).name} "
                f"(it has: {has}), or a file. Got {column!r} instead."
            )
            raise PairsError(msg)
    return [_cleaned(pairs[column]) for column in columns]


def _looked_up(
    pairs: pd.DataFrame, units: SamplingUnits, group_of: Mapping[str, str]
) -> list[NDArray[np.str_]]:
    found = []
    for column, people in zip(PAIR_COLUMNS, (units.first, units.second), strict=True):
        known = [
            group_of.get(image, group_of.get(person, ""))
            for image, person in zip(pairs[column], people.tolist(), strict=True)
        ]
        found.append(_cleaned(known))
    return found


def _read(path: Path) -> dict[str, str]:
    try:
        if path.suffix.lower() == ".json":
            content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_once_each)
            if not isinstance(content, dict):
                msg = f"it holds a {type(content).__name__}"
                raise ValueError(msg)
            pairs = list(content.items())
        else:
            rows = read_text_table(path).rows
            if rows.shape[1] != 2:
                msg = f"it has {rows.shape[1]} columns"
                raise ValueError(msg)
            pairs = list(_once_each(rows.itertuples(index=False, name=None)).items())
    except OSError as error:
        msg = f"The groups file {path} cannot be read: {error.strerror or error}."
        raise PairsError(msg) from error
    except PairsError:
        raise
    except (ValueError, RecursionError) as error:
        msg = (
            f"The groups file {path} must hold two columns (.csv) or an object (.json) of person, "
            f"or image, and group: {error!s:.200}."
        )
        raise PairsError(msg) from error
    if any(isinstance(group, list | dict) for _, group in pairs):
        msg = f"The groups file {path} must give one group per person."
        raise PairsError(msg)
    return {str(who).strip(): str(group) for who, group in pairs}


def _once_each(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make a mapping of pairs, in which nothing is named again with another value."""
    found: dict[str, Any] = {}
    for who, group in pairs:
        if who in found and found[who] != group:
            msg = f"{who!r:.100} has two groups, {found[who]!r:.40} and {group!r:.40}"
            raise ValueError(msg)
        found[who] = group
    return found
