"""Keys of a checkpoint and of a network: what a checkpoint's keys are called there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

__all__ = ["Renamed", "is_counter", "is_head", "likely_prefix", "renamed"]

T = TypeVar("T")
# Under these, data-parallel training and torch.compile keep the network itself.
_WRAPPERS = (
    "module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module",
)  # fmt: skip
# Under these, training scripts keep it.
_HOLDERS = frozenset(
    {*_WRAPPERS, "model", "net", "network", "backbone", "encoder", "ema", "ema_model", "base_model"}
)
# What is trained on top of a face network, and left behind afterwards.
_HEADS = frozenset(
    {
        *("head", "heads", "fc", "classifier", "cls", "logits", "softmax", "margin", "kernel"),
        *("arcface", "cosface", "sphereface", "magface", "adaface", "arc", "loss", "criterion"),
        *("metric_fc", "parallel_fc", "product", "margin_head", "loss_fn", "loss_layer"),
    }
)
# What weight normalisation was called before PyTorch made it a parametrization.
_NORM = {
    ".weight_g": ".parametrizations.weight.original0",
    ".weight_v": ".parametrizations.weight.original1",
}
Renamed = tuple[dict[str, T], str]


def is_counter(key: str) -> bool:
    """Tell the counter of batch normalisation, which PyTorch before 0.4.1 did not keep."""
    return key.endswith("num_batches_tracked")


def is_head(key: str, own: Collection[str]) -> bool:
    """Tell a key of a training head, or a number such as 'epoch', that a network has no part of.

    Examples
    --------
    >>> is_head("logits.weight", ["conv.weight"]), is_head("conv2.weight", ["conv.weight"])
    (True, False)
    """
    first = _bare(key).partition(".")[0]
    return first.lower() in _HEADS and all(other.partition(".")[0] != first for other in own)


def renamed(state: Mapping[str, T], own: Collection[str]) -> list[Renamed[T]]:
    """Call a checkpoint's tensors as a network does.

    'module.', '_orig_mod.' and the like are taken off, wherever they stand. Then other prefixes are
    taken off: those under which the checkpoint holds all of the network and no more. If there are
    none: 'model', 'net', 'backbone', 'ema' and the like are taken off wherever they stand, if all
    of the network is there then; or one that all keys share is taken off; or the network's own is
    put before them. Keys of training heads that the network has no part of (`is_head`) stay as they
    are.

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
    state = _with_norm_of(state, known)
    plain = {_unwrapped(key, known): value for key, value in state.items()}
    if len(plain) != len(state):
        # Two keys would be one: none is renamed.
        plain = dict(state)
    if _is_whole(plain, known):
        return [(plain, "")]
    bare = {_bare(key): value for key, value in state.items()}
    if len(bare) != len(state):
        bare = dict(state)
    found = [
        (part, prefix)
        for prefix in _all_prefixes(bare)
        if _is_whole(part := _under(prefix, bare), known)
    ]
    if plain.keys() & known:
        # Beside a copy of the network, such as a running average of its weights, there is itself.
        copies = tuple(prefix for _, prefix in found)
        rest = {key: value for key, value in plain.items() if not _bare(key).startswith(copies)}
        if found and _is_whole(rest, known):
            return [(rest, ""), *found]
    if found:
        return found
    if unheld := _without_holders(state, known):
        return [(unheld, "")]
    if plain.keys() & known:
        return [(plain, "")]
    for prefix in _shared_prefixes(bare):
        part = _under(prefix, bare)
        if 2 * len(part.keys() & known) > len(part):
            return [(part, prefix)]
    for prefix in _shared_prefixes(known):
        within = {prefix + key: value for key, value in bare.items()}
        if 2 * len(within.keys() & known) > len(within):
            return [(within, "")]
    return [(plain, "")]


def _with_norm_of(state: Mapping[str, T], known: set[str]) -> Mapping[str, T]:
    """Call the parts of weight normalisation as the network does, old or new."""
    for old, new in _NORM.items():
        for end, other in ((old, new), (new, old)):
            if any(key.endswith(other) for key in known):
                state = {
                    key.removesuffix(end) + other
                    if key.endswith(end) and key not in known
                    else key: value
                    for key, value in state.items()
                }
    return state


def _is_whole(part: Collection[str], known: set[str]) -> bool:
    """Tell whether keys are all of a network's, and no others but those of heads."""
    keys = set(part)
    return (
        bool(keys & known)
        and all(map(is_counter, known - keys))
        and all(is_head(key, known) for key in keys - known)
    )


def _without_holders(state: Mapping[str, T], known: set[str]) -> dict[str, T] | None:
    """Take off what holds networks, wherever it stands, on both sides; None if that is not all."""
    of_network = {_core(key): key for key in known}
    of_file = {_core(key): key for key in state}
    if len(of_network) != len(known) or len(of_file) != len(state):
        return None
    called = {of_network.get(core, core): state[key] for core, key in of_file.items()}
    return called if _is_whole(called, known) else None


def _core(key: str) -> str:
    return ".".join(part for part in key.split(".") if part not in _HOLDERS) or key


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
