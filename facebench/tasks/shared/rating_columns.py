"""What a comparison with people's ratings looks like in a result table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from facebench.columns import CI_HIGH, CI_LOW, CI_METHOD, N_IMAGES, N_PAIRS
from facebench.metrics.ratings.pairs import RatedPairs, RatingComparison, RatingEstimate
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.tasks.measures import Measure
from facebench.types import Float64Array

__all__ = [
    "MEASURE_NAMES",
    "interval_columns",
    "rating_columns",
    "rating_measures",
    "ratings_left_out",
    "remarks_on",
]

MEASURE_NAMES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "tau-a": "Kendall Tau-a",
    "rho-a": "Rho-a",
}


def rating_measures(measure: str, n_raters: int) -> tuple[Measure, ...]:
    """Declare the measures of `rating_columns`.

    Parameters
    ----------
    measure : str
        The key of `MEASURE_NAMES` that stands for the task.
    n_raters : int
        How many raters there are.

    Returns
    -------
    tuple of Measure
    """
    found = [
        Measure(name, better="higher", headline=key == measure, chance=0, bounds=(-1, 1))
        for key, name in MEASURE_NAMES.items()
    ]
    found.append(Measure("P Value", bounds=(0, 1)))
    if n_raters > 1:
        found += [
            Measure("Single Rater Correlation", better="higher", chance=0, bounds=(-1, 1)),
            Measure("Noise Ceiling Lower", bounds=(-1, 1)),
            Measure("Noise Ceiling Upper", bounds=(-1, 1)),
            Measure("Share of Ceiling", better="higher", chance=0),
            Measure("Share of Upper Ceiling", better="higher", chance=0),
            Measure("Split Half Reliability"),
        ]
    return tuple(found)


def interval_columns(name: str, estimate: RatingEstimate) -> dict[str, float]:
    """Give an estimate as the columns of a result."""
    return {name: estimate.value, name + CI_LOW: estimate.low, name + CI_HIGH: estimate.high}


def rating_columns(rated: RatedPairs, found: RatingComparison) -> dict[str, Any]:
    """Give a comparison with ratings as the columns of a result.

    Parameters
    ----------
    rated : RatedPairs
        The ratings.
    found : RatingComparison
        What a layer has to do with them.

    Returns
    -------
    dict of str to value
    """
    row: dict[str, Any] = {}
    for measure, estimate in found.correlations.items():
        row |= interval_columns(MEASURE_NAMES[measure], estimate)
    row["P Value"] = found.p_value
    if rated.ratings.shape[1] > 1:
        lower, upper = rated.ceiling_intervals()
        row |= interval_columns("Single Rater Correlation", found.with_raters)
        row |= interval_columns("Noise Ceiling Lower", lower)
        row |= interval_columns("Noise Ceiling Upper", upper)
        row |= interval_columns("Share of Ceiling", found.share)
        row |= interval_columns("Share of Upper Ceiling", found.upper_share)
        row["Split Half Reliability"] = rated.split_half.reliability
    row |= {
        N_PAIRS: len(rated.ratings),
        N_IMAGES: rated.n_images,
        "Raters": rated.ratings.shape[1],
        "Missing Ratings": int(np.isnan(rated.ratings).sum()),
        CI_METHOD: _method(rated),
    }
    return row


def ratings_left_out(rated: RatedPairs, pairs: pd.DataFrame, distances: Any) -> JackknifeReplicates:
    """Give the correlations of `rating_columns` without each group of images.

    Parameters
    ----------
    rated : RatedPairs
        The ratings.
    pairs : DataFrame
        Their img1 and img2.
    distances : array-like, shape [N]
        A layer's distances.

    Returns
    -------
    JackknifeReplicates
    """
    groups = JackknifeGroups(pairs["img1"], pairs["img2"])
    found = rated.left_out(distances, groups)
    values: dict[tuple[str | None, str], Float64Array] = {
        (None, MEASURE_NAMES[name]): drawn for name, drawn in found.items()
    }
    return JackknifeReplicates("image", groups.digest(pairs["img1"], pairs["img2"]), values)


def _method(rated: RatedPairs) -> str:
    """Say how intervals were made."""
    units = rated.units
    if not rated.resamples:
        return "none"
    if units.interval == "bootstrap":
        over = " and ".join(f"{factor}s" for factor in units.factors)
        return f"bootstrap over {over}, {units.most} samples, Student's t"
    named = [
        f"{units.n_units(factor)} {'groups of ' if units.n_units(factor) < size else ''}{factor}s"
        for factor, size in units.factors.items()
    ]
    return f"jackknife over {' and '.join(named)}, Student's t"


def remarks_on(rated: RatedPairs, distances: Float64Array) -> list[str]:
    """Say in words why something is not defined.

    Parameters
    ----------
    rated : RatedPairs
        The ratings.
    distances : array, shape [N]
        A layer's distances.

    Returns
    -------
    list of str
        Empty where all is.
    """
    remarks = []
    known = rated.mean[~np.isnan(rated.mean)]
    if known.size < 2:
        remarks.append(f"only {known.size} pairs are rated")
    elif np.ptp(known) == 0:
        remarks.append(f"all mean ratings are {known[0]:g}")
    if np.ptp(distances) == 0:
        remarks.append(f"all distances of the model are {distances[0]:g}")
    n_raters = rated.ratings.shape[1]
    if n_raters > 1:
        flat = int(np.isnan(rated.ceiling.by_rater).sum())
        if flat:
            remarks.append(f"{flat} of {n_raters} raters have no ceiling (constant, or too few)")
        if rated.ceiling.lower <= 0:
            remarks.append("raters do not agree, so there is no share of the ceiling")
    if rated.n_images < 3:
        remarks.append(f"{rated.n_images} images are too few for intervals and permutations")
    elif not rated.resamples and rated.units.most:
        remarks.append("one rater is too few to resample raters")
    return remarks
