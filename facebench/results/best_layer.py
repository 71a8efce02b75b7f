"""Intervals of the best of several layers, chosen on the pairs that it is judged on.

The best of many layers looks better than it is. Its interval therefore holds for all layers at once
at the end that the choice favours: the low one where more is better. results.csv has the intervals
of each layer by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from facebench.metrics.uncertainty.spread import LargestError, Replicates
from facebench.results.headline import direction

if TYPE_CHECKING:
    import pandas as pd

    from facebench.results.headline import TaskRows
    from facebench.results.pair_rows import PairRows
    from facebench.results.reader import Run
    from facebench.results.task_facts import TaskFacts

__all__ = ["Choices", "LayerReplicates", "choices_of", "layer_choices", "with_choices"]

# By model, measure and condition ('' for none).
Choices: TypeAlias = Mapping[tuple[Any, str, str], LargestError]

# Jackknives leave out no more groups than this.
_MOST_GROUPS = 40


def choices_of(
    task: TaskRows,
    replicates_of: Callable[[pd.DataFrame], Sequence[Replicates | None]],
) -> Choices:
    """Tell how far off the headline measures of best layers may be.

    Parameters
    ----------
    task : TaskRows
        What all layers did in the task.
    replicates_of : callable
        Gives the replicates of rows of one model, measure and condition ('' for none), a row per
        layer; models come one after the other.

    Returns
    -------
    mapping of (str, str, str) to LargestError
        Of models of several layers that may be equal, where one way is better: else nothing was
        chosen. A layer whose interval does not meet the best one's is no rival.
    """
    if not task.chooses:
        return {}
    rivals = _rivals(task)
    found = {}
    # Models stay together: what is read of one is read once.
    for model, of_model in rivals.groupby("model", sort=False):
        for (metric, condition), own in of_model.groupby(["metric", "condition"], sort=False):
            if len(own) > 1:
                # Fewer degrees of freedom are the safe side.
                units = own["n_identities"].fillna(own["n_images"]).min()
                df = min(float(units), _MOST_GROUPS) - 1 if units > 1 else np.inf
                found[model, str(metric), str(condition)] = LargestError(replicates_of(own), df)
    return found


def _rivals(task: TaskRows) -> pd.DataFrame:
    """Keep best layers, and those that might have been: whose intervals meet the best one's."""
    import pandas as pd

    rows = task.all_layers
    rows = rows[rows["value"].notna()]
    rows = rows.assign(condition=rows["condition"].fillna(""))
    keys = ["model", "metric", "condition"]
    # Most models of a large leaderboard have one layer.
    rows = rows[rows.duplicated(keys, keep=False)]
    is_best = rows["layer"] == rows["model"].map(task.best)
    best = rows.loc[is_best, [*keys, "ci_low", "ci_high"]].drop_duplicates(keys)
    both = rows[keys].merge(best, "left", keys)
    low, high = both["ci_low"].to_numpy(), both["ci_high"].to_numpy()
    # Without an interval, nothing is known.
    is_rival = ~((rows["ci_high"] < low) | (rows["ci_low"] > high))
    has_best = pd.MultiIndex.from_frame(rows[keys]).isin(pd.MultiIndex.from_frame(best[keys]))
    return rows[is_rival & has_best]


class LayerReplicates:
    """Headline measures of a task's layers without each group of people, read from a run.

    Parameters
    ----------
    run : Run
        The run.
    task : str
        The task.
    """

    def __init__(self, run: Run, task: str) -> None:
        self._run, self._task = run, task
        self._by_pairs = set(run.tasks[task].influences)
        # One model at a time: the distances of all need not fit into memory.
        self._model = ""
        self._pairs: dict[str, PairRows] = {}
        self._like: PairRows | None = None

    def __call__(self, model: str, rows: pd.DataFrame) -> list[Replicates | None]:
        """Give those of rows of one model, a row per layer; None where they are not known."""
        from facebench.results.comparison.paired import Evidence
        from facebench.results.pair_rows import saved_layers

        if model != self._model:
            self._model, self._pairs = model, {}
        if self._by_pairs.intersection(rows["metric"]):
            unread = [layer for layer in rows["layer"] if layer not in self._pairs]
            if unread:
                read = saved_layers(self._run, self._task, model, unread, self._like)
                self._pairs |= read
                self._like = next(iter(read.values()), self._like)
        return [
            Evidence(
                row.metric,
                row.condition or None,
                row.value,
                self._pairs.get(row.layer),
                self._run.left_out.get((self._task, model, row.layer)),
            ).replicates
            for row in rows.itertuples()
        ]


def layer_choices(run: Run, task: str) -> Choices:
    """Tell how far off the headline measures of a run's best layers may be; see `choices_of`."""
    found = LayerReplicates(run, task)
    of_task = run.of_task(task)
    return choices_of(of_task, lambda rows: found(str(rows["model"].iloc[0]), rows))


def with_choices(rows: pd.DataFrame, choices: Choices, facts: TaskFacts) -> pd.DataFrame:
    """Put intervals that allow for the choice of layers in the place of the layers' own.

    Parameters
    ----------
    rows : DataFrame
        Headline rows of the tidy table, one per model, measure and condition.
    choices : Choices
        How far off they may be.
    facts : TaskFacts
        Of the task.

    Returns
    -------
    DataFrame
        'ci_method' says so; other rows stay as they are.
    """
    if not choices:
        return rows
    bounds = {measure.name: measure.bounds for measure in facts.measures}
    conditions = rows["condition"].fillna("")
    found = rows.copy()
    for label, condition, row in zip(rows.index, conditions, rows.itertuples(), strict=True):
        chosen = choices.get((row.model, row.metric, condition))
        if chosen is None or np.isnan(row.ci_low):
            continue
        sign = direction(rows.loc[[label]])
        ends = {1: ("low",), -1: ("high",), 0: ("low", "high")}[sign]
        for end in ends:
            name = f"ci_{end}"
            moved = chosen.end(row.value, getattr(row, name), bounds.get(row.metric))
            found.loc[label, name] = moved
        which = f"{' and '.join(ends)} end{'s' * (len(ends) > 1)}"
        how = f"{which} for the {chosen.n} best layers at once"
        how += " (Bonferroni)" * chosen.by_bonferroni
        found.loc[label, "ci_method"] = f"{row.ci_method}; {how}"
    return found
