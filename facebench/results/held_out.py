"""The best layer of a network, chosen on other people than it is judged on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facebench.metrics.uncertainty.spread import FEWEST_UNITS, Replicates
from facebench.results.comparison.paired import Evidence
from facebench.results.headline import direction
from facebench.results.pair_rows import saved_layers
from facebench.tasks.measures import headlines
from facebench.types import Float64Array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from facebench.results.pair_rows import PairRows
    from facebench.results.reader import Run

__all__ = [
    "HELD_OUT_COLUMNS",
    "HeldOut",
    "held_out_layers",
    "held_out_replicates",
    "with_held_out",
]

HELD_OUT_COLUMNS = {
    "task": "string",
    "model": "string",
    "condition": "string",
    "metric": "string",
    "value": "float64",
    "ci_low": "float64",
    "ci_high": "float64",
    "n_layers": "Int64",
    "layers": "string",
}


# At a threshold that is chosen anew without each group, pseudo-values say nothing.
_UNSTEADY = "accuracy"
_METHOD = "layer chosen on other people; jackknife, t quantiles"
# How often people are halved.
_HALVINGS = 50
# By how much which layer is chosen varies, beside how the chosen ones do; see docs/intervals.md.
_OF_CHOICE = 1.1


class HeldOut(NamedTuple):
    """The models of a task in layers chosen on other people than they are judged on.

    Attributes
    ----------
    table : DataFrame
        task, model, condition, metric, value, ci_low, ci_high, n_layers, and layers: how often each
        was chosen. A row per model with several layers, headline measure and condition; none where
        neither way is better, a layer cannot be measured without each group of people, or (as
        AccuracyTask's accuracy) a threshold is chosen on the same pairs.
    replicates : dict of (str, str, str) to Replicates
        The same by metric, condition ('' for none) and model, to compare models by; also of models
        with one layer.
    """

    table: pd.DataFrame
    replicates: dict[tuple[str, str, str], Replicates]


def held_out_replicates(
    layers: Sequence[Replicates], choose_by: Sequence[Replicates], sign: int
) -> tuple[Replicates, list[int]]:
    """Judge, on one half of the people, the layer that is best on the other half.

    The people are those groups that the jackknife leaves out, halved in 50 random ways, each half
    choosing for the other, so that no person is in both. What a group says of a layer is its
    pseudo-value, G m - (G - 1) m_g with m_g the measure without the group. The measure of a layer
    chosen on other people is the mean over groups of the pseudo-values of the layers by which each
    was judged. If all but one group chose, they would choose alike or not by chance, and the
    standard error would be too small by a third. It is made larger by a tenth, as other people
    might have chosen other layers.

    Parameters
    ----------
    layers, choose_by : sequence of Replicates
        What is judged and what chooses, for each layer, by the same groups.
    sign : int
        1 where more is better, -1 where less is.

    Returns
    -------
    Replicates, list of int
        The measure, and which layer each half chose; NaN and none with fewer than three groups.

    References
    ----------
    S. Varma and R. Simon, "Bias in error estimation when using cross-validation for model
    selection", BMC Bioinformatics 7 (2006) 91; J. W. Tukey, "Bias and confidence in not quite large
    samples", Annals of Mathematical Statistics 29 (1958) 614, on pseudo-values.

    Examples
    --------
    >>> one = Replicates(0.6, np.array([0.5, 0.6, 0.7, 0.6]))
    >>> other = Replicates(0.2, np.array([0.25, 0.2, 0.15, 0.2]))
    >>> made, chosen = held_out_replicates([one, other], [one, other], 1)
    >>> round(made.value, 6), set(chosen)
    (0.6, {0})
    """
    judged, choosing = (np.stack([_pseudo(made) for made in side]) for side in (layers, choose_by))
    n_groups = judged.shape[1]
    if n_groups < FEWEST_UNITS:
        return Replicates(float("nan"), np.full(n_groups, np.nan)), []
    halves = np.zeros((2 * _HALVINGS, n_groups), dtype=bool)
    rng = np.random.default_rng(0)
    for half in range(_HALVINGS):
        halves[half, rng.permutation(n_groups)[: n_groups // 2]] = True
    halves[_HALVINGS:] = ~halves[:_HALVINGS]
    means = choosing @ halves.T / halves.sum(axis=1)
    chosen = np.argmax(np.where(np.isnan(means), -np.inf, sign * means), axis=0)
    others = np.where(halves, 0.0, judged[chosen])
    found = others.sum(axis=0) / (~halves).sum(axis=0)
    value = float(found.mean())
    # As where pairs link people, see `jackknife_error`.
    spread = (found - value) * np.sqrt(n_groups / (n_groups - 1)) * _OF_CHOICE
    return Replicates(value, value - spread / (n_groups - 1)), chosen.tolist()


def _pseudo(made: Replicates) -> Float64Array:
    return made.units.size * made.value - (made.units.size - 1) * made.units


def held_out_layers(run: Run, task: str) -> HeldOut:
    """Measure each model of a task in layers chosen on other people than they are judged on.

    Parameters
    ----------
    run : Run
        The run.
    task : str
        The task. Its first headline measure chooses; one that leaves out other groups of people
        than the first chooses for itself.
    """
    import pandas as pd

    facts = run.tasks[task]
    results = run.networks[run.networks["task"] == task]
    metrics = headlines(facts, list(dict.fromkeys(results["metric"])))
    bounds = {measure.name: measure.bounds for measure in facts.measures}
    signs = {metric: direction(results[results["metric"] == metric]) for metric in metrics}
    rows: list[dict[str, Any]] = []
    kept: dict[tuple[str, str, str], Replicates] = {}
    like: PairRows | None = None
    for model, own in results.groupby("model", sort=False):
        names = list(dict.fromkeys(own["layer"]))
        if not signs[metrics[0]]:
            continue
        pairs = saved_layers(run, task, str(model), like=like)
        like = next(iter(pairs.values()), like)
        for condition, part in own.groupby("condition", sort=False, dropna=False):
            named = None if pd.isna(condition) else str(condition)
            first: list[Replicates] = []
            for metric in metrics:
                rows_of = part[part["metric"] == metric]
                made = _replicates(run, rows_of, named, pairs, names)
                first = first or made
                same = first and made and first[0].units.size == made[0].units.size
                sign = signs[metrics[0] if same else metric]
                if not made or not sign or facts.influences.get(metric) == _UNSTEADY:
                    continue
                if len(names) < 2:
                    # There is nothing to choose.
                    kept[metric, named or "", str(model)] = made[0]
                    continue
                found, chosen = held_out_replicates(made, first if same else made, sign)
                kept[metric, named or "", str(model)] = found
                within = bounds.get(metric)
                value = np.clip(found.value, *(within or (-np.inf, np.inf)))
                ends = (value, *found.interval_within(within))
                counts = Counter(names[place] for place in chosen).most_common()
                rows.append(
                    {
                        "task": task,
                        "model": str(model),
                        "condition": named,
                        "metric": metric,
                        **dict(zip(("value", "ci_low", "ci_high"), ends, strict=True)),
                        "n_layers": len(names),
                        "layers": ", ".join(f"{name} ({count})" for name, count in counts),
                    }
                )
    table = pd.DataFrame(rows, columns=list(HELD_OUT_COLUMNS)).astype(HELD_OUT_COLUMNS)
    return HeldOut(table, kept)


def with_held_out(rows: pd.DataFrame, held_out: pd.DataFrame) -> pd.DataFrame:
    """Put values of layers chosen on other people in the place of the best layers' own.

    Parameters
    ----------
    rows : DataFrame
        Headline rows of the tidy table, one per model, measure and condition.
    held_out : DataFrame
        `HeldOut.table` of the same tasks.

    Returns
    -------
    DataFrame
        The layer is 'held-out of 39' where there is such a value; other rows stay as they are.
    """
    import pandas as pd

    keys = ["task", "model", "condition", "metric"]
    known = {
        tuple("" if pd.isna(row[key]) else row[key] for key in keys): row
        for row in held_out.to_dict("records")
    }
    found = rows.copy()
    for place, names in enumerate(rows[keys].fillna("").itertuples(index=False, name=None)):
        row = known.get(names)
        if row is not None:
            label = rows.index[place]
            found.loc[label, ["value", "ci_low", "ci_high"]] = [
                row[name] for name in ("value", "ci_low", "ci_high")
            ]
            found.loc[label, "layer"] = f"held-out of {row['n_layers']}"
            found.loc[label, "ci_method"] = _METHOD
    return found


def _replicates(
    run: Run,
    rows: pd.DataFrame,
    condition: str | None,
    pairs: Mapping[str, PairRows],
    layers: Sequence[str],
) -> list[Replicates]:
    """Give a measure of every layer without each group of people; nothing unless all have it."""
    by_layer = {row.layer: row for row in rows.itertuples()}
    found = []
    for layer in layers:
        row = by_layer.get(layer)
        if row is None:
            return []
        left_out = run.left_out.get((row.task, row.model, layer))
        made = Evidence(row.metric, condition, row.value, pairs.get(layer), left_out).replicates
        if made is None or not np.isfinite(made.spread.error):
            return []
        found.append(made)
    return found if len({made.units.size for made in found}) == 1 else []
