"""Declaring which version of its outputs a function of facebench gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["outputs_version"]

F = TypeVar("F", bound=Callable[..., Any])


def outputs_version(version: str) -> Callable[[F], F]:
    """Declare a function's version, which stands for its code in the keys of stored embeddings.

    Classes declare theirs as an attribute of the same name. It is raised when outputs change, and
    only then: a move or a new name inside facebench invalidates no stored embeddings.

    Parameters
    ----------
    version : str
        A name that nothing else has, and a number: ``'open-image-2'``.

    Returns
    -------
    callable
        A decorator.

    Examples
    --------
    >>> @outputs_version("twice-1")
    ... def twice(x):
    ...     return 2 * x
    >>> twice.outputs_version
    'twice-1'
    """

    def declare(function: F) -> F:
        vars(function)["outputs_version"] = version
        return function

    return declare
