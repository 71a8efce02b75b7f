"""Labeled Faces in the Wild's lists of pairs: pairs.txt, pairsDevTrain.txt, pairsDevTest.txt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from facebench.data.pairs.text import Line, lines_of, whole_number
from facebench.errors import PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["has_first_line", "looks_like_lfw", "read_lfw_pairs"]

_VIEW_2_FOLDS = 10
_ROWS = "'NAME i j' (same person) or 'NAME i OTHER j'"


class _Pair(NamedTuple):
    img1: str
    img2: str
    same: int


def looks_like_lfw(line: str) -> bool:
    """Tell whether the first line that is not empty is one of an LFW list.

    Examples
    --------
    >>> looks_like_lfw("10 300"), looks_like_lfw("Abel_Pacheco 1 4"), looks_like_lfw("img1,img2")
    (True, True, False)
    """
    cells = line.strip().split("\t" if "\t" in line.strip() else None)
    numbers = [whole_number(cell.strip()) is not None for cell in cells]
    return numbers in (
        [True],
        [True, True],
        [False, True, True],
        [False, True, False, True],
    )


def has_first_line(lines: Sequence[Line]) -> bool:
    """Tell whether a list begins with its numbers of folds and pairs."""
    header = [whole_number(cell) for cell in lines[0].cells]
    return len(header) <= 2 and None not in header


def read_lfw_pairs(path: StrPath, suffix: str = ".jpg") -> pd.DataFrame:
    """Read a list of pairs in LFW's own text format.

    The first line, which may be missing, is ``folds <tab> n`` (pairs.txt: 10 folds of 300 genuine
    then 300 impostor pairs) or ``n`` (pairsDev*.txt: one set of n and n). Every other line is
    ``NAME i j`` or ``NAME i OTHER j``, parted by tabs or spaces.

    Parameters
    ----------
    path : str or Path
        The list.
    suffix : str, default '.jpg'
        How image files end.

    Returns
    -------
    DataFrame
        img1 and img2 (``NAME/NAME_0001.jpg``), same (1 or 0) and fold, from 1. Without a first
        line there are 10 folds where the pairs come as 10 equal blocks of genuine then impostor
        ones, as in pairs.txt, and else one.

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If a line is of neither form (naming it), or there are not as many pairs as the first line
        says.

    References
    ----------
    G. B. Huang et al., "Labeled Faces in the Wild", UMass Amherst TR 07-49 (2007), and the README
    of its file of pairs.
    """
    import pandas as pd

    lines = lines_of(path)
    header = [whole_number(cell) for cell in lines[0].cells]
    has_header = has_first_line(lines)
    rows = lines[1:] if has_header else lines
    pairs = [_pair(line, path, suffix) for line in rows]
    if not pairs:
        msg = f"The list {path} has a first line but no pairs."
        raise PairsError(msg)
    table = pd.DataFrame(pairs)
    if not has_header:
        return table.assign(fold=_blocks(table["same"]))
    *sets, per_class = [number or 0 for number in header]
    n_folds = sets[0] if sets else 1
    if len(pairs) != 2 * n_folds * per_class:
        msg = (
            f"The list {path} announces {n_folds} x {per_class} genuine and as many impostor "
            f"pairs in line {lines[0].number}, {2 * n_folds * per_class} in all. "
            f"It has {len(pairs)}."
        )
        raise PairsError(msg)
    return table.assign(fold=table.index // (2 * per_class) + 1)


def _pair(line: Line, path: StrPath, suffix: str) -> _Pair:
    if len(line.cells) == 3:
        name, first, second = line.cells
        other = name
    elif len(line.cells) == 4:
        name, first, other, second = line.cells
    else:
        name = first = other = second = ""
    numbers = whole_number(first), whole_number(second)
    if not (name and other) or numbers[0] is None or numbers[1] is None:
        msg = (
            f"Line {line.number} of {path} must be {_ROWS}, parted by tabs or spaces. "
            f"Got {' '.join(line.cells)!r:.200}."
        )
        raise PairsError(msg)
    return _Pair(
        f"{name}/{name}_{numbers[0]:04d}{suffix}",
        f"{other}/{other}_{numbers[1]:04d}{suffix}",
        int(name == other),
    )


def _blocks(same: Sequence[int]) -> list[int]:
    """Give folds, from 1, to pairs that come in ten equal blocks of genuine then impostor ones."""
    runs = [(label, len(list(members))) for label, members in groupby(same)]
    lengths = {length for _, length in runs}
    if len(runs) != 2 * _VIEW_2_FOLDS or len(lengths) != 1 or runs[0][0] != 1:
        return [1] * len(same)
    return [place // (2 * lengths.copy().pop()) + 1 for place in range(len(same))]
