"""Human ratings in a pairs table: one column, a column per rater, or a row per rating."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facebench.data.pairs import decimal_comma_hint, require_column, row_name
from facebench.data.rdms import is_rdm_file
from facebench.errors import InputError, PairsError
from facebench.types import Float64Array, StrPath

__all__ = [
    "RATER",
    "RatingKind",
    "RatingLayout",
    "Ratings",
    "count_pairs",
    "find_layout",
    "is_rated",
    "refuse_other_polarity",
    "take_ratings",
]

RatingKind = Literal["distance", "similarity"]

RATER, LONG_RATING = "rater", "rating"
_DEFAULT_PATTERN = "rater_*"
# Where no column is named: the first of these.
_DEFAULT_COLUMNS = ("distance", "rating", "similarity")


@dataclass(frozen=True)
class RatingLayout:
    """Where a table keeps its ratings.

    Attributes
    ----------
    columns : tuple of str
        A column per rater, or the one of the mean rating.
    is_long : bool
        Whether a row is one rating of one rater, in `columns[0]`.
    """

    columns: tuple[str, ...]
    is_long: bool


@dataclass(frozen=True)
class Ratings:
    """Ratings as dissimilarities, a row per pair.

    Attributes
    ----------
    values : array, shape [N, K]
        NaN where missing.
    pairs : DataFrame
        The first row of the table for each pair.
    """

    values: Float64Array
    pairs: pd.DataFrame


def find_layout(
    pairs: pd.DataFrame, ratings: str | Sequence[str] | None, *, owner: str, path: StrPath
) -> RatingLayout:
    """Find the columns of the ratings, and check that they hold numbers.

    Parameters
    ----------
    pairs : DataFrame
        The pairs table.
    ratings : str, sequence of str, or None
        Columns, or patterns of columns ('rater_*'). None: the columns 'rater' and 'rating' of
        long form if both are there, else all 'rater_*', else 'distance', 'rating' or
        'similarity', the first there is.
    owner, path
        The task's class and the table, for messages.

    Raises
    ------
    PairsError
        If there is no such column, or a cell is neither empty nor a finite number.
    """
    has = [str(column) for column in pairs.columns]
    if ratings is None:
        if RATER in has and LONG_RATING in has:
            columns, is_long = [LONG_RATING], True
        else:
            columns, is_long = fnmatch.filter(has, _DEFAULT_PATTERN), False
            columns = columns or [name for name in _DEFAULT_COLUMNS if name in has][:1]
        if not columns:
            msg = (
                f"{owner} needs ratings in {path}: columns 'rater_*', 'rater' and 'rating', or one "
                f"of {', '.join(_DEFAULT_COLUMNS)} (it has: {', '.join(has)})."
            )
            raise PairsError(msg)
    else:
        patterns = [ratings] if isinstance(ratings, str) else list(ratings)
        if not patterns:
            msg = f"The 'ratings' parameter of {owner} must name a column or more. Got none."
            raise InputError(msg)
        columns = []
        for pattern in patterns:
            found = [pattern] if pattern in has else fnmatch.filter(has, pattern)
            if not found:
                require_column(pairs, pattern, parameter="ratings", owner=owner, path=path)
            columns += [name for name in found if name not in columns]
        is_long = len(columns) == 1 and RATER in has
    for column in columns:
        _check_numbers(pairs[column], path)
    if is_long:
        require_column(pairs, RATER, parameter=None, owner=owner, path=path)
        _check_long(pairs, path)
    return RatingLayout(tuple(columns), is_long)


def refuse_other_polarity(
    layout: RatingLayout, rating: RatingKind, *, owner: str, path: StrPath
) -> None:
    """Refuse a matrix whose diagonal says that it holds the other kind of numbers.

    Parameters
    ----------
    layout : RatingLayout
        Its columns, as `facebench.data.rdms.pairs_of_rdms` names them.
    rating : {'distance', 'similarity'}
        What they are taken for.
    owner, path
        The task's class and the file, for messages.

    Raises
    ------
    InputError
        If it is the other.
    """
    if not is_rdm_file(Path(path)):
        return
    are_similarities = any(column.endswith("similarity") for column in layout.columns)
    if are_similarities and rating == "distance":
        msg = (
            f"{path} holds similarities: the diagonal of the matrix has its largest numbers. Pass "
            f"rating='similarity' to {owner}, or write dissimilarities with a diagonal of 0."
        )
        raise InputError(msg)
    if layout.columns == ("distance",) and rating == "similarity":
        msg = (
            f"{path} holds dissimilarities: the diagonal of the matrix is 0. Pass "
            f"rating='distance' to {owner}."
        )
        raise InputError(msg)


def _check_numbers(column: pd.Series, path: StrPath) -> None:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers) & column.notna().to_numpy())
    if bad.size:
        first = int(bad[0])
        msg = (
            f"The {column.name!r} column of {path} must hold finite numbers or empty cells. "
            f"{bad.size} cells do not; the first is {column.iloc[first]!r:.200} in "
            f"{row_name(first, path)}.{decimal_comma_hint(column.iloc[first])}"
        )
        raise PairsError(msg)
    if not np.isfinite(numbers).any():
        msg = f"The {column.name!r} column of {path} must hold a rating. All its cells are empty."
        raise PairsError(msg)


def _check_long(pairs: pd.DataFrame, path: StrPath) -> None:
    keys = _keys(pairs).assign(rater=pairs[RATER].astype(str))
    twice = np.flatnonzero(keys.duplicated())
    if twice.size:
        first = int(twice[0])
        msg = (
            f"Each rater of {path} must rate a pair once. {twice.size} rows repeat a rating; the "
            f"first is of {pairs[RATER].iloc[first]!r:.200} in {row_name(first, path)}."
        )
        raise PairsError(msg)


def _keys(pairs: pd.DataFrame) -> pd.DataFrame:
    """Name every pair the same way whichever image comes first."""
    swapped = pairs["img1"] > pairs["img2"]
    return pd.DataFrame(
        {
            "low": pairs["img1"].where(~swapped, pairs["img2"]),
            "high": pairs["img2"].where(~swapped, pairs["img1"]),
        }
    )


def is_rated(rows: pd.DataFrame, layout: RatingLayout) -> NDArray[np.bool_]:
    """Tell which rows are of a pair that someone rated.

    Parameters
    ----------
    rows : DataFrame
        Rows of the pairs table.
    layout : RatingLayout
        Where the ratings are.

    Returns
    -------
    array of bool, shape [N]
        In long form all rows of such a pair.
    """
    rated = rows[list(layout.columns)].notna().any(axis=1)
    if layout.is_long:
        keys = _keys(rows)
        rated = rated.groupby([keys["low"], keys["high"]]).transform("any")
    return np.asarray(rated, dtype=bool)


def count_pairs(rows: pd.DataFrame, layout: RatingLayout) -> int:
    """Count the pairs of a table: its rows, or in long form the different ones."""
    return int((~_keys(rows).duplicated()).sum()) if layout.is_long else len(rows)


def take_ratings(rows: pd.DataFrame, layout: RatingLayout, kind: RatingKind) -> Ratings:
    """Take the ratings out of rows of the table, as dissimilarities.

    Parameters
    ----------
    rows : DataFrame
        Rows of the pairs table, with further columns.
    layout : RatingLayout
        Where the ratings are.
    kind : {'distance', 'similarity'}
        Similarities are turned over: the largest of all ratings minus each.

    Returns
    -------
    Ratings
        In long form a row per pair, in order of first appearance.
    """
    if layout.is_long:
        keys = _keys(rows)
        pair = keys.groupby(["low", "high"], sort=False).ngroup().to_numpy()
        rater, _ = pd.factorize(rows[RATER].astype(str), sort=True)
        values = np.full((int(pair.max()) + 1, int(rater.max()) + 1), np.nan)
        values[pair, rater] = pd.to_numeric(rows[layout.columns[0]])
        pairs = rows[~keys.duplicated().to_numpy()].reset_index(drop=True)
    else:
        values = np.column_stack(
            [pd.to_numeric(rows[column]).to_numpy(dtype=np.float64) for column in layout.columns]
        )
        pairs = rows
    if kind == "similarity":
        values = np.nanmax(values) - values
    return Ratings(values, pairs)
