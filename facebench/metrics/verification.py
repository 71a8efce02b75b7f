"""Verification: telling genuine pairs (same person) from impostor pairs.

`labels` are 1 for genuine and 0 for impostor; `similarities` are higher for more alike. A pair is
accepted if similarity >= threshold, and tied similarities move together.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.types import Float64Array, FloatArray

__all__ = ["LabelError", "Roc", "accuracy_at", "as_labels", "auc", "roc", "youden_threshold"]

_WORDS = {
    "same": 1,
    "true": 1,
    "1": 1,
    "1.0": 1,
    "different": 0,
    "false": 0,
    "0": 0,
    "0.0": 0,
}


class LabelError(ValueError):
    """A value that is no label.

    Attributes
    ----------
    position : int
        Where it is, from 0.
    value : object
        What it is.
    """

    def __init__(self, position: int, value: object) -> None:
        self.position = position
        self.value = value
        super().__init__(position, value)

    def __str__(self) -> str:
        return (
            "Labels must be 0/1, true/false or same/different. "
            f"Got {self.value!r} at position {self.position}."
        )


class Roc(NamedTuple):
    """An exact receiver operating characteristic.

    Attributes
    ----------
    fmr, tmr : array, shape [T]
        False and true match rate when accepting similarity >= threshold.
    thresholds : array, shape [T]
        Decreasing: accept none (+inf), then every distinct similarity.
    """

    fmr: Float64Array
    tmr: Float64Array
    thresholds: Float64Array


def as_labels(values: Iterable[Any]) -> NDArray[np.int8]:
    """Read genuine/impostor labels in any of the usual spellings.

    Parameters
    ----------
    values : iterable
        0/1 (also as text), booleans, or the words same/different and true/false in any case.

    Returns
    -------
    array of int8, shape [N]
        1 for genuine, 0 for impostor.

    Raises
    ------
    LabelError
        For the first value that is none of these.

    Examples
    --------
    >>> as_labels(["same", "different", True, 0, "1"])
    array([1, 0, 1, 0, 1], dtype=int8)
    """
    labels = []
    for position, value in enumerate(values):
        # str() of True is 'True', of np.int64(1) '1', of 1.0 '1.0': one table serves them all.
        label = _WORDS.get(str(value).strip().lower())
        if label is None:
            raise LabelError(position, value)
        labels.append(label)
    return np.array(labels, dtype=np.int8)


def _checked(labels: Any, similarities: Any) -> tuple[NDArray[np.bool_], Float64Array]:
    genuine = as_labels(labels).astype(bool)
    scores = np.asarray(similarities, dtype=np.float64)
    if scores.shape != genuine.shape:
        msg = f"Got {genuine.size} labels for similarities of shape {scores.shape}."
        raise ValueError(msg)
    if np.isnan(scores).any():
        msg = f"{int(np.isnan(scores).sum())} of {scores.size} similarities are NaN."
        raise ValueError(msg)
    return genuine, scores


def roc(labels: Any, similarities: FloatArray) -> Roc:
    """Exact ROC: one point per distinct similarity, none left out.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor (see `as_labels`).
    similarities : array, shape [N]
        Higher is more alike.

    Returns
    -------
    Roc
        Rates and thresholds, from accept-none to accept-all.

    Raises
    ------
    ValueError
        If labels hold one class only, or similarities hold NaN.

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006).

    Examples
    --------
    >>> roc([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1]).tmr
    array([0. , 0.5, 1. , 1. ])
    """
    genuine, scores = _checked(labels, similarities)
    n_genuine = int(genuine.sum())
    n_impostor = genuine.size - n_genuine
    if n_genuine == 0 or n_impostor == 0:
        msg = f"A ROC needs both classes. Got {n_genuine} genuine and {n_impostor} impostor pairs."
        raise ValueError(msg)
    thresholds, group = np.unique(scores, return_inverse=True)
    accepted_genuine = np.cumsum(np.bincount(group, weights=genuine)[::-1])
    accepted_impostor = np.cumsum(np.bincount(group, weights=~genuine)[::-1])
    return Roc(
        fmr=np.concatenate(([0.0], accepted_impostor / n_impostor)),
        tmr=np.concatenate(([0.0], accepted_genuine / n_genuine)),
        thresholds=np.concatenate(([np.inf], thresholds[::-1])),
    )


def auc(labels: Any, similarities: FloatArray) -> float:
    """Area under the ROC: the chance that a genuine pair scores above an impostor pair, ties ½.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    similarities : array, shape [N]
        Higher is more alike.

    Returns
    -------
    float
        In [0, 1]; 0.5 is chance.

    References
    ----------
    J. A. Hanley and B. J. McNeil, Radiology 143 (1982): the area is the Mann-Whitney statistic.

    Examples
    --------
    >>> round(auc([1] * 6 + [0] * 6, [.9, .8, .7, .7, .6, .5, .7, .7, .6, .4, .3, .2]), 4)
    0.7917
    """
    curve = roc(labels, similarities)
    return float(np.trapezoid(curve.tmr, curve.fmr))


def youden_threshold(labels: Any, similarities: FloatArray) -> float:
    """Threshold with the largest Youden index J = true match rate - false match rate.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    similarities : array, shape [N]
        Higher is more alike.

    Returns
    -------
    float
        An observed similarity (accept if similarity >= threshold); of equal maxima the strictest,
        which is +inf where no threshold beats rejecting every pair.

    References
    ----------
    W. J. Youden, "Index for rating diagnostic tests", Cancer 3 (1950).

    Examples
    --------
    >>> youden_threshold([1, 1, 0, 0], [0.9, 0.8, 0.3, 0.1])
    0.8
    """
    curve = roc(labels, similarities)
    # As whole numbers of pairs: 2/3 - 1/3 and 1 - 2/3 are equal, but not in floating point.
    genuine = as_labels(labels)
    n_genuine, n_impostor = int(genuine.sum()), int((genuine == 0).sum())
    youden = np.rint((curve.tmr - curve.fmr) * n_genuine * n_impostor)
    return float(curve.thresholds[np.argmax(youden)])


def accuracy_at(labels: Any, similarities: FloatArray, threshold: float) -> float:
    """Share of pairs decided rightly when accepting similarity >= threshold.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    similarities : array, shape [N]
        Higher is more alike.
    threshold : float
        In the units of the similarities.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> accuracy_at([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1], threshold=0.4)
    0.75
    """
    genuine, scores = _checked(labels, similarities)
    return float(np.mean((scores >= threshold) == genuine))
