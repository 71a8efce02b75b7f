"""What the tables of a run know of its models: all their layers, and which are untrained copies.

A table carries it as two plain texts among its attributes (`DataFrame.attrs`), which pandas hands
on, at no cost, to any selection of its rows and columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from facebench.columns import CONTROLS, NETWORK_LAYERS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["controls_of", "network_layers_of", "note_models"]


def note_models(
    table: pd.DataFrame,
    layers: Mapping[str, Sequence[str]],
    controls: Mapping[str, Sequence[str]],
) -> None:
    """Note in a table what it should know of the models of its run.

    Parameters
    ----------
    table : DataFrame
        Results.
    layers : mapping of str to sequence of str
        Model → all its layers in network order.
    controls : mapping of str to sequence of str
        The models that are untrained copies, by what they are called together.
    """
    table.attrs[NETWORK_LAYERS] = json.dumps(layers)
    table.attrs[CONTROLS] = json.dumps(controls)


def network_layers_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Give all layers of a table's models, where it knows them."""
    return _noted(table, NETWORK_LAYERS)


def controls_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Give the untrained copies among a table's models, where it knows them."""
    return _noted(table, CONTROLS)


def _noted(table: pd.DataFrame, what: str) -> dict[str, list[str]]:
    # A table that was put together by hand may hold a dictionary.
    noted = table.attrs.get(what, {})
    return dict(json.loads(noted) if isinstance(noted, str) else noted)
