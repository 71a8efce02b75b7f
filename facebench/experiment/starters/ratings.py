"""A table of ratings: which task measures it, and what its numbers were taken for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.pairs import find_images, read_pairs
from facebench.data.rdms import is_rdm_file
from facebench.errors import InputError, PairsError
from facebench.experiment.starters.blocks import TaskBlock, quoted, relative_to
from facebench.utils.suggestions import listed

if TYPE_CHECKING:
    import pandas as pd

    from facebench.tasks.shared.ratings import RatingKind, RatingLayout

__all__ = ["RatingsRead", "polarity_of_pairs", "read_ratings"]

_SHAPES = (
    "as a row per pair (img1, img2 and a column rater_… for each rater, or 'rating'), a row per "
    "rating (rater, img1, img2, rating), or a matrix with the images in its first row and column"
)
_KINDS = {"distance": "larger is less alike", "similarity": "larger is more alike"}


@dataclass(frozen=True)
class RatingsRead:
    """What a file of ratings was taken for.

    Attributes
    ----------
    block : TaskBlock
        The task.
    taken : str
        What was taken, a sentence.
    doubts : tuple of str
        What nothing in the file says.
    """

    block: TaskBlock
    taken: str
    doubts: tuple[str, ...] = ()


def read_ratings(
    file: Path,
    images: Path,
    folder: Path,
    *,
    rating: RatingKind | None,
    person: Callable[[str], str],
) -> RatingsRead:
    """Recognise a file of ratings, and check it as the task will.

    Parameters
    ----------
    file : Path
        A table of pairs with a mean rating or a column per rater, a row per rating, or a matrix.
    images : Path
        The folder of the images.
    folder : Path
        The folder of the experiment.
    rating : {'distance', 'similarity'}, optional
        What a larger number means; None to take what the file says.
    person : callable
        Who is in an image; '' where that is unknown.

    Raises
    ------
    PairsError, InputError, MissingImageError
        If it is none of these, holds other things than numbers, or names images that are not there.
    """
    import pandas as pd

    from facebench.tasks.shared.ratings import count_pairs, find_layout, take_ratings
    from facebench.tasks.similarity import SimilarityTask

    try:
        pairs = read_pairs(file, images)
    except PairsError as error:
        msg = f"{error} Ratings are read {_SHAPES}."
        raise InputError(msg) from error
    try:
        layout = find_layout(pairs, None, owner="The task similarity", path=file)
    except PairsError as error:
        raise _unknown_layout(pairs, file, error) from error
    _refuse_repeated(pairs, layout, file)
    find_images(pairs, images, task="similarity", pairs_path=file)
    kind, why = (rating, "--rating") if rating else _named_polarity(layout.columns, file)
    doubts: tuple[str, ...] = ()
    if kind is None:
        found = take_ratings(pairs, layout, "distance")
        rated = pd.DataFrame(found.values, index=found.pairs.index)
        means = found.pairs.assign(rating=rated.mean(axis=1))
        kind, why = polarity_of_pairs(means, person)
    if kind is None:
        kind, why = _polarity_beside(pairs)
    if kind is None:
        kind, why = "distance", "nothing in the file says it"
        doubts = (
            f"Nothing in {file} says whether a larger rating means less or more alike: less alike "
            "was taken ('rating: distance'). If it means more alike, add --rating similarity, or "
            "write 'rating: similarity' in the experiment.",
        )
    SimilarityTask("similarity", file, images, rating=kind)
    n_raters = pairs["rater"].nunique() if layout.is_long else len(layout.columns)
    shape = "a row per rating" if layout.is_long else f"columns {_shown(layout.columns)}"
    if is_rdm_file(file):
        shape = "a matrix"
    people = f"{n_raters} raters" if n_raters > 1 else "one rating of a pair"
    taken = (
        f"Ratings: {count_pairs(pairs, layout)} pairs, {people} ({shape}); {_KINDS[kind]} ({why})."
    )
    ceiling = " up to the noise ceiling" if n_raters > 1 else ""
    block = TaskBlock(
        "similarity",
        "similarity",
        {"pairs": quoted(relative_to(file, folder)), "rating": kind},
        {"task": f"correlation with people's ratings{ceiling}", "rating": _KINDS[kind]},
    )
    return RatingsRead(block, taken, doubts)


def polarity_of_pairs(
    rated: pd.DataFrame, person: Callable[[str], str]
) -> tuple[RatingKind | None, str]:
    """Tell what a larger rating means by pairs of one person beside pairs of two.

    Parameters
    ----------
    rated : DataFrame
        ``img1``, ``img2`` and ``rating``.
    person : callable
        Who is in an image; '' where that is unknown.

    Returns
    -------
    kind : {'distance', 'similarity'} or None
        None where there are not both, or no difference.
    why : str
        The evidence.
    """
    sides = [rated[side].map(person) for side in ("img1", "img2")]
    known = (sides[0] != "") & (sides[1] != "")
    same = (sides[0] == sides[1]) & known
    if not same.any() and "same" in rated and set(rated["same"]) == {0, 1}:
        same, known = rated["same"] == 1, rated["same"].notna()
    means = [float(rated.loc[rows, "rating"].mean()) for rows in (same, known & ~same)]
    if not means[0] < means[1] and not means[0] > means[1]:
        return None, ""
    why = f"pairs of one person have a mean rating of {means[0]:.3g}, others of {means[1]:.3g}"
    return ("distance" if means[0] < means[1] else "similarity"), why


def _named_polarity(columns: tuple[str, ...], file: Path) -> tuple[RatingKind | None, str]:
    """Tell what a larger number means by the names of columns, or by a matrix's diagonal."""
    by = "by its diagonal" if is_rdm_file(file) else f"as the column {columns[0]!r} says"
    name = columns[0].casefold()
    if "distance" in name or "dissimil" in name:
        return "distance", by
    return ("similarity", by) if "similar" in name else (None, "")


def _refuse_repeated(pairs: pd.DataFrame, layout: RatingLayout, file: Path) -> None:
    """Refuse rows of several raters that would be taken for different pairs."""
    from facebench.tasks.shared.ratings import count_pairs

    n_pairs = count_pairs(pairs, replace(layout, is_long=True))
    if layout.is_long or n_pairs == len(pairs):
        return
    others = [str(name) for name in pairs.columns if name not in ("img1", "img2", *layout.columns)]
    msg = (
        f"{file} rates {n_pairs} pairs in {len(pairs)} rows. If each row is the rating of one "
        f"rater, call the column that names the rater 'rater' and that of the rating 'rating' "
        f"(other columns: {listed(others)}); if not, keep one row per pair."
    )
    raise InputError(msg)


def _polarity_beside(pairs: pd.DataFrame) -> tuple[RatingKind | None, str]:
    """Tell what a larger number means by another column: the mean of raters is often there too."""
    kinds: dict[str, RatingKind] = {
        "distance": "distance",
        "dissimilarity": "distance",
        "similarity": "similarity",
    }
    name = next((name for name in kinds if name in pairs), None)
    return (None, "") if name is None else (kinds[name], f"there is a column {name!r} beside them")


def _shown(columns: tuple[str, ...]) -> str:
    return columns[0] if len(columns) == 1 else f"{columns[0]} … {columns[-1]}"


def _unknown_layout(pairs: pd.DataFrame, file: Path, error: PairsError) -> InputError:
    from pandas.api.types import is_numeric_dtype

    if {"participant", "response"} <= {*pairs.columns}:
        return InputError(f"{file} holds trials of participants: give it as --people.")
    numbers = [str(name) for name in pairs.columns if is_numeric_dtype(pairs[name])]
    rename = (
        f" Its columns of numbers are {listed(numbers)}: call those of raters rater_…, or the mean "
        "rating 'rating'; or write the task yourself, with 'ratings: [COLUMN, …]'."
        if numbers
        else ""
    )
    return InputError(f"{error}{rename}")
