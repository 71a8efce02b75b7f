"""Checks of the arguments of tasks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from facebench.errors import InputError

__all__ = ["at_least", "checked_criterion", "refuse_unknown"]


def at_least(parameter: str, value: Any, least: int, owner: str) -> int:
    """Take a whole number that is large enough.

    Raises
    ------
    InputError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        msg = (
            f"The {parameter!r} parameter of {owner} must be {least} or more. Got {value!r} "
            "instead."
        )
        raise InputError(msg)
    return int(value)


def refuse_unknown(owner: str, *given: tuple[str, Any, tuple[Any, ...]]) -> None:
    """Refuse arguments that are none of a few words.

    Parameters
    ----------
    owner : str
        The task's class, for messages.
    *given : tuple of (str, value, tuple of values)
        A parameter, what was given, and what it may be.

    Raises
    ------
    InputError
        If one is not.
    """
    for parameter, value, known in given:
        if value not in known:
            msg = (
                f"The {parameter!r} parameter of {owner} must be one of "
                f"{', '.join(map(repr, known))}. Got {value!r} instead."
            )
            raise InputError(msg)


def checked_criterion(criterion: Any, words: tuple[str, str], what: str, owner: str) -> float | str:
    """Take a number, or one of the words that say how it is found.

    Parameters
    ----------
    criterion : value
        What was given.
    words : tuple of (str, str)
        The words.
    what : str
        What the number is, for messages, such as 'a distance'.
    owner : str
        The task's class, for messages.

    Raises
    ------
    InputError
        If it is neither.
    """
    if criterion in words:
        return str(criterion)
    is_number = isinstance(criterion, int | float) and not isinstance(criterion, bool)
    if not is_number or not math.isfinite(criterion):
        msg = (
            f"The 'criterion' of {owner} must be {what}, {words[0]!r} or {words[1]!r}. "
            f"Got {criterion!r} instead."
        )
        raise InputError(msg)
    return float(criterion)
