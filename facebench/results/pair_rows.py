"""The pairs of one layer of one task, as results and reports need them."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.metrics.labels import LabelError, as_labels
from facebench.results.task_facts import TaskFacts
from facebench.types import Float64Array, IntArray

__all__ = ["PairRows", "identity_of", "layers_of"]

_COMPUTED = "model_computed_distance"
_PAIR = ("img1", "img2")
# Where items that are no pairs name images.
_IMAGE_COLUMNS = (*_PAIR, "img3", "image")


def identity_of(image: str) -> str | None:
    """Tell who is in an image: the folder it lies in, where images are kept as NAME/file.

    Examples
    --------
    >>> identity_of("Abel_Pacheco/Abel_Pacheco_0001.jpg"), identity_of("0001.jpg")
    ('Abel_Pacheco', None)
    """
    folder = image.replace("\\", "/").rpartition("/")[0]
    return folder or None


class Codes(NamedTuple):
    """Images and people of both sides as numbers, -1 for nobody known.

    Names are looked at once per table: numbers are all that follows from them.
    """

    images1: IntArray
    images2: IntArray
    people1: IntArray
    people2: IntArray

    def of(self, kept: NDArray[np.bool_]) -> Codes:
        """Give the numbers of some rows."""
        return Codes(*(side[kept] for side in self))


class PairRows:
    """One layer's rows of a table of distances (or items).

    Parameters
    ----------
    frame : DataFrame
        The rows of one layer, or some of them.
    facts : TaskFacts
        Of the task.
    same_pairs : PairRows, optional
        Another layer with the very same pairs, whose names need not be looked at again.

    Attributes
    ----------
    frame : DataFrame
        The rows.
    """

    def __init__(
        self, frame: pd.DataFrame, facts: TaskFacts, same_pairs: PairRows | None = None
    ) -> None:
        self.frame = frame
        self.facts = facts
        # Parts of a layer keep it within reach, for what is scaled by all of it.
        self.whole = self
        if same_pairs is not None:
            self.codes = same_pairs.codes

    def of_condition(self, condition: str | None) -> PairRows:
        """Give the rows of a condition; all where the task has none."""
        column = self.facts.condition_column
        if condition is None or column is None or column not in self.frame:
            return self
        kept = (self.frame[column].astype(str) == condition).to_numpy()
        return self.only(kept) if kept.any() else self

    def only(self, kept: NDArray[np.bool_]) -> PairRows:
        """Give some of the rows."""
        if kept.all():
            return self
        part = PairRows(self.frame[kept], self.facts)
        part.whole = self.whole
        if self.has_pairs:
            part.codes = self.codes.of(kept)
        return part

    @property
    def has_pairs(self) -> bool:
        """Whether rows are pairs with distances."""
        return all(column in self.frame for column in (*_PAIR, _COMPUTED))

    @cached_property
    def distances(self) -> Float64Array:
        """The distance of every pair, NaN where it has none."""
        return _numbers(self.frame[_COMPUTED])

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which pairs have a distance."""
        return np.asarray(np.isfinite(self.distances))

    @cached_property
    def labels(self) -> NDArray[np.int8] | None:
        """1 for pairs of one person, 0 for others, if the task has labels of both kinds."""
        column = self.facts.label_column
        if column is None or column not in self.frame or not self.has_pairs:
            return None
        try:
            labels = as_labels(self.frame[column])
        except LabelError:
            return None
        used = labels[self.usable]
        return labels if used.size and used.min() < used.max() else None

    @cached_property
    def given(self) -> Float64Array | None:
        """The given distances, if the task correlates with some."""
        if self.facts.correlation is None or "distance" not in self.frame or not self.has_pairs:
            return None
        return _numbers(self.frame["distance"])

    @cached_property
    def rated(self) -> Float64Array | None:
        """The mean rating of every pair as a distance, if people rated them, a row per pair."""
        columns = self.facts.rating_columns
        if not columns or not self.has_pairs or any(name not in self.frame for name in columns):
            return None
        ratings = np.stack([_numbers(self.frame[name]) for name in columns])
        seen = np.isfinite(ratings)
        with np.errstate(invalid="ignore"):
            means = np.where(seen, ratings, 0.0).sum(axis=0) / seen.sum(axis=0)
        return np.asarray(-means if self.facts.rates_similarity else means)

    def same_pairs(self, other: PairRows) -> bool:
        """Tell whether another layer has the very same pairs, row by row."""
        return self.has_pairs and other.has_pairs and _same_pairs(self.frame, other.frame)

    @cached_property
    def codes(self) -> Codes:
        """Images and people as numbers."""
        names = pd.concat([self.frame[side].astype(str) for side in _PAIR])
        images, different = pd.factorize(names)
        people, _ = pd.factorize(pd.Series([identity_of(name) for name in different], dtype=object))
        n, both = len(self.frame), people[images]
        return Codes(images[:n], images[n:], both[:n], both[n:])

    @cached_property
    def members(self) -> tuple[str, IntArray, IntArray]:
        """What pairs share: ('identity' or 'image', of the first, of the second side)."""
        images1, images2, people1, people2 = self.codes
        if (people1 >= 0).all() and (people2 >= 0).all():
            labels = self.labels
            # Folders that hold conditions and not people would contradict the labels.
            if labels is None or bool(((people1 == people2) == (labels == 1)).all()):
                return "identity", people1, people2
        return "image", images1, images2

    def counts(self) -> dict[str, int | None]:
        """Count pairs, images, people and failures (items where rows are not pairs)."""
        if not self.has_pairs:
            return {**self._item_counts(), "n_pairs": len(self.frame), "n_failed": 0}
        used = self.usable
        images1, images2, people1, people2 = self.codes.of(used)
        people = np.unique(np.concatenate((people1, people2)))
        return {
            "n_pairs": int(used.sum()),
            "n_images": np.unique(np.concatenate((images1, images2))).size,
            "n_identities": people.size if people.size and people[0] >= 0 else None,
            "n_failed": int((~used).sum()),
        }

    def _item_counts(self) -> dict[str, int | None]:
        """Count the images that items name, and the people in them."""
        columns = [column for column in _IMAGE_COLUMNS if column in self.frame]
        if not columns:
            return {}
        images = pd.unique(self.frame[columns].astype(str).to_numpy().ravel())
        people = {identity_of(name) for name in images}
        known = len(people) if None not in people else None
        return {"n_images": len(images), "n_identities": known}


def layers_of(frame: pd.DataFrame, facts: TaskFacts) -> dict[str, PairRows]:
    """Part a table of distances (or items) by layer.

    Parameters
    ----------
    frame : DataFrame
        Every pair once per layer, with ``layer_name``.
    facts : TaskFacts
        Of the task.

    Returns
    -------
    dict of str to PairRows
        By layer, in network order.
    """
    parts: dict[str, PairRows] = {}
    first: PairRows | None = None
    for layer, rows in frame.groupby("layer_name", sort=False):
        same = first if first is not None and _same_pairs(first.frame, rows) else None
        parts[str(layer)] = PairRows(rows, facts, same)
        first = first or parts[str(layer)]
    return parts


def _same_pairs(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return (
        len(one) == len(other)
        and set(_PAIR) <= set(one.columns)
        and all(np.array_equal(one[side].to_numpy(), other[side].to_numpy()) for side in _PAIR)
    )


def _numbers(column: pd.Series) -> Float64Array:
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
