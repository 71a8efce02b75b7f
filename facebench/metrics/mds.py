"""Multidimensional scaling: a map whose distances are an RDM's, as nearly as may be."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy

from facebench.metrics.rdm import square
from facebench.types import Float64Array

__all__ = ["Map", "mds"]


class Map(NamedTuple):
    """Places of images on a map.

    Attributes
    ----------
    places : array, shape [N, n_dimensions]
        In the units of the distances, centred, along its principal axes.
    stress : float
        Kruskal's stress-1, sqrt(Σ (d - δ)² / Σ d²); 0 is perfect, above 0.2 is poor.
    """

    places: Float64Array
    stress: float


def mds(rdm: Any, n_dimensions: int = 2, *, n_steps: int = 200) -> Map:
    """Metric multidimensional scaling: classical scaling, improved step by step (SMACOF).

    Starts from the eigenvectors of -½ H D² H and repeats Guttman's transform, which never raises
    the stress. The same RDM always gives the same map: axes are the principal ones, the largest
    coordinate on each is positive.

    Parameters
    ----------
    rdm : array-like, shape [N (N - 1) / 2]
        A complete RDM.
    n_dimensions : int, default 2
        Dimensions of the map.
    n_steps : int, default 200
        Most improvements; 0 gives classical scaling.

    Returns
    -------
    Map
        places and stress.

    Raises
    ------
    ValueError
        If the RDM has missing or negative distances.

    References
    ----------
    W. S. Torgerson, "Multidimensional scaling", Psychometrika 17 (1952); J. de Leeuw,
    "Applications of convex analysis to multidimensional scaling" (1977); J. B. Kruskal,
    "Multidimensional scaling by optimizing goodness of fit", Psychometrika 29 (1964).

    Examples
    --------
    >>> found = mds([3.0, 4.0, 5.0])
    >>> round(found.stress, 6)
    0.0
    """
    wanted = square(rdm)
    if np.isnan(wanted).any() or (wanted < 0).any():
        msg = "A map needs a complete RDM without negative distances."
        raise ValueError(msg)
    places = _classical(wanted, n_dimensions)
    previous = np.inf
    for _ in range(n_steps):
        distances = square(scipy.spatial.distance.pdist(places))
        error = ((distances - wanted) ** 2).sum()
        if previous - error <= 1e-9 * (wanted**2).sum():
            break
        previous = error
        ratio = np.divide(wanted, distances, out=np.zeros_like(wanted), where=distances > 0)
        # Guttman's transform: B X / n, B = diag(row sums of δ/d) - δ/d.
        places = (ratio.sum(axis=1, keepdims=True) * places - ratio @ places) / len(wanted)
    places = _upright(places)
    found, given = scipy.spatial.distance.pdist(places), np.asarray(rdm, dtype=np.float64)
    total = (found**2).sum()
    stress = float(np.sqrt(((found - given) ** 2).sum() / total)) if total > 0 else 0.0
    return Map(places, stress)


def _classical(wanted: Float64Array, n_dimensions: int) -> Float64Array:
    squares = wanted**2
    centred = -0.5 * (squares - squares.mean(axis=0) - squares.mean(axis=1)[:, None])
    centred -= 0.5 * squares.mean()
    values, vectors = np.linalg.eigh(centred)
    places = np.zeros((len(wanted), n_dimensions))
    kept = min(n_dimensions, len(wanted))
    scale = np.sqrt(np.maximum(values[::-1][:kept], 0.0))
    places[:, :kept] = vectors[:, ::-1][:, :kept] * scale
    return places


def _upright(places: Float64Array) -> Float64Array:
    """Turn a map to its principal axes, the same way on every machine."""
    centred = places - places.mean(axis=0)
    turned = centred @ np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    extremes = turned[np.abs(turned).argmax(axis=0), np.arange(turned.shape[1])]
    return np.asarray(turned * np.where(extremes < 0, -1.0, 1.0))
