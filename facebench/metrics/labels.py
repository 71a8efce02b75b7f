"""Reading what every verification metric takes: labels, scores and their direction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from facebench.types import FloatArray

__all__ = [
    "SPELLINGS",
    "Comparisons",
    "LabelError",
    "as_labels",
    "as_similarities",
    "label_words",
    "read_comparisons",
]

# Words for one person and for two, as tables have them; those of one line are of one spelling.
_SPELLINGS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("0/1", ("1", "1.0", "true", "t"), ("0", "0.0", "false", "f")),
    ("yes/no", ("yes", "y"), ("no", "n")),
    ("same/different", ("same",), ("different", "diff")),
    (
        "match/non-match",
        ("match", "matched", "mated"),
        ("non-match", "nonmatch", "mismatch", "no-match", "unmatched", "non-mated", "nonmated"),
    ),
    ("genuine/impostor", ("genuine",), ("impostor", "imposter")),
)
_WORDS = {
    word: (label, spelling)
    for spelling, *both in _SPELLINGS
    for label, words in ((1, both[0]), (0, both[1]))
    for word in words
}
SPELLINGS = "0/1, true/false, yes/no, same/different, match/non-match or genuine/impostor"


class LabelError(ValueError):
    """A value that is not a label, or not of the spelling of those before.

    Attributes
    ----------
    position : int
        Where it is, from 0.
    value : object
        What it is.
    expected : str
        What it must be.
    """

    def __init__(self, position: int, value: object, expected: str = SPELLINGS) -> None:
        self.position = position
        self.value = value
        self.expected = expected
        super().__init__(position, value)

    @override
    def __str__(self) -> str:
        return f"Labels must be {self.expected}. Got {self.value!r} at position {self.position}."


class Comparisons(NamedTuple):
    """Labelled scores, turned so that higher is more alike.

    Attributes
    ----------
    genuine : array of bool, shape [N]
        Whether both images show one person.
    similarities : float array, shape [N]
        The scores; distances are negated. NaN where a comparison failed.
    """

    genuine: NDArray[np.bool_]
    similarities: FloatArray


def as_labels(values: Iterable[Any]) -> NDArray[np.int8]:
    """Read genuine/impostor labels in any of the usual spellings.

    Parameters
    ----------
    values : iterable
        0/1 (also as text), booleans or true/false; or the words yes/no, same/different,
        match/non-match or genuine/impostor, in any case.

    Returns
    -------
    array of int8, shape [N]
        1 for genuine, 0 for impostor.

    Raises
    ------
    LabelError
        For the first value that is none of these, or of another spelling than those before it.

    Examples
    --------
    >>> as_labels(["same", "different", "Same"]), as_labels([True, 0, "1"])
    (array([1, 0, 1], dtype=int8), array([1, 0, 1], dtype=int8))
    """
    dtype = getattr(values, "dtype", None)
    # Millions of numbers at once; a list stays a list, as an array of it would change its types.
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        numbers = np.asarray(values).ravel()
        labels = numbers == 1
        wrong = ~labels & (numbers != 0)
        if wrong.any():
            position = int(np.argmax(wrong))
            raise LabelError(position, numbers[position].item())
        return np.asarray(labels, dtype=np.int8)
    found = []
    first = None
    for position, value in enumerate(values):
        # str() of True is 'True', of np.int64(1) '1', of 1.0 '1.0': one table serves them all.
        label, spelling = _WORDS.get(_plain(value), (None, None))
        if label is None:
            raise LabelError(position, value)
        if spelling != (first := first or spelling):
            raise LabelError(position, value, f"{first}, as those before are")
        found.append(label)
    return np.array(found, dtype=np.int8)


def label_words(values: Iterable[Any]) -> tuple[str, str] | None:
    """Give the words that labels are written in: for one person, and for two.

    Parameters
    ----------
    values : iterable
        Labels that `as_labels` reads.

    Returns
    -------
    (str, str) or None
        As they are written, '' for one that is not there; None of numbers and booleans.

    Examples
    --------
    >>> label_words(["No", "Yes", "No"]), label_words([1, 0])
    (('Yes', 'No'), None)
    """
    words = {1: "", 0: ""}
    for value in dict.fromkeys(values):
        label, spelling = _WORDS[_plain(value)]
        if spelling == _SPELLINGS[0][0]:
            return None
        words[label] = words[label] or str(value).strip()
    return words[1], words[0]


def _plain(value: object) -> str:
    text = str(value).strip().lower()
    # 'non match' is 'non-match', but -1 is not 1.
    return "-".join(re.split(r"[-_\s]+", text)) if text[:1].isalpha() else text


def as_similarities(scores: Any, higher_is_better: bool) -> FloatArray:
    """Return scores as floating point, distances negated; float32 stays float32."""
    similarities = np.asarray(scores)
    if similarities.dtype not in (np.float32, np.float64):
        similarities = similarities.astype(np.float64)
    return similarities if higher_is_better else np.negative(similarities)


def read_comparisons(labels: Any, scores: Any, higher_is_better: bool) -> Comparisons:
    """Check that labels and scores belong together, and turn the scores.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor (see `as_labels`).
    scores : array-like, shape [N]
        Similarities, or distances.
    higher_is_better : bool
        False for distances.

    Returns
    -------
    Comparisons
        The labels as booleans and the scores as similarities.

    Raises
    ------
    ValueError
        If the lengths differ, there is nothing, or a label is none.

    Examples
    --------
    >>> read_comparisons(["same"], [0.25], higher_is_better=False).similarities
    array([-0.25])
    """
    genuine = as_labels(labels).astype(bool)
    similarities = as_similarities(scores, higher_is_better)
    if similarities.shape != genuine.shape:
        msg = f"Got {genuine.size} labels for scores of shape {similarities.shape}."
        raise ValueError(msg)
    if genuine.size == 0:
        msg = "Labels and scores are empty: no comparisons, let alone of both classes."
        raise ValueError(msg)
    return Comparisons(genuine, similarities)
