"""Tables of line-ups: a target and its alternatives, a row per trial."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.data.identity import people_of
from facebench.data.pairs import row_name
from facebench.errors import PairsError
from facebench.tasks.shared.distance_metric import DistanceMetric
from facebench.tasks.shared.image_tables import read_image_table
from facebench.tasks.shared.labelled_pairs import SamplingUnits
from facebench.types import Float64Array, FloatArray, IntArray, StrPath

__all__ = ["NONE", "LineUps", "alternative_columns", "read_line_ups"]

# The answer where the target is not among the alternatives.
NONE = "none"


class LineUps:
    """Targets with their alternatives.

    Parameters
    ----------
    rows : DataFrame
        The table: target, alt1 … altK and other columns, as text.
    source : str
        Where it is from, for messages.
    owner : str
        The task's class, for messages.

    Attributes
    ----------
    rows : DataFrame
        The same, the names of alternatives '' where there is none.
    columns : list of str
        alt1 … altK.

    Raises
    ------
    PairsError
        If a column is missing, a row has fewer than two alternatives or has one twice.
    """

    def __init__(self, rows: pd.DataFrame, source: str, owner: str) -> None:
        self.source, self.owner = source, owner
        self.columns = alternative_columns(rows.columns)
        if len(self.columns) < 2:
            has = ", ".join(map(str, rows.columns))
            msg = (
                f"{owner} needs the columns target, alt1, alt2 … in {source} (it has: {has}). With "
                "one alternative the question is whether two images show one person: that is "
                "VerificationTask, with a table of pairs."
            )
            raise PairsError(msg)
        names = rows[self.columns].astype(object).fillna("")
        self.rows = rows.assign(**{name: names[name] for name in self.columns})
        self._check()

    def __len__(self) -> int:
        return len(self.rows)

    def _check(self) -> None:
        for row in np.flatnonzero(self.offered.sum(axis=1) < 2)[:1]:
            msg = (
                f"Each row of {self.source} must offer two alternatives or more. Got "
                f"{int(self.offered[row].sum())} in {self.row_name(int(row))}."
            )
            raise PairsError(msg)
        places = np.sort(np.where(self.offered, self.alternative_codes, -1), axis=1)
        twice = (places[:, 1:] == places[:, :-1]) & (places[:, 1:] >= 0)
        rows, columns = np.nonzero(twice)
        if rows.size:
            code = places[rows[0], columns[0]]
            what = "the target" if code == self.target_codes[rows[0]] else "an alternative"
            msg = (
                f"The alternatives of a row of {self.source} must be different images. "
                f"{self.row_name(int(rows[0]))} has {what}, {self.images[code]!r:.200}, twice"
                f"{_and_others(np.unique(rows).size)}."
            )
            raise PairsError(msg)

    def row_name(self, row: int) -> str:
        """Name a row for messages."""
        return row_name(row, self.source)

    @cached_property
    def names(self) -> NDArray[Any]:
        """The names of the alternatives, shape [N, K]; '' where there is none."""
        return np.asarray(self.rows[self.columns], dtype=object)

    @cached_property
    def offered(self) -> NDArray[np.bool_]:
        """Which alternatives there are, shape [N, K]."""
        return np.asarray(self.names != "", dtype=bool)

    @cached_property
    def _codes(self) -> tuple[IntArray, list[str]]:
        names = np.column_stack([self.rows["target"].to_numpy(dtype=object), self.names])
        codes, images = pd.factorize(np.where(names == "", None, names).ravel())  # type: ignore[call-overload]
        return codes.reshape(names.shape), list(images)

    @property
    def images(self) -> list[str]:
        """All images, each once."""
        return self._codes[1]

    @property
    def target_codes(self) -> IntArray:
        """The place of each target among the images."""
        return self._codes[0][:, 0]

    @property
    def alternative_codes(self) -> IntArray:
        """The place of each alternative among the images, -1 where there is none."""
        return self._codes[0][:, 1:]

    @property
    def n_with_target(self) -> int:
        """Rows in which the target's own image is an alternative."""
        return int((self.alternative_codes == self.target_codes[:, None]).any(axis=1).sum())

    def places_of(self, answers: pd.Series, column: str, *, may_be_none: bool) -> IntArray:
        """Find answers among the alternatives.

        Parameters
        ----------
        answers : Series
            A name, or a number from 1; 'none' where the target is absent.
        column : str
            What the column is called, for messages.
        may_be_none : bool
            Whether 'none' is an answer.

        Returns
        -------
        int array, shape [N]
            The column of alternatives, -1 for none.

        Raises
        ------
        PairsError
            If an answer is not among them, with its row.
        """
        given = answers.to_numpy(dtype=object).astype(str)
        found = np.full(len(given), -2, dtype=np.intp)
        if may_be_none:
            found[np.char.lower(given.astype(np.str_)) == NONE] = -1
        for place in reversed(range(len(self.columns))):
            found[(given == str(place + 1)) & self.offered[:, place]] = place
        # An image may be called '1': names go before numbers.
        for place in range(len(self.columns)):
            found[(given == self.names[:, place]) & self.offered[:, place]] = place
        bad = np.flatnonzero(found == -2)
        if bad.size:
            row = int(bad[0])
            named = ", ".join(repr(name) for name in self.names[row] if name)
            none = f", or {NONE!r}" if may_be_none else ""
            msg = (
                f"The {column!r} of a row of {self.source} must be one of its alternatives (or its "
                f"number){none}. Got {str(given[row])!r:.200} in {self.row_name(row)}, whose "
                f"alternatives are {named}{_and_others(bad.size)}."
            )
            raise PairsError(msg)
        return found

    def distances(self, embeddings: FloatArray, metric: DistanceMetric) -> Float64Array:
        """Compute the distance of each alternative to its target.

        Parameters
        ----------
        embeddings : array, shape [M, D]
            A row for each of `images`; NaN for one that could not be read.
        metric : DistanceMetric
            The distance.

        Returns
        -------
        array, shape [N, K]
            inf where there is no alternative; NaN where an embedding is missing.
        """
        readable: NDArray[np.bool_] = np.asarray(np.isfinite(embeddings).all(axis=1))
        first, second = self.pairs()
        usable = readable[first] & readable[second]
        values = np.full(first.size, np.nan)
        values[usable] = metric.between(embeddings, first[usable], second[usable])
        return self.placed(values)

    def pairs(self) -> tuple[IntArray, IntArray]:
        """List each target and alternative once, though they may be in many line-ups.

        Returns
        -------
        target, alternative : int array, shape [P]
            Places among the images.
        """
        first, second = np.divmod(self._pairs[0], len(self.images))
        return first, second

    def placed(self, values: Float64Array) -> Float64Array:
        """Put the distances of `pairs` where the alternatives are.

        Parameters
        ----------
        values : array, shape [P]
            NaN where a distance is missing.

        Returns
        -------
        array, shape [N, K]
            As `distances`.
        """
        found = np.full(self.offered.shape, np.inf)
        found[self.offered] = values[self._pairs[1]]
        return found

    @cached_property
    def _pairs(self) -> tuple[IntArray, IntArray]:
        """Number the different pairs, and say which one each alternative is of."""
        rows, places = np.nonzero(self.offered)
        first, second = self.target_codes[rows], self.alternative_codes[rows, places]
        numbers, index = np.unique(
            first.astype(np.int64) * len(self.images) + second, return_inverse=True
        )
        return numbers, index

    @property
    def distance_columns(self) -> list[str]:
        """distance_1 … distance_K, the columns of `with_distances`."""
        return [f"distance_{place}" for place in range(1, len(self.columns) + 1)]

    def with_distances(self, distances: Float64Array) -> pd.DataFrame:
        """Give the rows with what `distances` found, empty where there is no alternative."""
        known = np.where(np.isinf(distances), np.nan, distances)
        return self.rows.assign(**dict(zip(self.distance_columns, known.T, strict=True)))

    def n_images(self, chosen: NDArray[np.bool_]) -> int:
        """Count the different images of some of the rows."""
        codes = np.append(self.target_codes[chosen], self.alternative_codes[chosen])
        return int((np.unique(codes) >= 0).sum())

    def keys(self, condition: str | None = None) -> pd.MultiIndex:
        """Name each line-up, the same for any order of its alternatives.

        Parameters
        ----------
        condition : str, optional
            A column that is part of the name.
        """
        # Few line-ups are shown to many people: names are put together once for each.
        ranked = pd.Index(self.images).argsort().argsort()
        codes = np.sort(np.append(ranked, -1)[self.alternative_codes], axis=1)
        different, inverse = np.unique(codes, axis=0, return_inverse=True)
        names = np.append(np.array(sorted(self.images), dtype=object), "")
        joined = ["\0".join(filter(None, row)) for row in names[different].tolist()]
        alternatives = np.array(joined, dtype=object)[inverse.ravel()]
        parts = [self.rows["target"].astype(str), pd.Series(alternatives)]
        if condition is not None:
            parts.append(self.rows[condition].astype(str))
        return pd.MultiIndex.from_arrays(parts)

    @cached_property
    def people(self) -> tuple[NDArray[Any], NDArray[Any]] | None:
        """The person of the target [N] and of each alternative [N, K]; None where unknown.

        By the columns target_identity and alt1_identity … where the table has them, else by
        folders.
        """
        columns = [f"{name}_identity" for name in ("target", *self.columns)]
        if all(name in self.rows for name in columns):
            table = self.rows[columns].fillna("").to_numpy(dtype=object).astype(str)
            return table[:, 0], table[:, 1:]
        of_image = np.append(people_of(np.array(self.images, dtype=object)), "")
        if (of_image[:-1] == "").any():
            return None
        return of_image[self.target_codes], of_image[self.alternative_codes]

    def sides(self, right: IntArray | None = None) -> SamplingUnits:
        """Tell who each line-up depends on: the target, and the others in it together.

        With two alternatives the other is one person (or image), who may be a target elsewhere.
        Several others count as one unit, the same wherever the same ones stand together.

        Parameters
        ----------
        right : int array, shape [N], optional
            The right alternative, -1 for none. People are then known only where they agree with it:
            the right alternative shows the target's person, the others do not.
        """
        known = self.people
        if right is not None and self.contradicting(right).size:
            known = None
        by: Literal["identity", "image"] = "identity"
        if known is None:
            by = "image"
            images = np.append(np.array(self.images, dtype=object), "")
            known = images[self.target_codes], images[self.alternative_codes]
        targets, others = known
        is_other: NDArray[np.bool_] = np.array(
            self.offered & (others != targets[:, None]), dtype=bool
        )
        if right is not None:
            rows = np.flatnonzero(right >= 0)
            is_other[rows, right[rows]] = False
        rest = np.sort(np.where(is_other, others, "").astype(str), axis=1)
        # Not the name of a person or an image.
        joined = np.array(["\0".join(("", *row)) for row in rest.tolist()])
        single = is_other.sum(axis=1) == 1
        return SamplingUnits(by, targets.astype(str), np.where(single, rest[:, -1], joined))

    def contradicting(self, right: IntArray) -> IntArray:
        """Find the rows whose people contradict the right alternatives."""
        if self.people is None:
            return np.empty(0, dtype=np.intp)
        targets, others = self.people
        same = np.asarray((others == targets[:, None]) & self.offered)
        wanted = np.zeros(same.shape, dtype=bool)
        rows = np.flatnonzero(right >= 0)
        wanted[rows, right[rows]] = True
        return np.flatnonzero((same != wanted).any(axis=1))


def alternative_columns(columns: Sequence[Any] | pd.Index) -> list[str]:
    """List the columns of alternatives, alt1 … altK, in order of their numbers.

    Examples
    --------
    >>> alternative_columns(["alt10", "target", "alt2", "alternative"])
    ['alt2', 'alt10']
    """
    numbered = [
        (int(name.removeprefix("alt")), name)
        for name in map(str, columns)
        if name.startswith("alt") and name.removeprefix("alt").isdecimal()
    ]
    return [name for _, name in sorted(numbered)]


def read_line_ups(
    table: StrPath | pd.DataFrame, *, owner: str, needs: Sequence[str] = ()
) -> LineUps:
    """Read a table of line-ups.

    Parameters
    ----------
    table : str, Path or DataFrame
        CSV with target, alt1, alt2 …, or a table.
    owner : str
        The task's class, for messages.
    needs : sequence of str
        Further columns that it must have.

    Raises
    ------
    PairsError
        If it cannot be read, or see `LineUps`.
    """
    read = read_image_table(
        table, parameter="trials", owner=owner, columns=("target", "alt1", "alt2", *needs)
    )
    for column in ("target", *needs):
        read.texts(None, column)
    source = "the 'trials' table" if isinstance(table, pd.DataFrame) else str(table)
    return LineUps(read.rows, source, owner)


def _and_others(n_rows: int) -> str:
    return f" (and {n_rows - 1} more rows)" if n_rows > 1 else ""
