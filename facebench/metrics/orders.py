"""Orders of a few alternatives: how well does one agree with another, many at a time?

An order is a row of numbers, smaller ones first: ranks or distances. Equal numbers tie. NaN is an
alternative that is not there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from facebench.types import Float64Array

__all__ = ["OrderAgreement", "kendalls_w", "order_agreement"]


class OrderAgreement(NamedTuple):
    """Agreement of pairs of orders.

    Attributes
    ----------
    tau_b : array, shape [N]
        Kendall's tau-b; NaN where one side ties all alternatives.
    concordance : array, shape [N]
        Share of the pairs of alternatives that the second order tells apart which the first one
        orders alike; its ties count half.
    """

    tau_b: Float64Array
    concordance: Float64Array


def order_agreement(first: Any, second: Any) -> OrderAgreement:
    """Compare orders row by row.

    Parameters
    ----------
    first, second : array-like, shape [N, K]
        Orders of the same alternatives.

    Returns
    -------
    OrderAgreement

    References
    ----------
    M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33 (1945) 239-251.

    Examples
    --------
    >>> found = order_agreement([[1, 2, 3], [1, 1, 2]], [[1, 3, 2], [1, 2, 3]])
    >>> found.tau_b.round(4), found.concordance.round(4)
    (array([0.3333, 0.8165]), array([0.6667, 0.8333]))
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    low, high = np.triu_indices(one.shape[1], 1)
    known = ~(np.isnan(one) | np.isnan(other))
    both = known[:, low] & known[:, high]
    signs = [
        np.sign(np.where(both, side[:, low], 0) - np.where(both, side[:, high], 0))
        for side in (one, other)
    ]
    agreement = (signs[0] * signs[1]).sum(axis=1)
    untied = [np.abs(sign).sum(axis=1) for sign in signs]
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = agreement / np.sqrt(untied[0] * untied[1])
        concordance = (1 + agreement / untied[1]) / 2
    return OrderAgreement(np.asarray(tau), np.asarray(concordance))


def kendalls_w(rank_sums: Any, n_orders: Any, ties: Any) -> Float64Array:
    """Give Kendall's coefficient of concordance of many sets of orders.

    Parameters
    ----------
    rank_sums : array-like, shape [N, K]
        Sum of the (mid-)ranks of each alternative over the orders of a set; NaN for an alternative
        that is not there.
    n_orders : array-like, shape [N]
        Number of orders.
    ties : array-like, shape [N]
        Sum over orders of Σ (t³ - t), t being the number of alternatives that tie.

    Returns
    -------
    array, shape [N]
        1 where all orders agree, about 1 / n_orders by chance; NaN with fewer than two.

    References
    ----------
    M. G. Kendall and B. Babington Smith, "The problem of m rankings", Annals of Mathematical
    Statistics 10 (1939) 275-287.

    Examples
    --------
    >>> kendalls_w([[2, 4, 6], [3, 4, 5]], [2, 2], [0, 0])
    array([1.  , 0.25])
    """
    sums, m = np.asarray(rank_sums, dtype=np.float64), np.asarray(n_orders, dtype=np.float64)
    k = (~np.isnan(sums)).sum(axis=1)
    off = sums - (m * (k + 1) / 2)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        w = 12 * np.nansum(off**2, axis=1) / (m**2 * (k**3 - k) - m * np.asarray(ties))
    return np.asarray(np.where(m > 1, w, np.nan))
