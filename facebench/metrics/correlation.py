"""Correlations of two rows of numbers, also for many weightings at once.

A pair whose value is missing (NaN) on either side is left out. A weight w means that the pair
counts w times; the copies of one pair are not compared with each other, so that resampling with
replacement makes no ties. Larger is more alike in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from facebench.metrics.weighted_ranks import concordance, weighted_ranks
from facebench.types import Float64Array

__all__ = [
    "MEASURES",
    "correlate",
    "kendall_tau_a",
    "partial_correlation",
    "pearson",
    "rho_a",
    "spearman",
    "standardise",
    "standardise_all",
]

# In the order in which tables report them.
MEASURES = ("pearson", "spearman", "tau-a", "rho-a")
# Measures that are a product of two standardised sides.
_PRODUCTS = ("cosine", "pearson", "spearman", "rho-a")
# Rounding makes equal numbers differ in their last digits.
_CONSTANT = 1e-12


def standardise(values: Any, weights: Any, measure: str) -> Float64Array:
    """Transform one side so that the measure is the weighted product of two such sides.

    With w the weights and n their sum: v / sqrt(Σ w v²) for 'cosine', the same of v minus its
    weighted mean for 'pearson' and of weighted mid-ranks for 'spearman', and
    (rank - (n + 1)/2) sqrt(12 / (n³ - Σ w³)) for 'rho-a'.

    Parameters
    ----------
    values : array, shape [N] or [R, N]
        Numbers, none missing where a weight is not 0.
    weights : array, shape [R, N]
        How often each pair counts.
    measure : {'cosine', 'pearson', 'spearman', 'rho-a'}
        The measure.

    Returns
    -------
    array, shape [R, N]
        NaN where all values that count are equal ('cosine': zero; 'rho-a': only with fewer than
        two pairs).

    Raises
    ------
    ValueError
        If the measure is none of these.

    Examples
    --------
    >>> standardise([3.0, 9.0], [[1.0, 1.0]], "pearson").round(4)
    array([[-0.7071,  0.7071]])
    """
    if measure not in _PRODUCTS:
        msg = f"The 'measure' parameter must be one of {', '.join(_PRODUCTS)}. Got {measure!r}."
        raise ValueError(msg)
    drawn = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    # What a weight of 0 hides may be missing.
    numbers = np.nan_to_num(np.asarray(values, dtype=np.float64))
    if measure in ("spearman", "rho-a"):
        return _from_ranks(weighted_ranks(numbers, drawn), drawn, measure)
    if measure == "pearson":
        total = drawn.sum(axis=1, keepdims=True)
        mean = (drawn * numbers).sum(axis=1, keepdims=True) / np.where(total > 0, total, 1.0)
        centred = numbers - mean
        largest = np.where(drawn > 0, np.abs(numbers), 0.0).max(axis=1, keepdims=True, initial=0.0)
        centred[np.abs(centred) <= _CONSTANT * largest] = 0.0
    else:
        centred = np.broadcast_to(numbers, drawn.shape)
    return _to_unit(centred, (drawn * centred**2).sum(axis=1, keepdims=True))


def standardise_all(values: Any, weights: Any) -> dict[str, Float64Array]:
    """Standardise one side for 'pearson', 'spearman' and 'rho-a', ranking it once.

    Parameters are those of `standardise`.

    Returns
    -------
    dict of str to array, shape [R, N]
        By measure.

    Examples
    --------
    >>> sorted(standardise_all([3.0, 9.0], [[1.0, 1.0]]))
    ['pearson', 'rho-a', 'spearman']
    """
    drawn = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    ranks = weighted_ranks(np.nan_to_num(np.asarray(values, dtype=np.float64)), drawn)
    return {
        "pearson": standardise(values, drawn, "pearson"),
        "spearman": _from_ranks(ranks, drawn, "spearman"),
        "rho-a": _from_ranks(ranks, drawn, "rho-a"),
    }


def _from_ranks(ranks: Float64Array, drawn: Float64Array, measure: str) -> Float64Array:
    total = drawn.sum(axis=1, keepdims=True)
    centred = ranks - (total + 1) / 2
    if measure == "rho-a":
        return _to_unit(centred, (total**3 - (drawn**3).sum(axis=1, keepdims=True)) / 12)
    return _to_unit(centred, np.einsum("rn,rn,rn->r", drawn, centred, centred)[:, None])


def _to_unit(centred: Float64Array, squares: Float64Array) -> Float64Array:
    return np.asarray(centred / np.sqrt(np.where(squares > 0, squares, np.nan)))


def correlate(x: Any, y: Any, measure: str, weights: Any = None) -> Any:
    """Correlate two rows of numbers by the name of the measure.

    Parameters
    ----------
    x, y : array-like, shape [N] or [R, N]
        Numbers, the same for all weightings or a row for each; a pair with NaN on either side is
        left out.
    measure : {'pearson', 'spearman', 'tau-a', 'rho-a', 'cosine'}
        The measure.
    weights : array-like, shape [N] or [R, N], optional
        How often each pair counts; a row per weighting.

    Returns
    -------
    float, or array of shape [R] for R weightings or rows
        In [-1, 1]; NaN where it is not defined: fewer than two pairs, or (but for 'tau-a' and
        'rho-a', which give 0) one side constant.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is infinite, or there is no such measure.

    Examples
    --------
    >>> round(correlate([1, 2, 3, 4], [1, 3, 2, 4], "spearman"), 6)
    0.8
    >>> correlate([1, 2, 3], [1, 3, 2], "tau-a", [[1, 1, 1], [1, 2, 1]]).round(6)
    array([0.333333, 0.2     ])
    """
    left, right, drawn = _complete(x, y, weights)
    if measure == "tau-a":
        difference, total = _concordance(left, right, drawn)
        values = np.divide(difference, total, out=np.full(len(drawn), np.nan), where=total > 0)
    else:
        one, other = (standardise(side, drawn, measure) for side in (left, right))
        values = np.einsum("rn,rn,rn->r", drawn, one, other)
        values[~drawn.any(axis=1)] = np.nan
    return _as_given(values, x, y, weights)


def _as_given(values: Float64Array, *given: Any) -> Any:
    """Give an array where there are several rows, else a float."""
    bounded = np.clip(values, -1.0, 1.0)
    return bounded if any(np.ndim(side) == 2 for side in given) else float(bounded[0])


def _concordance(
    left: Float64Array, right: Float64Array, drawn: Float64Array
) -> tuple[Float64Array, Float64Array]:
    if left.ndim == 1 and right.ndim == 1:
        return concordance(left, right, drawn)
    rows = zip(
        np.broadcast_to(left, drawn.shape), np.broadcast_to(right, drawn.shape), drawn, strict=True
    )
    found = []
    for one, other, weight in rows:
        counted = weight > 0
        found.append(concordance(one[counted], other[counted], weight[None, counted]))
    difference, total = zip(*found, strict=True)
    return np.concatenate(difference), np.concatenate(total)


def _complete(
    x: Any, y: Any, weights: Any, holes: Any = False
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Check shapes, and leave out what is missing: its pairs, or its weight in a row."""
    left, right = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if max(left.ndim, right.ndim) > 2 or left.shape[-1:] != right.shape[-1:] or not left.shape:
        msg = f"Correlations need two rows of one length. Got shapes {left.shape}, {right.shape}."
        raise ValueError(msg)
    if np.isinf(left).any() or np.isinf(right).any():
        msg = "Correlations need finite numbers (NaN where one is missing). Got an infinite one."
        raise ValueError(msg)
    size = left.shape[-1]
    drawn = np.ones(size) if weights is None else np.asarray(weights, dtype=np.float64)
    if drawn.ndim not in (1, 2) or drawn.shape[-1] != size or not (drawn >= 0).all():
        msg = (
            f"Weights must be 0 or more, one for each of the {size} pairs. "
            f"Got an array of shape {drawn.shape}."
        )
        raise ValueError(msg)
    missing = np.isnan(left) | np.isnan(right) | holes
    if missing.ndim == 1:
        kept = ~missing
        return left[kept], right[kept], np.atleast_2d(drawn)[:, kept]
    return left, right, np.where(missing, 0.0, drawn)


def pearson(x: Any, y: Any, weights: Any = None) -> Any:
    """Pearson's product-moment correlation, Σ w x' y' / sqrt(Σ w x'² Σ w y'²), x' = x - mean.

    Parameters are those of `correlate`.

    Returns
    -------
    float or array of shape [R]
        NaN if a side is constant.

    References
    ----------
    K. Pearson, "Notes on regression and inheritance in the case of two parents", Proceedings of
    the Royal Society of London 58 (1895) 240-242.

    Examples
    --------
    >>> round(pearson([1, 2, 3, 4], [1, 2, 3, 5]), 6)
    0.982708
    """
    return correlate(x, y, "pearson", weights)


def spearman(x: Any, y: Any, weights: Any = None) -> Any:
    """Spearman's rank correlation: Pearson's of the mid-ranks.

    Parameters are those of `correlate`.

    Returns
    -------
    float or array of shape [R]
        NaN if a side is constant.

    References
    ----------
    C. Spearman, "The proof and measurement of association between two things", American Journal
    of Psychology 15 (1904) 72-101.

    Examples
    --------
    >>> round(spearman([1, 2, 2, 4], [1, 3, 2, 4]), 6)
    0.948683
    """
    return correlate(x, y, "spearman", weights)


def kendall_tau_a(x: Any, y: Any, weights: Any = None) -> Any:
    """Kendall's tau-a: (concordant - discordant) / all comparisons, tied ones among them.

    A model that predicts ties gains nothing by it, unlike in tau-b; recommended where models
    predict categories.

    Parameters are those of `correlate`.

    Returns
    -------
    float or array of shape [R]
        0 if a side is constant.

    References
    ----------
    M. G. Kendall, "A new measure of rank correlation", Biometrika 30 (1938) 81-93; H. Nili et al.,
    "A toolbox for representational similarity analysis", PLoS Computational Biology 10 (2014).

    Examples
    --------
    >>> kendall_tau_a([1, 2, 2], [1, 2, 3]) * 3
    2.0
    """
    return correlate(x, y, "tau-a", weights)


def rho_a(x: Any, y: Any, weights: Any = None) -> Any:
    """Spearman's correlation expected if ties were broken at random, rho-a.

    12 Σ x' y' / (n³ - n), x' and y' the mid-ranks minus (n + 1)/2; with weights
    12 Σ w x' y' / (n³ - Σ w³), n = Σ w, as copies of a pair do not tie with each other.

    Parameters are those of `correlate`.

    Returns
    -------
    float or array of shape [R]
        0 if a side is constant; Spearman's where nothing ties.

    References
    ----------
    H. H. Schütt et al., "Statistical inference on representational geometries", eLife 12 (2023)
    e82566.

    Examples
    --------
    >>> round(rho_a([1, 2, 2], [1, 2, 3]), 6)
    0.75
    """
    return correlate(x, y, "rho-a", weights)


def partial_correlation(
    x: Any, y: Any, nuisances: Sequence[Any], measure: str = "pearson", weights: Any = None
) -> Any:
    """Correlate what a linear fit by nuisances leaves of two rows of numbers.

    (r_xy - r_xc R⁻¹ r_cy) / sqrt((1 - r_xc R⁻¹ r_cx)(1 - r_yc R⁻¹ r_cy)), R the correlations
    among the nuisances c; by 'spearman' all of them are correlations of mid-ranks.

    Parameters
    ----------
    x, y : array-like, shape [N] or [R, N]
        Numbers; a pair with NaN in any row is left out.
    nuisances : sequence of array-like, shape [N]
        What is partialled out; constant ones change nothing.
    measure : {'pearson', 'spearman'}
        The measure.
    weights : array-like, shape [N] or [R, N], optional
        How often each pair counts; a row per weighting.

    Returns
    -------
    float, or array of shape [R] for R weightings
        NaN where the nuisances leave nothing of a side, or one is constant.

    Raises
    ------
    ValueError
        As `correlate`; also for other measures, for which residuals are not defined.

    References
    ----------
    R. A. Fisher, "The distribution of the partial correlation coefficient", Metron 3 (1924).

    Examples
    --------
    >>> round(partial_correlation([1, 2, 3, 4], [2, 1, 4, 3], [[1, 1, 2, 2]]), 6)
    -1.0
    """
    if measure not in ("pearson", "spearman"):
        msg = f"A partial correlation is 'pearson' or 'spearman'. Got {measure!r}."
        raise ValueError(msg)
    rows = [np.asarray(row, dtype=np.float64) for row in nuisances]
    holes = np.zeros(np.shape(x)[-1:], dtype=bool)
    for row in rows:
        holes = holes | np.isnan(row)
    left, right, drawn = _complete(x, y, weights, holes)
    if left.ndim == right.ndim == 1:
        kept = ~(np.isnan(np.asarray(x, float)) | np.isnan(np.asarray(y, float)) | holes)
        rows = [row[kept] for row in rows]
    scores = np.stack([standardise(side, drawn, measure) for side in (left, right, *rows)], axis=1)
    # A nuisance that is constant in a weighting explains nothing in it.
    scores[:, 2:] = np.nan_to_num(scores[:, 2:])
    r = np.einsum("rn,rin,rjn->rij", drawn, scores, scores)
    # Nuisances that repeat each other have no inverse, but a least-squares fit.
    inverse = np.linalg.pinv(r[:, 2:, 2:], hermitian=True)
    fitted = r[:, :2, 2:] @ inverse @ r[:, 2:, :2]
    left_over = r[:, :2, :2] - fitted
    spread = left_over[:, 0, 0], left_over[:, 1, 1]
    defined = (spread[0] > _CONSTANT) & (spread[1] > _CONSTANT)
    scale = np.sqrt(np.where(defined, spread[0] * spread[1], np.nan))
    return _as_given(left_over[:, 0, 1] / scale, x, y, weights)
