"""What the pictures take from tables: rows by task, names, numbers, and checks of all of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.columns import (
    CI_HIGH,
    CI_LOW,
    CI_METHOD,
    DEFAULT_LAYER,
    LAYER,
    MODEL,
    TASK,
    interval_columns,
)
from facebench.errors import InputError
from facebench.figures.output import draw_pages
from facebench.figures.records.run_facts import facts_of
from facebench.utils.files import safe_name
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from facebench.figures.drawing.people import Level

    Distances = Mapping[str, Mapping[str, pd.DataFrame]]

__all__ = [
    "as_numbers",
    "cell_text",
    "check_column",
    "check_columns",
    "check_table",
    "checked_levels",
    "checked_limits",
    "draw_one",
    "draw_tasks",
    "interval_of",
    "layer_distances",
    "listed",
    "row_labels",
    "row_models",
    "rows_by_task",
    "run_order",
]

# A message names no more columns than these.
MOST_LISTED = 8


def draw_tasks(
    performances: pd.DataFrame,
    output_dir: str | Path,
    file_name: str,
    draw: Callable[[str, pd.DataFrame], Figure | Sequence[Figure]],
) -> list[Path]:
    """Write a figure of each task, one at a time even across threads.

    Parameters
    ----------
    performances : DataFrame
        Results of all tasks.
    output_dir : str or Path
        Where the pictures go; made if need be.
    file_name : str
        The files are called ``<task>_<file_name>.png``, unsafe characters replaced.
    draw : callable
        Takes the name of a task and its rows, and returns the figure or its pages.

    Returns
    -------
    list of Path
        The files written: for each task one per page and format.
    """
    return [
        path
        for task, rows in rows_by_task(performances)
        for path in draw_one(
            Path(output_dir) / f"{safe_name(task)}_{safe_name(file_name)}.png",
            lambda task=task, rows=rows: draw(task, rows),  # type: ignore[misc]
            performances,
        )
    ]


def draw_one(
    target: Path, draw: Callable[[], Figure | Sequence[Figure]], *tables: pd.DataFrame
) -> list[Path]:
    """Write one figure, every model in the colour that it has in the whole run.

    Parameters
    ----------
    target : Path
        The file of a PNG; its folder is made if need be.
    draw : callable
        Returns the figure or its pages.
    *tables : DataFrame
        The results that it is of, which know the models of their run.

    Returns
    -------
    list of Path
        The files written: one per page and format.
    """

    def pages() -> Sequence[Figure]:
        from facebench.figures.drawing.style import models_in_order

        with models_in_order(run_order(tables)):
            drawn = draw()
        return drawn if isinstance(drawn, list | tuple) else [drawn]  # type: ignore[list-item]

    return draw_pages(target, pages)


def run_order(tables: Sequence[pd.DataFrame]) -> list[str]:
    """Name the models of a run in its order, as far as its tables know them."""
    known = [model for table in tables for model in facts_of(table).layers]
    shown = [name for table in tables if MODEL in table for name in row_models(table)]
    return list(dict.fromkeys([*map(cell_text, known), *shown]))


def rows_by_task(performances: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Go through the tasks of a table, in order of first appearance."""
    for task in dict.fromkeys(performances[TASK]):
        yield str(task), performances[performances[TASK] == task]


def cell_text(value: object) -> str:
    """Write a cell on one line; an empty cell is 'n/a'."""
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "n/a"
    text = f"{value:.15g}" if isinstance(value, float) else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)


def row_models(rows: pd.DataFrame) -> list[str]:
    """Name the model of every row."""
    return [cell_text(model) for model in rows[MODEL]]


def row_labels(rows: pd.DataFrame) -> list[str]:
    """Name every row: its model, and its layer if that is not the default."""
    return [
        model if layer == DEFAULT_LAYER else f"{model}: {layer}"
        for model, layer in zip(row_models(rows), map(cell_text, rows[LAYER]), strict=True)
    ]


def as_numbers(column: pd.Series, what: str) -> NDArray[np.float64]:
    """Read a column as floats, with NaN where a cell is empty."""
    import pandas as pd

    try:
        numbers: NDArray[np.float64] = pd.to_numeric(column).to_numpy(
            dtype="float64", na_value=float("nan")
        )
    except (TypeError, ValueError) as error:
        message = f"{what} must hold numbers or empty cells. {error}."
        raise InputError(message) from error
    return numbers


def interval_of(
    rows: pd.DataFrame, measure: str, table: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Read a measure and both ends of its interval, NaN where the table has none."""
    import numpy as np

    value, low, high = (
        as_numbers(rows[column], f"The {column!r} column of {table}")
        if column in rows
        else np.full(len(rows), np.nan)
        for column in interval_columns(measure)
    )
    return value, low, high


def layer_distances(
    distances: Distances, model: str, task: str, layer: str, columns: Sequence[str], where: str
) -> pd.DataFrame:
    """Find the distances of one model-layer on one task, with the columns that are needed."""
    per_task = distances.get(model) if isinstance(distances, Mapping) else None
    frame = per_task.get(task) if isinstance(per_task, Mapping) else None
    if frame is None:
        message = (
            f"The 'distances' parameter of {where} must hold a table for every "
            f"model and task of performances. Got none at distances[{model!r}][{task!r}]."
        )
        raise InputError(message)
    what = f"distances[{model!r}][{task!r}] of {where}"
    check_columns(frame, f"The table {what}", ("layer_name", *columns))
    rows = frame[frame["layer_name"].astype(str) == str(layer)]
    if len(frame) and not len(rows):
        known = listed(dict.fromkeys(frame["layer_name"]))
        message = (
            f"The 'layer_name' column of {what} must have the layers of performances "
            f"(it has: {known}). Got {layer!r} instead."
        )
        raise InputError(message)
    return rows


def check_table(performances: pd.DataFrame, where: str, columns: Sequence[str]) -> None:
    """Refuse results that lack a column, a row, or the name of a task."""
    what = f"The 'performances' parameter of {where}"
    check_columns(performances, what, columns)
    if performances.empty:
        message = f"{what} must have a row per model and layer. Got an empty table instead."
        raise InputError(message)
    if performances[TASK].isna().any():
        row = int(performances[TASK].isna().argmax())
        message = f"{what} must name a task in every row. Got an empty {TASK!r} in row {row}."
        raise InputError(message)


def check_columns(table: object, what: str, columns: Sequence[str]) -> None:
    """Refuse anything but a table with the columns needed."""
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        message = f"{what} must be a pandas DataFrame. Got {type(table).__name__} instead."
        raise InputError(message)
    missing = [column for column in columns if column not in table]
    if missing:
        message = (
            f"{what} must have the columns {listed(columns)} "
            f"(it has: {listed(table.columns)}). It lacks {listed(missing)}."
        )
        raise InputError(message)


def check_column(performances: pd.DataFrame, where: str, name: str, column: str) -> None:
    """Refuse a parameter that names no column."""
    if column not in performances:
        known = [str(found) for found in performances.columns]
        message = (
            f"The {name!r} parameter of {where} must be a column of performances "
            f"(it has: {_nearest(str(column), known)}). Got {column!r} instead."
            f"{did_you_mean(str(column), known)}"
        )
        raise InputError(message)


def checked_limits(ylim: object, where: str) -> tuple[float | None, float | None]:
    """Read the two ends of an axis, each of which may be None."""
    if ylim is None:
        return (None, None)
    try:
        low, high = (None if end is None else float(end) for end in ylim)  # type: ignore[attr-defined]
        fits = all(end is None or abs(end) < float("inf") for end in (low, high))
        if fits and (low is None or high is None or low < high):
            return low, high
    except (TypeError, ValueError):
        pass
    message = (
        f"The 'ylim' parameter of {where} must be two numbers, the lower first. "
        f"Got {ylim!r} instead."
    )
    raise InputError(message)


def checked_levels(reference: object, where: str) -> list[Level] | None:
    """Read values to be marked: a number with its name, a list of these, or None."""
    if reference is None:
        return None
    from facebench.figures.drawing.people import Level

    try:
        given = [reference] if isinstance(reference, tuple) else list(reference)  # type: ignore[call-overload]
        return [Level(str(name), float(value), float(value)) for value, name in given]
    except (TypeError, ValueError):
        msg = (
            f"The 'reference' parameter of {where} must be a number and its name, or a list of "
            f"these. Got {reference!r} instead."
        )
        raise InputError(msg) from None


def _nearest(name: str, known: Sequence[str]) -> str:
    """List columns for a message: of many the ones nearest to a name, without their intervals."""
    if len(known) <= MOST_LISTED:
        return listed(known)
    measures = [
        column for column in known if not column.endswith((CI_LOW, CI_HIGH)) and column != CI_METHOD
    ]
    wanted = name.lower()

    def distance(column: str) -> tuple[bool, float]:
        # A column that ends so, such as one factor's 'Difference', is meant before one spelt alike.
        ratio = difflib.SequenceMatcher(None, wanted, column.lower()).ratio()
        return not column.lower().endswith(wanted), -ratio

    shown = set(sorted(measures, key=distance)[:MOST_LISTED])
    more = len(known) - len(shown)
    return f"{listed(column for column in known if column in shown)} and {more} others"


def listed(names: Iterable[object]) -> str:
    """List names for a message."""
    return ", ".join(map(str, names)) or "nothing"
