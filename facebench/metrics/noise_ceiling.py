"""How well can people's ratings be predicted at all? Ceilings from several raters.

Ratings are an array [N, K], a row per pair and a column per rater, NaN where a rater gave none.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from facebench.metrics.correlation import correlate
from facebench.types import Float64Array

__all__ = [
    "POOLS",
    "NoiseCeiling",
    "Pool",
    "SplitHalf",
    "ceilings",
    "mean_rating",
    "noise_ceiling",
    "pool_for",
    "pooled_ratings",
    "share_of_ceiling",
    "spearman_brown",
    "split_half",
    "split_half_of_answers",
]


Pool = Literal["mean", "zscore", "rank"]
POOLS = ("mean", "zscore", "rank")
# Means of halves in one go.
_TOGETHER = 1 << 22


def pool_for(measure: str) -> str:
    """Give the way of averaging raters whose mean predicts single raters best, by a measure.

    Parameters
    ----------
    measure : str
        See `facebench.metrics.correlation.correlate`.

    Returns
    -------
    {'zscore', 'rank', 'mean'}
        Standardised ratings for 'pearson', ranks for measures of order, else raw ratings.

    Examples
    --------
    >>> pool_for("spearman"), pool_for("pearson")
    ('rank', 'zscore')
    """
    return {"pearson": "zscore", "cosine": "mean"}.get(measure, "rank")


class NoiseCeiling(NamedTuple):
    """The range in which a perfect model's correlation with single raters lies.

    Attributes
    ----------
    lower, upper : float
        Mean over raters of the correlation with the other raters' mean, and with everybody's.
    by_rater : array, shape [K]
        The lower one of each rater; NaN where it is not defined (a constant rater).
    """

    lower: float
    upper: float
    by_rater: Float64Array


class SplitHalf(NamedTuple):
    """Agreement of two halves of the raters.

    Attributes
    ----------
    correlation : float
        Of the halves' means, averaged over random splits.
    reliability : float
        Of the mean of all raters, by Spearman and Brown's formula.
    """

    correlation: float
    reliability: float


def _as_ratings(ratings: Any) -> Float64Array:
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or np.isinf(table).any():
        msg = (
            "Ratings must be a table of finite numbers, a row per pair and a column per rater "
            f"(NaN where one is missing). Got an array of shape {table.shape}."
        )
        raise ValueError(msg)
    return table


def pooled_ratings(ratings: Any, pool: str) -> Float64Array:
    """Put raters on one scale, before they are averaged.

    Parameters
    ----------
    ratings : array-like, shape [N, K]
        A row per pair, a column per rater; NaN where missing.
    pool : {'mean', 'zscore', 'rank'}
        Ratings as they are; each rater's standardised; or each rater's centred ranks, as a share of
        the number of pairs they rated.

    Returns
    -------
    array, shape [N, K]

    Raises
    ------
    ValueError
        If the ratings are not a table of numbers, or `pool` is unknown.

    Examples
    --------
    >>> pooled_ratings([[1, 10], [2, 30], [3, 20]], "rank").tolist()[0]
    [-0.3333333333333333, -0.3333333333333333]
    """
    table = _as_ratings(ratings)
    if pool == "mean":
        return table
    if pool == "rank":
        from scipy.stats import rankdata

        # Raters of more pairs have more ranks.
        n_rated = np.maximum((~np.isnan(table)).sum(axis=0), 1)
        ranks = rankdata(table, axis=0, nan_policy="omit")
        return np.asarray((ranks - (n_rated + 1) / 2) / n_rated)
    if pool == "zscore":
        count = np.maximum((~np.isnan(table)).sum(axis=0), 1)
        centred = table - np.nansum(table, axis=0) / count
        spread = np.sqrt(np.nansum(centred**2, axis=0) / count)
        return np.asarray(centred / np.where(spread > 0, spread, 1.0))
    msg = f"The 'pool' must be one of {', '.join(map(repr, POOLS))}. Got {pool!r} instead."
    raise ValueError(msg)


def mean_rating(total: Float64Array, count: Float64Array) -> Float64Array:
    """Divide sums of ratings by their number, so that equal means come out equal.

    Parameters
    ----------
    total, count : array, one shape
        Sums and numbers.

    Returns
    -------
    array
        NaN where there are none. Rounded to 12 digits of the largest: the order of a sum must
        not break ties.

    Examples
    --------
    >>> import numpy as np
    >>> len(np.unique(mean_rating(np.array([0.1 + 0.2, 0.3]), np.array([3.0, 3.0]))))
    1
    """
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    largest = np.abs(mean[~np.isnan(mean)]).max(initial=0.0)
    return np.asarray(mean if largest == 0 else mean.round(11 - int(np.floor(np.log10(largest)))))


def ceilings(
    ratings: Any, measure: str, weights: Any, times: Any, pool: str = "mean"
) -> tuple[Float64Array, Float64Array]:
    """Compute lower and upper noise ceilings, each for many weightings of pairs and raters.

    Parameters
    ----------
    ratings : array, shape [N, K]
        Ratings; NaN where missing.
    measure : str
        See `facebench.metrics.correlation.correlate`.
    weights : array, shape [R, N]
        How often each pair counts.
    times : array, shape [R, K] or [1, K]
        How often each rater counts. All copies of a rater are left out together.
    pool : {'mean', 'rank', 'zscore'}
        See `noise_ceiling`.

    Returns
    -------
    lower, upper : array, shape [R, K]
        By rater; NaN where not defined, or the rater does not count.
    """
    table = _as_ratings(ratings)
    pooled = pooled_ratings(table, pool)
    drawn, counts = np.asarray(weights, dtype=np.float64), np.asarray(times, dtype=np.float64)
    seen = ~np.isnan(table)
    values = np.where(seen, pooled, 0.0)
    total, count = counts @ values.T, counts @ seen.T.astype(np.float64)
    lower, upper = np.full((2, len(drawn), table.shape[1]), np.nan)
    for rater in range(table.shape[1]):
        own = counts[:, [rater]]
        others = mean_rating(total - own * values[:, rater], count - own * seen[:, rater])
        for found, target in ((lower, others), (upper, mean_rating(total, count))):
            # One row of targets for all weightings is sorted only once.
            one_row = target[0] if len(target) == 1 else target
            found[:, rater] = correlate(table[:, rater], one_row, measure, drawn)
    return np.where(counts > 0, lower, np.nan), np.where(counts > 0, upper, np.nan)


def noise_ceiling(ratings: Any, measure: str = "spearman", *, pool: str = "mean") -> NoiseCeiling:
    """Bounds of what the best model could reach: leave one rater out, and leave none out.

    Lower: each rater's correlation with the mean of the others, averaged over raters; the true
    pattern does at least as well. Upper: with the mean of all, the rater among them, which no
    model can know. Both are about single raters: compare a model's mean correlation with single
    raters to them, not its correlation with the mean rating, which is free of most of the noise.

    Parameters
    ----------
    ratings : array-like, shape [N, K]
        A row per pair, a column per rater; NaN where missing. Every correlation is over the
        pairs that both sides have.
    measure : {'spearman', 'pearson', 'tau-a', 'rho-a', 'cosine'}
        The correlation.
    pool : {'mean', 'rank', 'zscore'}
        How raters are averaged: as they rated; by ranks, the best predictor for 'spearman' and
        'rho-a'; or standardised, the best for 'pearson'.

    Returns
    -------
    NoiseCeiling
        lower, upper, by_rater. NaN with fewer than two raters. Raters without a correlation
        (constant, or fewer than two shared pairs) are left out of the means.

    Raises
    ------
    ValueError
        If the ratings are not a table of numbers, or `pool` is unknown.

    References
    ----------
    H. Nili et al., "A toolbox for representational similarity analysis", PLoS Computational
    Biology 10 (2014) e1003553.

    Examples
    --------
    >>> found = noise_ceiling([[1, 1, 2], [2, 3, 1], [3, 2, 3], [4, 4, 4]], "pearson")
    >>> round(found.lower, 3), round(found.upper, 3)
    (0.74, 0.882)
    """
    table = _as_ratings(ratings)
    ones = np.ones((1, table.shape[0])), np.ones((1, table.shape[1]))
    lower, upper = ceilings(table, measure, *ones, pool)
    # With a single rater, 'everybody' is that rater.
    upper = np.where(np.isnan(lower), np.nan, upper)
    return NoiseCeiling(_nanmean(lower[0]), _nanmean(upper[0]), lower[0])


def _nanmean(values: Float64Array) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


def spearman_brown(correlation: Any, factor: float = 2.0) -> Any:
    """Reliability of a test `factor` times as long: f r / (1 + (f - 1) r).

    Parameters
    ----------
    correlation : float or array
        Reliability of the short test, such as of half of the raters.
    factor : float, default 2
        How many times longer the other is.

    Returns
    -------
    float or array
        In (-inf, 1].

    References
    ----------
    C. Spearman, "Correlation calculated from faulty data", and W. Brown, "Some experimental
    results in the correlation of mental abilities", British Journal of Psychology 3 (1910).

    Examples
    --------
    >>> spearman_brown(0.5)
    0.6666666666666666
    """
    return factor * correlation / (1 + (factor - 1) * correlation)


def split_half(
    ratings: Any, measure: str = "spearman", *, n_splits: int = 200, seed: Any = 0
) -> SplitHalf:
    """Correlate the mean ratings of two halves of the raters, and step up to all of them.

    Parameters
    ----------
    ratings : array-like, shape [N, K]
        A row per pair, a column per rater; NaN where missing.
    measure : str, default 'spearman'
        See `noise_ceiling`.
    n_splits : int, default 200
        Random splits. Of an odd number of raters one is left out of each, by chance.
    seed : int or numpy Generator, default 0
        The same seed gives the same splits.

    Returns
    -------
    SplitHalf
        correlation and reliability (`spearman_brown` of it, by K over half of K); NaN with fewer
        than two raters. The square root of the reliability is what a perfect model's correlation
        with the mean rating tends to.

    Raises
    ------
    ValueError
        As `noise_ceiling`.

    Examples
    --------
    >>> found = split_half([[1, 2], [2, 1], [3, 3], [4, 4]])
    >>> round(found.correlation, 6), round(found.reliability, 6)
    (0.8, 0.888889)
    """
    table = _as_ratings(ratings)
    seen = ~np.isnan(table)
    return _of_halves(np.where(seen, table, 0.0), seen.astype(np.float64), measure, n_splits, seed)


def split_half_of_answers(
    item: Any,
    rater: Any,
    value: Any,
    measure: str = "spearman",
    *,
    n_splits: int = 200,
    seed: Any = 0,
) -> SplitHalf:
    """Do the same as `split_half` for many raters, each of whom answered a few items.

    Parameters
    ----------
    item, rater : int array, shape [T]
        What each answer is to, and whose it is.
    value : array, shape [T]
        The answers; several of one rater to one item are averaged with the others'.
    measure, n_splits, seed
        See `split_half`.

    Returns
    -------
    SplitHalf

    Examples
    --------
    >>> item, rater = np.divmod(np.arange(8), 2)
    >>> found = split_half_of_answers(item, rater, [1, 2, 2, 1, 3, 3, 4, 4])
    >>> round(found.correlation, 6), round(found.reliability, 6)
    (0.8, 0.888889)
    """
    from scipy.sparse import csr_array

    answers = np.asarray(value, dtype=np.float64)
    places = [np.unique(np.asarray(side), return_inverse=True)[1] for side in (item, rater)]
    size = [int(side.max(initial=-1)) + 1 for side in places]
    values, seen = (
        csr_array((filled, tuple(places)), shape=size)
        for filled in (answers, np.ones(answers.size))
    )
    return _of_halves(values, seen, measure, n_splits, seed)


def _of_halves(values: Any, seen: Any, measure: str, n_splits: int, seed: Any) -> SplitHalf:
    """Correlate halves of raters, from sums [N, K] of their answers and the number of these."""
    n_raters = values.shape[1]
    half = n_raters // 2
    if half == 0:
        return SplitHalf(float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    place = np.argsort(generator.random((n_splits, n_raters)), axis=1)
    found = []
    step = max(1, _TOGETHER // max(1, values.shape[0]))
    for start in range(0, n_splits, step):
        some = place[start : start + step]
        one, other = (
            mean_rating(member @ values.T, member @ seen.T)
            for member in (
                (some < half).astype(np.float64),
                ((some >= half) & (some < 2 * half)).astype(np.float64),
            )
        )
        found.append(correlate(one, other, measure, np.ones(one.shape)))
    correlation = _nanmean(np.concatenate(found))
    return SplitHalf(correlation, float(spearman_brown(correlation, n_raters / half)))


def share_of_ceiling(correlation: Any, ceiling: Any) -> Any:
    """Give a model's correlation as a share of the ceiling: r / ceiling, divided once.

    Both must be about the same thing: the model's mean correlation with single raters over a
    bound of `noise_ceiling`, or its correlation with the mean rating over the square root of
    `split_half`'s reliability.

    Parameters
    ----------
    correlation, ceiling : float or array
        The two.

    Returns
    -------
    float or array
        1 where the model does as well as the ceiling; NaN where the ceiling is not above 0.

    Examples
    --------
    >>> share_of_ceiling(0.3, 0.6)
    0.5
    """
    r, top = np.broadcast_arrays(np.asarray(correlation, float), np.asarray(ceiling, float))
    share = np.divide(r, top, out=np.full(r.shape, np.nan), where=top > 0)
    return share if share.ndim else float(share)
