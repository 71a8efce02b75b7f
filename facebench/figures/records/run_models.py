"""What the tables of a run know: layers and untrained copies, and which values are better low.

A table carries it as plain texts among its attributes (`DataFrame.attrs`), which pandas hands
on, at no cost, to any selection of its rows and columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from facebench.columns import CONTROLS, LOWER_IS_BETTER, NETWORK_LAYERS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["controls_of", "is_lower_better", "joined", "network_layers_of", "note_models"]


def note_models(
    table: pd.DataFrame,
    layers: Mapping[str, Sequence[str]],
    controls: Mapping[str, Sequence[str]],
    lower_is_better: Sequence[str],
) -> None:
    """Note in a table what it should know of its run.

    Parameters
    ----------
    table : DataFrame
        Results.
    layers : mapping of str to sequence of str
        Model → all its layers in network order.
    controls : mapping of str to sequence of str
        The models that are untrained copies, by what they are called together.
    lower_is_better : sequence of str
        The measures of which the task says that lower is better.
    """
    table.attrs[NETWORK_LAYERS] = json.dumps(layers)
    table.attrs[CONTROLS] = json.dumps(controls)
    table.attrs[LOWER_IS_BETTER] = json.dumps(lower_is_better)


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put tables of a run below each other; the result knows what any of them does.

    Models may have been added between two of them. Pandas keeps attributes only where all agree.

    Parameters
    ----------
    tables : sequence of DataFrame
        Results.

    Returns
    -------
    DataFrame
    """
    import pandas as pd

    whole = pd.concat(tables, ignore_index=True)
    layers: dict[str, list[str]] = {}
    controls: dict[str, list[str]] = {}
    lower: list[str] = []
    for table in tables:
        layers.update(network_layers_of(table))
        for name, copies in controls_of(table).items():
            controls[name] = list(dict.fromkeys([*controls.get(name, ()), *copies]))
        lower += [name for name in _noted(table, LOWER_IS_BETTER, []) if name not in lower]
    note_models(whole, layers, controls, lower)
    return whole


def network_layers_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Give all layers of a table's models, where it knows them."""
    return dict(_noted(table, NETWORK_LAYERS, {}))


def controls_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Give the untrained copies among a table's models, where it knows them."""
    return dict(_noted(table, CONTROLS, {}))


def is_lower_better(table: pd.DataFrame, measure: str) -> bool:
    """Tell whether lower values of a measure are better, where the table knows it."""
    return measure in _noted(table, LOWER_IS_BETTER, [])


def _noted(table: pd.DataFrame, what: str, otherwise: Any) -> Any:
    # A table that was put together by hand may hold the thing itself.
    noted = table.attrs.get(what, otherwise)
    return json.loads(noted) if isinstance(noted, str) else noted
