"""Layers by pattern: 'features.*', 'encoder.layer.*.mlp', 'all'."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from facebench.errors import UnknownNameError

__all__ = ["ALL", "BLOCKS", "each_told", "ending_in", "expand_layers", "is_pattern", "matching"]

ALL = "all"
BLOCKS = "blocks"
_ANY_DEPTH = "**"
_WILD = "*?["
_MOST_TOLD = 4
Found = TypeVar("Found")


def is_pattern(layer: str) -> bool:
    """Tell whether a layer is asked for by pattern.

    Examples
    --------
    >>> is_pattern("features.*"), is_pattern("all"), is_pattern("fc")
    (True, True, False)
    """
    return layer in (ALL, BLOCKS) or any(sign in layer for sign in _WILD)


def expand_layers(
    patterns: str | Iterable[str],
    names: Sequence[str],
    leaves: Sequence[str] | None = None,
    *,
    owner: str = "this network",
) -> list[str]:
    """Find the layers that patterns stand for.

    Parameters
    ----------
    patterns : str or iterable of str
        Names; globs, where ``*``, ``?`` and ``[0-3]`` stand for (part of) one component between
        dots and ``**`` for any number of components; or 'all', every layer that holds no others.
        What is found nowhere from the beginning of names may be their end, if all that end so
        begin alike: 'layer.0' or 'layer.*' for 'encoder.layer.0' ….
    names : sequence of str
        All layers of the network, in network order.
    leaves : sequence of str, optional
        Those that 'all' stands for; by default told by their names.
    owner : str, default 'this network'
        What has the layers, for messages.

    Returns
    -------
    list of str
        The layers in network order, each once.

    Raises
    ------
    UnknownNameError
        If a pattern stands for no layer, or may be the end of several; the message tells the
        closest ones, or those.

    Examples
    --------
    >>> layers = ["blocks", "blocks.0", "blocks.0.mlp", "blocks.1", "blocks.1.mlp", "fc"]
    >>> expand_layers("blocks.*.mlp", layers)
    ['blocks.0.mlp', 'blocks.1.mlp']
    >>> expand_layers(["fc", "blocks.*"], layers)
    ['blocks.0', 'blocks.1', 'fc']
    >>> expand_layers("all", layers)
    ['blocks.0.mlp', 'blocks.1.mlp', 'fc']
    >>> expand_layers("layer.*", ["encoder", "encoder.layer", "encoder.layer.0", "encoder.layer.1"])
    ['encoder.layer.0', 'encoder.layer.1']
    """

    def meant(pattern: str) -> list[str]:
        found = _matches(pattern, names, leaves) or ending_in(pattern, names)
        if not found:
            near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.0)
            what = "matches no layer" if is_pattern(pattern) else "is not a layer"
            msg = (
                f"{pattern!r} {what} of {owner}, whose {len(names)} layers are named like "
                f"{', '.join(map(repr, near)) or '(none)'}."
            )
            raise UnknownNameError(msg)
        return found

    wanted = set(each_told(meant, [patterns] if isinstance(patterns, str) else patterns))
    return [name for name in names if name in wanted]


def each_told(find: Callable[[str], list[Found]], asked: Iterable[str]) -> list[Found]:
    """Find what all of several patterns stand for, and tell of all that stand for nothing.

    Parameters
    ----------
    find : callable
        Finds what one pattern stands for, or raises `UnknownNameError`.
    asked : iterable of str
        The patterns.

    Returns
    -------
    list
        What was found, in the order of the patterns.

    Raises
    ------
    UnknownNameError
        With a sentence for every pattern that stands for nothing.
    """
    found: list[Found] = []
    problems: list[str] = []
    for pattern in asked:
        try:
            found += find(pattern)
        except UnknownNameError as error:
            problems.append(str(error))
    if problems:
        raise UnknownNameError(" ".join(problems))
    return found


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Find the names that match a glob as a whole: dots in them divide nothing.

    Examples
    --------
    >>> matching("/layer1/*/Relu", ["/layer1/layer1.0/Relu", "/layer2/layer2.0/Relu"])
    ['/layer1/layer1.0/Relu']
    """
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def ending_in(pattern: str, names: Sequence[str]) -> list[str]:
    """Find the layers whose names end as a pattern says, if what is before it is one thing.

    Raises
    ------
    UnknownNameError
        If it is not; the message tells full names.
    """
    if not pattern or pattern == ALL or pattern.startswith(_ANY_DEPTH):
        return []
    wanted = pattern.split(".")
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split(".")
        # The shortest beginning that fits: further ones lie within what it matches.
        for at in range(1, len(parts)):
            if _fits(parts[at:], wanted):
                found.setdefault(".".join(parts[:at]), []).append(name)
                break
    if len(found) > 1:
        shown = list(found)[:_MOST_TOLD]
        more = f" … ({len(found)} in all)" if len(found) > len(shown) else ""
        msg = (
            f"{pattern!r} may be the end of the names of several layers: give a full one of "
            f"{', '.join(repr(f'{before}.{pattern}') for before in shown)}{more}, or "
            f"'{_ANY_DEPTH}.{pattern}' for all of them."
        )
        raise UnknownNameError(msg)
    return next(iter(found.values()), [])


def _matches(pattern: str, names: Sequence[str], leaves: Sequence[str] | None) -> list[str]:
    if pattern in names:
        return [pattern]
    if pattern == ALL and leaves is not None:
        return list(leaves)
    if pattern == ALL:
        parents = {name.rpartition(".")[0] for name in names}
        # A parent's parent holds layers too, even where the parent itself is not listed.
        for parent in list(parents):
            while parent := parent.rpartition(".")[0]:
                parents.add(parent)
        return [name for name in names if name not in parents]
    if not is_pattern(pattern):
        return []
    wanted = pattern.split(".")
    return [name for name in names if _fits(name.split("."), wanted)]


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Match components from the end of the pattern's table: linear in both."""
    reached = {0}
    for want in wanted:
        if want == _ANY_DEPTH:
            reached = set(range(min(reached), len(parts) + 1)) if reached else set()
        else:
            reached = {
                at + 1 for at in reached if at < len(parts) and fnmatch.fnmatchcase(parts[at], want)
            }
    return len(parts) in reached
