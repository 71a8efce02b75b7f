"""What the engine gives back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facebench.types import Float64Array, FloatArray, IntArray

__all__ = ["Embeddings"]


@dataclass
class Embeddings:
    """What a model returned for a set of images.

    Attributes
    ----------
    layers : dict of str to array, shape [N, D]
        float32, layers in network order. Without layers that were too wide to keep.
    row_of : dict of Path to int
        Where the row of each image is that could be read.
    bad_images : dict of Path to str
        Images that could not be read, and why.
    notes : Counter of str
        Remarks of the model's preprocessing ('no face found') and for how many images.
    image_notes : dict of int to tuple of str
        By image number: the remarks on it.
    rows : int array
        By image number: its row, -1 if it could not be read.
    names : list of str
        All layers in network order, the wide ones among them.
    streamed : dict of str to dict of str to array, shape [P]
        Wide layer → task → the distance of each of the task's pair rows; NaN where an image could
        not be read.
    given : str
        What the distances of `streamed` are, where they were not computed from embeddings: they
        may be NaN.
    blocks : sequence of slice
        Where the members of an ensemble are in a row whose distances are to be averaged.
    normalisers : dict of str to callable
        Task → what normalises its distances, see `facebench.run.wrapping`.
    """

    layers: dict[str, FloatArray] = field(default_factory=dict)
    row_of: dict[Path, int] = field(default_factory=dict)
    bad_images: dict[Path, str] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    image_notes: dict[int, tuple[str, ...]] = field(default_factory=dict)
    rows: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp), compare=False)
    names: list[str] = field(default_factory=list)
    streamed: dict[str, dict[str, Float64Array]] = field(default_factory=dict)
    given: str = ""
    blocks: Sequence[slice] = ()
    normalisers: dict[str, Callable[..., Float64Array]] = field(default_factory=dict)
