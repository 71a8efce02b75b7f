"""Linear read-outs: how well embeddings predict a label in people not trained on.

scikit-learn fits. What is here keeps folds, standardisation and the choice of the penalty free of
leaks, and makes layers with many more features than images as fast as narrow ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

from facebench.types import Float64Array, FloatArray, IntArray

__all__ = [
    "PENALTIES",
    "Kind",
    "LabelShape",
    "MissingClassError",
    "ReadOut",
    "balanced_accuracy",
    "coordinates",
    "cross_validated_r2",
    "deal_folds",
    "deviation_correlation",
    "fold_auc",
    "read_out",
    "shuffled_labels",
    "training_moves",
]

Kind: TypeAlias = Literal["logistic", "ridge classes", "ridge"]
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
# Features that are standardised in one go.
_BLOCK = 4096
# Images up to which one thread is the fastest.
_SMALL = 1000
# Keeps a fit without a group possible where the penalty is next to nothing.
_EPSILON = 1e-13
# Draws of folds until every class is trained on in each of them.
_TRIES = 50
# Numbers that a sample kurtosis takes; from where docs/intervals.md finds intervals too short.
_FEWEST_FOR_SHAPE = 4
_SKEWED, _LONG_TAILS = 1.5, 3.0


class MissingClassError(ValueError):
    """A class without any embedding to train on.

    Attributes
    ----------
    number : int
        The class.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"Class {number} has no embedding in a training set.")
        self.number = number


class ReadOut(NamedTuple):
    """What read-outs say of images that they were not trained on.

    Attributes
    ----------
    predicted : array, shape [N]
        The number of the class, or the predicted value; NaN where the image has no embedding.
    scores : array, shape [N, K]
        How much each of K classes is favoured; of numbers, K is 0.
    baseline : array, shape [N]
        The mean of the numbers trained on; NaN for classes.
    penalties : array, shape [F]
        The penalty of each fold.
    chosen : bool
        Whether inner folds chose it; else there were too few people for them.
    without : array, shape [N, G]
        Numbers predicted by the same read-outs, but not trained on each of G groups of images; G is
        0 for classes, and where `left_out` is not given.
    baseline_without : array, shape [N, G]
        The mean of the numbers trained on, likewise.
    """

    predicted: Float64Array
    scores: Float64Array
    baseline: Float64Array
    penalties: Float64Array
    chosen: bool
    without: Float64Array
    baseline_without: Float64Array


def deal_folds(groups: Any, n_folds: int, *, classes: Any = None, seed: int = 0) -> IntArray:
    """Part images into folds, so that no group is in two and all classes are in every training set.

    Parameters
    ----------
    groups : array-like, shape [N]
        What must stay together: a person, a session, the image itself.
    n_folds : int
        2 or more; there are never more folds than groups, or than images of the largest class.
    classes : array-like of int, shape [N], optional
        Folds get about equal shares of each class.
    seed : int, default 0
        The same seed gives the same folds.

    Returns
    -------
    array of int, shape [N]
        The fold of each image, from 0.

    Raises
    ------
    ValueError
        If there are fewer than two groups, or a class is in one fold only however groups are dealt.

    References
    ----------
    scikit-learn's `StratifiedGroupKFold` and `GroupKFold` deal.

    Examples
    --------
    >>> folds = deal_folds(["a", "a", "b", "b", "c", "c"], 3)
    >>> bool((folds[::2] == folds[1::2]).all()), len(set(folds.tolist()))
    (True, 3)
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, StratifiedKFold

    number = np.unique(np.asarray(groups), return_inverse=True)[1].ravel()
    n_groups = int(number.max()) + 1
    n_folds = min(n_folds, n_groups)
    if classes is not None:
        # As many folds as the largest class has images.
        n_folds = min(n_folds, int(np.unique(np.asarray(classes), return_counts=True)[1].max()))
    if n_groups < 2:
        msg = f"Folds need 2 groups or more. Got {n_groups}."
        raise ValueError(msg)
    if classes is not None and (alone := _trained_without(np.asarray(classes), number)).size:
        msg = f"Class {alone[0]} has one group only."
        raise ValueError(msg)
    rng = np.random.default_rng(seed)
    is_single = n_groups == number.size
    features = np.zeros((number.size, 1))
    for _ in range(_TRIES):
        fold = np.empty(number.size, dtype=np.intp)
        # Groups in another order: GroupKFold itself deals out by position.
        mixed = rng.permutation(n_groups)[number]
        if classes is None:
            parts = GroupKFold(n_folds).split(features, groups=mixed)
        else:
            # The same where each image is a group, and much faster.
            dealer = StratifiedKFold if is_single else StratifiedGroupKFold
            drawn = dealer(n_folds, shuffle=True, random_state=int(rng.integers(2**31)))
            parts = drawn.split(features, np.asarray(classes), None if is_single else mixed)
        with warnings.catch_warnings():
            # Of classes with fewer members than folds: they are looked at below.
            warnings.simplefilter("ignore", UserWarning)
            for place, (_, held_out) in enumerate(parts):
                fold[held_out] = place
        missing: Any = [] if classes is None else _trained_without(np.asarray(classes), fold)
        if not len(missing):
            return fold
    msg = f"Class {missing[0]} is in one fold only."
    raise ValueError(msg)


def _trained_without(classes: NDArray[Any], fold: IntArray) -> NDArray[Any]:
    """Find the classes that all have their images in one fold."""
    names, number = np.unique(classes, return_inverse=True)
    seen = np.zeros((names.size, int(fold.max()) + 1), dtype=bool)
    seen[number.ravel(), fold] = True
    return np.asarray(names[seen.sum(axis=1) < 2])


def shuffled_labels(labels: NDArray[Any], groups: Any, rng: np.random.Generator) -> NDArray[Any]:
    """Shuffle labels: between groups where all images of each have one, else between images.

    Parameters
    ----------
    labels : array, shape [N]
        Classes or numbers.
    groups : array-like, shape [N]
        The person in each image.
    rng : Generator
        Draws.

    Returns
    -------
    array, shape [N]

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> drawn = shuffled_labels(np.array([0, 0, 1, 1]), ["a", "a", "b", "b"], rng)
    >>> bool(drawn[0] == drawn[1] and drawn[2] == drawn[3])
    True
    """
    _, first, number = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    of_group = labels[first]
    if (of_group[number.ravel()] == labels).all():
        return np.asarray(rng.permutation(of_group)[number.ravel()])
    return np.asarray(rng.permutation(labels))


def coordinates(
    features: FloatArray, train: IntArray, test: IntArray
) -> tuple[Float64Array, Float64Array]:
    """Standardise by the training images, in as few coordinates as say the same.

    Ridge and logistic regression depend on the inner products of images only. With more features
    than images these are those of coordinates on the principal axes of the training images, of
    which there are no more than images; no information is lost. Squares are divided by the number
    of features, so that one grid of penalties fits layers of any width.

    Parameters
    ----------
    features : array, shape [N, D]
        Finite in the rows used.
    train, test : int array
        Rows.

    Returns
    -------
    train, test : array, shape [rows, R]
        R is D, or at most the number of training images if that is less.

    Examples
    --------
    >>> wide = np.random.default_rng(0).normal(size=(6, 50))
    >>> a, b = coordinates(wide, np.arange(4), np.arange(4, 6))
    >>> z = (wide - wide[:4].mean(0)) / wide[:4].std(0)
    >>> bool(np.allclose(b @ a.T, z[4:] @ z[:4].T / 50))
    True
    """
    from scipy.linalg import eigh
    from sklearn.preprocessing import StandardScaler

    width = features.shape[1]
    if width <= train.size:
        scaler = StandardScaler().fit(features[train].astype(np.float64))
        sides = (scaler.transform(features[rows].astype(np.float64)) for rows in (train, test))
        first, second = (side / width**0.5 for side in sides)
        return first, second
    within = np.zeros((train.size, train.size))
    across = np.zeros((test.size, train.size))
    for start in range(0, width, _BLOCK):
        block = features[:, start : start + _BLOCK]
        known = block[train].astype(np.float64)
        scaler = StandardScaler().fit(known)
        known = scaler.transform(known)
        within += known @ known.T
        across += scaler.transform(block[test].astype(np.float64)) @ known.T
    values, vectors = eigh(within / width)
    kept = values > max(float(values[-1]), 0.0) * train.size * np.finfo(np.float64).eps
    if not kept.any():
        # All features are constant.
        return np.zeros((train.size, 1)), np.zeros((test.size, 1))
    root = np.sqrt(values[kept])
    return vectors[:, kept] * root, across @ vectors[:, kept] / (width * root)


def read_out(
    features: FloatArray,
    labels: NDArray[Any],
    fold: IntArray,
    groups: Any,
    kind: Kind,
    *,
    shuffled: Sequence[NDArray[Any]] = (),
    penalties: Sequence[float] = PENALTIES,
    inner_folds: int = 3,
    balanced: bool = True,
    left_out: IntArray | None = None,
    seed: int = 0,
) -> list[ReadOut]:
    """Predict the label of every image by a read-out that is trained on the other folds.

    Features are standardised and the penalty is chosen within the training images; inner folds keep
    groups together too.

    Parameters
    ----------
    features : array, shape [N, D]
        The embeddings; rows that are not finite have no embedding.
    labels : array, shape [N]
        Classes from 0, or numbers.
    fold : int array, shape [N]
        From `deal_folds`.
    groups : array-like, shape [N]
        What must stay together in inner folds.
    kind : {'logistic', 'ridge classes', 'ridge'}
        The last one is for numbers.
    shuffled : sequence of arrays, shape [N]
        Further labels of the same images.
    penalties : sequence of float
        Squared weights cost so much, per feature: sklearn's Ridge(alpha) is alpha / D,
        LogisticRegression(C) is 1 / (C D), on standardised features.
    inner_folds : int, default 3
        To choose the penalty by squared error, log loss or (ridge classes) balanced accuracy.
    balanced : bool, default True
        Whether all classes weigh the same, however many images they have.
    left_out : int array, shape [N], optional
        Of numbers: the group of each image, from 0, that `ReadOut.without` leaves out of training;
        -1 for images that are always kept.
    seed : int
        Of the inner folds.

    Returns
    -------
    list of ReadOut
        Of `labels`, then of each of `shuffled`.

    Raises
    ------
    MissingClassError
        If a class has no embedding in a training set.
    """
    from threadpoolctl import threadpool_limits

    usable = np.isfinite(features).all(axis=1)
    every = [np.asarray(labels), *map(np.asarray, shuffled)]
    n_classes = 0 if kind == "ridge" else int(max(own.max() for own in every)) + 1
    group = np.full(usable.size, -1) if left_out is None or n_classes else left_out
    n_groups = int(group.max()) + 1
    found = [
        ReadOut(
            np.full(own.size, np.nan),
            np.full((own.size, n_classes), np.nan),
            np.full(own.size, np.nan),
            np.full(int(fold.max()) + 1, np.nan),
            True,
            np.full((own.size, n_groups), np.nan),
            np.full((own.size, n_groups), np.nan),
        )
        for own in every
    ]
    chosen = True
    # Threads of the linear algebra wait for each other where matrices are small.
    with threadpool_limits(1 if usable.size <= _SMALL else None):
        for place in range(int(fold.max()) + 1):
            train = np.flatnonzero(usable & (fold != place))
            test = np.flatnonzero(usable & (fold == place))
            if not test.size:
                continue
            if n_classes:
                missing = np.setdiff1d(every[0], every[0][train])
                if missing.size:
                    raise MissingClassError(int(missing[0]))
            known, new = coordinates(features, train, test)
            inner = _inner_folds(
                kind, every[0][train], np.asarray(groups)[train], inner_folds, seed
            )
            chosen &= inner is not None
            own = [labels[train] for labels in every]
            costs = _penalties(kind, known, own, inner, penalties, balanced)
            without = _Without(known, new, group[train], n_groups) if n_groups else None
            for result, labels_, cost in zip(found, own, costs, strict=True):
                result.penalties[place] = cost
                result.predicted[test], result.scores[test] = _predicted(
                    kind, cost, balanced, known, labels_, new, n_classes
                )
                if not n_classes:
                    result.baseline[test] = labels_.mean()
                if without is not None:
                    moved, means = without.moved(labels_, cost)
                    result.without[test] = result.predicted[test, None] + moved
                    result.baseline_without[test] = means
    return [result._replace(chosen=chosen) for result in found]


def _predicted(
    kind: Kind,
    penalty: float,
    balanced: bool,
    known: Float64Array,
    labels: NDArray[Any],
    new: Float64Array,
    n_classes: int,
) -> tuple[Float64Array, Float64Array]:
    """Fit, and predict classes (or numbers) and the scores of classes."""
    scores = np.full((len(new), n_classes), -np.inf)
    there = np.unique(labels)
    if n_classes and there.size == 1:
        # Shuffling may leave one class to train on.
        scores[:, there[0]] = 0.0
        return np.full(len(new), float(there[0])), scores
    model = _estimator(kind, penalty, balanced)
    with warnings.catch_warnings():
        # lbfgs stops after many steps along flat directions, which hardly move predictions.
        warnings.simplefilter("ignore")
        model.fit(known, labels)
    if not n_classes:
        return np.asarray(model.predict(new), dtype=np.float64), scores
    found = np.asarray(model.decision_function(new))
    if found.ndim == 1:
        found = np.stack((-found / 2, found / 2), axis=1)
    # Not the logarithm of what may have been rounded to 0.
    scores[:, there] = scipy.special.log_softmax(found, axis=1) if kind == "logistic" else found
    return np.asarray(model.predict(new), dtype=np.float64), scores


class _Without:
    """Ridge regression without each group of its training images, of features centred on them.

    Leaving rows g out of a linear fit moves its coefficients by -A⁻¹ X_gᵀ (I - H_gg)⁻¹ e_g, with
    the residuals e and the hat matrix H = X A⁻¹ Xᵀ + 1 / n, where A = Xᵀ X + penalty
    (D. A. Belsley, E. Kuh and R. E. Welsch, "Regression diagnostics" (1980), of one row).
    """

    def __init__(
        self, known: Float64Array, new: Float64Array, group: IntArray, n_groups: int
    ) -> None:
        from scipy.linalg import eigh

        self._squares, axes = eigh(known.T @ known)
        self._known, self._new = known @ axes, new @ axes
        self._rows = [np.flatnonzero(group == k) for k in range(n_groups)]

    def moved(self, labels: Float64Array, penalty: float) -> tuple[Float64Array, Float64Array]:
        """Give by how much the predictions move [rows, G], and the means of what is left [G]."""
        n, mean = labels.size, labels.mean()
        shrunk = self._known / (self._squares + penalty)
        left = labels - mean - self._known @ (shrunk.T @ (labels - mean))
        slopes = np.zeros((self._new.shape[1], len(self._rows)))
        intercepts = np.zeros(len(self._rows))
        means = np.full(len(self._rows), mean)
        for k, rows in enumerate(self._rows):
            if rows.size in (0, n):
                # Nothing is left out, or nothing would be left.
                continue
            hat = self._known[rows] @ shrunk[rows].T + 1 / n
            weights = np.linalg.solve((1 + _EPSILON) * np.eye(rows.size) - hat, left[rows])
            slopes[:, k] = shrunk[rows].T @ weights
            intercepts[k] = weights.sum() / n
            means[k] = (mean * n - labels[rows].sum()) / (n - rows.size)
        return -(self._new @ slopes + intercepts), means


def _estimator(kind: Kind, penalty: float, balanced: bool) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier

    weight = "balanced" if balanced else None
    if kind == "ridge":
        return Ridge(alpha=penalty)
    if kind == "ridge classes":
        return RidgeClassifier(alpha=penalty, class_weight=weight)
    return LogisticRegression(C=1 / penalty, class_weight=weight, max_iter=1000)


def _inner_folds(
    kind: Kind, labels: NDArray[Any], groups: NDArray[Any], n_folds: int, seed: int
) -> IntArray | None:
    """Part training images into folds; None where there are too few."""
    try:
        return deal_folds(groups, n_folds, classes=None if kind == "ridge" else labels, seed=seed)
    except ValueError:
        return None


def _penalties(
    kind: Kind,
    known: Float64Array,
    every: Sequence[NDArray[Any]],
    fold: IntArray | None,
    penalties: Sequence[float],
    balanced: bool,
) -> list[float]:
    """Choose the penalty within training images, of equally good ones the largest.

    Each set of numbers has its own: with too small a one, predictions of nothing are far worse than
    the mean. Shuffled classes have that of the true ones: they are at chance with any.
    """
    ordered = sorted(map(float, penalties))
    if fold is None or len(ordered) == 1:
        return [ordered[len(ordered) // 2]] * len(every)
    read = np.stack(every if kind == "ridge" else every[:1], axis=1)
    n_classes = 0 if kind == "ridge" else int(read.max()) + 1
    losses = []
    for penalty in ordered:
        predicted = np.empty(read.shape)
        scores = np.empty((len(read), n_classes))
        for place in range(int(fold.max()) + 1):
            train, test = np.flatnonzero(fold != place), np.flatnonzero(fold == place)
            labels = read[train] if kind == "ridge" else read[train, 0]
            found, scores[test] = _predicted(
                kind, penalty, balanced, known[train], labels, known[test], n_classes
            )
            predicted[test] = found.reshape(test.size, -1)
        if kind == "ridge":
            losses.append(((read - predicted) ** 2).mean(axis=0))
        else:
            losses.append([_loss(kind, read[:, 0], predicted[:, 0], scores, balanced)])
    table = np.asarray(losses)
    is_best = table <= table.min(axis=0) * (1 + 1e-12)
    best = [ordered[int(np.flatnonzero(column)[-1])] for column in is_best.T]
    return best if kind == "ridge" else best * len(every)


def _loss(
    kind: Kind,
    labels: NDArray[Any],
    predicted: Float64Array,
    scores: Float64Array,
    balanced: bool,
) -> float:
    if kind == "logistic":
        own = -scores[np.arange(labels.size), labels]
    else:
        own = (predicted != labels).astype(np.float64)
    if not balanced:
        return float(own.mean())
    counts = np.bincount(labels)
    return float((own / counts[labels]).sum() / np.count_nonzero(counts))


def balanced_accuracy(labels: Any, hits: Any, weights: Any = None) -> Float64Array:
    """Mean over classes of the share of their images that are classified right.

    Parameters
    ----------
    labels : array-like of int, shape [N]
        Classes from 0.
    hits : array-like, shape [N]
        1 where the predicted class is the right one, else 0.
    weights : array-like, shape [N, R], optional
        How often each image counts; by default once.

    Returns
    -------
    array, shape [R]
        Over the classes that are there.

    Examples
    --------
    >>> balanced_accuracy([0, 0, 0, 1], [1, 1, 1, 0])
    array([0.5])
    """
    classes = np.asarray(labels, dtype=np.intp)
    drawn = _weights(weights, classes.size)
    n_classes = int(classes.max()) + 1
    right, all_ = np.zeros((n_classes, drawn.shape[1])), np.zeros((n_classes, drawn.shape[1]))
    np.add.at(right, classes, drawn * np.asarray(hits, dtype=np.float64)[:, None])
    np.add.at(all_, classes, drawn)
    there = all_ > 0
    shares = np.divide(right, all_, out=np.zeros_like(right), where=there)
    with np.errstate(invalid="ignore"):
        return np.asarray(shares.sum(axis=0) / there.sum(axis=0))


def fold_auc(labels: Any, scores: Any, fold: Any, weights: Any = None) -> Float64Array:
    """Area under the ROC curve of each class against the others, within folds, mean over classes.

    Scores of two folds come from two read-outs, so that images are compared within folds only: of
    all pairs of one image of the class and one of another class in the same fold, the share in
    which the first has the larger score, ties half.

    Parameters
    ----------
    labels : array-like of int, shape [N]
        Classes from 0.
    scores : array-like, shape [N, K]
        Scores of the classes. Of two classes the areas are equal.
    fold : array-like of int, shape [N]
        The fold of each image.
    weights : array-like, shape [N, R], optional
        How often each image counts; by default once.

    Returns
    -------
    array, shape [R]
        NaN where no fold has two classes.

    Examples
    --------
    >>> scores = np.array([[0.0, 3.0], [0.0, 1.0], [0.0, 9.0], [0.0, 8.0]])
    >>> fold_auc([1, 0, 1, 0], scores, [0, 0, 1, 1])
    array([1.])
    """
    classes, of_fold = np.asarray(labels), np.asarray(fold)
    table = np.asarray(scores, dtype=np.float64)
    drawn = _weights(weights, classes.size)
    n_classes = table.shape[1]
    areas = []
    for k in range(1, n_classes) if n_classes == 2 else range(n_classes):
        above, pairs = np.zeros(drawn.shape[1]), np.zeros(drawn.shape[1])
        column = table[:, k] - table[:, 0] if n_classes == 2 else table[:, k]
        for place in np.unique(of_fold):
            own = np.flatnonzero((of_fold == place) & (classes == k))
            others = np.flatnonzero((of_fold == place) & (classes != k))
            difference = column[own][:, None] - column[others]
            wins = (difference > 0) + 0.5 * (difference == 0)
            above += (drawn[own] * (wins @ drawn[others])).sum(axis=0)
            pairs += drawn[own].sum(axis=0) * drawn[others].sum(axis=0)
        areas.append(np.divide(above, pairs, out=np.full_like(above, np.nan), where=pairs > 0))
    table_of_areas = np.stack(areas)
    there = ~np.isnan(table_of_areas)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, table_of_areas, 0.0).sum(axis=0) / there.sum(axis=0))


def cross_validated_r2(
    values: Any, predicted: Any, baseline: Any, weights: Any = None
) -> Float64Array:
    """Share of squared deviations from the training mean that predictions explain.

    Parameters
    ----------
    values, predicted, baseline : array-like, shape [N]
        The numbers, what read-outs predict, and the mean of what they were trained on.
    weights : array-like, shape [N, R], optional
        How often each image counts; by default once.

    Returns
    -------
    array, shape [R]
        1 for perfect predictions, 0 for those of the training mean, below 0 for worse.

    Examples
    --------
    >>> cross_validated_r2([1.0, 3.0], [1.0, 2.0], [2.0, 2.0])
    array([0.5])
    """
    given, found, mean = (np.asarray(a, dtype=np.float64) for a in (values, predicted, baseline))
    drawn = _weights(weights, given.size)
    left, there = (drawn.T @ squares for squares in ((given - found) ** 2, (given - mean) ** 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - left / there)


def deviation_correlation(
    values: Any, predicted: Any, baseline: Any, weights: Any = None
) -> Float64Array:
    """Pearson's correlation of values and predictions, both from the training mean.

    The training mean is the lower, the higher the values of the held-out images: predictions that
    know nothing would correlate negatively with the values themselves.

    Parameters
    ----------
    values, predicted, baseline, weights
        See `cross_validated_r2`.

    Returns
    -------
    array, shape [R]
        NaN where one of the two is constant.

    Examples
    --------
    >>> deviation_correlation([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [2.0, 2.0, 2.0])
    array([1.])
    """
    mean = np.asarray(baseline, dtype=np.float64)
    first, second = (np.asarray(a, dtype=np.float64) - mean for a in (values, predicted))
    drawn = _weights(weights, mean.size)
    total = drawn.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [(drawn.T @ a) / total for a in (first, second)]
        covariance = (drawn.T @ (first * second)) / total - means[0] * means[1]
        spread = [
            (drawn.T @ a**2) / total - m**2 for a, m in zip((first, second), means, strict=True)
        ]
        tiny = [s <= 1e-20 * np.maximum(m**2, 1e-300) for s, m in zip(spread, means, strict=True)]
        found = covariance / np.sqrt(spread[0] * spread[1])
    return np.asarray(np.where(tiny[0] | tiny[1], np.nan, found))


def training_moves(values: Any, found: ReadOut, kept: Any) -> Float64Array:
    """By how much not training on a group of images moves measures of the images that are left.

    Parameters
    ----------
    values : array-like, shape [N]
        The numbers.
    found : ReadOut
        With `without`.
    kept : array-like, shape [N, G]
        1 for the images that are left without each group, 0 for those of the group.

    Returns
    -------
    array, shape [3, G]
        Of log(1 - R²), atanh(r), and the logarithm of the mean absolute error; NaN where they are
        not defined.
    """
    usable = np.isfinite(found.predicted)
    given, weights = np.asarray(values, dtype=np.float64)[usable], _weights(kept, 0)[usable]

    def scaled(predicted: Float64Array, baseline: Float64Array, drawn: Float64Array) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.log(1 - cross_validated_r2(given, predicted, baseline, drawn))
            z = np.arctanh(deviation_correlation(given, predicted, baseline, drawn))
            off = np.log(drawn.T @ np.abs(given - predicted) / drawn.sum(axis=0))
        return np.stack((error, z, off))

    moved = [
        scaled(found.without[usable, g], found.baseline_without[usable, g], weights[:, [g]])
        for g in range(weights.shape[1])
    ]
    whole = scaled(found.predicted[usable], found.baseline[usable], weights)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.concatenate(moved, axis=1) - whole)


class LabelShape(NamedTuple):
    """How numbers are distributed over people (or images); NaN of fewer than four, or equal ones.

    Attributes
    ----------
    skewness, kurtosis : float
        As sample statistics without bias; the kurtosis in excess of the normal distribution's.
    widening : float
        What standard errors of R² and r are multiplied by: the root of n Σ d⁴ / (Σ d²)² / 3, with d
        the deviations from the mean, at least 1. Of the normal distribution it is 1.
    """

    skewness: float
    kurtosis: float
    widening: float = 1.0

    @classmethod
    def of(cls, values: Any, units: Any) -> LabelShape:
        """Take the mean of each unit's numbers, and the shape of their distribution.

        Examples
        --------
        >>> LabelShape.of([0, 0, 1, 2, 3, 4], [*"aabcde"])
        LabelShape(skewness=0.0, kurtosis=-1.2, widening=1.0)
        """
        place = np.unique(units, return_inverse=True)[1].ravel()
        own = np.bincount(place, np.asarray(values, dtype=np.float64)) / np.bincount(place)
        if own.size < _FEWEST_FOR_SHAPE or np.ptp(own) == 0:
            return cls(float("nan"), float("nan"))
        skewness, kurtosis = (
            round(float(moment(own, bias=False)), 6)
            for moment in (scipy.stats.skew, scipy.stats.kurtosis)
        )
        of_normal = float(scipy.stats.kurtosis(own, fisher=False)) / 3
        return cls(skewness, kurtosis, round(max(1.0, of_normal) ** 0.5, 6))

    @property
    def training_share(self) -> float:
        """By how much intervals leave people out of training: .41 to 1, more for longer tails."""
        if np.isnan(self.kurtosis):
            return 1.0
        return float(np.interp(self.kurtosis, (-0.5, 1.5), (0.41, 1.0)))

    @property
    def has_long_tails(self) -> bool:
        """Whether the people there are say little of rare numbers, which decide R² and r."""
        return abs(self.skewness) > _SKEWED or self.kurtosis > _LONG_TAILS


def _weights(weights: Any, size: int) -> Float64Array:
    return np.ones((size, 1)) if weights is None else np.asarray(weights, dtype=np.float64)
