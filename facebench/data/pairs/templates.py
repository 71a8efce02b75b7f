"""Tables of templates and media, as the IJB benchmarks have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facebench.data.pairs.text import Line, lines_of, whole_number
from facebench.errors import PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_template_media", "read_template_pairs"]


def read_template_media(path: StrPath) -> pd.DataFrame:
    """Read which images make up each template, and which of them are of one medium.

    Parameters
    ----------
    path : str or Path
        Lines ``image template medium`` (such as ijbc_face_tid_mid.txt), parted by tabs or spaces.

    Returns
    -------
    DataFrame
        img (text as written), template and media (whole numbers), in file order.

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If a line is of another form (naming it).

    References
    ----------
    B. Maze et al., "IARPA Janus Benchmark - C: face dataset and protocol", ICB (2018): a template
    is all media of one person; frames of one video are one medium.
    """
    import pandas as pd

    rows = [
        (line.cells[0], *_numbers(line, path, "image template medium", first=1))
        for line in lines_of(path)
    ]
    return pd.DataFrame(rows, columns=["img", "template", "media"])


def read_template_pairs(path: StrPath) -> pd.DataFrame:
    """Read which templates are compared.

    Parameters
    ----------
    path : str or Path
        Lines ``template template label`` (such as ijbc_template_pair_label.txt), the label 1 for
        one person and 0 for two, parted by tabs or spaces.

    Returns
    -------
    DataFrame
        template1, template2 and same (1 or 0), in file order.

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If a line is of another form (naming it).
    """
    import pandas as pd

    rows = [
        _numbers(line, path, "template template label", first=0, label=True)
        for line in lines_of(path)
    ]
    return pd.DataFrame(rows, columns=["template1", "template2", "same"])


def _numbers(
    line: Line, path: StrPath, form: str, *, first: int, label: bool = False
) -> tuple[int, ...]:
    numbers = [whole_number(cell) for cell in line.cells[first:]]
    found = tuple(number for number in numbers if number is not None)
    if len(line.cells) != 3 or len(found) != 3 - first or (label and found[-1] > 1):
        msg = (
            f"Line {line.number} of {path} must be '{form}' with whole numbers. "
            f"Got {' '.join(line.cells)!r:.200}."
        )
        raise PairsError(msg)
    return found
