"""Score normalisation: distances in units of what images have to a cohort of other people.

For distances, smaller is more alike; normalised ones are in standard deviations, and may be
negative. On similarities the same formulas give the same numbers with the other sign.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from facebench.types import Float64Array

__all__ = ["NORM_KINDS", "CohortStatistics", "NormKind", "cohort_statistics", "normalise"]

NormKind: TypeAlias = Literal["z", "t", "s", "as"]
NORM_KINDS = get_args(NormKind)


class CohortStatistics(NamedTuple):
    """Mean and standard deviation of an image's distances to a cohort, [N] each."""

    mean: Float64Array
    std: Float64Array


def cohort_statistics(distances: Float64Array, top: int | None = None) -> CohortStatistics:
    """Summarise the distances of images to the images of a cohort.

    Parameters
    ----------
    distances : array, shape [N, M]
        Of N images to M cohort images; smaller is more alike.
    top : int, optional
        Use each image's so many nearest cohort images only, as adaptive normalisation does.

    Returns
    -------
    CohortStatistics
        With the standard deviation of ddof 0.

    Raises
    ------
    ValueError
        If the distances of an image are all the same, or `top` is not between 2 and M.

    Examples
    --------
    >>> cohort_statistics(np.array([[1.0, 3.0, 9.0]]), top=2)
    CohortStatistics(mean=array([2.]), std=array([1.]))
    """
    n_cohort = distances.shape[1]
    if n_cohort < 2 or (top is not None and not 2 <= top <= n_cohort):
        msg = f"A cohort needs 2 images or more, and 'top' 2 … {n_cohort}. Got top={top}."
        raise ValueError(msg)
    nearest = distances if top is None else np.partition(distances, top - 1, axis=1)[:, :top]
    statistics = CohortStatistics(nearest.mean(axis=1), nearest.std(axis=1))
    # Rounding may leave a little of nothing.
    if (statistics.std <= 1e-12 * np.maximum(np.abs(nearest).max(axis=1), 1e-300)).any():
        msg = "All cohort images are equally far from an image, so its scores have no unit."
        raise ValueError(msg)
    return statistics


def normalise(
    distances: Float64Array, first: CohortStatistics, second: CohortStatistics, kind: NormKind
) -> Float64Array:
    """Normalise the distances of pairs.

    Parameters
    ----------
    distances : array, shape [N]
        Of N pairs.
    first, second : CohortStatistics
        Of the first and the second image of each pair; for 'as' those of the nearest cohort images.
    kind : {'z', 't', 's', 'as'}
        - 'z', zero normalisation: (d - mean) / std of the first image (the enrolled one).
        - 't', test normalisation: the same with the second image's.
        - 's', symmetric: the mean of both.
        - 'as', adaptive symmetric: as 's', with each image's nearest cohort images only.

    Returns
    -------
    array, shape [N]

    Raises
    ------
    ValueError
        If the kind is another one.

    References
    ----------
    Z-norm: K. P. Li and J. E. Porter, "Normalizations and selection of speech segments for speaker
    recognition scoring", ICASSP (1988). T-norm: R. Auckenthaler, M. Carey and H. Lloyd-Thomas,
    "Score normalization for text-independent speaker verification systems", Digital Signal
    Processing 10 (2000). S-norm: P. Kenny, "Bayesian speaker verification with heavy-tailed
    priors", Odyssey (2010). AS-norm: S. Cumani et al., "Comparison of speaker recognition
    approaches for real applications", Interspeech (2011); of its variants the one in which each
    image selects its own cohort (P. Matejka et al., "Analysis of score normalization in
    multilingual speaker recognition", Interspeech (2017), AS-norm1).

    Examples
    --------
    >>> one = CohortStatistics(np.array([2.0]), np.array([1.0]))
    >>> other = CohortStatistics(np.array([3.0]), np.array([2.0]))
    >>> [float(normalise(np.array([1.0]), one, other, kind)[0]) for kind in ("z", "t", "s")]
    [-1.0, -1.0, -1.0]
    """
    if kind not in NORM_KINDS:
        msg = f"Score normalisation must be one of {', '.join(NORM_KINDS)}. Got {kind!r}."
        raise ValueError(msg)
    z = (distances - first.mean) / first.std
    t = (distances - second.mean) / second.std
    if kind == "z":
        return z
    return t if kind == "t" else (z + t) / 2
