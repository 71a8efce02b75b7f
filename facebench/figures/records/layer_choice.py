"""Which layers a figure shows that has no room for all, and what goes on which page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from facebench.columns import LAYER, MODEL
from facebench.figures.records.run_facts import best_measure
from facebench.figures.records.tables import cell_text, interval_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    Best = Literal["highest", "lowest", "largest"]

__all__ = ["best_of", "few_layers", "few_of_each", "in_pages"]


def best_of(rows: pd.DataFrame) -> dict[str, Best]:
    """Give the measure that chooses the best layers of a task's table; empty if it names none."""
    known = best_measure(rows)
    return {} if known is None else {known[0]: "lowest" if known[1] else "highest"}


def few_layers(
    rows: pd.DataFrame, most: int, best: Mapping[str, Best] | None = None
) -> tuple[pd.DataFrame, str]:
    """Take as many layers of every model as there is room for.

    Parameters
    ----------
    rows : DataFrame
        Results of a task, a row per model and layer.
    most : int
        Rows to take in all; but at least one of a model.
    best : mapping of str to {'highest', 'lowest', 'largest'}, optional
        Columns whose best value is taken in any case: by which a model's layers are chosen; of
        'largest' values the sign does not count. By default the measure that a run's table names.

    Returns
    -------
    rows : DataFrame
        In their order: of each model the best layers; with room for more the last and the first,
        and others evenly spaced.
    note : str
        What to say of it; empty if all are taken.
    """
    import numpy as np

    if len(rows) <= most:
        return rows, ""
    best = best_of(rows) if best is None else best
    groups = [part for _, part in rows.groupby(MODEL, sort=False)]
    sizes = _shares([len(part) for part in groups], most)
    taken = np.zeros(len(rows), dtype=bool)
    place = {label: at for at, label in enumerate(rows.index)}
    said = []
    for part, size in zip(groups, sizes, strict=True):
        wanted = _wanted(part, size, best)
        taken[[place[label] for label in part.index[sorted(wanted)]]] = True
        if len(wanted) < len(part):
            said.append((len(wanted), len(part), cell_text(part[MODEL].iloc[0])))
    if not said:
        return rows, ""
    verb = "is" if said[0][0] == 1 else "are"
    note = f"Shown {verb} {_counted(said)}: {_how(sizes, best)}. The tables hold all."
    return rows[taken], note


def few_of_each(
    rows: pd.DataFrame, most: int, best: Mapping[str, Best] | None = None
) -> tuple[pd.DataFrame, str]:
    """Take some layers of a table with several rows of a layer, such as one per condition.

    Parameters
    ----------
    rows, best
        As of `few_layers`; of several rows the first one's value chooses.
    most : int
        Layers to take in all.

    Returns
    -------
    rows : DataFrame
        All rows of the layers that `few_layers` takes.
    note : str
        As of `few_layers`.
    """
    each = rows[~rows.duplicated([MODEL, LAYER]).to_numpy()]
    few, note = few_layers(each, most, best)
    if not note:
        return rows, ""
    kept = set(zip(few[MODEL], few[LAYER], strict=True))
    return rows[[key in kept for key in zip(rows[MODEL], rows[LAYER], strict=True)]], note


def in_pages(
    rows: pd.DataFrame, most: int, draw: Callable[[pd.DataFrame, str], Figure], note: str = ""
) -> list[Figure]:
    """Draw the layers of a table on as many pages as they need.

    Parameters
    ----------
    rows : DataFrame
        Results of a task.
    most : int
        Layers of a page; those of one model stay together where they fit.
    draw : callable
        Draws rows, with what is to be said under them.
    note : str
        What else is said under each page.
    """
    keys = list(dict.fromkeys(zip(rows[MODEL], rows[LAYER], strict=True)))
    if len(keys) <= most:
        return [draw(rows, note)]
    of_model: dict[object, list[tuple[object, object]]] = {}
    for key in keys:
        of_model.setdefault(key[0], []).append(key)
    # Pages of about the same length, a model's layers on one where they fit.
    wanted = -(-len(keys) // -(-len(keys) // most))
    pages: list[list[tuple[object, object]]] = [[]]
    for own in of_model.values():
        full = len(pages[-1]) >= wanted or len(pages[-1]) + len(own) > most
        if pages[-1] and full and len(own) <= most:
            pages.append([])
        for key in own:
            if len(pages[-1]) == most:
                pages.append([])
            pages[-1].append(key)
    figures = []
    for number, page in enumerate(pages, 1):
        kept = set(page)
        part = rows[[key in kept for key in zip(rows[MODEL], rows[LAYER], strict=True)]]
        figures.append(draw(part, f"Page {number} of {len(pages)}. {note}".strip()))
    return figures


def _wanted(part: pd.DataFrame, size: int, best: Mapping[str, Best]) -> set[int]:
    import numpy as np

    wanted: dict[int, None] = {}
    for column, which in best.items():
        values = interval_of(part, column, "performances")[0]
        signed = {"highest": values, "lowest": -values, "largest": np.abs(values)}[which]
        if not np.isnan(signed).all():
            wanted[int(np.nanargmax(signed))] = None
    wanted[len(part) - 1] = None
    first = set(list(wanted)[:size])
    return first | _spread(len(part), size, first)


def _how(sizes: Sequence[int], best: Mapping[str, Best]) -> str:
    names = {
        "highest": "where {} is highest",
        "lowest": "where {} is lowest",
        "largest": "where {} is largest",
    }
    chosen = [names[which].format(column) for column, which in best.items()]
    if len(chosen) > 2:
        chosen = ["where a measure is best or largest"]
    if max(sizes) <= len(chosen):
        return " and ".join(chosen)
    others = "the last and others evenly spaced" if chosen else "evenly spaced"
    return " and ".join([*chosen, others])


def _counted(said: Sequence[tuple[int, int, str]]) -> str:
    """Say how many layers of which models are shown; models of equal counts together."""
    models: dict[tuple[int, int], list[str]] = {}
    for shown, count, model in said:
        models.setdefault((shown, count), []).append(model)
    parts = []
    for (shown, count), names in list(models.items())[:4]:
        of = f"each of {len(names)} models" if len(names) > 2 else " and ".join(names)
        parts.append(f"{shown} of {count} layers of {of}")
    if len(models) > 4:
        parts.append("likewise of others")
    return ", ".join(parts)


def _shares(sizes: Sequence[int], most: int) -> list[int]:
    """Share room among models: small ones show all they have, the others the same."""
    room, left = most, len(sizes)
    for size in sorted(sizes):
        if size > room // left:
            break
        room, left = room - size, left - 1
    return [min(size, max(1, room // max(left, 1))) for size in sizes]


def _spread(count: int, size: int, wanted: set[int]) -> set[int]:
    """Find evenly spaced places that, with the wanted ones, are as many as there is room for."""
    import numpy as np

    for tries in range(size, 1, -1):
        places = {int(at) for at in np.linspace(0, count - 1, tries).round()}
        if len(places | wanted) <= size:
            return places
    return set() if wanted else {0}
