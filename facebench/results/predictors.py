"""What do several networks of one run explain together, and what does each add?

A task sees one model at a time. Its distances of all of them are in the run's folder, and so are
the ratings: no network runs again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.errors import InputError, UnknownNameError
from facebench.metrics.ratings.draws import IntervalKind
from facebench.metrics.reweighting import reweighted
from facebench.metrics.uncertainty.explained_variance import Explained, ExplainedVariance
from facebench.metrics.uncertainty.rating_resamples import RatingEstimate
from facebench.tasks.predictors import remarks_on_predictors
from facebench.tasks.shared.ratings import RatingKind, find_layout, take_ratings
from facebench.types import Float64Array
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    import pandas as pd

    from facebench.results.reader import Run

__all__ = ["named_predictors", "predictors_of_run"]

_DISTANCE = "model_computed_distance"
# The distances of a model, by its name.
_Distances = Callable[[str], "pd.DataFrame"]
_COLUMNS = ("what", "predictors", "judged_on", "value", "ci_low", "ci_high")
HELD_OUT, IN_SAMPLE = "other images", "the same pairs (in sample)"


def named_predictors(asked: str | Iterable[str] | Mapping[str, str]) -> dict[str, str]:
    """Read what is asked for, as the command line takes it.

    Parameters
    ----------
    asked : str, iterable of str or mapping
        'vgg16:features.28, clip, pixels' or a list of such; 'v=vgg16:features.28' gives a name.

    Returns
    -------
    dict of str to str
        By name, the model and layer, or column.

    Raises
    ------
    InputError
        If there is none, or two have one name.

    Examples
    --------
    >>> named_predictors("v=vgg16:features.28, clip")
    {'v': 'vgg16:features.28', 'clip': 'clip'}
    """
    if isinstance(asked, Mapping):
        pairs = [(str(name), str(source)) for name, source in asked.items()]
    else:
        parts = asked.split(",") if isinstance(asked, str) else [str(part) for part in asked]
        pairs = []
        for part in filter(None, (part.strip() for part in parts)):
            name, sign, source = part.partition("=")
            pairs.append((name.strip(), source.strip()) if sign else (part, part))
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if not pairs or twice is not None:
        what = f"Got {twice!r} twice." if twice is not None else "Got none."
        msg = f"Name different predictors: a model, MODEL:LAYER, or a column of the task. {what}"
        raise InputError(msg)
    return dict(pairs)


def predictors_of_run(
    run: Run,
    task: str,
    predictors: str | Iterable[str] | Mapping[str, str],
    *,
    scale: str = "pearson",
    n_folds: int | None = None,
    interval: IntervalKind = "jackknife",
    n_resamples: int = 200,
    confidence: float = 0.95,
    seed: int = 0,
    nonnegative: bool = False,
) -> pd.DataFrame:
    """Explain the ratings of a task by layers of several models of a run.

    Parameters
    ----------
    run : Run
        From `load_run`.
    task : str
        A task with people's ratings: of `PredictorsTask`, `SimilarityTask` or `RsaTask` (of which
        the run keeps the mean rating, so that there is no ceiling).
    predictors : str, iterable of str or mapping of str to str
        Each a model (that has one layer), 'MODEL:LAYER', or a column of numbers of the task's
        pairs, such as 'pixels'; as 'NAME=…' or in a mapping under another name.
    scale, n_folds, interval, n_resamples, confidence, seed
        See `PredictorsTask`.
    nonnegative : bool, default False
        Also predict by non-negative weights with a ridge penalty chosen within the training images
        (`facebench.metrics.reweighting`).

    Returns
    -------
    DataFrame
        A row per number: what ('R2', 'R2 alone', 'unique R2', 'common R2', 'partial correlation',
        'noise ceiling R2', 'share of ceiling', 'unique share of ceiling', 're-weighted R2'),
        predictors, judged_on (other images, or the same pairs), value, ci_low, ci_high. Attributes
        (``attrs``): 'pairs', 'images', 'raters', 'method', 'remarks'.

    Raises
    ------
    InputError
        If the task has no ratings, a predictor is not known for every pair, or there are too few.
    UnknownNameError
        If there is no such task, model, layer or column.
    """
    import pandas as pd

    named = named_predictors(predictors)
    if task not in run.tasks:
        msg = f"The run has no task {task!r}. It has: {listed(run.tasks)}."
        raise UnknownNameError(msg + did_you_mean(task, run.tasks))
    facts = run.tasks[task]
    # Several predictors are often layers of one model, whose distances lie together.
    distances = lru_cache(maxsize=1)(lambda model: run.task_distances(model, task))
    table = _first_layer(run, task, distances)
    columns = facts.rating_columns
    if "img1" not in table or not (columns or {"rater", "rating"} <= set(table.columns)):
        msg = (
            f"Task {task!r} has no ratings of pairs to be explained. Give a task of "
            "PredictorsTask, SimilarityTask or RsaTask with a reference."
        )
        raise InputError(msg)
    layout = find_layout(table, columns or None, owner=facts.type, path=run.path)
    kind: RatingKind = "similarity" if facts.rates_similarity else "distance"
    values = {name: _values(run, task, source, table, distances) for name, source in named.items()}
    distances.cache_clear()
    taken = take_ratings(table.assign(**_keyed(values)), layout, kind)
    x = taken.pairs[list(_keyed(values))].to_numpy(dtype=np.float64)
    kept = np.isfinite(x).all(axis=1) & ~np.isnan(taken.values).all(axis=1)
    pairs, ratings, x = taken.pairs[kept], taken.values[kept], x[kept]
    n_images = len({*pairs["img1"], *pairs["img2"]})
    if len(pairs) < len(named) + 2 or n_images < 3:
        msg = f"{len(pairs)} pairs of {n_images} images are too few for {len(named)} predictors."
        raise InputError(msg)
    rated = ExplainedVariance(
        ratings, pairs["img1"], pairs["img2"], scale=scale, interval=interval, n_folds=n_folds,
        n_resamples=n_resamples, confidence=confidence, seed=seed,
    )  # fmt: skip
    found = rated.explain(x)
    names = list(named)
    rows = _rows(found, names)
    if nonnegative:
        spread = x.std(axis=0)
        one, other = np.split(
            np.unique([*pairs["img1"], *pairs["img2"]], return_inverse=True)[1], 2
        )
        fitted = reweighted(
            x / np.where(spread > 0, spread, 1.0), rated.target, one, other, seed=seed
        )
        estimate = rated.estimate(lambda weights: fitted.r2(rated.target, weights))
        rows.append(("re-weighted R2", " + ".join(names), HELD_OUT, *estimate))
    remarks = remarks_on_predictors(rated, found, x, names)
    if (~kept).any():
        remarks.append(f"{int((~kept).sum())} pairs lack a rating or a predictor and are left out")
    result = pd.DataFrame(rows, columns=list(_COLUMNS))
    result.attrs = {
        "pairs": len(pairs), "images": n_images, "raters": ratings.shape[1],
        "method": rated.method, "remarks": remarks,
    }  # fmt: skip
    return result


def _keyed(values: Mapping[str, Float64Array]) -> dict[str, Float64Array]:
    """Name columns so that none is one of the pairs file."""
    return {f"predictor {number}": each for number, each in enumerate(values.values())}


def _first_layer(run: Run, task: str, distances: _Distances) -> pd.DataFrame:
    """Give the pairs of a task, as the first layer has them."""
    for model in run.models:
        frame = distances(model)
        if len(frame):
            first = frame["layer_name"].iloc[0]
            return frame[frame["layer_name"] == first].reset_index(drop=True)
    msg = f"The run in {run.path} holds no distances of task {task!r}."
    raise InputError(msg)


def _values(
    run: Run, task: str, source: str, table: pd.DataFrame, distances: _Distances
) -> Float64Array:
    """Find the numbers of one predictor, pair by pair."""
    import pandas as pd

    model = max(
        (name for name in run.models if source == name or source.startswith(f"{name}:")),
        key=len,
        default=None,
    )
    if model is None:
        # Where another task has texts under a name, numbers are kept as text too.
        numbers = {
            str(name): pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
            for name in table.columns
            if name not in ("img1", "img2", "layer_name", _DISTANCE)
        }
        numeric = [name for name, column in numbers.items() if not np.isnan(column).all()]
        if source in numeric:
            return np.asarray(numbers[source])
        msg = (
            f"Predictor {source!r} is neither a model of the run ({listed(run.models)}) nor a "
            f"column of numbers of task {task!r} ({listed(numeric) or 'it has none'})."
            f"{did_you_mean(source.partition(':')[0], [*run.models, *numeric])}"
        )
        raise UnknownNameError(msg)
    frame = distances(model)
    layers = list(dict.fromkeys(frame["layer_name"]))
    layer = source.removeprefix(model).removeprefix(":")
    if not layer and len(layers) > 1:
        msg = f"Model {model!r} has several layers: {listed(layers)}. Say {model}:LAYER."
        raise InputError(msg)
    layer = layer or layers[0] if layers else layer
    if layer not in layers:
        msg = f"Model {model!r} has no layer {layer!r} in the run. It has: {listed(layers)}."
        raise UnknownNameError(msg + did_you_mean(layer, layers))
    own = frame[frame["layer_name"] == layer].reset_index(drop=True)
    if not own[["img1", "img2"]].equals(table[["img1", "img2"]]):
        # Of other pairs of the same task: some models skip images.
        msg = f"Model {model!r} has other pairs of task {task!r} than the first model of the run."
        raise InputError(msg)
    return np.asarray(own[_DISTANCE].to_numpy(dtype=np.float64))


def _rows(found: Explained, names: list[str]) -> list[tuple[Any, ...]]:
    """Write the estimates as rows, from all predictors to each."""
    whole = " + ".join(names)
    rows: list[tuple[Any, ...]] = []

    def add(what: str, of: str, judged_on: str, estimate: RatingEstimate) -> None:
        rows.append((what, of, judged_on, *estimate))

    add("R2", whole, HELD_OUT, found.cross_validated)
    add("R2", whole, IN_SAMPLE, found.r2)
    has_ceiling = not np.isnan(found.ceiling.value)
    if has_ceiling:
        add("noise ceiling R2", "people", "", found.ceiling)
        add("share of ceiling", whole, HELD_OUT, found.share)
    for number, name in enumerate(names):
        add("R2 alone", name, HELD_OUT, found.alone_cross_validated[number])
        add("R2 alone", name, IN_SAMPLE, found.alone[number])
        add("unique R2", name, HELD_OUT, found.unique_cross_validated[number])
        add("unique R2", name, IN_SAMPLE, found.unique[number])
        if has_ceiling:
            add("unique share of ceiling", name, HELD_OUT, found.unique_share[number])
        add("partial correlation", name, IN_SAMPLE, found.partial[number])
    for subset, estimate in found.common.items():
        if len(subset) > 1:
            named = ", ".join(names[number] for number in subset)
            add("common R2", named, IN_SAMPLE, estimate)
    return rows
