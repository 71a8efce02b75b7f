"""Which layers are kept in memory, and how the others are compared within the budget."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facebench.engine.memory import FLOAT, free_disk, shown_bytes
from facebench.errors import ModelError
from facebench.store import EmbeddingStore

__all__ = ["Placement", "place_layers", "spill_or_stream", "temporary_folder", "window_of"]

# Shares of the budget: tables of layers that are kept (more of it where tasks need the tables
# themselves), and the outputs of the images that are in memory together. The rest is the
# network's own work and what reading from the store takes for a moment.
_TABLES, _NEEDED_TABLES, _WINDOW = 8, 2, 4
# What a temporary file costs per byte, written and read again, on a middling disk.
_SPILL_SECONDS = 1 / 300e6
# A schedule that runs images again this rarely is as good as one that never does.
_FEW_AGAIN = 1.05


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
        Keep every layer, whatever it takes.

    Returns
    -------
    Placement

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


def temporary_folder(store: EmbeddingStore | None) -> Path:
    """Say where temporary files of wide layers go: beside the store, which is on a large disk."""
    return Path(tempfile.gettempdir()) if store is None else store.folder


def spill_or_stream(
    placement: Placement,
    n_images: int,
    n_forwards: int,
    seconds_per_image: float,
    folder: Path,
    *,
    needs_tables: bool,
) -> Literal["spilled", "streamed"]:
    """Choose whether wide layers wait for partners on disk, or images run again where need be.

    Parameters
    ----------
    placement : Placement
        What is wide.
    n_images, n_forwards : int
        Images to run, and how often in all they would run if streamed.
    seconds_per_image : float
        What a run costs.
    folder : Path
        Where temporary files would be.
    needs_tables : bool
        Whether tasks need the rows themselves: then there is no choice.

    Returns
    -------
    {'spilled', 'streamed'}

    Raises
    ------
    ModelError
        If there is no choice, and no room on the disk.
    """
    # Some room is left for whoever shares the disk.
    fits = placement.wide_bytes * 1.2 < free_disk(folder)
    if needs_tables:
        if not fits:
            msg = (
                f"Tasks that need embeddings themselves need {shown_bytes(placement.wide_bytes)} "
                f"for {len(placement.wide)} layers of {n_images} images, such as "
                f"{placement.wide[0]!r}. {folder} has {shown_bytes(free_disk(folder))} free. "
                "Choose fewer layers, or a cache_dir on a larger disk."
            )
            raise ModelError(msg)
        return "spilled"
    if n_forwards <= _FEW_AGAIN * n_images or not fits:
        return "streamed"
    again = (n_forwards - n_images) * seconds_per_image
    return "spilled" if placement.wide_bytes * _SPILL_SECONDS < again else "streamed"
