"""Keys of a checkpoint and of a network: what a checkpoint's keys are called there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

__all__ = ["Renamed", "is_counter", "likely_prefix", "renamed"]

T = TypeVar("T")
# Under these, data-parallel training and torch.compile keep the network itself.
_WRAPPERS = ("module", "_orig_mod")
Renamed = tuple[dict[str, T], str]


def is_counter(key: str) -> bool:
    """Tell the counter of batch normalisation, which PyTorch before 0.4.1 did not keep."""
    return key.endswith("num_batches_tracked")


def renamed(state: Mapping[str, T], own: Collection[str]) -> list[Renamed[T]]:
    """Call a checkpoint's tensors as a network does.

    'module.' and '_orig_mod.' are taken off, wherever they stand. If no key then is one of the
    network's, another prefix is taken off: one under which the checkpoint holds all of the network
    and no more, or one that all keys share; or the network's own is put before them.

    Parameters
    ----------
    state : mapping
        The checkpoint.
    own : collection of str
        The network's keys.

    Returns
    -------
    list of (dict, str)
        The checkpoint as the network calls it, with the prefix that was taken off. Several where
        it holds the network several times; one that does not fit where it holds it nowhere.

    Examples
    --------
    >>> renamed({"module.fc.weight": 1}, ["fc.weight"])
    [({'fc.weight': 1}, '')]
    >>> renamed({"backbone.fc.weight": 1, "head.weight": 2}, ["fc.weight"])
    [({'fc.weight': 1}, 'backbone.')]
    """
    known = set(own)
    plain = {_unwrapped(key, known): value for key, value in state.items()}
    if len(plain) != len(state):
        return [(dict(state), "")]
    if plain.keys() & known:
        return [(plain, "")]
    bare = {_bare(key): value for key, value in plain.items()}
    found = []
    for prefix in _all_prefixes(bare):
        part = _under(prefix, bare)
        if part.keys() <= known and all(map(is_counter, known - part.keys())):
            found.append((part, prefix))
    if found:
        return found
    for prefix in _shared_prefixes(bare):
        part = _under(prefix, bare)
        if 2 * len(part.keys() & known) > len(part):
            return [(part, prefix)]
    for prefix in _shared_prefixes(known):
        within = {prefix + key: value for key, value in bare.items()}
        if 2 * len(within.keys() & known) > len(within):
            return [(within, "")]
    return [(plain, "")]


def likely_prefix(keys: Iterable[str], own: Collection[str]) -> str:
    """Find the prefix under which a checkpoint holds at least half of a network; '' for none."""
    known = set(own)
    bare = dict.fromkeys(map(_bare, keys))
    for prefix in _all_prefixes(bare):
        if 2 * len(_under(prefix, bare).keys() & known) >= len(known):
            return prefix
    return ""


def _under(prefix: str, keys: Mapping[str, T]) -> dict[str, T]:
    return {
        key.removeprefix(prefix): value for key, value in keys.items() if key.startswith(prefix)
    }


def _unwrapped(key: str, known: set[str]) -> str:
    short = key
    while short not in known and short.partition(".")[0] in _WRAPPERS:
        short = short.partition(".")[2]
    if short in known:
        return short
    inner = _bare(key)
    return inner if inner in known else key


def _bare(key: str) -> str:
    """Leave out wrappers wherever they stand."""
    return ".".join(part for part in key.split(".") if part not in _WRAPPERS) or key


def _all_prefixes(keys: Iterable[str]) -> list[str]:
    """List all that keys begin with, up to a dot, in their order."""
    found: dict[str, None] = {}
    for key in keys:
        parts = key.split(".")
        found |= dict.fromkeys(".".join(parts[:end]) + "." for end in range(1, len(parts)))
    return list(found)


def _shared_prefixes(keys: Iterable[str]) -> list[str]:
    """List what all keys begin with, up to a dot, the longest first."""
    every = list(keys)
    return [
        prefix
        for prefix in reversed(_all_prefixes(every[:1]))
        if all(key.startswith(prefix) for key in every)
    ]
