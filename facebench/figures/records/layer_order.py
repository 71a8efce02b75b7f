"""Where layers are in a network: what holds others ends with the last of them."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["network_order", "places_in_network"]


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
