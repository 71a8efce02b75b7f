"""Which layers a picture shows that has no room for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from facebench.columns import MODEL
from facebench.figures.records.tables import as_numbers, cell_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["few_layers"]

_LEAST = 3


def few_layers(
    rows: pd.DataFrame, most: int, measures: Sequence[str] = ()
) -> tuple[pd.DataFrame, str]:
    """Take as many layers of every model as there is room for.

    Parameters
    ----------
    rows : DataFrame
        Results of a task, a row per model and layer.
    most : int
        Rows to take in all; but at least three of a model.
    measures : sequence of str
        Columns whose largest value of either sign is taken in any case.

    Returns
    -------
    rows : DataFrame
        In their order: of each model the first and last layer, those of the largest values, and
        others evenly spaced.
    note : str
        What to say of it; empty if all are taken.
    """
    import numpy as np

    if len(rows) <= most:
        return rows, ""
    groups = [part for _, part in rows.groupby(MODEL, sort=False)]
    sizes = _shares([len(part) for part in groups], most)
    taken = np.zeros(len(rows), dtype=bool)
    place = {label: at for at, label in enumerate(rows.index)}
    said = []
    for part, size in zip(groups, sizes, strict=True):
        wanted: set[int] = {len(part) - 1}
        for column in measures:
            values = np.abs(as_numbers(part[column], f"The {column!r} column of performances"))
            if not np.isnan(values).all():
                wanted.add(int(np.nanargmax(values)))
        wanted |= _spread(len(part), size, wanted)
        taken[[place[label] for label in part.index[sorted(wanted)]]] = True
        if len(wanted) < len(part):
            model = cell_text(part[MODEL].iloc[0])
            said.append(f"{len(wanted)} of {len(part)} layers of {model}")
    if not said:
        return rows, ""
    how = "evenly spaced, and where a difference is largest" if measures else "evenly spaced"
    shown = said if len(said) <= 4 else [*said[:3], f"likewise of {len(said) - 3} others"]
    return rows[taken], f"Shown are {', '.join(shown)}: {how}. The tables hold all."


def _shares(sizes: Sequence[int], most: int) -> list[int]:
    """Share room among models: small ones show all they have, the others the same."""
    shares = [0] * len(sizes)
    room, left = most, len(sizes)
    for at in sorted(range(len(sizes)), key=lambda at: sizes[at]):
        shares[at] = min(sizes[at], max(_LEAST, room // left))
        room, left = max(room - shares[at], 0), left - 1
    return shares


def _spread(count: int, size: int, wanted: set[int]) -> set[int]:
    """Find evenly spaced places that, with the wanted ones, are as many as there is room for."""
    import numpy as np

    for tries in range(size, 1, -1):
        places = {int(at) for at in np.linspace(0, count - 1, tries).round()}
        if len(places | wanted) <= size:
            return places
    return {0}
