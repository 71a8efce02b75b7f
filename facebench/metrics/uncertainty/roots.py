"""Where a function is zero, without importing SciPy's optimizers."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["root_between"]

_MOST_STEPS = 100
_RELATIVE = 4 * 2.0**-52


def root_between(
    function: Callable[[float], float], low: float, high: float, tolerance: float = 2e-12
) -> float:
    """Find where a function crosses zero, by Brent's method.

    The steps are those of `scipy.optimize.brentq`, so that the results are too, to the last bit.

    Parameters
    ----------
    function : callable
        Continuous between `low` and `high`.
    low, high : float
        Where the function has different signs, or is zero.
    tolerance : float, default 2e-12
        How far from the root the result may be.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the function has the same sign at both ends, or gives NaN.
    ArithmeticError
        If it takes more than 100 steps.

    References
    ----------
    R. P. Brent, "Algorithms for minimization without derivatives", 1973, chapters 3 and 4.

    Examples
    --------
    >>> round(root_between(lambda x: x**2 - 2, 0.0, 2.0), 9)
    1.414213562
    """

    def value(at: float) -> float:
        found = function(at)
        if math.isnan(found):
            msg = f"The function is NaN at {at}."
            raise ValueError(msg)
        return found

    before, now, bracket = low, high, 0.0
    at_before, at_now, at_bracket = value(before), value(now), 0.0
    step = last = 0.0
    if at_before == 0:
        return before
    if at_now == 0:
        return now
    if (at_before < 0) == (at_now < 0):
        msg = f"The function has the same sign at {low} and at {high}."
        raise ValueError(msg)
    for _ in range(_MOST_STEPS):
        if at_before != 0 and at_now != 0 and (at_before < 0) != (at_now < 0):
            bracket, at_bracket = before, at_before
            step = last = now - before
        if abs(at_bracket) < abs(at_now):
            before, now, bracket = now, bracket, now
            at_before, at_now, at_bracket = at_now, at_bracket, at_now
        least = (tolerance + _RELATIVE * abs(now)) / 2
        half = (bracket - now) / 2
        if at_now == 0 or abs(half) < least:
            return now
        if abs(last) > least and abs(at_now) < abs(at_before):
            if before == bracket:
                # Linear interpolation.
                tried = -at_now * (now - before) / (at_now - at_before)
            else:
                # Inverse quadratic interpolation.
                slope = (at_before - at_now) / (before - now)
                other = (at_bracket - at_now) / (bracket - now)
                tried = (
                    -at_now
                    * (at_bracket * other - at_before * slope)
                    / (other * slope * (at_bracket - at_before))
                )
            is_short = 2 * abs(tried) < min(abs(last), 3 * abs(half) - least)
            last, step = (step, tried) if is_short else (half, half)
        else:
            last = step = half
        before, at_before = now, at_now
        now += step if abs(step) > least else (least if half > 0 else -least)
        at_now = value(now)
    msg = f"There is no root between {low} and {high} within {_MOST_STEPS} steps."
    raise ArithmeticError(msg)
