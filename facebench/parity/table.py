"""The rules side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.metrics.verification import best_accuracy
from facebench.parity.grid_rules import facenet, facenet_centred, insightface
from facebench.parity.outcome import Outcome
from facebench.parity.score_rules import deepface, facexzoo, lfw
from facebench.parity.vectors import cosine_similarities, normalised, squared_distances

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
    "deepface": "threshold chosen on the pairs it is judged on, only between the class means",
    "oracle": "threshold chosen on the pairs it is judged on, exact: an upper bound",
}
"""The rules of `parity_table`, each with why it differs from the official one."""


def _outcome(
    rule: str, labels: Any, one: Any, other: Any, mirrored: Any, folds: Any, cut: int
) -> Outcome:
    distances = np.sqrt(squared_distances(one, other))
    if rule == "lfw":
        return lfw(labels, distances, folds)
    if rule == "facenet":
        return facenet(labels, squared_distances(normalised(one), normalised(other)), folds=cut)
    if rule == "facenet_centred":
        return facenet_centred(labels, one, other, folds=cut)
    if rule == "insightface":
        return insightface(labels, one, other, *(mirrored or (None, None)), folds=cut)
    if rule == "facexzoo":
        return facexzoo(labels, cosine_similarities(one, other), folds=cut)
    if rule == "deepface":
        return deepface(labels, distances)
    best = best_accuracy(labels, distances, higher_is_better=False)
    single = (np.array([best.accuracy]), np.array([best.threshold]))
    return Outcome(best.accuracy, float("nan"), "", *single)


def parity_table(
    labels: Any,
    left: Any,
    right: Any,
    mirrored: tuple[Any, Any] | None = None,
    *,
    folds: Any = 10,
    rules: Sequence[str] = tuple(RULES),
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
    folds : int or array-like, shape [N], default 10
        The fold of each pair, or how many to cut from the rows as they lie. The rules that know
        no fold column cut as many.
    rules : sequence of str
        Which ones, of `RULES`.

    Returns
    -------
    DataFrame
        A row per rule: Rule, Accuracy, Spread (the number after ±), Spread Is, Threshold (mean over
        folds, in the rule's own units), TAR and FAR where the rule has them, Pairs Difference
        (accuracy minus that of 'lfw', in pairs) and Why.

    Raises
    ------
    ValueError
        If a rule is unknown, or as the rules.

    Examples
    --------
    >>> left, right = [[1.0, 0.0], [0.0, 1.0]] * 2, [[1.0, 0.1], [1.0, 0.0]] * 2
    >>> table = parity_table([1, 0] * 2, left, right, folds=2, rules=["lfw", "deepface"])
    >>> table["Accuracy"].tolist(), table["Pairs Difference"].tolist()
    ([1.0, 1.0], [0.0, 0.0])
    """
    import pandas as pd

    unknown = [rule for rule in rules if rule not in RULES]
    if unknown:
        msg = f"The rules are {', '.join(RULES)}. Got {unknown[0]!r}."
        raise ValueError(msg)
    cut = int(folds) if np.ndim(folds) == 0 else len(np.unique(folds))
    given = (labels, left, right, mirrored, folds, cut)
    official = _outcome("lfw", *given).accuracy
    rows = []
    for rule in rules:
        found = _outcome(rule, *given)
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
