"""The labels that a probe reads out: classes or numbers, which images have one, how reliable."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.data.pairs import decimal_comma_hint
from facebench.errors import InputError, PairsError
from facebench.tasks.shared.image_tables import ImageTable
from facebench.types import IntArray

__all__ = ["Labels", "labels_of", "reliability_of"]

_log = logging.getLogger(__name__)
# Whole numbers of so many kinds may be codes of classes.
_MOST_CODES = 10
_SHOWN = 5


class Labels(NamedTuple):
    """Labelled images, sorted by name.

    Attributes
    ----------
    rows : int array, shape [N]
        Their rows of the table.
    images : array of str, shape [N]
        Their names, each once.
    people : array of str, shape [N], or None
        Who is in them.
    values : array, shape [N]
        Numbers of classes, or the numbers.
    classes : tuple of str
        Names of classes, sorted; empty for numbers.
    n_unlabelled, n_rare : int
        Images left out: without a label, and of classes of one person (or image) only.
    """

    rows: IntArray
    images: NDArray[Any]
    people: NDArray[Any] | None
    values: NDArray[Any]
    classes: tuple[str, ...]
    n_unlabelled: int
    n_rare: int

    @property
    def is_classes(self) -> bool:
        """Whether labels are classes."""
        return bool(self.classes)


def labels_of(
    given: ImageTable,
    target: str,
    people: NDArray[Any] | None,
    *,
    image_column: str,
    kind: str,
    decodes: bool,
    task: str,
) -> Labels:
    """Read the labels of a table.

    Parameters
    ----------
    given : ImageTable
        The table.
    target : str
        The column; who is in the image, if `decodes`.
    people : array of str, shape [N], or None
        Who is in each image.
    image_column : str
        The column of image names.
    kind : {'auto', 'classes', 'number'}
        See `ProbeTask`.
    decodes : bool
        Whether identity itself is decoded.
    task : str
        The task, for messages.

    Raises
    ------
    PairsError
        If labels are neither, contradict each other, or too few are left.
    """
    images = given.texts("image_column", image_column).to_numpy(dtype=object)
    texts = pd.Series(people) if decodes else given.sparse_texts("target", target)
    there = texts.notna().to_numpy()
    _refuse_contradictions(given, images, texts, target)
    rows = np.flatnonzero(there & ~pd.Series(images).duplicated().to_numpy())
    n_twice = int(there.sum()) - rows.size
    if n_twice:
        _log.warning(
            "Task %r: %d rows of %s repeat an image with the same %s; they count once.",
            task, n_twice, given.source, target,
        )  # fmt: skip
    # The same folds for any order of rows.
    rows = rows[np.argsort(images[rows].astype(str), kind="stable")]
    if not rows.size:
        msg = f"The {target!r} column of {given.source} must have labels. All cells are empty."
        raise PairsError(msg)
    n_unlabelled = int((~there).sum())
    if n_unlabelled:
        _log.warning(
            "Task %r: %d of %d images of %s have no %s. They are left out.",
            task, n_unlabelled, there.size, given.source, target,
        )  # fmt: skip
    own = texts.iloc[rows].astype(str)
    who = None if people is None else people[rows]
    numbers = pd.to_numeric(own, errors="coerce").to_numpy(dtype=np.float64)
    if not decodes and _is_number(given, target, own, numbers, kind):
        _refuse_constant(given, target, numbers)
        return Labels(rows, images[rows], who, numbers, (), n_unlabelled, 0)
    kept = _frequent(own, images[rows] if decodes or who is None else who)
    n_rare = int((~kept).sum())
    if n_rare:
        rare = list(dict.fromkeys(own[~kept]))
        more = ", …" if len(rare) > _SHOWN else ""
        _log.warning(
            "Task %r: %d classes of %s (%s) have images of one %s only, which cannot be trained on "
            "and predicted. Their %d images are left out.",
            task, len(rare), target, ", ".join(rare[:_SHOWN]) + more,
            "photograph" if decodes or who is None else "person", n_rare,
        )  # fmt: skip
    names, values = np.unique(own[kept].to_numpy(dtype=np.str_), return_inverse=True)
    if names.size < 2:
        msg = (
            f"Task {task!r} needs two classes of {target!r} or more, each of two "
            f"{'photographs' if decodes or who is None else 'people'} or more. In {given.source} "
            f"there are {names.size} of {own.nunique()}."
        )
        if not decodes and who is not None and own.nunique() > 1:
            msg += (
                " Who is in an image is taken from "
                f"{'the identity column' if 'identity' in given.rows else 'its folder'}: name "
                "another column with 'identity', or say identity: null if every image shows "
                "another person."
            )
        raise PairsError(msg)
    return Labels(
        rows[kept],
        images[rows][kept],
        None if who is None else who[kept],
        values.ravel().astype(np.intp),
        tuple(names.tolist()),
        n_unlabelled,
        n_rare,
    )


def _refuse_contradictions(
    given: ImageTable, images: NDArray[Any], texts: pd.Series, target: str
) -> None:
    known = pd.DataFrame({"image": images, "label": texts.to_numpy()}).dropna().drop_duplicates()
    twice = known["image"].duplicated(keep=False).to_numpy()
    if twice.any():
        image = known["image"][twice].iloc[0]
        found = known.loc[known["image"] == image, "label"].tolist()
        msg = (
            f"{given.source} must give each image one {target}. {image!r:.200} has "
            f"{found[0]!r:.100} and {found[1]!r:.100}."
        )
        raise PairsError(msg)


def _is_number(
    given: ImageTable, target: str, own: pd.Series, numbers: NDArray[np.float64], kind: str
) -> bool:
    bad = np.flatnonzero(~np.isfinite(numbers))
    if kind == "classes":
        return False
    if bad.size:
        # A column of numbers with a few other cells is not a column of classes.
        if kind == "number" or bad.size < own.size / 2:
            text = own.iloc[bad[0]]
            told = "" if kind == "number" else ", or kind: classes"
            msg = (
                f"The {target!r} column of {given.source} must hold numbers (empty where there is "
                f"none){told}. Got {text!r:.200}.{decimal_comma_hint(text)}"
            )
            raise PairsError(msg)
        return False
    different = np.unique(numbers)
    if kind == "number":
        return True
    if different.size == 2:
        return False
    if 2 < different.size <= _MOST_CODES and (different % 1 == 0).all():
        msg = (
            f"The {target!r} column of {given.source} has {different.size} different whole numbers "
            f"({', '.join(f'{value:g}' for value in different[:_SHOWN])}, …), which may be codes "
            "or quantities. Say kind: classes or kind: number."
        )
        raise InputError(msg)
    return True


def _refuse_constant(given: ImageTable, target: str, numbers: NDArray[np.float64]) -> None:
    if np.ptp(numbers) == 0:
        msg = (
            f"The {target!r} column of {given.source} must hold different numbers. All "
            f"{numbers.size} are {numbers[0]:g}."
        )
        raise PairsError(msg)


def _frequent(own: pd.Series, units: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which images are of a class that two people (or images) have."""
    table = pd.DataFrame({"label": own.to_numpy(), "unit": units})
    n_units = table.groupby("label")["unit"].nunique()
    return np.asarray(table["label"].map(n_units).to_numpy() >= 2)


def reliability_of(
    given: ImageTable,
    target: str,
    labels: Labels,
    reliability: float | None,
    repeats: Sequence[str] | None,
    *,
    task: str,
    owner: str,
) -> float | None:
    """Take or compute the reliability of numbers.

    Parameters
    ----------
    given, target, labels
        The table, the column, and what was read of it.
    reliability, repeats
        See `ProbeTask`.
    task, owner : str
        The task's name and class, for messages.

    Raises
    ------
    InputError
        If both are given, labels are classes, or it is not above 0 and up to 1.
    """
    if reliability is None and not repeats:
        return None
    if labels.is_classes or (reliability is not None and repeats):
        msg = (
            f"Task {task!r} takes 'reliability' or 'repeats', one of them, and of numbers only. "
            f"Got {reliability!r} and {repeats!r} for {target!r}, "
            f"{'classes' if labels.is_classes else 'numbers'}."
        )
        raise InputError(msg)
    how = f"The 'reliability' parameter of {owner}"
    if repeats:
        how = f"The reliability of {target!r} of {task!r}, from {', '.join(map(str, repeats))},"
        columns = [repeats] if isinstance(repeats, str) else list(repeats)
        again = [given.sparse_numbers("repeats", column)[labels.rows] for column in columns]
        reliability = _agreement(labels.values, np.stack(again, axis=1))
    if not isinstance(reliability, int | float) or not 0 < reliability <= 1:
        msg = f"{how} must be above 0 and up to 1. Got {reliability!r} instead."
        raise InputError(msg)
    return float(reliability)


def _agreement(values: NDArray[Any], again: NDArray[np.float64]) -> float:
    """Cronbach's alpha of ratings whose mean is the label, else the mean of all correlations."""
    with np.errstate(invalid="ignore"):
        is_mean = again.shape[1] > 1 and np.allclose(
            np.nanmean(again, axis=1), values, rtol=1e-3, atol=1e-3 * np.ptp(values), equal_nan=True
        )
    table = pd.DataFrame(again if is_mean else np.column_stack((values, again)))
    pairs = table.corr().to_numpy()
    mean = float(np.nanmean(pairs[np.triu_indices(len(pairs), 1)]))
    if not is_mean:
        return mean
    complete = table.dropna()
    n_raters = len(pairs)
    if len(complete) < len(table):
        # Standardised alpha: ratings are missing here and there.
        return n_raters * mean / (1 + (n_raters - 1) * mean)
    parts, whole = float(complete.var().sum()), float(complete.sum(axis=1).var())
    return n_raters / (n_raters - 1) * (1 - parts / whole)
