"""scikit-learn's distances as the tasks' defaults, without the half second its import takes.

The distances of many pairs are computed by NumPy (see `distance_metric`): scikit-learn's own
function is needed only where someone calls it, pickles aside.
"""

from __future__ import annotations

import importlib
from typing import Any

from typing_extensions import override

__all__ = ["PAIRWISE", "SklearnDistance", "cosine_distances", "sklearn_name"]

PAIRWISE = "sklearn.metrics.pairwise"


class SklearnDistance:
    """A function of ``sklearn.metrics.pairwise`` that is imported when it is first called.

    It has the function's name, signature and documentation, is equal to it, and hashes as it does.

    Parameters
    ----------
    name : str
        The function's name.

    Examples
    --------
    >>> from sklearn.metrics import pairwise
    >>> cosine_distances
    sklearn.metrics.pairwise.cosine_distances
    >>> cosine_distances == pairwise.cosine_distances
    True
    >>> cosine_distances([[1.0, 0.0]], [[0.0, 1.0]])
    array([[1.]])
    """

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = PAIRWISE

    @property
    def __wrapped__(self) -> Any:
        """scikit-learn's function: what `inspect.signature` and `inspect.unwrap` look at."""
        return getattr(importlib.import_module(PAIRWISE), self.__name__)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call scikit-learn's function."""
        return self.__wrapped__(*arguments, **options)

    @override
    def __eq__(self, other: object) -> bool:
        return sklearn_name(other) == self.__name__

    @override
    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    @override
    def __repr__(self) -> str:
        return f"{PAIRWISE}.{self.__name__}"

    @override
    def __reduce__(self) -> tuple[type[SklearnDistance], tuple[str]]:
        return SklearnDistance, (self.__name__,)


def sklearn_name(function: object) -> str | None:
    """Name a function of ``sklearn.metrics.pairwise``, or what stands for one; None: another's.

    Examples
    --------
    >>> sklearn_name(cosine_distances)
    'cosine_distances'
    >>> sklearn_name(print)
    """
    if getattr(function, "__module__", None) != PAIRWISE:
        return None
    return getattr(function, "__name__", None)


cosine_distances = SklearnDistance("cosine_distances")
