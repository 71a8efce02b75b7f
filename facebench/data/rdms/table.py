"""What every file of RDMs comes to: names, and vectors that are checked as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from typing_extensions import override

from facebench.errors import InputError
from facebench.metrics.rdm import condensed, rdm_from_pairs
from facebench.types import Float64Array
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["NamedRdms", "Part", "Polarity", "gathered", "of_square"]

Polarity = Literal["distance", "similarity"]
# Both halves of a matrix are one number, but for the rounding of float32 and of text.
_ROUNDING = 1e-5


class Part(NamedTuple):
    """One RDM of a file.

    Attributes
    ----------
    label : str
        What tells it from the others of the file: a participant, a layer.
    names : list of str
        Its images.
    vector : array, shape [n (n - 1) / 2]
        What is above its diagonal, row by row; NaN where a pair is missing.
    polarity : {'distance', 'similarity'} or None
        What its diagonal says; None where it says nothing.
    notes : tuple of str
        Remarks.
    """

    label: str
    names: list[str]
    vector: Float64Array
    polarity: Polarity | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class NamedRdms:
    """RDMs of the same images, as one file holds them.

    Attributes
    ----------
    source : Path
        The file.
    names : list of str
        The images.
    labels : list of str
        What each RDM is of: a participant, a layer.
    vectors : array, shape [K, n (n - 1) / 2]
        The RDMs, what is above the diagonal row by row; NaN where a pair is missing.
    polarity : {'distance', 'similarity'} or None
        What the diagonals say; None where they say nothing.
    notes : tuple of str
        Remarks, a sentence each.
    """

    source: Path
    names: list[str]
    labels: list[str]
    vectors: Float64Array
    polarity: Polarity | None = None
    notes: tuple[str, ...] = ()

    @override
    def __repr__(self) -> str:
        return f"NamedRdms({str(self.source)!r}, {len(self.names)} images, {self.labels})"

    def one(self, label: str | None = None) -> Float64Array:
        """Give one RDM.

        Parameters
        ----------
        label : str, optional
            Which; 'mean' averages all, pair by pair. None: the only one.

        Returns
        -------
        array, shape [n (n - 1) / 2]

        Raises
        ------
        InputError
            If there are several and none is named, or there is no such one.
        """
        if label is None and len(self.labels) == 1:
            return np.asarray(self.vectors[0])
        if label in self.labels:
            return np.asarray(self.vectors[self.labels.index(label)])
        if label == "mean":
            counted = (~np.isnan(self.vectors)).sum(axis=0)
            total = np.nansum(self.vectors, axis=0)
            mean = np.divide(total, counted, out=np.full(total.shape, np.nan), where=counted > 0)
            return np.asarray(mean)
        if label is None:
            msg = (
                f"{self.source} holds {len(self.labels)} RDMs: {listed(self.labels)}. Say which "
                "(layer), or 'mean' for their mean."
            )
        else:
            msg = (
                f"{self.source} holds no RDM {label!r}. It holds: {listed(self.labels)}."
                f"{did_you_mean(label, self.labels)}"
            )
        raise InputError(msg)


def gathered(path: Path, parts: Sequence[Part]) -> NamedRdms:
    """Put the RDMs of a file side by side, over all images that any of them has.

    Parameters
    ----------
    path : Path
        The file.
    parts : sequence of Part
        One or more.

    Raises
    ------
    InputError
        If a name is missing or there twice, a number is infinite, or diagonals contradict.
    """
    for part in parts:
        _check_names(path, part)
        if np.isinf(part.vector).any():
            msg = f"{path} has infinite distances in {part.label!r}. Leave cells empty, or NaN."
            raise InputError(msg)
        if np.isnan(part.vector).all():
            msg = f"{path} has no number at all in {part.label!r}."
            raise InputError(msg)
    said = {part.polarity for part in parts if part.polarity is not None}
    if len(said) > 1:
        msg = (
            f"{path} holds distances as well as similarities, by the diagonals of its matrices. "
            "Write one kind."
        )
        raise InputError(msg)
    labels = [part.label for part in parts]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        labels = [f"{label} {number + 1}" for number, label in enumerate(labels)]
    names = list(dict.fromkeys(name for part in parts for name in part.names))
    place = {name: number for number, name in enumerate(names)}
    notes = [note for part in parts for note in part.notes]
    if any(set(part.names) != set(names) for part in parts):
        notes.append(
            f"Its RDMs are of different images: from {min(len(part.names) for part in parts)} to "
            f"{max(len(part.names) for part in parts)} of {len(names)}. Pairs that one does not "
            "have are missing."
        )
    vectors = []
    for part in parts:
        places = np.array([place[name] for name in part.names])
        first, second = np.triu_indices(len(places), 1)
        vectors.append(rdm_from_pairs(places[first], places[second], part.vector, len(names)))
    whole = np.stack(vectors)
    missing = int(np.isnan(whole).all(axis=0).sum())
    if missing:
        notes.append(f"{missing} of {whole.shape[1]} pairs have no number.")
    return NamedRdms(
        path, names, labels, whole, next(iter(said), None), tuple(dict.fromkeys(notes))
    )


def _check_names(path: Path, part: Part) -> None:
    empty = next((row for row, name in enumerate(part.names) if not name.strip()), None)
    if empty is not None:
        msg = f"{path} has no name for image {empty + 1} of {len(part.names)}."
        raise InputError(msg)
    known: set[str] = set()
    for name in part.names:
        if name in known:
            msg = f"{path} must name each image once. It has {name!r} twice."
            raise InputError(msg)
        known.add(name)
    if len(part.names) < 3:
        msg = f"{path} holds an RDM of {len(part.names)} images. At least 3 are needed."
        raise InputError(msg)


def of_square(matrix: Float64Array, names: Sequence[str], label: str, path: Path) -> Part:
    """Check a full matrix and take what is above its diagonal.

    Parameters
    ----------
    matrix : array, shape [n, n]
        Symmetric, or with one half empty (NaN).
    names : sequence of str
        Its images.
    label, path
        What it is and where, for messages.

    Raises
    ------
    InputError
        If it is not symmetric.
    """
    above, below = condensed(matrix), condensed(matrix.T)
    both = ~(np.isnan(above) | np.isnan(below))
    largest = float(np.abs(matrix[np.isfinite(matrix)]).max(initial=0.0))
    with np.errstate(invalid="ignore"):
        apart = np.where(both, np.abs(above - below), 0.0)
    if both.any() and float(apart.max()) > _ROUNDING * largest:
        row, column = (int(side[apart.argmax()]) for side in np.triu_indices(len(matrix), 1))
        one_half = not np.tril(matrix, -1).any() or not np.triu(matrix, 1).any()
        hint = (
            "One half holds zeros only: leave it empty, or write NaN."
            if one_half
            else "Give the mean of both, (D + D') / 2, or name the images and layers as "
            "embeddings if this is not an RDM."
        )
        msg = (
            f"{path} must hold a symmetric matrix. {label!r} has {matrix[row, column]:g} for "
            f"{names[row]!r}, {names[column]!r} and {matrix[column, row]:g} for the reverse. {hint}"
        )
        raise InputError(msg)
    values = np.where(np.isnan(above), below, above)
    diagonal = np.diag(matrix)
    return Part(label, list(names), values, *_of_diagonal(diagonal, values, largest, label))


def _of_diagonal(
    diagonal: Float64Array, values: Float64Array, largest: float, label: str
) -> tuple[Polarity | None, tuple[str, ...]]:
    """Say what the diagonal tells of the polarity, and what is odd about it."""
    known, off = diagonal[~np.isnan(diagonal)], values[~np.isnan(values)]
    if not known.size or not off.size:
        return None, ()
    slack = _ROUNDING * largest
    if np.abs(known).max() <= slack:
        # A matrix of similarities may have an empty diagonal that some program wrote as zeros.
        return ("distance" if off.max() > slack else None), ()
    if known.min() >= off.max() - slack and known.mean() > off.mean():
        return "similarity", ()
    note = (
        f"The diagonal of {label!r} is not zero ({known.min():g} to {known.max():g}). It is not "
        "used."
    )
    return None, (note,)
