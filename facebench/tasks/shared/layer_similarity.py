"""How alike are layers and models in the way they arrange images?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from facebench.columns import LAYER, MODEL
from facebench.errors import InputError
from facebench.metrics.rdm import rdm_from_pairs
from facebench.metrics.rsa import RDM_MEASURES, compare
from facebench.types import DistancesByModel, Float64Array

__all__ = ["rdm_similarity"]

# Linear CKA is the whitened cosine of squared Euclidean distances: what they are squared by.
_POWERS = {"euclidean": 2, "sqeuclidean": 1, "cosine": 1}


def rdm_similarity(
    distances: DistancesByModel,
    task: str,
    measure: str = "spearman",
    *,
    distance: str | None = None,
) -> pd.DataFrame:
    """Compare the distances of all layers of all models with each other.

    Works on what a run keeps, ``manager.model_task_distances_dfs``, of any task whose items are
    pairs with a ``model_computed_distance``.

    Parameters
    ----------
    distances : mapping
        ``distances[model][task]``, a DataFrame with img1, img2, layer_name and
        model_computed_distance.
    task : str
        Which task.
    measure : str, default 'spearman'
        'cosine', 'pearson', 'spearman', 'tau-a', 'rho-a', 'cosine-whitened', 'pearson-whitened',
        or 'cka', the linear centred kernel alignment of the embeddings, which follows from the
        distances of all pairs.
    distance : {'euclidean', 'sqeuclidean', 'cosine'}, optional
        For 'cka': what the distances are. Of cosine distances it is that of embeddings scaled to
        length 1.

    Returns
    -------
    DataFrame
        Square, rows and columns named by (model, layer) in the run's order; larger is more alike,
        1 on the diagonal. NaN where not defined, such as whitened measures and 'cka' of a table
        that lacks pairs.

    Raises
    ------
    InputError
        If no model has the task, its table is of no pairs, or the measure is unknown.
    """
    if measure not in (*RDM_MEASURES, "cka"):
        msg = (
            f"The 'measure' parameter of rdm_similarity must be one of {', '.join(RDM_MEASURES)}, "
            f"cka. Got {measure!r} instead."
        )
        raise InputError(msg)
    if measure == "cka" and distance not in _POWERS:
        msg = (
            "rdm_similarity needs to know for 'cka' which 'distance' the task has: "
            f"{', '.join(map(repr, _POWERS))}. Got {distance!r}."
        )
        raise InputError(msg)
    tables = {model: by_task[task] for model, by_task in distances.items() if task in by_task}
    if not tables:
        msg = f"No model has distances of task {task!r}. The models are: {', '.join(distances)}."
        raise InputError(msg)
    labels, vectors = _vectors(tables, task)
    if measure == "cka":
        likeness = compare(
            vectors ** _POWERS[str(distance)], vectors ** _POWERS[str(distance)], "cosine-whitened"
        )
    else:
        likeness = compare(vectors, vectors, measure)
    names = pd.MultiIndex.from_tuples(labels, names=[MODEL, LAYER])
    return pd.DataFrame(likeness, index=names, columns=names)


def _vectors(
    tables: dict[str, pd.DataFrame], task: str
) -> tuple[list[tuple[str, str]], Float64Array]:
    """Arrange all layers' distances as RDMs of the same images."""
    needed = {"img1", "img2", "layer_name", "model_computed_distance"}
    names: dict[str, None] = {}
    for table in tables.values():
        if not needed <= set(table.columns):
            msg = (
                f"Task {task!r} keeps no distances of pairs: rdm_similarity needs the columns "
                f"{', '.join(sorted(needed))} (it has: {', '.join(map(str, table.columns))})."
            )
            raise InputError(msg)
        names |= dict.fromkeys([*table["img1"], *table["img2"]])
    place = {name: row for row, name in enumerate(names)}
    labels, vectors = [], []
    for model, table in tables.items():
        for layer, rows in table.groupby("layer_name", sort=False):
            first, second = (_places(rows[side], place) for side in ("img1", "img2"))
            values = rows["model_computed_distance"].to_numpy(dtype=np.float64)
            labels.append((model, str(layer)))
            vectors.append(rdm_from_pairs(first, second, values, len(place)))
    return labels, np.stack(vectors)


def _places(images: pd.Series, place: dict[str, int]) -> Any:
    return images.map(place).to_numpy(dtype=np.intp)
