"""What a comparison with people's ratings looks like in a result table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from facebench.columns import CI_HIGH, CI_LOW, CI_METHOD, N_IMAGES, N_PAIRS, interval_cells
from facebench.metrics.ratings.pairs import RatedPairs, RatingComparison, RatingEstimate
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.tasks.measures import Measure
from facebench.types import Float64Array

__all__ = [
    "MEASURE_NAMES",
    "OTHER_POLARITY",
    "interval_columns",
    "rating_columns",
    "rating_measures",
    "ratings_left_out",
    "remarks_on",
]

OTHER_POLARITY = "negative: are the ratings of the other polarity?"
# Correlations so unlikely to be as low by chance tell that similarities were rated.
_REVERSED = 0.002
# More than rounding makes of 1.
_ABOVE_1 = 1 + 1e-9

MEASURE_NAMES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "tau-a": "Kendall Tau-a",
    "rho-a": "Rho-a",
}


_SYMBOLS = {
    "pearson": "Pearson's r",
    "spearman": "Spearman's ρ",
    "tau-a": "Kendall's τ-a",
    "rho-a": "ρ-a",
}
# How far a perfect model's correlation with the mean rating can go: the square root of the mean's
# reliability. That holds for correlations of values and of ranks, not for Kendall's tau.
MEAN_CEILING = "Mean Rating Ceiling"
_ATTENUATED = ("pearson", "spearman")


def rating_measures(measure: str, n_raters: int) -> tuple[Measure, ...]:
    """Declare the measures of `rating_columns`.

    Parameters
    ----------
    measure : str
        The key of `MEASURE_NAMES` that stands for the task.
    n_raters : int
        How many raters there are.
    """
    has_ceiling = n_raters > 1 and measure in _ATTENUATED
    found = [
        Measure(
            name,
            better="higher",
            headline=key == measure,
            chance=0,
            bounds=(-1, 1),
            ceiling=(MEAN_CEILING,) if has_ceiling and key == measure else (),
            label=f"{_SYMBOLS[key]} with the mean rating",
        )
        for key, name in MEASURE_NAMES.items()
    ]
    found.append(Measure("P Value", bounds=(0, 1), shown=False))
    if n_raters > 1:
        found += [
            Measure(
                "Single Rater Correlation",
                better="higher",
                chance=0,
                bounds=(-1, 1),
                ceiling=("Noise Ceiling Lower", "Noise Ceiling Upper"),
                label=f"{_SYMBOLS[measure]} with single raters (mean)",
            ),
            Measure("Noise Ceiling Lower", bounds=(-1, 1), shown=False),
            Measure("Noise Ceiling Upper", bounds=(-1, 1), shown=False),
            Measure(
                "Share of Ceiling",
                better="higher",
                chance=0,
                label="Share of the lower noise ceiling (1 is the ceiling)",
            ),
            Measure(
                "Share of Upper Ceiling",
                better="higher",
                chance=0,
                label="Share of the upper noise ceiling (1 is the ceiling)",
            ),
            Measure("Split Half Reliability", shown=False),
        ]
    if has_ceiling:
        found.append(Measure(MEAN_CEILING, bounds=(0, 1), shown=False))
    return tuple(found)


def interval_columns(name: str, estimate: RatingEstimate) -> dict[str, float]:
    """Give an estimate as the columns of a result."""
    return interval_cells(name, estimate.value, estimate.low, estimate.high)


def rating_columns(
    rated: RatedPairs, found: RatingComparison, n_unrated: int = 0
) -> dict[str, Any]:
    """Give a comparison with ratings as the columns of a result.

    Parameters
    ----------
    rated : RatedPairs
        The ratings.
    found : RatingComparison
        What a layer has to do with them.
    n_unrated : int, default 0
        Pairs that have no rating.

    Returns
    -------
    dict of str to value
    """
    row: dict[str, Any] = {}
    for measure, estimate in found.correlations.items():
        row |= interval_columns(MEASURE_NAMES[measure], estimate)
    row |= {"P Value": found.p_value, "P Method": found.p_method}
    if rated.ratings.shape[1] > 1:
        lower, upper = rated.ceiling_intervals()
        row |= interval_columns("Single Rater Correlation", found.with_raters)
        row |= interval_columns("Noise Ceiling Lower", lower)
        row |= interval_columns("Noise Ceiling Upper", upper)
        row |= interval_columns("Share of Ceiling", found.share)
        row |= interval_columns("Share of Upper Ceiling", found.upper_share)
        reliability = rated.split_half.reliability
        row["Split Half Reliability"] = reliability
        if rated.measure in _ATTENUATED:
            row[MEAN_CEILING] = math.sqrt(reliability) if reliability > 0 else math.nan
    row |= {
        N_PAIRS: len(rated.ratings),
        N_IMAGES: rated.n_images,
        "Raters": rated.ratings.shape[1],
        "Unrated Pairs": n_unrated,
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
    """
    pairs, distances = pairs[rated.rated], np.asarray(distances)[rated.rated]
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


def remarks_on(rated: RatedPairs, found: RatingComparison, distances: Float64Array) -> list[str]:
    """Say in words why something is not defined, or not what it seems.

    Parameters
    ----------
    rated : RatedPairs
        The ratings.
    found : RatingComparison
        What a layer has to do with them.
    distances : array, shape [N]
        Its distances.

    Returns
    -------
    list of str
        Empty where all is well.
    """
    remarks = []
    known = rated.mean[rated.rated]
    own = distances[rated.rated]
    n_raters = rated.ratings.shape[1]
    if known.size < 2:
        remarks.append(f"only {known.size} pairs are rated")
    elif np.ptp(known) == 0:
        remarks.append(f"all mean ratings are {known[0]:g}")
    if own.size and np.ptp(own) == 0:
        remarks.append(f"all distances of the model are {own[0]:g}")
    if n_raters > 1:
        flat = int(np.isnan(rated.ceiling.by_rater).sum())
        if flat:
            remarks.append(f"{flat} of {n_raters} raters have no ceiling (constant, or too few)")
        if rated.ceiling.lower <= 0:
            remarks.append("raters do not agree, so there is no share of the ceiling")
        elif rated.ceiling_intervals()[0].low <= 0:
            remarks.append("the ceiling may be zero, so that shares of it are uncertain")
    if rated.n_images < 3:
        remarks.append(f"{rated.n_images} images are too few for intervals and permutations")
    elif not rated.resamples and rated.units.most:
        remarks.append("one rater is too few to resample raters")
    remarks += _not_as_they_seem(rated, found)
    if not remarks:
        remarks += _undefined(rated, found)
    return remarks


def _not_as_they_seem(rated: RatedPairs, found: RatingComparison) -> list[str]:
    """Say what is wrong with numbers that are defined."""
    remarks = []
    # Few permutations give no smaller P.
    if found.p_reversed <= max(_REVERSED, 1 / (1 + rated.n_permutations)):
        remarks.append(OTHER_POLARITY)
    if rated.scales_differ:
        remarks.append(
            "raters rated different pairs, each on a scale of their own, so that mean ratings "
            "depend on who rated (pass pool='zscore' or 'rank')"
        )
    if found.upper_share.value > _ABOVE_1:
        remarks.append(
            "the share of the upper ceiling is above 1: it is not an upper bound for these ratings"
        )
    elif found.share.value > _ABOVE_1:
        remarks.append(
            "the share of the ceiling is above 1: the network predicts single raters better than "
            "the mean of the other raters does"
        )
    return remarks


def _undefined(rated: RatedPairs, found: RatingComparison) -> list[str]:
    """Name what is not defined where nothing else was found."""
    row = rating_columns(rated, found)
    lost = [name for name, value in row.items() if isinstance(value, float) and np.isnan(value)]
    if not rated.units.most:
        lost = [name for name in lost if not name.endswith((CI_LOW, CI_HIGH))]
    remarks = []
    if "P Value" in lost and rated.n_permutations:
        remarks.append(f"there is no P Value ({found.p_method.removeprefix('none: ')})")
    others = [name for name in lost if name != "P Value"]
    if others:
        remarks.append(f"not defined for these pairs: {', '.join(others)}")
    return remarks
