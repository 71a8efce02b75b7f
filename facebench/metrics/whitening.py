"""Centring and whitening of embeddings, fitted on embeddings of other images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from facebench.types import Float64Array, FloatArray

__all__ = ["Whitening", "fit_whitening"]

_BLOCK = 4096


class Whitening(NamedTuple):
    """A linear map of embeddings.

    Attributes
    ----------
    mean : array, shape [D]
        What is subtracted.
    matrix : array, shape [D, D], or None
        What rows are then multiplied by; None where they are only centred.
    shrinkage : float or None
        How far the covariance was drawn towards a multiple of the identity, 0 … 1.
    """

    mean: Float64Array
    matrix: Float64Array | None = None
    shrinkage: float | None = None

    def apply(self, rows: FloatArray) -> FloatArray:
        """Map rows [N, D], computed in float64."""
        mapped = np.empty(rows.shape, dtype=np.float32)
        for start in range(0, len(rows), _BLOCK):
            part = slice(start, start + _BLOCK)
            centred = rows[part].astype(np.float64) - self.mean
            mapped[part] = centred if self.matrix is None else centred @ self.matrix
        return mapped


def fit_whitening(
    rows: FloatArray, *, whiten: bool = True, shrinkage: float | None = None
) -> Whitening:
    """Fit the map that centres embeddings, or makes them uncorrelated and of unit variance.

    The matrix is the symmetric inverse root of the covariance (ZCA). The sample covariance S (ddof
    0) of few rows is a poor one, so it is shrunk: (1 - a) S + a (trace S / D) I.

    Parameters
    ----------
    rows : array, shape [N, D]
        Embeddings of images that are not evaluated.
    whiten : bool, default True
        False centres only.
    shrinkage : float, optional
        The a above, 0 … 1; None takes the one of Ledoit and Wolf, which minimises the expected
        squared error of the covariance.

    Returns
    -------
    Whitening

    Raises
    ------
    ValueError
        If there are fewer than two rows, all rows are the same, or the covariance cannot be
        inverted (N <= D without shrinkage).

    References
    ----------
    O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    Journal of Multivariate Analysis 88 (2004).
    """
    exact = np.asarray(rows, dtype=np.float64)
    if len(exact) < 2:
        msg = f"Centring and whitening need two images or more. Got {len(exact)}."
        raise ValueError(msg)
    mean = exact.mean(axis=0)
    if not whiten:
        return Whitening(mean)
    if shrinkage is None:
        from sklearn.covariance import ledoit_wolf

        covariance, shrinkage = ledoit_wolf(exact)
    else:
        centred = exact - mean
        sample = centred.T @ centred / len(exact)
        size = np.trace(sample) / len(mean)
        covariance = (1 - shrinkage) * sample + shrinkage * size * np.eye(len(mean))
    values, vectors = np.linalg.eigh(covariance)
    if values[0] <= len(mean) * np.finfo(np.float64).eps * max(values[-1], 0) or values[-1] <= 0:
        msg = (
            f"The covariance of {len(exact)} embeddings of {len(mean)} numbers cannot be inverted. "
            "Give more images, or leave 'shrinkage' to be chosen."
        )
        raise ValueError(msg)
    return Whitening(mean, (vectors / np.sqrt(values)) @ vectors.T, float(shrinkage))
