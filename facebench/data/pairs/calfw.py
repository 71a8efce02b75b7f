"""Lists of pairs of two lines each, as Cross-Age LFW and Cross-Pose LFW have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facebench.data.pairs.text import Line, lines_of, whole_number
from facebench.errors import PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["folds_in_order", "read_calfw_pairs"]

_FOLDS = 10


def read_calfw_pairs(path: StrPath) -> pd.DataFrame:
    """Read pairs_CALFW.txt or pairs_CPLFW.txt.

    Every pair has two lines, ``image number``, parted by spaces or tabs, with the same number in
    both: 0 for two people; for one person 1, or the fold of the pair from 1 (CALFW). The lists do
    not say in which fold a pair of two people is: the pairs of each class are dealt out to ten
    folds in their order, as FaceX-Zoo's evaluator does (lists have one class behind the other).

    Parameters
    ----------
    path : str or Path
        The list.

    Returns
    -------
    DataFrame
        img1 and img2 (as written), same (1 or 0) and fold (1 … 10), in file order.

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If a line is of another form, the numbers of a pair differ, or a line has no partner
        (naming it).

    References
    ----------
    T. Zheng, W. Deng and J. Hu, "Cross-Age LFW", arXiv:1708.08197 (2017); T. Zheng and W. Deng,
    "Cross-Pose LFW", Beijing University of Posts and Telecommunications, TR 18-01 (2018).
    """
    import pandas as pd

    lines = lines_of(path)
    entries = [_entry(line, path) for line in lines]
    if len(entries) % 2:
        msg = (
            f"The list {path} must have two lines for each pair. It has {len(entries)} lines, so "
            f"the last one (line {lines[-1].number}) has no partner."
        )
        raise PairsError(msg)
    rows = []
    for place in range(0, len(entries), 2):
        (first, number), (second, other) = entries[place : place + 2]
        if number != other:
            msg = (
                f"Lines {lines[place].number} and {lines[place + 1].number} of {path} are one pair "
                f"and must end with the same number. Got {number} and {other}."
            )
            raise PairsError(msg)
        rows.append((first, second, int(number > 0), number))
    table = pd.DataFrame(rows, columns=["img1", "img2", "same", "number"])
    numbered = table["number"][table["same"] == 1]
    table["fold"] = folds_in_order(table["same"].tolist())
    if numbered.nunique() > 1:
        table.loc[numbered.index, "fold"] = numbered
    return table.drop(columns="number")


def folds_in_order(same: list[int], folds: int = _FOLDS) -> list[int]:
    """Deal the pairs of each class out to folds in their order, in parts of equal size.

    Parameters
    ----------
    same : list of int
        1 for pairs of one person, 0 for others.
    folds : int, default 10
        How many folds.

    Returns
    -------
    list of int
        The fold of each pair, from 1.

    Examples
    --------
    >>> folds_in_order([1, 1, 1, 1, 0, 0], folds=2)
    [1, 1, 2, 2, 1, 2]
    """
    totals = {label: same.count(label) for label in (0, 1)}
    seen = {0: 0, 1: 0}
    dealt = []
    for label in same:
        dealt.append(seen[label] * folds // totals[label] + 1)
        seen[label] += 1
    return dealt


def _entry(line: Line, path: StrPath) -> tuple[str, int]:
    *name, last = line.cells
    number = whole_number(last)
    if not name or number is None:
        msg = (
            f"Line {line.number} of {path} must be 'image number', the number 0 for two people. "
            f"Got {' '.join(line.cells)!r:.200}."
        )
        raise PairsError(msg)
    return " ".join(name), number
