"""Who is in an image: one rule for tasks, results, reports, figures and the data's health.

- The last folder of an image's path names the person: ``train/ann/1.jpg`` and ``test/ann/2.jpg``
  show one person, ann. Backslashes count as slashes.
- An image in no folder has no known identity, and then no identity in its table is known.
- Folders that contradict the labels of any pair (one folder but labelled different, two folders but
  labelled same) hold something else, such as the conditions ``upright/`` and ``inverted/``: again
  no person is known. `facebench.data.health` reports such pairs where they are the exception.
- Two columns of a table may name the people instead; they are taken at their word.

Where no identity is known, images (or pairs) take the place of people wherever people are
counted or resampled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facebench.errors import InputError
from facebench.types import IntArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "IDENTITY_COLUMNS",
    "NAME_RULE",
    "IdentitySource",
    "contradictions",
    "numbered",
    "people_of",
    "people_of_pairs",
    "person_by",
    "person_of",
]

# The columns that tables made by facebench name people in.
IDENTITY_COLUMNS = ("identity1", "identity2")
# The rule for files that are called after a person and a number: ann_1.jpg, ann_2.jpg.
NAME_RULE = "name"
_BEFORE_NUMBER = re.compile(r"(?:(?P<who>.*[^\s_.-])[\s_.-]+|(?P<word>.*[^\W\d_]))\(?\d+\)?")
# Where the people of a pair are named: 'folder', two columns, or nowhere.
IdentitySource = str | Sequence[str] | None


def person_of(image: str) -> str:
    r"""Name the person in an image: the last folder of its path, '' where it is in none.

    Examples
    --------
    >>> person_of("train/ann/1.jpg"), person_of(r"test\ann\2.jpg"), person_of("3.jpg")
    ('ann', 'ann', '')
    """
    parts = [part for part in image.replace("\\", "/").split("/") if part not in ("", ".")]
    return parts[-2] if len(parts) > 1 else ""


def person_by(rule: str | None) -> Callable[[str], str]:
    r"""Give the function that names the person in an image.

    Parameters
    ----------
    rule : str or None
        None: the folder, see `person_of`. 'name': what stands before the number at the end of the
        file's name. Else a regular expression that is searched for in the name of the image, with
        its folders; its first group is the person.

    Returns
    -------
    callable
        From the name of an image to a person, '' where the rule finds none.

    Raises
    ------
    InputError
        If the rule is not a regular expression with a group.

    Examples
    --------
    >>> [person_by("name")(name) for name in ("ann_1.jpg", "s1 (2).jpg", "x/cy03.png", "4.jpg")]
    ['ann', 's1', 'cy', '']
    >>> person_by(r"CFD-(\w+-\d+)")("CFD-WF-001-014-N.jpg")
    'WF-001'
    """
    if rule is None:
        return person_of
    if rule == NAME_RULE:

        def before_number(image: str) -> str:
            found = _BEFORE_NUMBER.fullmatch(PurePosixPath(image.replace("\\", "/")).stem)
            return (found["who"] or found["word"]) if found else ""

        return before_number
    try:
        pattern = re.compile(rule)
    except re.error as error:
        msg = f"The rule for identities {rule!r} is not a regular expression: {error}."
        raise InputError(msg) from error
    if not pattern.groups:
        msg = (
            f"The rule for identities {rule!r} needs a group, in parentheses, that finds the "
            f"person: '(.+)_' finds ann in ann_1.jpg. {NAME_RULE!r} takes what stands before the "
            "number."
        )
        raise InputError(msg)

    def searched(image: str) -> str:
        found = pattern.search(image)
        return (found[1] or "") if found else ""

    return searched


def people_of(images: Any) -> NDArray[np.str_]:
    """Name the person in each of many images, see `person_of`.

    Parameters
    ----------
    images : array-like of str, shape [N]
        Names of images.

    Returns
    -------
    array of str, shape [N]
    """
    import pandas as pd

    # A table may name an image in many rows.
    given = images if isinstance(images, pd.Series) else np.asarray(images, dtype=object)
    codes, names = pd.factorize(given, use_na_sentinel=False)
    people = np.array([person_of(str(name)) for name in names], dtype=np.str_)
    return np.asarray(people[codes], dtype=np.str_)


def numbered(*sides: Any) -> list[IntArray]:
    """Give names the numbers of their places in sorted order, over all sides together.

    What depends on the order of names, such as groups that are left out, is the same for numbers
    as for the names themselves, and numbers are sorted some ten times faster.

    Parameters
    ----------
    *sides : Series or array of str, shape [N]
        The names of each side.

    Returns
    -------
    list of int array, shape [N]

    Examples
    --------
    >>> [side.tolist() for side in numbered(["b", "c"], ["a", "b"])]
    [[1, 2], [0, 1]]
    """
    import pandas as pd

    together = pd.concat([pd.Series(side) for side in sides], ignore_index=True)
    numbers = pd.factorize(together, sort=True)[0]
    return np.split(numbers, np.cumsum([len(side) for side in sides[:-1]]))


def contradictions(first: Any, second: Any, labels: Any) -> IntArray:
    """Find the pairs whose people contradict their labels.

    Parameters
    ----------
    first, second : array of str, shape [N]
        The person on each side.
    labels : array, shape [N]
        1 (or True) for pairs of one person, 0 for others.

    Returns
    -------
    int array
        Positions of these pairs.
    """
    return np.flatnonzero((first == second) != np.asarray(labels).astype(bool))


def people_of_pairs(
    pairs: pd.DataFrame, identity: IdentitySource = "folder", labels: Any = None
) -> tuple[NDArray[np.str_], NDArray[np.str_]] | None:
    """Name the person on each side of every pair.

    Parameters
    ----------
    pairs : DataFrame
        The pairs, with ``img1`` and ``img2``.
    identity : 'folder', (column, column) or None
        Where people are named, see the module.
    labels : array, shape [N], optional
        1 (or True) for pairs of one person, 0 for others, to hold folders against.

    Returns
    -------
    pair of arrays of str, shape [N], or None
        None where no identity is known.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = pd.DataFrame({"img1": ["train/ann/1.jpg"], "img2": ["test/ann/2.jpg"]})
    >>> [side.tolist() for side in people_of_pairs(pairs, labels=[1])]
    [['ann'], ['ann']]
    >>> people_of_pairs(pairs, labels=[0]) is None
    True
    """
    if identity is None:
        return None
    if not isinstance(identity, str):
        first, second = (pairs[column].astype(str).to_numpy(dtype=np.str_) for column in identity)
        return first, second
    first, second = people_of(pairs["img1"]), people_of(pairs["img2"])
    if (first == "").any() or (second == "").any():
        return None
    if labels is not None and contradictions(first, second, labels).size:
        return None
    return first, second
