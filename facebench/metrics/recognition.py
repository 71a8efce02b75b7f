"""Recognition memory: how familiar is a face that was, or was not, among those studied?"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from facebench.metrics.signal_detection import criterion, dprime, log_linear
from facebench.types import Float64Array

__all__ = ["Memory", "SignalDetection", "familiarity", "signal_detection"]

Memory = Literal["exemplar", "nearest", "prototype"]


class SignalDetection(NamedTuple):
    """Sensitivity and bias of old-new decisions.

    Attributes
    ----------
    dprime : float or array
        z(hit rate) - z(false alarm rate).
    criterion : float or array
        c = -(z(hit rate) + z(false alarm rate)) / 2: above 0 for observers who say "old" seldom.
    """

    dprime: Any
    criterion: Any


def familiarity(distances: Any, memory: Memory, sensitivity: float, scale: float) -> Float64Array:
    """Give the familiarity of test items from their distances to what was studied.

    Parameters
    ----------
    distances : array-like, shape [N, S]
        Of each test item to each studied image, or prototype; NaN where one is not known, inf where
        it is not in the item's study list.
    memory : {'exemplar', 'nearest', 'prototype'}
        The sum over studied images of exp(-sensitivity * distance / scale), or minus the distance
        of the nearest one.
    sensitivity : float
        Of the exemplar model (c): the larger, the less do others than the nearest count.
    scale : float
        The unit of distance of the exemplar model.

    Returns
    -------
    array, shape [N]
        NaN where nothing studied is known.

    References
    ----------
    R. M. Nosofsky, "Attention, similarity, and the identification-categorization relationship",
    Journal of Experimental Psychology: General 115 (1986) 39-57 (summed similarity).

    Examples
    --------
    >>> familiarity([[0.5, 1.0]], "nearest", 1.0, 1.0)
    array([-0.5])
    >>> familiarity([[0.5, 1.0]], "exemplar", 1.0, 0.5).round(3)
    array([0.503])
    """
    table = np.asarray(distances, dtype=np.float64)
    known = np.isfinite(table)
    if memory == "exemplar":
        found = np.exp(-sensitivity * np.where(known, table, np.inf) / scale).sum(axis=1)
    else:
        found = -np.where(known, table, np.inf).min(axis=1, initial=np.inf)
    return np.asarray(np.where(known.any(axis=1), found, np.nan))


def signal_detection(hits: Any, n_old: Any, false_alarms: Any, n_new: Any) -> SignalDetection:
    """Give d' and c of numbers of "old" responses, with the log-linear correction.

    Parameters
    ----------
    hits, n_old : float or array
        Responses "old" to old items, and all responses to them.
    false_alarms, n_new : float or array
        Likewise of new items.

    Returns
    -------
    SignalDetection
        Of rates (k + 1/2) / (n + 1); NaN without items of both kinds.

    References
    ----------
    M. J. Hautus, "Corrections for extreme proportions and their biasing effects on estimated values
    of d'", Behavior Research Methods, Instruments, & Computers 27 (1995) 46-51.

    Examples
    --------
    >>> found = signal_detection(10, 10, 5, 10)
    >>> round(float(found.dprime), 3), round(float(found.criterion), 3)
    (1.691, -0.845)
    """
    rates = log_linear(hits, n_old), log_linear(false_alarms, n_new)
    return SignalDetection(dprime(*rates), criterion(*rates))
