"""Which layers are kept in memory, and how many images fit beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facebench.engine.memory import FLOAT

__all__ = ["Placement", "place_layers", "window_of"]

# Shares of the budget: tables of layers that are kept (more of it where tasks need the tables
# themselves), and the outputs of the images that are in memory together. The rest is the
# network's own work and what reading from the store takes for a moment.
_TABLES, _NEEDED_TABLES, _WINDOW = 8, 2, 4


@dataclass(frozen=True)
class Placement:
    """Where layers go.

    Attributes
    ----------
    kept : list of str
        Layers whose rows of all images fit into memory, in network order.
    wide : list of str
        The others.
    batch_size : int
        Images per forward pass.
    capacity : int
        Images whose wide layers may be in memory at once.
    kept_bytes, wide_bytes : int
        What the tables of the kept layers take, and the wide layers of all images would.
    """

    kept: list[str]
    wide: list[str]
    batch_size: int
    capacity: int
    kept_bytes: int
    wide_bytes: int


def window_of(budget: int) -> int:
    """Bytes that the outputs of the images in memory together may take."""
    return budget // _WINDOW


def place_layers(
    widths: Mapping[str, int],
    n_images: int,
    budget: int,
    batch_size: int,
    *,
    needs_tables: bool = False,
    keep_all: bool = False,
) -> Placement:
    """Choose which layers to keep: the narrowest first, as long as they fit.

    Parameters
    ----------
    widths : mapping of str to int
        Layer → values per image, in network order.
    n_images : int
        How many images there are.
    budget : int
        Bytes to stay within.
    batch_size : int
        Images per forward pass, at most.
    needs_tables : bool
        Whether tasks need the rows themselves, not only distances.
    keep_all : bool
        Keep every layer in memory, over the budget if need be.

    Examples
    --------
    >>> widths = {"conv": 1_000_000, "fc": 100}
    >>> place_layers(widths, n_images=1000, budget=10**9, batch_size=32).wide
    ['conv']
    """
    room = budget // (_NEEDED_TABLES if needs_tables else _TABLES)
    chosen = set()
    used = 0
    for layer, width in sorted(widths.items(), key=lambda item: item[1]):
        used += n_images * width * FLOAT
        if used > room and not keep_all:
            used -= n_images * width * FLOAT
            break
        chosen.add(layer)
    per_image = sum(widths.values()) * FLOAT
    wide = [layer for layer in widths if layer not in chosen]
    capacity = max(2, window_of(budget) // max(1, per_image))
    if wide:
        # Half of what fits is the batch, rounded down to a power of two; half may wait.
        batch_size = min(batch_size, 1 << (max(1, capacity // 2).bit_length() - 1))
    return Placement(
        kept=[layer for layer in widths if layer in chosen],
        wide=wide,
        batch_size=batch_size,
        capacity=capacity,
        kept_bytes=used,
        wide_bytes=n_images * sum(widths[layer] for layer in wide) * FLOAT,
    )
