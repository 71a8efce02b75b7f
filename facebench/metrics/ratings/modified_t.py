"""Test a correlation over pairs that share images, where their table is incomplete.

Permuting images is exact for complete tables only: of an incomplete one, few pairs have a value
before and after. Here the variance of the correlation under the null hypothesis is computed from
how much pairs that share an image are alike, on either side.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy

from facebench.types import Float64Array, IntArray

__all__ = ["SharedImages", "modified_t"]

_FEWEST_PAIRS = 5


class SharedImages(NamedTuple):
    """Which pairs share images, for the covariance Σ = a I + b K of their values.

    K counts the images that two pairs share; B = I - 1/N takes off the mean.

    Attributes
    ----------
    first, second : array of int, shape [N]
        The images of each pair, 0 … n_images - 1.
    n_images : int
    traces : array, shape [2, 2]
        tr B, tr BK; tr BK, tr BKBK.
    """

    first: IntArray
    second: IntArray
    n_images: int
    traces: Float64Array

    @classmethod
    def of(cls, first: IntArray, second: IntArray) -> SharedImages:
        """Count what pairs share.

        Parameters
        ----------
        first, second : array of int, shape [N]
            The images of different pairs, none of an image with itself.

        Returns
        -------
        SharedImages
        """
        images, places = np.unique(np.concatenate((first, second)), return_inverse=True)
        one, other = places[: first.size], places[first.size :]
        incidence = np.zeros((images.size, images.size))
        np.add.at(incidence, (one, other), 1.0)
        degree = incidence.sum(axis=0) + incidence.sum(axis=1)
        shared = incidence + incidence.T + np.diag(degree)
        shared -= np.outer(degree, degree) / max(first.size, 1)
        within = np.trace(shared)
        traces = np.array([[first.size - 1.0, within], [within, (shared**2).sum()]])
        return cls(one, other, images.size, traces)

    def components(self, values: Float64Array) -> Float64Array:
        """Estimate a and b from one side's values, by moments."""
        centred = values - values.mean()
        of_image = np.zeros(self.n_images)
        for side in (self.first, self.second):
            of_image += np.bincount(side, weights=centred, minlength=self.n_images)
        moments = np.array([(centred**2).sum(), (of_image**2).sum()])
        traces = self.traces
        if np.linalg.det(traces) <= 1e-9 * traces[0, 0] * traces[1, 1]:
            # No two pairs share an image, or all do so alike.
            return np.array([moments[0] / max(traces[0, 0], 1.0), 0.0])
        return np.maximum(np.linalg.solve(traces, moments), 0.0)

    def variance(self, left: Float64Array, right: Float64Array) -> float:
        """Give the variance of the correlation of two independent sides.

        Parameters
        ----------
        left, right : array, shape [N]
            The sides.

        Returns
        -------
        float
            tr(BΣ₁BΣ₂) / (tr BΣ₁ · tr BΣ₂), at least that of independent pairs.
        """
        one, other = self.components(left), self.components(right)
        total = (one @ self.traces[0]) * (other @ self.traces[0])
        independent = 1.0 / max(self.traces[0, 0], 1.0)
        return max(float(one @ self.traces @ other / total), independent) if total > 0 else 1.0


def modified_t(
    left: Float64Array, right: Float64Array, shared: SharedImages, *, ranked: bool
) -> tuple[float, float]:
    """Test the correlation of two values per pair, one-sided in either direction.

    With V the variance of r under the null hypothesis (`SharedImages.variance`) and M = 1 + 1/V
    the effective number of pairs, t = r sqrt((M - 2) / (1 - r²)), of M - 2 degrees of freedom,
    but at most two fewer than images.

    Parameters
    ----------
    left, right : array, shape [N]
        The two sides.
    shared : SharedImages
        The images of the pairs.
    ranked : bool
        Whether it is the rank correlation.

    Returns
    -------
    larger, smaller : float
        P that r is as large, and as small, by chance, no less than one order of the pairs among
        all; NaN if a side is constant, or there are fewer than 5 pairs or 3 effective ones.

    References
    ----------
    P. Clifford, S. Richardson and D. Hémon, "Assessing the significance of the correlation between
    two spatial processes", Biometrics 45 (1989) 123-134; P. Dutilleul, "Modifying the t test for
    assessing the correlation between two spatial processes", Biometrics 49 (1993) 305-314. Here
    with the covariance of pairs that share images.

    Examples
    --------
    >>> first, second = np.array([0, 2, 4, 6, 0]), np.array([1, 3, 5, 7, 2])
    >>> left, right = np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 2, 4, 3, 5])
    >>> larger, _ = modified_t(left, right, SharedImages.of(first, second), ranked=True)
    >>> round(larger, 3)
    0.019
    """
    if left.size < _FEWEST_PAIRS or np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan"), float("nan")
    if ranked:
        left, right = scipy.stats.rankdata(left), scipy.stats.rankdata(right)
    effective = 1.0 + 1.0 / shared.variance(left, right)
    freedom = min(effective, shared.n_images) - 2.0
    if freedom <= 0:
        return float("nan"), float("nan")
    r = float(np.corrcoef(left, right)[0, 1])
    t = r * np.sqrt((effective - 2.0) / max(1.0 - r**2, np.finfo(float).eps))
    least = 1.0 / math.factorial(min(left.size, 20))
    return max(float(scipy.special.stdtr(freedom, -t)), least), max(
        float(scipy.special.stdtr(freedom, t)), least
    )
