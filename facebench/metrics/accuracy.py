"""Accuracy of accept/reject decisions, and the thresholds chosen for it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.metrics.labels import read_comparisons
from facebench.metrics.roc_curve import roc, sweep
from facebench.types import Float64Array, FloatArray

__all__ = [
    "BestAccuracy",
    "KfoldAccuracy",
    "accepted_at",
    "accuracy_at",
    "best_accuracy",
    "kfold_accuracy",
    "kfold_decisions",
    "youden_threshold",
]


class BestAccuracy(NamedTuple):
    """The largest accuracy on the comparisons themselves.

    Attributes
    ----------
    accuracy : float
        In [0, 1]; an oracle's, as the threshold was chosen on the comparisons it is judged on.
    threshold : float
        In the units of the scores.
    """

    accuracy: float
    threshold: float


class KfoldAccuracy(NamedTuple):
    """Accuracy with each fold judged at a threshold from the others.

    Attributes
    ----------
    mean : float
        Mean of the fold accuracies.
    standard_error : float
        Their standard deviation (ddof 1) over the root of the number of folds.
    fold_accuracies, thresholds : array, shape [K]
        Per fold, in sorted order of the folds.
    """

    mean: float
    standard_error: float
    fold_accuracies: Float64Array
    thresholds: Float64Array


def accepted_at(similarities: FloatArray, threshold: float) -> NDArray[np.bool_]:
    """Decide: similarity >= threshold, with +inf accepting none and NaN never accepted.

    Examples
    --------
    >>> accepted_at(np.array([0.5, 0.4, np.nan, np.inf]), 0.5)
    array([ True, False, False,  True])
    """
    if threshold == np.inf:
        return np.zeros(similarities.shape, dtype=np.bool_)
    # A NumPy scalar keeps float32 scores from dragging the threshold down to float32.
    return np.asarray(similarities >= np.float64(threshold))


def accuracy_at(
    labels: Any, scores: Any, threshold: float, *, higher_is_better: bool = True
) -> float:
    """Share of comparisons decided rightly at a given threshold.

    (genuine accepted + impostors rejected) / N, accepting similarity >= threshold, or
    distance <= threshold.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor; one class is enough.
    scores : array-like, shape [N]
        Similarities or distances; NaN is rejected.
    threshold : float
        In the units of the scores. +inf for similarities (-inf for distances) accepts none.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    float
        In [0, 1]; higher is better.

    Raises
    ------
    ValueError
        If the threshold is NaN, lengths differ, there is nothing, or a label is none.

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006) 861-874.

    Examples
    --------
    >>> accuracy_at([1, 1, 0, 0], [0.9, 0.4, 0.4, 0.1], threshold=0.4)
    0.75
    >>> accuracy_at([1, 0], [0.2, 0.7], threshold=0.5, higher_is_better=False)
    1.0
    """
    if np.isnan(threshold):
        msg = "The 'threshold' parameter of accuracy_at must be a number. Got NaN instead."
        raise ValueError(msg)
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    accepted = accepted_at(similarities, threshold if higher_is_better else -threshold)
    return float(np.mean(accepted == genuine))


def best_accuracy(labels: Any, scores: Any, *, higher_is_better: bool = True) -> BestAccuracy:
    """Largest accuracy any threshold gives on these very comparisons: an oracle, in-sample.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    BestAccuracy
        accuracy (higher is better) and threshold, midway between scores; of equal maxima the
        strictest. Flatters small samples: use `kfold_accuracy` for a number to report.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006) 861-874.

    Examples
    --------
    >>> found = best_accuracy([1, 1, 0, 0], [0.75, 0.5, 0.25, 0.0])
    >>> found.accuracy, found.threshold
    (1.0, 0.375)
    """
    curve = roc(labels, scores, higher_is_better=higher_is_better)
    right = curve.true_matches + (curve.n_impostor - curve.false_matches)
    point = int(np.argmax(right))
    return BestAccuracy(
        accuracy=float(right[point] / (curve.n_genuine + curve.n_impostor)),
        threshold=float(curve.thresholds[point]),
    )


def youden_threshold(labels: Any, scores: Any, *, higher_is_better: bool = True) -> float:
    """Threshold with the largest Youden index J = true match rate - false match rate.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    float
        An observed score, not a midpoint: the last one accepted, as `AccuracyTask` reports it. Of
        equal maxima the strictest, which accepts none (+inf, for distances -inf) where no
        threshold beats rejecting every pair. Where the last one accepted is itself infinitely
        similar, the largest finite number stands for it.

    Raises
    ------
    ValueError
        If there is one class only.

    References
    ----------
    W. J. Youden, "Index for rating diagnostic tests", Cancer 3 (1950) 32-35.

    Examples
    --------
    >>> youden_threshold([1, 1, 0, 0], [0.9, 0.8, 0.3, 0.1])
    0.8
    """
    counts = sweep(labels, scores, higher_is_better)
    # As whole numbers of pairs: 2/3 - 1/3 and 1 - 2/3 are equal, but not in floating point.
    gain = counts.true_matches * counts.n_impostor - counts.false_matches * counts.n_genuine
    best = int(np.argmax(gain)) if gain.size else 0
    similarity = np.inf
    if gain.size and gain[best] > 0:
        similarity = min(float(counts.observed[best]), float(np.finfo(np.float64).max))
    return similarity if higher_is_better else -similarity


def kfold_accuracy(
    labels: Any, scores: Any, folds: Any, *, higher_is_better: bool = True
) -> KfoldAccuracy:
    """Cross-validated accuracy: each fold judged at the threshold best on all the other folds.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    scores : array-like, shape [N]
        Similarities or distances.
    folds : array-like, shape [N]
        The fold of each comparison: numbers or text, at least two different.
    higher_is_better : bool, default True
        False for distances.

    Returns
    -------
    KfoldAccuracy
        mean (higher is better), standard error s / sqrt(K) with s of ddof 1, and accuracy and
        threshold of each fold, in sorted order of the folds.

    Raises
    ------
    ValueError
        If there are fewer than two folds, one is missing (NaN), lengths differ, or the training
        part of a fold holds one class only.

    References
    ----------
    G. B. Huang et al., "Labeled Faces in the Wild", UMass Amherst TR 07-49 (2007), View 2.

    Examples
    --------
    >>> found = kfold_accuracy([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.3], folds=["b", "b", "a", "a"])
    >>> found.mean, found.standard_error, found.thresholds
    (1.0, 0.0, array([0.5 , 0.55]))
    """
    label_array = np.asarray(read_comparisons(labels, scores, higher_is_better).genuine)
    score_array = np.asarray(scores)
    fold_array = np.asarray(folds)
    if fold_array.shape != label_array.shape:
        msg = f"Got folds of shape {fold_array.shape} for {label_array.size} comparisons."
        raise ValueError(msg)
    # NaN and None differ from any fold, NaN even from itself.
    has_none = fold_array.dtype == object and any(fold is None for fold in fold_array.flat)
    if has_none or (fold_array != fold_array).any():
        msg = "Every comparison needs a fold. Got a missing one."
        raise ValueError(msg)
    names = np.unique(fold_array)
    if names.size < 2:
        msg = f"Cross-validation needs at least two folds. Got {names.size}."
        raise ValueError(msg)
    accuracies, thresholds = [], []
    for name in names.tolist():
        judged = fold_array == name
        training = label_array[~judged]
        if training.all() or not training.any():
            msg = f"The folds other than {name!r} hold one class only: no threshold follows."
            raise ValueError(msg)
        best = best_accuracy(training, score_array[~judged], higher_is_better=higher_is_better)
        accuracies.append(
            accuracy_at(
                label_array[judged],
                score_array[judged],
                best.threshold,
                higher_is_better=higher_is_better,
            )
        )
        thresholds.append(best.threshold)
    fold_accuracies = np.array(accuracies)
    return KfoldAccuracy(
        mean=float(fold_accuracies.mean()),
        standard_error=float(fold_accuracies.std(ddof=1) / np.sqrt(names.size)),
        fold_accuracies=fold_accuracies,
        thresholds=np.array(thresholds),
    )


def kfold_decisions(
    labels: Any, scores: Any, folds: Any, thresholds: Any, *, higher_is_better: bool = True
) -> NDArray[np.bool_]:
    """Tell which comparisons are decided rightly, each at the threshold of its fold.

    Parameters
    ----------
    labels, scores, folds, higher_is_better
        See `kfold_accuracy`.
    thresholds : array-like, shape [K]
        In sorted order of the folds, as `kfold_accuracy` gives them.

    Returns
    -------
    array of bool, shape [N]

    Examples
    --------
    >>> kfold_decisions([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.3], [1, 1, 2, 2], [0.5, 0.85])
    array([ True,  True, False,  True])
    """
    genuine, similarities = read_comparisons(labels, scores, higher_is_better)
    names, place = np.unique(np.asarray(folds), return_inverse=True)
    sign = 1.0 if higher_is_better else -1.0
    right = np.zeros(genuine.size, dtype=bool)
    for number, threshold in enumerate(np.asarray(thresholds)[: names.size] * sign):
        judged = place == number
        right[judged] = accepted_at(similarities[judged], threshold) == genuine[judged]
    return right
