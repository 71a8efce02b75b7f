"""What an effect compares: conditions, contrasts, people, and items that recur in conditions."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.data.identity import IDENTITY_COLUMNS, IdentitySource
from facebench.data.pairs import require_column
from facebench.errors import InputError, PairsError
from facebench.metrics.effects import Contrast
from facebench.metrics.uncertainty.independent_groups import FEW_BLOCKS, are_even, blocks_of
from facebench.tasks.shared.labelled_pairs import (
    SamplingUnits,
    find_sampling_units,
    read_labels,
)
from facebench.types import IntArray, StrPath
from facebench.utils.suggestions import did_you_mean

__all__ = [
    "ConditionDesign",
    "EffectUnits",
    "conditions_of",
    "effect_sampling_units",
    "identity_source",
    "items_of",
    "labels_of",
    "units_of",
]

_log = logging.getLogger(__name__)

# A condition, or several whose measures are averaged.
Side = str | Sequence[str]
_BLAND = ("0", "1", "no", "yes", "false", "true")
_FEWEST_IMAGES = 3
# More than this share of items in all conditions: the few that could not be made in one are not
# reason to take conditions as unrelated.
_MOST = 0.5


class ConditionDesign(NamedTuple):
    """The conditions of a table, and what is compared.

    Attributes
    ----------
    names : list of str
        In order of first appearance.
    cell : int array, shape [N]
        The condition of each pair.
    contrasts : dict of str to Contrast
        By what stands before the names of their columns: '' for a single one.
    """

    names: list[str]
    cell: IntArray
    contrasts: dict[str, Contrast]

    @property
    def involved(self) -> list[int]:
        """The conditions that any contrast compares."""
        return sorted({k for c in self.contrasts.values() for k in (*c.first, *c.second)})


def conditions_of(
    pairs: pd.DataFrame,
    column: str,
    contrast: tuple[Side, Side] | None,
    factors: tuple[str, str] | None,
    *,
    task: str,
    owner: str,
    path: StrPath,
) -> ConditionDesign:
    """Read conditions and contrasts.

    Parameters
    ----------
    pairs : DataFrame
        The pairs.
    column : str
        Names each pair's condition; not used with `factors`.
    contrast : pair, optional
        What is compared with what; None takes the only two conditions, in order of appearance.
    factors : pair of str, optional
        Two columns of two values each: main effects and interaction.
    task, owner, path
        The task's name, its class and its pairs file, for messages.

    Raises
    ------
    InputError
        If parameters are not what they should be.
    PairsError
        If a column is missing, or a condition has no pairs or fewer than 3 images.
    """
    where: dict[str, Any] = {"owner": owner, "path": path}
    if factors is not None:
        found = _factorial(pairs, factors, contrast, task, where)
    else:
        values = require_column(pairs, column, parameter="condition_column", **where).astype(str)
        names = list(dict.fromkeys(values))
        cell = np.array([names.index(value) for value in values], dtype=np.intp)
        sides = _sides(contrast, names, column, task, where)
        found = ConditionDesign(names, cell, {"": Contrast("difference", *sides)})
    for k, name in enumerate(found.names):
        rows = pairs[found.cell == k]
        n_images = int(pd.concat([rows["img1"], rows["img2"]]).nunique())
        if n_images < _FEWEST_IMAGES:
            msg = (
                f"Condition {name!r} of {task!r} must have pairs of at least {_FEWEST_IMAGES} "
                f"images. In {path} it has {len(rows)} pairs of {n_images} images."
            )
            raise PairsError(msg)
    return found


def _factorial(
    pairs: pd.DataFrame, factors: Any, contrast: Any, task: str, where: dict[str, Any]
) -> ConditionDesign:
    owner, path = where["owner"], where["path"]
    columns = [] if isinstance(factors, str) else list(factors)
    if len(columns) != 2 or contrast is not None:
        msg = (
            f"The 'factors' parameter of {owner} must be two columns of the pairs file, without a "
            f"'contrast'. Got {factors!r} and contrast={contrast!r}."
            f"{did_you_mean(factors, pairs.columns) if isinstance(factors, str) else ''}"
        )
        raise InputError(msg)
    levels = []
    values = []
    for column in columns:
        read = require_column(pairs, column, parameter="factors", **where).astype(str)
        levels.append(list(dict.fromkeys(read)))
        values.append(read.tolist())
        if len(levels[-1]) != 2:
            msg = (
                f"The factor {column!r} of {task!r} must have two levels in {path}. It has "
                f"{len(levels[-1])}: {', '.join(map(repr, levels[-1][:5]))}."
            )
            raise PairsError(msg)
    names = [
        " × ".join(
            f"{factor} {level}" if level.lower() in _BLAND else level
            for factor, level in zip(columns, pair, strict=True)
        )
        for pair in ((a, b) for a in levels[0] for b in levels[1])
    ]
    cell = np.array(
        [
            2 * levels[0].index(a) + levels[1].index(b)
            for a, b in zip(values[0], values[1], strict=True)
        ],
        dtype=np.intp,
    )
    for k, name in enumerate(names):
        if not (cell == k).any():
            msg = (
                f"Condition {name!r} of {task!r} has no pairs in {path}: every combination of "
                f"{columns[0]!r} and {columns[1]!r} needs some."
            )
            raise PairsError(msg)
    # Exchanging the levels of one factor, the other's left as they are.
    unmoved, first, second = (0, 1, 2, 3), (2, 3, 0, 1), (1, 0, 3, 2)
    return ConditionDesign(
        names,
        cell,
        {
            f"{columns[0]} ": Contrast("difference", (0, 1), (2, 3), (unmoved, first)),
            f"{columns[1]} ": Contrast("difference", (0, 2), (1, 3), (unmoved, second)),
            "Interaction ": Contrast("interaction", (0, 1), (2, 3), (unmoved, first)),
        },
    )


def _sides(
    contrast: Any, names: list[str], column: str, task: str, where: dict[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    owner, path = where["owner"], where["path"]
    listed = ", ".join(map(repr, names))
    if contrast is None:
        if len(names) == 2:
            return (0,), (1,)
        msg = (
            f"The 'contrast' parameter of {owner} must say which two conditions are compared: the "
            f"{column!r} column of {path} has {len(names)} ({listed})."
        )
        raise InputError(msg)
    if isinstance(contrast, str) or len(list(contrast)) != 2:
        msg = (
            f"The 'contrast' parameter of {owner} must be two conditions, or two groups of them. "
            f"Got {contrast!r} instead."
        )
        raise InputError(msg)
    sides = []
    for side in contrast:
        wanted = [side] if isinstance(side, str) else [str(name) for name in side]
        for name in wanted:
            if name not in names:
                msg = (
                    f"The contrast of {task!r} names the condition {name!r}, of which {path} has "
                    f"no pairs. The conditions in its {column!r} column are: {listed}."
                    f"{did_you_mean(name, names)}"
                )
                raise PairsError(msg)
        sides.append(tuple(names.index(name) for name in wanted))
    if not all(sides) or set(sides[0]) & set(sides[1]):
        msg = (
            f"The 'contrast' parameter of {owner} must compare different conditions. "
            f"Got {contrast!r} instead."
        )
        raise InputError(msg)
    return sides[0], sides[1]


def labels_of(
    pairs: pd.DataFrame, true_label: str, *, needed: bool, task: str, owner: str, path: StrPath
) -> NDArray[np.int8] | None:
    """Read which pairs are genuine, where the measure needs it or the table tells.

    Raises
    ------
    PairsError
        If the column is needed and missing, or holds other values.
    """
    if not needed and true_label not in pairs.columns:
        return None
    column = require_column(pairs, true_label, parameter="true_label", owner=owner, path=path)
    where = f"The {true_label!r} column of {path}, the true_label of {task!r},"
    return read_labels(column, where, task=task, path=path)


def items_of(
    pairs: pd.DataFrame,
    cell: IntArray,
    involved: NDArray[np.bool_],
    item_column: str | None,
    *,
    owner: str,
    path: StrPath,
) -> tuple[IntArray | None, list[NDArray[np.str_]]]:
    """Find the items that recur in every condition, and the photographs behind the images.

    Images of one photograph in several conditions are told by their names: the folder that all
    images of a condition share, such as 'upright/', is left aside. Where a condition has several
    folders, names of files count, if each is there once; a warning tells.

    Parameters
    ----------
    pairs : DataFrame
        The pairs.
    cell : int array, shape [N]
        The condition of each.
    involved : bool array, shape [N]
        Pairs of conditions that are compared.
    item_column : str, optional
        A column that names the item of each pair.
    owner, path
        The task's class and its pairs file, for messages.

    Returns
    -------
    int array, shape [N], or None
        None where an item is twice in a condition, or half of them are not in every one.
    list of two arrays of str, shape [N]
        The photograph of each side.

    Raises
    ------
    PairsError
        If the column is missing.
    """
    photographs = [_without_folder(pairs[side], cell) for side in ("img1", "img2")]
    if item_column is not None:
        named = require_column(
            pairs, item_column, parameter="item_column", owner=owner, path=path
        ).astype(str)
        return _recurring(named.to_numpy(dtype=np.str_), cell, involved), photographs
    items = _recurring(_joined(photographs), cell, involved)
    if items is None and (files := _names_of_files(pairs, cell)) is not None:
        items = _recurring(_joined(files), cell, involved)
        if items is not None:
            _log.warning(
                "%s takes images of one file name, such as %r, for one photograph in all "
                "conditions of %s, though their folders differ. If that is wrong, name the items "
                "(item_column) or the people (identity).",
                owner,
                str(files[0][0]),
                path,
            )
            return items, files
    return items, photographs


def _joined(photographs: list[NDArray[np.str_]]) -> NDArray[np.str_]:
    return np.array(["\0".join(pair) for pair in zip(*photographs, strict=True)], dtype=np.str_)


def _recurring(
    keys: NDArray[np.str_], cell: IntArray, involved: NDArray[np.bool_]
) -> IntArray | None:
    """Give items numbers by their names; None where most are not once in every condition."""
    items = np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.intp)
    compared = np.unique(cell[involved], return_inverse=True)[1]
    counts = np.zeros((int(items.max()) + 1, int(compared.max()) + 1), dtype=np.intp)
    np.add.at(counts, (items[involved], compared), 1)
    present = counts[counts.any(axis=1)]
    is_paired = (present <= 1).all() and (present == 1).all(axis=1).mean() > _MOST
    return items if is_paired else None


def _names_of_files(pairs: pd.DataFrame, cell: IntArray) -> list[NDArray[np.str_]] | None:
    """Give names without folders; None where a side of a condition has two images of one name."""
    paths = [
        pairs[side].str.replace("\\", "/").to_numpy(dtype=np.str_) for side in ("img1", "img2")
    ]
    files = [np.array([PurePosixPath(path).name for path in side]) for side in paths]
    for k in np.unique(cell):
        for own, named in zip(paths, files, strict=True):
            if np.unique(named[cell == k]).size < np.unique(own[cell == k]).size:
                return None
    return files


def _without_folder(names: pd.Series, cell: IntArray) -> NDArray[np.str_]:
    paths = np.array([name.replace("\\", "/") for name in names], dtype=object)
    for k in range(int(cell.max()) + 1):
        rows = np.flatnonzero(cell == k)
        folders = {str(PurePosixPath(path).parent) for path in paths[rows]}
        shared = os.path.commonpath(folders) if folders else ""
        if shared not in ("", "."):
            for row in rows:
                paths[row] = str(PurePosixPath(paths[row]).relative_to(shared))
    return paths.astype(np.str_)


def identity_source(
    pairs: pd.DataFrame, labels: NDArray[np.int8] | None, identity: IdentitySource
) -> IdentitySource:
    """Decide where the people of an effect's pairs are named.

    Parameters
    ----------
    pairs : DataFrame
        The pairs.
    labels : array, shape [N], or None
        1 genuine, 0 impostor, if known.
    identity : 'auto', 'folder', (column, column) or None
        'auto' takes the columns identity1 and identity2 where there are both, else 'folder'.

    Returns
    -------
    'folder', (column, column) or None
        None instead of 'folder' without labels: folders of effects often are conditions, and
        nothing would contradict them.
    """
    if isinstance(identity, str) and identity == "auto":
        has_columns = all(column in pairs.columns for column in IDENTITY_COLUMNS)
        identity = IDENTITY_COLUMNS if has_columns else "folder"
    return None if labels is None and isinstance(identity, str) else identity


def effect_sampling_units(
    pairs: pd.DataFrame,
    labels: NDArray[np.int8] | None,
    identity: IdentitySource,
    photographs: list[NDArray[np.str_]],
    *,
    task: str,
    owner: str,
    path: StrPath,
) -> SamplingUnits:
    """Find the people, or else the photographs, that are resampled in all conditions at once.

    Parameters
    ----------
    pairs : DataFrame
        The pairs.
    labels : array, shape [N], or None
        1 genuine, 0 impostor, if known.
    identity : 'folder', (column, column) or None
        From `identity_source`.
    photographs : list of two arrays of str, shape [N]
        From `items_of`.
    task, owner, path
        See `conditions_of`.
    """
    sampling_units = find_sampling_units(pairs, labels, identity, task=task, owner=owner, path=path)
    return (
        sampling_units if sampling_units.by == "identity" else SamplingUnits("image", *photographs)
    )


class EffectUnits(NamedTuple):
    """What is left out in turn for the errors of an effect.

    Attributes
    ----------
    first, second : int array, shape [N]
        The unit of each side of each pair.
    called : str
        'people', 'images', or 'groups of' these.
    """

    first: IntArray
    second: IntArray
    called: str


def units_of(sampling_units: SamplingUnits, cell: IntArray) -> EffectUnits:
    """Take people (or images) as units, or groups of people, if no pair links six in a condition.

    Parameters
    ----------
    sampling_units : SamplingUnits
        Who is compared.
    cell : int array, shape [N]
        The condition of each pair.
    """
    first, second = sampling_units.numbers
    blocks = blocks_of(first, second)
    fewest = min(np.unique(blocks[cell == k]).size for k in np.unique(cell))
    is_grouped = np.unique(blocks).size < sampling_units.names.size
    if sampling_units.by == "identity" and is_grouped and are_even(blocks) and fewest >= FEW_BLOCKS:
        return EffectUnits(blocks, blocks, f"groups of {sampling_units.plural}")
    return EffectUnits(first, second, sampling_units.plural)
