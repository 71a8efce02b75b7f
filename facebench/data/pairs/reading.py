"""One door for every file of pairs: CSV, LFW's text lists, InsightFace packs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.packs import is_pack
from facebench.data.pairs.insightface import pairs_of_pack
from facebench.data.pairs.lfw import looks_like_lfw, read_lfw_pairs
from facebench.data.pairs.table import as_path, read_csv_pairs
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_lfw_list", "read_pairs"]


def read_pairs(pairs_file_path: StrPath) -> pd.DataFrame:
    """Read a table of image pairs.

    Parameters
    ----------
    pairs_file_path : str or Path
        A CSV file with any extension, separated by commas, tabs or semicolons, UTF-8, whose header
        names at least ``img1`` and ``img2``; further columns travel with their rows. Or one of
        LFW's text lists (see `read_lfw_pairs`), or a pack whose name ends in .bin (see
        `read_insightface_bin`; give it as the images' folder too).

    Returns
    -------
    DataFrame
        The rows in file order, numbered from 0. ``img1`` and ``img2`` are text as written
        ('007' stays '007').

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If it is empty, not a table (naming the line), lacks a column, uses a name that results
        need, or has an empty ``img1`` or ``img2`` (naming the rows).
    """
    path = as_path(pairs_file_path, "pairs_file_path")
    if is_pack(path):
        return pairs_of_pack(path)
    return read_lfw_pairs(path) if is_lfw_list(path) else read_csv_pairs(path)


def is_lfw_list(path: Path) -> bool:
    """Tell whether a file is one of LFW's text lists, by its first line that is not empty."""
    if is_pack(path) or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return looks_like_lfw(next((line for line in file if line.strip()), ""))
