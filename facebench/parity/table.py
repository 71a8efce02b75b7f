"""The rules side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facebench.metrics.verification import best_accuracy
from facebench.parity.grid_rules import facenet, facenet_centred, insightface
from facebench.parity.outcome import Outcome
from facebench.parity.score_rules import deepface, faces_benchmark, facexzoo, lfw
from facebench.parity.vectors import cosine_similarities, normalised, squared_distances
from facebench.types import Float64Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RULES", "parity_table"]

RULES = {
    "lfw": "the official rule: exact thresholds from the other folds, standard error",
    "facenet": "thresholds from a grid of 0.01 on the squared distance of unit vectors, strictly "
    "smaller accepted; ± is a population standard deviation",
    "facenet_centred": "as facenet with subtract_mean: the angle over pi on the same coarse grid, "
    "after the mean embedding of the other folds was subtracted",
    "insightface": "as facenet, on the normalised sum of the embeddings of image and mirror image",
    "facexzoo": "thresholds of best Youden index from 1,000 steps of the cosine; a score on the "
    "threshold is wrong for either class",
    "faces_benchmark": "threshold of best Youden index on the pairs it is judged on, strictly "
    "larger similarity accepted, so that the pair on the threshold is rejected",
    "deepface": "threshold chosen on the pairs it is judged on, only between the class means",
    "oracle": "threshold chosen on the pairs it is judged on, exact: an upper bound",
}
"""The rules of `parity_table`, each with why it differs from the official one."""


_FROM_VECTORS = ("facenet_centred", "insightface")


class _Pairs(NamedTuple):
    """What the rules need of pairs; no vectors where only distances were given."""

    vectors: tuple[Any, Any] | None
    mirrored: tuple[Any, Any] | None
    distances: Float64Array
    squared: Float64Array
    cosines: Float64Array


def _pairs(left: Any, right: Any, mirrored: tuple[Any, Any] | None, distances: Any) -> _Pairs:
    if (left is None) != (right is None) or (left is None) == (distances is None):
        msg = (
            "parity_table takes the embeddings of both sides of each pair, or the distances, "
            "and not both."
        )
        raise ValueError(msg)
    if distances is None:
        return _Pairs(
            (left, right),
            mirrored,
            np.sqrt(squared_distances(left, right)),
            squared_distances(normalised(left), normalised(right)),
            cosine_similarities(left, right),
        )
    given = np.asarray(distances, dtype=np.float64)
    # For unit vectors |a - b|² = 2 - 2 cos.
    return _Pairs(None, None, given, given**2, 1 - given**2 / 2)


def _outcome(rule: str, labels: Any, pairs: _Pairs, folds: Any, cut: int) -> Outcome:
    if rule == "lfw":
        return lfw(labels, pairs.distances, folds)
    if rule == "facenet":
        return facenet(labels, pairs.squared, folds=cut)
    if rule == "facexzoo":
        return facexzoo(labels, pairs.cosines, folds=cut)
    if rule == "faces_benchmark":
        return faces_benchmark(labels, pairs.distances)
    if rule == "deepface":
        return deepface(labels, pairs.distances)
    if rule == "oracle":
        best = best_accuracy(labels, pairs.distances, higher_is_better=False)
        single = (np.array([best.accuracy]), np.array([best.threshold]))
        return Outcome(best.accuracy, float("nan"), "", *single)
    if pairs.vectors is None:
        msg = f"The rule {rule!r} needs the embeddings. Got distances only."
        raise ValueError(msg)
    if rule == "facenet_centred":
        return facenet_centred(labels, *pairs.vectors, folds=cut)
    return insightface(labels, *pairs.vectors, *(pairs.mirrored or (None, None)), folds=cut)


def parity_table(
    labels: Any,
    left: Any = None,
    right: Any = None,
    mirrored: tuple[Any, Any] | None = None,
    *,
    distances: Any = None,
    folds: Any = 10,
    rules: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Measure one set of embeddings by every rule, and say why the numbers differ.

    Parameters
    ----------
    labels : array-like, shape [N]
        1 genuine, 0 impostor, in file order: all rules but the official one cut folds from it.
    left, right : array-like, shape [N, D]
        Embeddings of both sides of each pair.
    mirrored : pair of array-like, shape [N, D], optional
        Those of the mirror images, for 'insightface'.
    distances : array-like, shape [N], optional
        Euclidean distances of unit vectors, in place of embeddings.
    folds : int or array-like, shape [N], default 10
        The fold of each pair, or how many to cut from the rows as they lie. The rules that know
        no fold column cut as many.
    rules : sequence of str, optional
        Which ones, of `RULES`; by default all that what is given allows.

    Returns
    -------
    DataFrame
        A row per rule: Rule, Accuracy, Spread (the number after ±), Spread Is, Threshold (mean over
        folds, in the rule's own units), TAR and FAR where the rule has them, Pairs Difference
        (accuracy minus that of 'lfw', in pairs) and Why.

    Raises
    ------
    ValueError
        If a rule is unknown, or needs embeddings where distances were given, or as the rules.

    Examples
    --------
    >>> left, right = [[1.0, 0.0], [0.0, 1.0]] * 2, [[1.0, 0.1], [1.0, 0.0]] * 2
    >>> table = parity_table([1, 0] * 2, left, right, folds=2, rules=["lfw", "deepface"])
    >>> table["Accuracy"].tolist(), table["Pairs Difference"].tolist()
    ([1.0, 1.0], [0.0, 0.0])
    """
    import pandas as pd

    pairs = _pairs(left, right, mirrored, distances)
    if rules is None:
        rules = [rule for rule in RULES if pairs.vectors or rule not in _FROM_VECTORS]
    unknown = [rule for rule in rules if rule not in RULES]
    if unknown:
        msg = f"The rules are {', '.join(RULES)}. Got {unknown[0]!r}."
        raise ValueError(msg)
    cut = int(folds) if np.ndim(folds) == 0 else len(np.unique(folds))
    official = lfw(labels, pairs.distances, folds).accuracy
    rows = []
    for rule in rules:
        found = _outcome(rule, labels, pairs, folds, cut)
        rows.append(
            {
                "Rule": rule,
                "Accuracy": found.accuracy,
                "Spread": found.spread,
                "Spread Is": found.spread_is,
                "Threshold": float(np.mean(found.thresholds)),
                "TAR": found.tar,
                "FAR": found.far,
                "Pairs Difference": round((found.accuracy - official) * len(labels), 6),
                "Why": RULES[rule],
            }
        )
    return pd.DataFrame(rows)
