"""Parts of messages: names that were meant in place of others, and what a library said."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["closest", "did_you_mean", "did_you_mean_file", "first_line", "listed", "nearest"]

# 'cycles' finds 'cycles_per_face', but 'masked' is not a misspelt 'negated'.
_CUTOFF = 0.55
_SHOWN = 40


def closest(name: str, known: Iterable[str]) -> str | None:
    """Find the known name nearest to a misspelt one, ignoring case.

    Examples
    --------
    >>> closest("Acuracy", ["accuracy", "correlation"])
    'accuracy'
    """
    by_lower = {other.lower(): other for other in known}
    found = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=_CUTOFF)
    return by_lower[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Write the hint that ends a message: empty where nothing is near.

    Examples
    --------
    >>> did_you_mean("batchsize", ["batch_size", "seed"])
    " Did you mean 'batch_size'?"
    """
    found = closest(name, known)
    return f" Did you mean {found!r}?" if found else ""


def nearest(name: str, known: Iterable[str], n: int = 5) -> str:
    """Name the known names nearest to one that may be misspelt, of very many.

    Examples
    --------
    >>> nearest("resnet51", ["resnet50", "resnet18", "vgg16"], 2)
    'The closest are: resnet50, resnet18.'
    """
    found = difflib.get_close_matches(name.lower(), list(known), n=n, cutoff=0.3)
    return f"The closest are: {', '.join(found)}." if found else ""


def did_you_mean_file(path: Path) -> str:
    """Write the hint for a path that is not there: the nearest name in its folder.

    Examples
    --------
    >>> did_you_mean_file(Path("no folder") / "pairs.csv")
    ''
    """
    if os.path.lexists(path):
        # It is there, and is something else than what is wanted.
        return ""
    try:
        return did_you_mean(path.name, [other.name for other in path.parent.iterdir()])
    except (OSError, ValueError):
        return ""


def listed(names: Iterable[str]) -> str:
    """List names in a sentence.

    Examples
    --------
    >>> listed(["a", "b"])
    'a, b'
    """
    shown = list(names)
    more = ", …" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more if shown else "none"


def first_line(error: BaseException) -> str:
    r"""Give the first line of an error's message, or its type where there is none.

    Parameters
    ----------
    error : BaseException
        The error; other libraries write whole pages.

    Examples
    --------
    >>> first_line(ValueError("no such file\nat line 3")), first_line(KeyError())
    ('no such file', 'KeyError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
