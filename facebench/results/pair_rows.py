"""The pairs of one layer of one task, as results and reports need them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.data.identity import numbered, people_of, people_of_pairs
from facebench.errors import RunFolderError
from facebench.metrics.labels import LabelError, as_labels
from facebench.metrics.uncertainty.influence import Dyads
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import ClassUnits, EffectiveCounts
from facebench.results.task_facts import TaskFacts
from facebench.types import Float64Array, IntArray

if TYPE_CHECKING:
    from facebench.results.reader import Run

__all__ = ["PairRows", "layers_of", "saved_layers", "saved_models"]

_COMPUTED = "model_computed_distance"
_PAIR = ("img1", "img2")
# Where items other than pairs name images.
_IMAGE_COLUMNS = (*_PAIR, "img3", "image")
_GIVEN = "distance"


# Images or people of both sides, as numbers: names are looked at once per table.
Sides = tuple[IntArray, IntArray]


class _Pairs:
    """What rows hold for every layer: who is in them, their labels, ratings and conditions.

    Layers of the same pairs share one, so that all of it is looked at once.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        facts: TaskFacts,
        of: tuple[_Pairs, NDArray[np.bool_]] | None = None,
    ) -> None:
        self._table = table
        self._facts = facts
        self._of = of
        self._parts: dict[str, tuple[NDArray[np.bool_], _Pairs] | None] = {}
        self._known_to_be: dict[_Pairs, bool] = {}

    def only(self, kept: NDArray[np.bool_]) -> _Pairs:
        return _Pairs(self._table, self._facts, (self, kept))

    def are(self, other: _Pairs) -> bool:
        """Tell whether the same images are compared row by row: layer after layer asks this."""
        if other is self:
            return True
        if other not in self._known_to_be:
            sides = zip(self.names, other.names, strict=True)
            self._known_to_be[other] = all(np.array_equal(a, b) for a, b in sides)
        return self._known_to_be[other]

    def part(self, condition: str) -> tuple[NDArray[np.bool_], _Pairs] | None:
        """Find the rows of a condition, and what they say; None where that is all of them."""
        if condition not in self._parts:
            kept = self._conditions == condition
            whole = not kept.any() or kept.all()
            self._parts[condition] = None if whole else (kept, self.only(kept))
        return self._parts[condition]

    @cached_property
    def _conditions(self) -> NDArray[np.object_]:
        if self._of is not None:
            return self._of[0]._conditions[self._of[1]]
        return _texts(self._table[self._facts.condition_column])

    @cached_property
    def labels(self) -> NDArray[np.int8] | None:
        if self._of is not None:
            whole = self._of[0].labels
            return None if whole is None else whole[self._of[1]]
        column = self._facts.label_column
        if column is None or column not in self._table:
            return None
        try:
            return as_labels(self._table[column])
        except LabelError:
            return None

    @cached_property
    def given(self) -> Float64Array | None:
        if self._of is not None:
            whole = self._of[0].given
            return None if whole is None else whole[self._of[1]]
        if self._facts.correlation is None or _GIVEN not in self._table:
            return None
        return _numbers(self._table[_GIVEN])

    @cached_property
    def names(self) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        if self._of is not None:
            first, second = self._of[0].names
            return first[self._of[1]], second[self._of[1]]
        first, second = (_texts(self._table[side]) for side in _PAIR)
        return first, second

    @cached_property
    def images(self) -> Sides:
        if self._of is not None:
            return _rows_of(self._of[0].images, self._of[1])
        first, second = numbered(*(self._table[side].astype(str) for side in _PAIR))
        return first, second

    @cached_property
    def people(self) -> Sides | None:
        # Of all pairs: part of them need not show that folders contradict the labels.
        if self._of is not None:
            whole = self._of[0].people
            return None if whole is None else _rows_of(whole, self._of[1])
        found = people_of_pairs(self._table, self._facts.identity, self.labels)
        if found is None:
            return None
        first, second = numbered(*found)
        return first, second

    @cached_property
    def first_group(self) -> NDArray[np.bool_] | None:
        if self._of is not None:
            whole = self._of[0].first_group
            return None if whole is None else whole[self._of[1]]
        column = self._facts.group_column
        if column is None or column not in self._table:
            return None
        # The groups in order of the file, as in the task.
        names = list(dict.fromkeys(self._table[column]))
        return np.asarray(self._table[column].to_numpy() == names[0]) if len(names) == 2 else None

    @property
    def sampling_units(self) -> tuple[str, IntArray, IntArray]:
        return ("image", *self.images) if self.people is None else ("identity", *self.people)

    @cached_property
    def groups(self) -> JackknifeGroups:
        return JackknifeGroups(*self.sampling_units[1:])

    @cached_property
    def class_units(self) -> ClassUnits:
        return ClassUnits(np.asarray(self.labels) == 1, *self.sampling_units[1:])

    @cached_property
    def counts(self) -> dict[str, int | None]:
        n_people = None if self.people is None else np.unique(np.concatenate(self.people)).size
        return {
            "n_pairs": self.images[0].size,
            "n_images": np.unique(np.concatenate(self.images)).size,
            "n_identities": n_people or None,
        }


class PairRows:
    """One layer's rows of a table of distances (or items).

    Parameters
    ----------
    table : DataFrame
        The rows of one layer.
    facts : TaskFacts
        Of the task.
    same_pairs : PairRows, optional
        Another layer with the very same pairs, whose names need not be looked at again.
    """

    def __init__(
        self, table: pd.DataFrame, facts: TaskFacts, same_pairs: PairRows | None = None
    ) -> None:
        self.facts = facts
        # Parts of a layer keep it within reach, for what is scaled by all of it.
        self.whole = self
        self._table = table
        self._rows: IntArray | None = None
        self._pairs: _Pairs = _Pairs(table, facts) if same_pairs is None else same_pairs._pairs

    def __len__(self) -> int:
        return len(self._table) if self._rows is None else self._rows.size

    def of_condition(self, condition: str | None) -> PairRows:
        """Give the rows of a condition; all where the task has none."""
        column = self.facts.condition_column
        if condition is None or column is None or column not in self._table:
            return self
        part = self._pairs.part(condition)
        return self if part is None else self._part(*part)

    def only(self, kept: NDArray[np.bool_]) -> PairRows:
        """Give some of the rows."""
        return self if kept.all() else self._part(kept, self._pairs.only(kept))

    def _part(self, kept: NDArray[np.bool_], pairs: _Pairs) -> PairRows:
        part = PairRows(self._table, self.facts)
        part.whole = self.whole
        part._pairs = pairs
        part._rows = np.flatnonzero(kept) if self._rows is None else self._rows[kept]
        return part

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows, with all their columns."""
        return self._table if self._rows is None else self._table.iloc[self._rows]

    @property
    def has_pairs(self) -> bool:
        """Whether rows are pairs with distances."""
        return all(column in self._table for column in (*_PAIR, _COMPUTED))

    @cached_property
    def distances(self) -> Float64Array:
        """The distance of every pair, NaN where it has none."""
        distances = _numbers(self._table[_COMPUTED])
        return distances if self._rows is None else distances[self._rows]

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which pairs have a distance."""
        return np.asarray(np.isfinite(self.distances))

    @cached_property
    def labels(self) -> NDArray[np.int8] | None:
        """1 for pairs of one person, 0 for others, if the task has labels of both kinds."""
        labels = self._pairs.labels if self.has_pairs else None
        if labels is None:
            return None
        used = labels[self.usable]
        return labels if used.size and used.min() < used.max() else None

    @cached_property
    def effective_counts(self) -> EffectiveCounts:
        """How many independent pairs of each class the usable ones are worth; needs labels."""
        used = self.usable
        pairs = self._pairs if used.all() else self._pairs.only(used)
        return pairs.class_units.counts(self.distances[used])

    @property
    def first_group(self) -> NDArray[np.bool_] | None:
        """Which usable pairs are of the first of two groups; None where there are not two."""
        first = self._pairs.first_group
        return None if first is None else first[self.usable]

    @property
    def given(self) -> Float64Array | None:
        """The given distances, if the task correlates with some."""
        return self._pairs.given if self.has_pairs else None

    @cached_property
    def rated(self) -> Float64Array | None:
        """The mean rating of every pair as a distance, if people rated them, a row per pair."""
        columns = self.facts.rating_columns
        if not columns or not self.has_pairs or any(name not in self._table for name in columns):
            return None
        ratings = np.stack([_numbers(self.frame[name]) for name in columns])
        seen = np.isfinite(ratings)
        with np.errstate(invalid="ignore"):
            means = np.where(seen, ratings, 0.0).sum(axis=0) / seen.sum(axis=0)
        return np.asarray(-means if self.facts.rates_similarity else means)

    def same_pairs(self, other: PairRows) -> bool:
        """Tell whether another layer has the very same pairs, row by row."""
        if not (self.has_pairs and other.has_pairs):
            return False
        return self._pairs.are(other._pairs)

    @property
    def names(self) -> tuple[NDArray[np.object_], NDArray[np.object_]]:
        """The images of both sides, by name."""
        return self._pairs.names

    @property
    def sampling_units(self) -> tuple[str, IntArray, IntArray]:
        """What pairs share: ('identity' or 'image', of the first, of the second side)."""
        return self._pairs.sampling_units

    @property
    def dyads(self) -> Dyads:
        """Which of the usable pairs have sampling units in common."""
        return self.groups.shared

    @property
    def dyads_of_all(self) -> Dyads:
        """Which of the pairs have sampling units in common, failed ones too."""
        return self._pairs.groups.shared

    @property
    def groups(self) -> JackknifeGroups:
        """The groups of sampling units that are left out in turn of the usable pairs."""
        if self.usable.all():
            return self._pairs.groups
        _, first, second = self.sampling_units
        return JackknifeGroups(first[self.usable], second[self.usable])

    def counts(self) -> dict[str, int | None]:
        """Count pairs, images, people and failures (items where rows are not pairs)."""
        if not self.has_pairs:
            return {**self._item_counts(), "n_pairs": len(self), "n_failed": 0}
        used = self.usable
        counted = self._pairs if used.all() else self._pairs.only(used)
        return {**counted.counts, "n_failed": int((~used).sum())}

    def _item_counts(self) -> dict[str, int | None]:
        """Count the images that items name, and the people in them."""
        columns = [column for column in _IMAGE_COLUMNS if column in self.frame]
        if not columns:
            return {}
        images = pd.unique(self.frame[columns].astype(str).to_numpy().ravel())
        people = people_of(images)
        n_people = None if (people == "").any() else np.unique(people).size
        return {"n_images": len(images), "n_identities": n_people}


def layers_of(
    frame: pd.DataFrame, facts: TaskFacts, like: PairRows | None = None
) -> dict[str, PairRows]:
    """Part a table of distances (or items) by layer.

    Parameters
    ----------
    frame : DataFrame
        Every pair once per layer, with ``layer_name``.
    facts : TaskFacts
        Of the task.
    like : PairRows, optional
        A layer that was read before. If the pairs are the same, what is known of them is shared.

    Returns
    -------
    dict of str to PairRows
        By layer, in network order.
    """
    layers, names = pd.factorize(frame["layer_name"].astype(str))
    starts = np.flatnonzero(np.diff(layers, prepend=-1))
    if starts.size == len(names):
        # As runs have them, one layer after the other: nothing need be copied.
        stops = [*starts[1:], len(frame)]
        tables = [frame.iloc[start:stop] for start, stop in zip(starts, stops, strict=True)]
    else:
        tables = [rows for _, rows in frame.groupby(layers, sort=False)]
    parts: dict[str, PairRows] = {}
    for name, table in zip(names, tables, strict=True):
        parts[str(name)] = _sharing(table, facts, like)
        like = like or parts[str(name)]
    return parts


def _sharing(table: pd.DataFrame, facts: TaskFacts, like: PairRows | None) -> PairRows:
    """Take over what another layer's pairs say, where these are the same."""
    same = like is not None and _same_pairs(like.frame, table, facts)
    return PairRows(table, facts, like if same else None)


def _same_pairs(one: pd.DataFrame, other: pd.DataFrame, facts: TaskFacts) -> bool:
    said = (facts.label_column, facts.condition_column, facts.group_column)
    needed = {*_PAIR, _GIVEN, *said} & set(one.columns)
    return (
        len(one) == len(other)
        and set(_PAIR) <= needed
        and all(one[column].array.equals(other[column].array) for column in needed)
    )


def _rows_of(sides: Sides, kept: NDArray[np.bool_]) -> Sides:
    return sides[0][kept], sides[1][kept]


def _texts(column: pd.Series) -> NDArray[np.object_]:
    return np.asarray(column.astype(str).to_numpy(dtype=object))


def _numbers(column: pd.Series) -> Float64Array:
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def saved_models(run: Run, task: str, layers: Mapping[str, str]) -> dict[str, PairRows]:
    """Read the pairs that a run saved of several models of a task, one layer each.

    Returns
    -------
    dict of str to PairRows
        By model, see `saved_layers`; models of the same pairs share what is known of these.
    """
    try:
        frames = run.distances_of(task, {model: [layer] for model, layer in layers.items()})
    except RunFolderError:
        return {}
    found: dict[str, PairRows] = {}
    first: PairRows | None = None
    facts = run.tasks[task]
    for model, frame in frames.items():
        if len(frame):
            found[model] = _sharing(frame, facts, first)
            first = first or found[model]
    return found


def saved_layers(
    run: Run,
    task: str,
    model: str,
    layers: Collection[str] | None = None,
    like: PairRows | None = None,
) -> dict[str, PairRows]:
    """Read the pairs that a run saved of a task and model.

    Parameters
    ----------
    run : Run
        The run.
    task, model : str
        Which.
    layers : collection of str, optional
        Which layers; None reads all.
    like : PairRows, optional
        See `layers_of`.

    Returns
    -------
    dict of str to PairRows
        By layer. Empty where there are none, as in runs that were interrupted between the tables or
        changed since: their numbers are still worth a page.
    """
    try:
        frame = run.task_distances(model, task, layers)
    except RunFolderError:
        return {}
    return layers_of(frame, run.tasks[task], like) if len(frame) else {}
