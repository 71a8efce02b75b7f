"""What tasks of genuine and impostor pairs know of their pairs: labels, people, lost rows."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.columns import N_FAILED, N_IDENTITIES, N_IMAGES, N_PAIRS
from facebench.data.identity import (
    IdentitySource,
    contradictions,
    numbered,
    people_of_pairs,
)
from facebench.data.packs import is_pack, member_bytes
from facebench.data.pairs import PAIR_COLUMNS, require_column, row_name
from facebench.errors import InputError, PairsError
from facebench.metrics.folds import Folds, make_folds
from facebench.metrics.labels import LabelError, as_labels, label_words
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import PROPORTIONS_NOTE, uneven_note
from facebench.types import Float64Array, IntArray, StrPath

__all__ = [
    "SamplingUnits",
    "check_both_left",
    "count_columns",
    "distances_of_pairs",
    "find_sampling_units",
    "genuine_labels",
    "images_folder",
    "jackknife_groups_of",
    "jackknife_note",
    "read_labels",
    "stratified_folds",
]

_log = logging.getLogger(__name__)
# Names of columns whose 1 is likely to mean two people.
_OPPOSITE = re.compile(
    r"(?<![a-z])(diff(erent|ers?)?|impost\w*|non[-_ ]?(match|mated)\w*|mismatch\w*|unequal)"
    r"(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class SamplingUnits:
    """Who, or else what, is compared.

    Attributes
    ----------
    by : {'identity', 'image', 'template'}
        Whether people are known.
    first, second : array of str, shape [N]
        The person, or the image, of each side of each pair.
    """

    by: Literal["identity", "image", "template"]
    first: NDArray[np.str_]
    second: NDArray[np.str_]

    @property
    def plural(self) -> str:
        """What several of them are called."""
        return "people" if self.by == "identity" else f"{self.by}s"

    @cached_property
    def numbers(self) -> tuple[IntArray, IntArray]:
        """Both sides by number, in the order of the names."""
        first, second = numbered(self.first, self.second)
        return first, second

    @cached_property
    def names(self) -> NDArray[np.str_]:
        """The different ones, in the order of their numbers."""
        return np.unique(np.concatenate((self.first, self.second)))


def genuine_labels(
    pairs: pd.DataFrame, true_label: str, *, task: str, owner: str, path: StrPath
) -> NDArray[np.int8]:
    """Read the column that tells genuine pairs from impostor pairs.

    Parameters
    ----------
    pairs : DataFrame
        The pairs.
    true_label : str
        The column.
    task, owner, path
        The task's name, its class and its pairs file, for messages.

    Returns
    -------
    array of int8, shape [N]
        1 genuine, 0 impostor.

    Raises
    ------
    PairsError
        If the column is missing, has empty cells or other values, or holds one class only.
    """
    column = require_column(pairs, true_label, parameter="true_label", owner=owner, path=path)
    where = f"The {true_label!r} column of {path}, the true_label of {task!r},"
    labels = read_labels(column, where, task=task, path=path)
    genuine = int(labels.sum())
    if genuine in (0, len(labels)):
        msg = (
            f"{where} must hold both classes. "
            f"Got {genuine} same and {len(labels) - genuine} different pairs."
        )
        raise PairsError(msg)
    return labels


def read_labels(
    column: pd.Series, where: str, *, task: str, path: StrPath | None = None
) -> NDArray[np.int8]:
    """Read a column of labels in any spelling, and say which word was taken for one person.

    Parameters
    ----------
    column : Series
        The labels.
    where : str
        What the column is, for messages.
    task, path
        The task's name and its pairs file, for messages.

    Returns
    -------
    array of int8, shape [N]
        1 genuine, 0 impostor.

    Raises
    ------
    PairsError
        If a label is unknown, or of another spelling than those before it.
    """
    try:
        labels = as_labels(column)
    except LabelError as error:
        msg = (
            f"{where} must hold {error.expected}. Got {error.value!r:.200} in "
            f"{row_name(error.position, path)}."
        )
        raise PairsError(msg) from error
    words = label_words(column)
    if words is not None and words[0].lower() != "same":
        _log.info(
            "Task %r: in the column %r, %r is taken for pairs of one person and %r for pairs of "
            "two.",
            task,
            column.name,
            *words,
        )
    says_itself = words is not None and words[0].lower() not in ("yes", "y")
    if not says_itself and _OPPOSITE.search(str(column.name)):
        _log.warning(
            "Task %r: in the column %r, %s is taken for pairs of one person, though its name says "
            "the opposite. If it means two people there, invert the column.",
            task,
            column.name,
            "1 (or true)" if words is None else repr(words[0]),
        )
    return labels


def find_sampling_units(
    pairs: pd.DataFrame,
    labels: NDArray[np.int8] | None,
    identity: IdentitySource,
    *,
    task: str,
    owner: str,
    path: StrPath,
) -> SamplingUnits:
    """Find out which people a table compares, or, where it does not say, which images.

    Parameters
    ----------
    pairs : DataFrame
        The pairs.
    labels : array, shape [N], or None
        1 genuine, 0 impostor, if known.
    identity : 'folder', (column, column) or None
        Where people are named, see `facebench.data.identity`. Where no identities are known, images
        are taken instead, with a warning if that is because they contradict the labels. None
        takes images at once.
    task, owner, path
        See `genuine_labels`.

    Raises
    ------
    InputError
        If `identity` is something else.
    PairsError
        If a named column is missing, or contradicts the labels.
    """
    if identity is None:
        return _by_image(pairs, path)
    if isinstance(identity, str) and identity == "folder":
        people = people_of_pairs(pairs)
        if people is None:
            return _by_image(pairs, path)
        wrong = _first_contradiction(people, labels)
        if wrong is None:
            return SamplingUnits("identity", *people)
        _log.warning(
            "Task %r: the folders of %s do not tell people apart as its labels do, so intervals "
            "resample images instead of people.",
            task,
            row_name(wrong, path),
        )
        return _by_image(pairs, path)
    columns = list(identity)
    if isinstance(identity, str) or len(columns) != 2:
        msg = (
            f"The 'identity' parameter of {owner} must be 'folder', two columns of the pairs file, "
            f"or None. Got {identity!r} instead."
        )
        raise InputError(msg)
    first, second = (
        require_column(pairs, column, parameter="identity", owner=owner, path=path)
        .astype(str)
        .to_numpy(dtype=np.str_)
        for column in columns
    )
    wrong = _first_contradiction((first, second), labels)
    if wrong is not None:
        msg = (
            f"The identity columns {columns[0]!r} and {columns[1]!r} of {path} must agree with the "
            f"labels. In {row_name(wrong, path)} they are {str(first[wrong])!r:.200} and "
            f"{str(second[wrong])!r:.200}, labelled "
            f"{'different' if first[wrong] == second[wrong] else 'same'}."
        )
        raise PairsError(msg)
    return SamplingUnits("identity", first, second)


def _first_contradiction(
    people: tuple[NDArray[np.str_], NDArray[np.str_]], labels: NDArray[np.int8] | None
) -> int | None:
    if labels is None:
        return None
    rows = contradictions(*people, labels)
    return int(rows[0]) if rows.size else None


def _by_image(pairs: pd.DataFrame, path: StrPath) -> SamplingUnits:
    first, second = (pairs[column].to_numpy(dtype=np.str_) for column in ("img1", "img2"))
    if not is_pack(path):
        return SamplingUnits("image", first, second)
    # A pack repeats an image for every pair it is in, under names that know nothing of each other.
    digest = {
        name: hashlib.sha256(member_bytes(f"{path}/{name}")).hexdigest()
        for name in np.unique(np.concatenate((first, second))).tolist()
    }
    return SamplingUnits(
        "image", *(np.array([digest[name] for name in side]) for side in (first, second))
    )


def images_folder(pairs_path: StrPath, images_path: StrPath | None, owner: str) -> StrPath:
    """Give the folder of the images: a pack of pairs is its own.

    Raises
    ------
    InputError
        If there is none.
    """
    # A cell that is not a path is reported by the reader of the pairs.
    if isinstance(pairs_path, str | os.PathLike) and is_pack(pairs_path):
        return pairs_path
    if images_path is None:
        msg = (
            f"The 'images_path' parameter of {owner} must be the folder that image names are "
            "relative to. Got None; only a .bin pack brings its own images."
        )
        raise InputError(msg)
    return images_path


def check_both_left(labels: NDArray[np.int8], distances: Float64Array, task: str) -> None:
    """Refuse distances that left one class without a single comparison.

    Raises
    ------
    PairsError
        If they did.
    """
    left = labels[~np.isnan(distances)]
    if left.size == 0 or left.min() == left.max():
        msg = (
            f"Task {task!r} needs pairs of both classes. The {left.size} that are left without "
            f"unreadable images are {int(left.sum())} same and {int((1 - left).sum())} different."
        )
        raise PairsError(msg)


def count_columns(
    pairs: pd.DataFrame, units: SamplingUnits, distances: Float64Array
) -> dict[str, float]:
    """Count what results rest on: pairs, images, people (NaN if unknown) and failures."""
    return {
        N_PAIRS: len(pairs),
        N_IMAGES: int(pd.concat([pairs["img1"], pairs["img2"]]).nunique()),
        N_IDENTITIES: units.names.size if units.by == "identity" else float("nan"),
        N_FAILED: int(np.isnan(distances).sum()),
    }


def jackknife_note(units: SamplingUnits, groups: JackknifeGroups) -> str:
    """Say how intervals were made."""
    return (
        f"95 % jackknife of {units.plural} ({groups.n_resamples} groups), t quantiles"
        f"{uneven_note(groups.df, units.plural)}{PROPORTIONS_NOTE}"
    )


def jackknife_groups_of(pairs: pd.DataFrame, units: SamplingUnits) -> tuple[JackknifeGroups, str]:
    """Group people (or images) to be left out in turn, and tell these pairs from others."""
    groups = JackknifeGroups(*units.numbers, names=units.names)
    return groups, groups.digest(pairs["img1"], pairs["img2"])


def stratified_folds(
    pairs: pd.DataFrame,
    labels: NDArray[np.int8],
    units: SamplingUnits,
    n_folds: int,
    *,
    seed: int = 0,
) -> Folds:
    """Make folds: the same for any order of rows, and of the two images of a pair.

    See `make_folds`.
    """
    sides = numbered(*(pairs[column] for column in PAIR_COLUMNS))
    order = np.lexsort((np.maximum(*sides), np.minimum(*sides)))
    first, second = units.numbers
    made = make_folds(labels[order], n_folds, first[order], second[order], seed=seed)
    of_pair = np.empty_like(made.of_pair)
    of_pair[order] = made.of_pair
    return Folds(of_pair, made.is_disjoint)


def _same_texts(one: pd.Series, other: pd.Series) -> bool:
    """Tell whether two columns are the same, without making an object of every text if possible."""
    same_kind = one.dtype == other.dtype and isinstance(one.dtype, pd.StringDtype)
    if same_kind:
        return bool(one.array.equals(other.array))
    return bool(np.array_equal(one.to_numpy(), other.to_numpy()))


def distances_of_pairs(pairs: pd.DataFrame, given: pd.DataFrame, *, task: str) -> Float64Array:
    """Give every pair of a task its distance, NaN where it has none.

    Parameters
    ----------
    pairs : DataFrame
        All pairs of the task.
    given : DataFrame
        These pairs in their order with ``model_computed_distance``, NaN where an image could not be
        read. Rows may be missing too: those that are there are found by their index, or else by
        their images.
    task : str
        The task's name, for messages.

    Returns
    -------
    array, shape [N]

    Raises
    ------
    PairsError
        If the given rows are not rows of these pairs, or it cannot be told which of them.
    """
    found = np.asarray(given["model_computed_distance"], dtype=np.float64)
    sides = ["img1", "img2"]
    if all(_same_texts(pairs[side], given[side]) for side in sides):
        return found
    wanted, rows = (pd.MultiIndex.from_frame(table[sides]) for table in (pairs, given))
    places = np.asarray(pairs.index.get_indexer(given.index))
    if (places < 0).any() or not wanted[places].equals(rows):
        if not wanted.is_unique:
            msg = (
                f"Task {task!r} was given {len(rows)} of its {len(wanted)} pairs, some of which it "
                "has twice. Give it all, with NaN where a distance is missing."
            )
            raise PairsError(msg)
        places = np.asarray(wanted.get_indexer(rows))
    wrong = np.flatnonzero((places < 0) | (np.diff(places, prepend=-1) < 1))
    if wrong.size:
        one, other = rows[wrong[0]]
        msg = (
            f"Task {task!r} was given distances of other pairs than its own, in another order, "
            f"or of {len(rows)} instead of {len(wanted)}: {one!r} and {other!r} are not where "
            "they should be."
        )
        raise PairsError(msg)
    distances = np.full(len(wanted), np.nan)
    distances[places] = found
    return distances
