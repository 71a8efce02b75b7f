"""Numbers, names and lists in sentences about results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from facebench.columns import DEFAULT_LAYER

__all__ = ["Shown", "is_of_all", "listed", "named_layer", "quoted", "short", "shown_p"]

_NAMED = 5
_FEWEST_DIGITS, _MOST_DIGITS = 3, 6
# What tasks call the row of all their conditions together, ', <level>' may follow.
_OF_ALL = ("all trials", "all groups")


class Shown(NamedTuple):
    """A number with its interval, NaN where there is none."""

    value: float
    low: float
    high: float

    def shown(self, digits: int | None = None) -> str:
        """Write the number and its interval as psychologists do.

        Parameters
        ----------
        digits : int, optional
            Decimals; None takes three, fewer of large numbers and more of small ones.

        Examples
        --------
        >>> Shown(0.237, 0.127, 0.333).shown(), Shown(0.5, math.nan, math.nan).shown(2)
        ('.237 [.127, .333]', '.50')
        >>> Shown(1234.5, 1200.0, 1300.0).shown(), Shown(0.00021, 0.0001, 0.0003).shown()
        ('1234 [1200, 1300]', '.00021 [.00010, .00030]')
        """
        if math.isnan(self.value):
            return "not defined"
        if digits is None:
            digits = _digits(self)
        text = short(self.value, digits)
        if math.isnan(self.low) or math.isnan(self.high):
            return text
        return f"{text} [{short(self.low, digits)}, {short(self.high, digits)}]"

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def is_none(self) -> bool:
        """Whether the interval holds 0."""
        return self.low <= 0 <= self.high


def _digits(numbers: Sequence[float]) -> int:
    largest = max((abs(x) for x in numbers if math.isfinite(x)), default=0.0)
    if not largest:
        return _FEWEST_DIGITS
    place = math.floor(math.log10(largest))
    if place < 0:
        return min(max(_FEWEST_DIGITS, 1 - place), _MOST_DIGITS)
    return max(0, _FEWEST_DIGITS - max(0, place))


def short(value: float, digits: int = 3) -> str:
    """Write a number as psychologists do: without a zero before the point.

    Examples
    --------
    >>> short(0.064), short(-0.2), short(1.5, 2), short(0.1696, 2)
    ('.064', '−.200', '1.50', '.17')
    >>> short(math.inf), short(-0.0001)
    ('∞', '.000')
    """
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{abs(value):.{digits}f}"
    if text.startswith("0."):
        text = text[1:]
    is_zero = not text.strip(".0")
    return f"−{text}" if value < 0 and not is_zero else text


def shown_p(p: float) -> str:
    """Write a P value.

    Examples
    --------
    >>> shown_p(0.0131), shown_p(0.0002), shown_p(0.42), shown_p(1.0), shown_p(0.0499)
    ('P = .013', 'P < .001', 'P = .42', 'P = 1.00', 'P = .0499')
    """
    if p < 0.001:
        return "P < .001"
    if round(p, 3) == 0.05:
        # On which side of .05 must be seen.
        digits = next((n for n in range(3, 7) if (round(p, n) < 0.05) == (p < 0.05)), 3)
        return f"P = {short(p, digits)}"
    return f"P = {short(p, 3 if p < 0.1 else 2)}"


def is_of_all(condition: str) -> bool:
    """Tell whether a row is of all conditions together.

    Examples
    --------
    >>> is_of_all("all trials"), is_of_all("all trials, noise 0.5"), is_of_all("all ages")
    (True, True, False)
    """
    return condition.split(", ", 1)[0] in _OF_ALL


def named_layer(model: str, layer: str) -> str:
    """Name a model, with its layer unless that is what the network returns."""
    return model if layer in ("", DEFAULT_LAYER) else f"{model} {layer}"


def quoted(name: str) -> str:
    """Put a name in quotation marks that would be taken apart in a sentence.

    Examples
    --------
    >>> quoted("vgg16 fc"), quoted("vgg16, untrained")
    ('vgg16 fc', '“vgg16, untrained”')
    """
    return f"“{name}”" if any(mark in name for mark in ",;:()") else name


def listed(names: Sequence[str], most: int = _NAMED) -> str:
    """List names in a sentence.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b", "c"]), listed(list("abcdefg"))
    ('a', 'a, b and c', 'a, b, c, d, e and 2 more')
    """
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
