"""Tables of a page that can be sorted, searched and filtered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Column", "Table", "forest", "span_of"]

Kind = Literal[
    "text", "number", "interval", "count", "forest", "p", "signed", "model", "score", "difference"
]
_ROWS_AT_FIRST = 200
_WORDS = ("text", "model")


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    title : str
        Its heading.
    kind : str
        How cells are shown: 'text', 'number', 'signed' (a difference), 'count', 'p', 'interval'
        ([low, high]), 'forest' ([start, width, dot] in percent, drawn), 'model' ([name, small
        print, colour]), 'difference' ([value, low, high]) or 'score' ([value, low, high, rank, tie
        group, layer, remark]).
    filter : bool
        Offer its values in a list to choose from.
    hint : str
        What it means, shown with the heading.
    note : str
        Small print below the heading.
    label : str
        What a cell is called in a card; by default the title.
    ascending : bool
        Whether the smallest value comes first when it is sorted by this.
    """

    title: str
    kind: Kind = "text"
    filter: bool = False
    hint: str = ""
    note: str = ""
    label: str = ""
    ascending: bool = False


@dataclass(frozen=True)
class Table:
    """A table and its controls.

    Attributes
    ----------
    id, caption : str
        Its id in the page, and what it shows.
    columns : list of Column
        The columns.
    rows : list of list
        A cell per column.
    extra : list of bool
        Whether a row is shown only if `more` is ticked.
    more : str
        The label of that box; empty for none.
    sticky : bool
        Whether the first column stays in sight while the others are scrolled.
    stacked : bool
        Whether a row is shown as a card on narrow screens.
    """

    id: str
    caption: str
    columns: list[Column]
    rows: list[list[Any]]
    extra: list[bool] = field(default_factory=list)
    more: str = ""
    sticky: bool = False
    stacked: bool = False

    @property
    def first_rows(self) -> list[list[Any]]:
        """The rows that are in the page before any script runs."""
        extra = self.extra or [False] * len(self.rows)
        usual = [row for row, hidden in zip(self.rows, extra, strict=True) if not hidden]
        return usual[:_ROWS_AT_FIRST]

    @property
    def data(self) -> dict[str, Any]:
        """What the script needs."""
        return {
            "kinds": [column.kind for column in self.columns],
            "titles": [column.label or column.title for column in self.columns]
            if self.stacked
            else [],
            "ascending": [
                int(column.ascending or column.kind in _WORDS) for column in self.columns
            ],
            "rows": self.rows,
            "extra": [int(hidden) for hidden in self.extra],
            "limit": _ROWS_AT_FIRST,
        }

    def choices(self, index: int) -> list[str]:
        """Give the different values of a column, in order of appearance."""
        return list(dict.fromkeys(str(row[index]) for row in self.rows if row[index] is not None))


def span_of(rows: pd.DataFrame) -> tuple[float, float]:
    """Give the ends of a scale that holds the values and intervals of some results.

    Parameters
    ----------
    rows : DataFrame
        Rows of the tidy table.
    """
    values = rows[["value", "ci_low", "ci_high"]]
    return float(values.min().min()), float(values.max().max())


def forest(
    value: float, low: float | None, high: float | None, span: tuple[float, float]
) -> list[float] | None:
    """Place a value and its interval on a scale, in percent.

    Parameters
    ----------
    value, low, high : float or None
        The value and its interval.
    span : tuple of float
        The ends of the scale.

    Returns
    -------
    list of float or None
        Start and width of the interval, and the value, none of them beyond the scale; None
        without an interval.

    Examples
    --------
    >>> forest(0.5, 0.25, 0.75, (0.0, 1.0))
    [25.0, 50.0, 50.0]
    >>> forest(7.0, 0.25, 9.0, (0.0, 1.0))
    [25.0, 75.0, 100.0]
    """
    if low is None or high is None:
        return None
    start, width = span[0], (span[1] - span[0]) or 1.0
    places = [min(max((x - start) / width, 0.0), 1.0) for x in (low, high, value)]
    return [round(100 * x, 1) for x in (places[0], places[1] - places[0], places[2])]
