"""Signal detection from counts of hits and false alarms."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from facebench.types import Float64Array

__all__ = ["a_prime", "criterion", "dprime", "log_linear"]


def log_linear(count: Any, n: Any) -> Float64Array:
    """Give rates with the log-linear correction, (count + 0.5) / (n + 1).

    It is made for all observers alike, not only for those with rates of 0 or 1.

    Parameters
    ----------
    count : array-like
        Hits, or false alarms.
    n : array-like
        Trials with a signal, or without.

    Returns
    -------
    ndarray
        NaN where there are no trials.

    References
    ----------
    M. J. Hautus, Behavior Research Methods 27 (1995) 46-51.

    Examples
    --------
    >>> log_linear([10, 0], 10)
    array([0.95454545, 0.04545455])
    """
    numbers = np.asarray(n, dtype=np.float64)
    rates = (np.asarray(count, dtype=np.float64) + 0.5) / (numbers + 1)
    return np.where(numbers > 0, rates, np.nan)


def dprime(hit_rate: Any, false_alarm_rate: Any) -> Float64Array:
    """Give the sensitivity d' = z(hit rate) - z(false-alarm rate).

    Parameters
    ----------
    hit_rate, false_alarm_rate : array-like
        Rates between 0 and 1, such as those of `log_linear`.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> float(dprime(0.84134475, 0.15865525).round(4))
    2.0
    """
    value: Float64Array = scipy.special.ndtri(np.asarray(hit_rate)) - scipy.special.ndtri(
        np.asarray(false_alarm_rate)
    )
    return value


def criterion(hit_rate: Any, false_alarm_rate: Any) -> Float64Array:
    """Give the criterion c = -(z(hit rate) + z(false-alarm rate)) / 2; positive is conservative.

    Parameters and returns are those of `dprime`.

    Examples
    --------
    >>> float(criterion(0.5, 0.02275013).round(4))
    1.0
    """
    value: Float64Array = (
        -(
            scipy.special.ndtri(np.asarray(hit_rate))
            + scipy.special.ndtri(np.asarray(false_alarm_rate))
        )
        / 2
    )
    return value


def a_prime(hit_rate: Any, false_alarm_rate: Any) -> Float64Array:
    """Give A', the non-parametric sensitivity: 0.5 at chance, 1 without errors.

    Parameters and returns are those of `dprime`; rates are taken without correction.

    References
    ----------
    J. G. Snodgrass and J. Corwin, Journal of Experimental Psychology: General 117 (1988) 34-50.

    Examples
    --------
    >>> a_prime([0.8, 0.5, 0.2], [0.2, 0.5, 0.8])
    array([0.875, 0.5  , 0.125])
    """
    hit = np.asarray(hit_rate, dtype=np.float64)
    false = np.asarray(false_alarm_rate, dtype=np.float64)
    gap = hit - false
    below = 4 * np.maximum(hit, false) - 4 * hit * false
    # At rates of 0 and 0, or 1 and 1, both are equal.
    share = np.divide(gap**2 + np.abs(gap), below, out=np.zeros_like(gap + below), where=below > 0)
    value: Float64Array = np.where(np.isnan(gap), np.nan, 0.5 + np.sign(gap) * share)
    return value
