"""Where layers are in a network: what holds others ends with the last of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["LayerDepths", "layer_depths", "network_order", "places_in_network"]


class LayerDepths(NamedTuple):
    """Layers from shallow to deep.

    Attributes
    ----------
    order : list of int
        Their positions among the names that were asked about.
    places : list of int
        Where each is, from 0.
    depth : list of float
        Relative depth: 0 the first layer, 1 the last; 1 for a single one.
    """

    order: list[int]
    places: list[int]
    depth: list[float]


def layer_depths(names: Sequence[str], known: Sequence[str] | None = None) -> LayerDepths:
    """Place layers in their network: the one rule for all profiles, of figures and of the report.

    Parameters
    ----------
    names : sequence of str
        The layers that were measured.
    known : sequence of str, optional
        All layers of the network in network order. Without them, or where they lack a name (as
        'default', what a network returns), depth counts the layers that were measured.

    Examples
    --------
    >>> layer_depths(["fc", "layer1"], ["conv1", "layer1", "layer1.0", "layer1.1", "fc"])
    LayerDepths(order=[1, 0], places=[2, 3], depth=[0.6666666666666666, 1.0])
    >>> layer_depths(["a", "b", "c"]).depth
    [0.0, 0.5, 1.0]
    """
    order = network_order(names)
    places, count = list(range(len(names))), len(names)
    if known is not None:
        found, n_known = places_in_network(names, known)
        of_all = [place for place in found if place is not None]
        if len(of_all) == len(names):
            # Names may come in any order; those that end together stay innermost first.
            order = sorted(order, key=lambda at: of_all[at])
            places, count = [of_all[at] for at in order], n_known
    return LayerDepths(
        order, places, [place / (count - 1) if count > 1 else 1.0 for place in places]
    )


def network_order(names: Sequence[str]) -> list[int]:
    """Order layers by where their outputs come about, a container after all that it holds.

    Parameters
    ----------
    names : sequence of str
        As ``named_modules()`` gives them: a container before what it holds.

    Returns
    -------
    list of int
        Their positions in `names`, shallow to deep.

    Examples
    --------
    >>> names = ["layer1", "layer1.0", "layer1.0.relu", "fc"]
    >>> [names[at] for at in network_order(names)]
    ['layer1.0.relu', 'layer1.0', 'layer1', 'fc']
    """
    last = _last_held(names, names)
    # Of several that end together, the innermost comes first.
    return sorted(range(len(names)), key=lambda at: (last[at], -names[at].count("."), at))


def places_in_network(names: Sequence[str], known: Sequence[str]) -> tuple[list[int | None], int]:
    """Count, for each layer, the leaf layers that come before its output is there.

    Parameters
    ----------
    names : sequence of str
        The layers asked about.
    known : sequence of str
        All layers of the network in network order, with or without those that hold others.

    Returns
    -------
    places : list of int or None
        From 0; a container's is that of the last leaf in it, None is of a layer not known.
    count : int
        How many leaves there are.

    Examples
    --------
    >>> known = ["conv1", "layer1", "layer1.0", "layer1.1", "fc"]
    >>> places_in_network(["layer1", "layer1.0", "fc", "head"], known)
    ([2, 1, 3, None], 4)
    """
    holders = {name[:at] for name in known for at, sign in enumerate(name) if sign == "."}
    leaves = [name for name in known if name not in holders]
    last = _last_held(names, leaves)
    return [None if place < 0 else place for place in last], len(leaves)


def _last_held(names: Sequence[str], known: Sequence[str]) -> list[int]:
    """Find the last of the known layers that each layer is or holds; -1 where there is none."""
    last: dict[str, int] = {}
    for place, name in enumerate(known):
        parts = name.split(".")
        for depth in range(1, len(parts) + 1):
            last[".".join(parts[:depth])] = place
    return [last.get(name, -1) for name in names]
