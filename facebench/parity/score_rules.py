"""Rules whose thresholds follow the scores: FaceX-Zoo, deepface, FacesBenchmark, official LFW."""

from __future__ import annotations

from typing import Any

import numpy as np

from facebench.metrics.verification import kfold_accuracy
from facebench.parity.outcome import Outcome, checked_scores, contiguous_folds, grid_accuracies

__all__ = ["deepface", "faces_benchmark", "facexzoo", "lfw"]

STEPS = 1000


def facexzoo(labels: Any, similarities: Any, *, folds: int = 10) -> Outcome:
    """FaceX-Zoo: the best Youden index over 1,000 steps; a score on the threshold is always wrong.

    The threshold is one of 1,000 steps between the smallest and the largest similarity of the
    other folds. Genuine pairs are right if similarity > threshold, impostors if < threshold.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor, in file order.
    similarities : array-like, shape [N]
        Rounded to float32, as there.
    folds : int, default 10
        Cut from the rows as they lie (there: 10 of 600).

    Returns
    -------
    Outcome
        accuracy ± standard error (s / sqrt(K), ddof 1).

    Raises
    ------
    ValueError
        As `facenet`, or if all folds but one hold one class.

    References
    ----------
    J. Wang et al., "FaceX-Zoo: a PyTorch toolbox for face recognition", ACM Multimedia (2021),
    ``test_protocol/lfw/lfw_evaluator.py``.

    Examples
    --------
    >>> facexzoo([1, 0, 1, 0], [0.9, 0.1, 0.9, 0.1], folds=2).accuracy
    1.0
    """
    genuine, exact = checked_scores(labels, similarities)
    values = exact.astype(np.float32).astype(np.float64)
    fold = contiguous_folds(values.size, folds)
    accuracies, thresholds = [], []
    for index in range(folds):
        judged = fold == index
        same, trained = genuine[~judged], values[~judged]
        if same.all() or not same.any():
            msg = f"The folds other than the {index + 1}. hold one class only."
            raise ValueError(msg)
        low, high = np.float32(trained.min()), np.float32(trained.max())
        grid = np.float64(low) + np.float64((high - low) / np.float32(STEPS)) * np.arange(
            1, STEPS + 1
        )
        mated, unmated = np.sort(trained[same]), np.sort(trained[~same])
        # Equal indices are ordered by rounding, there as here: counts above, divided.
        tpr = (mated.size - np.searchsorted(mated, grid, side="right")) / mated.size
        fpr = (unmated.size - np.searchsorted(unmated, grid, side="right")) / unmated.size
        threshold = float(grid[np.argmax(tpr - fpr)])
        right = np.where(genuine[judged], values[judged] > threshold, values[judged] < threshold)
        accuracies.append(right.mean())
        thresholds.append(threshold)
    return Outcome(
        float(np.mean(accuracies)),
        float(np.std(accuracies, ddof=1) / np.sqrt(folds)),
        "standard error of the mean",
        np.array(accuracies),
        np.array(thresholds),
    )


def faces_benchmark(labels: Any, distances: Any) -> Outcome:
    """FacesBenchmark, whose import paths facebench keeps: strictly above its own threshold.

    The threshold is the similarity (1 - distance) with the best Youden index on the same pairs, of
    equal ones the largest; accepted if similarity > threshold, so that the pair which the
    threshold was taken from is rejected. `AccuracyTask` accepts it.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    distances : array-like, shape [N]
        Distances of any kind.

    Returns
    -------
    Outcome
        accuracy on the same pairs; no spread. The threshold is a similarity, infinity where none
        is better than rejecting all pairs.

    Raises
    ------
    ValueError
        If there is one class only, or a score is NaN.

    References
    ----------
    The indices are those of ``sklearn.metrics.roc_curve``, compared in floating point.

    Examples
    --------
    >>> found = faces_benchmark([1, 1, 0, 0], [0.25, 0.5, 0.75, 1.0])
    >>> found.accuracy, found.thresholds
    (0.75, array([0.5]))
    """
    genuine, values = checked_scores(labels, distances)
    similarities = 1.0 - values
    observed = np.unique(similarities)
    above = [
        part.size - np.searchsorted(np.sort(part), observed, side="left")
        for part in (similarities[genuine], similarities[~genuine])
    ]
    gain = (above[0] / genuine.sum() - above[1] / (~genuine).sum())[::-1]
    best = int(np.argmax(gain))
    threshold = float(observed[::-1][best]) if gain[best] > 0 else np.inf
    accuracy = float(np.mean((similarities > threshold) == genuine))
    return Outcome(accuracy, float("nan"), "", np.array([accuracy]), np.array([threshold]))


def deepface(labels: Any, distances: Any) -> Outcome:
    """deepface: the best accuracy on the same pairs, thresholds only between the class means.

    Every observed distance from the mean of the genuine to the mean of the impostor pairs is a
    threshold; accepted if distance < threshold. Of equal accuracies the smallest
    threshold (there: whichever an unstable sort brings first; the accuracy is the same).

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    distances : array-like, shape [N]
        Distances of any kind.

    Returns
    -------
    Outcome
        accuracy, an oracle's; no spread. NaN where no distance lies between the means.

    Raises
    ------
    ValueError
        If there is one class only, or a score is NaN.

    References
    ----------
    S. I. Serengil and A. Özpınar, "A benchmark of facial recognition pipelines and co-usability
    performances of modules", Journal of Information Technologies 17 (2024); deepface,
    ``benchmarks/Perform-Experiments.ipynb``.

    Examples
    --------
    >>> deepface([1, 1, 0, 0], [0.1, 0.3, 0.5, 0.9]).thresholds
    array([0.5])
    """
    genuine, values = checked_scores(labels, distances)
    between = np.unique(
        values[(values >= values[genuine].mean()) & (values <= values[~genuine].mean())]
    )
    accuracy = threshold = float("nan")
    if between.size:
        found = grid_accuracies(genuine, values, between)
        accuracy, threshold = float(found.max()), float(between[np.argmax(found)])
    return Outcome(accuracy, float("nan"), "", np.array([accuracy]), np.array([threshold]))


def lfw(labels: Any, distances: Any, folds: Any = 10) -> Outcome:
    """LFW, View 2, the official rule: mean and standard error over folds with their own thresholds.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor.
    distances : array-like, shape [N]
        Distances of any kind; accepted if distance <= threshold, thresholds midway between them.
    folds : int or array-like, shape [N], default 10
        The fold of each pair, or how many to cut from the rows as they lie.

    Returns
    -------
    Outcome
        accuracy ± standard error, as `facebench.metrics.verification.kfold_accuracy`.

    Raises
    ------
    ValueError
        As `kfold_accuracy`.

    References
    ----------
    G. B. Huang et al., "Labeled Faces in the Wild", UMass Amherst TR 07-49 (2007), View 2; G. B.
    Huang and E. Learned-Miller, TR 14-003 (2014).

    Examples
    --------
    >>> lfw([1, 0, 1, 0], [0.5, 1.5, 0.75, 1.75], folds=2).thresholds
    array([1.25, 1.  ])
    """
    genuine, values = checked_scores(labels, distances)
    fold = contiguous_folds(values.size, folds) if np.ndim(folds) == 0 else np.asarray(folds)
    found = kfold_accuracy(genuine, values, fold, higher_is_better=False)
    return Outcome(
        found.mean,
        found.standard_error,
        "standard error of the mean",
        found.fold_accuracies,
        found.thresholds,
    )
