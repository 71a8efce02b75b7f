"""Estimates: the numbers that a task reports, each with its interval and what it was made from.

Tasks return wide tables, a column per measure, with a measure's interval in columns beside it.
`estimates_in` is the one place that reads such tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from facebench.columns import (
    CI_METHOD,
    CONDITION,
    KEY_COLUMNS,
    N_FAILED,
    N_IDENTITIES,
    N_IMAGES,
    N_PAIRS,
    interval_columns,
)

if TYPE_CHECKING:
    from facebench.metrics.uncertainty.jackknife import JackknifeReplicates

__all__ = [
    "COUNTS",
    "InfluenceKind",
    "LayerEstimates",
    "MeasureEstimate",
    "conditions_of",
    "estimates_in",
    "estimates_of",
    "measures_of",
]

# How each pair moves a measure, where that is known: see `BaseTask.influences`.
InfluenceKind = Literal[
    "auc",
    "auc of all pairs",
    "eer of all pairs",
    "accuracy",
    "pearson",
    "spearman",
    "kendall",
    "tau-a",
    "mean",
    "relative difference",
]
COUNTS = {
    "n_pairs": N_PAIRS,
    "n_images": N_IMAGES,
    "n_identities": N_IDENTITIES,
    "n_failed": N_FAILED,
}
_DISTANCE = "Distance Metric"


@dataclass(frozen=True, slots=True)
class MeasureEstimate:
    """A measure of one layer, with its interval.

    Attributes
    ----------
    measure : str
        Its name.
    condition : str or None
        The condition it is of; None where there is one row only.
    value : float
        The number, NaN where it is undefined.
    low, high : float or None
        The 95 % interval: None where the table has no columns for one, NaN where it is undefined.
    method : str or None
        How the interval was made, or why there is none.
    n_pairs, n_images, n_identities, n_failed : int or None
        What the number was made from; None where that is not known.
    distance : str or None
        The distance metric, where the table names one.
    """

    measure: str
    condition: str | None
    value: float
    low: float | None = None
    high: float | None = None
    method: str | None = None
    n_pairs: int | None = None
    n_images: int | None = None
    n_identities: int | None = None
    n_failed: int | None = None
    distance: str | None = None


@dataclass(frozen=True, slots=True)
class LayerEstimates:
    """All that a task reports of one layer of a model.

    Attributes
    ----------
    estimates : tuple of MeasureEstimate
        A task's measures, condition by condition.
    replicates : JackknifeReplicates or None
        Its measures without a part of the pairs, which errors of differences are made of; None
        where no measure needs them.
    remark : str
        What is odd about them, or why some are NaN; empty where all is well.
    """

    estimates: tuple[MeasureEstimate, ...]
    replicates: JackknifeReplicates | None = None
    remark: str = ""


def estimates_in(
    rows: pd.DataFrame, measures: Sequence[str] | None = None
) -> list[MeasureEstimate]:
    """Read the estimates in rows of a task's results.

    Parameters
    ----------
    rows : DataFrame
        Rows of one layer, as the task returns them.
    measures : sequence of str, optional
        Which measures to read; None reads all.

    Returns
    -------
    list of MeasureEstimate
        Row by row, the measures in their order.
    """
    names = measures_of(rows) if measures is None else list(measures)
    return estimates_of(rows.to_dict("records"), conditions_of(rows), names)


def estimates_of(
    records: Sequence[Mapping[Any, Any]],
    conditions: Sequence[str | None],
    measures: Sequence[str],
) -> list[MeasureEstimate]:
    """Read the estimates in rows that are mappings already, see `estimates_in`.

    Parameters
    ----------
    records : sequence of mapping
        Rows of one layer.
    conditions : sequence of str or None
        Their conditions, as `conditions_of` names them.
    measures : sequence of str
        Which measures to read.

    Returns
    -------
    list of MeasureEstimate
        Row by row, the measures in their order.
    """
    return [
        _estimate(row, name, condition)
        for row, condition in zip(records, conditions, strict=True)
        for name in measures
    ]


def _estimate(row: Mapping[Any, Any], name: str, condition: str | None) -> MeasureEstimate:
    low, high = (
        _number(row[column]) if column in row else None for column in interval_columns(name)[1:]
    )
    has_interval = low is not None and not pd.isna(low)
    return MeasureEstimate(
        name,
        condition,
        _number(row[name]),
        low,
        high,
        row.get(CI_METHOD) if has_interval else None,
        distance=row.get(_DISTANCE),
        **{field: _count(row.get(column)) for field, column in COUNTS.items()},
    )


def _number(cell: Any) -> float:
    return float("nan") if pd.isna(cell) else float(cell)


def _count(cell: Any) -> int | None:
    return None if cell is None or pd.isna(cell) else int(cell)


def measures_of(performance: pd.DataFrame) -> list[str]:
    """List the measures in a task's results: numbers that name, count or bound nothing else.

    Returns
    -------
    list of str
        Names of columns.
    """
    columns = [str(column) for column in performance.columns]
    bounds = {end for column in columns for end in interval_columns(column)[1:]}
    return [
        column
        for column in columns
        if column not in {*KEY_COLUMNS, CONDITION, CI_METHOD, *COUNTS.values(), *bounds}
        and is_numeric_dtype(performance[column])
        and not is_bool_dtype(performance[column])
    ]


def conditions_of(rows: pd.DataFrame) -> list[str | None]:
    """Name the rows of one layer, each differently.

    Parameters
    ----------
    rows : DataFrame
        A task's results of one layer.

    Returns
    -------
    list of str or None
        The conditions; numbers in brackets where there are several rows and no conditions; None
        for a single row.
    """
    if CONDITION in rows:
        names = [str(value) for value in rows[CONDITION]]
    elif len(rows) > 1:
        # Several rows of one layer are numbered, as in the unified table.
        names = [f"[{number}]" for number in range(1, len(rows) + 1)]
    else:
        return [None]
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            names[index] = f"{name} [{seen[name]}]"
    return [*names]
