"""Two runs side by side: what differs, by how much, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare_runs"]


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs.

    Attributes
    ----------
    numbers : DataFrame
        A row per number of either run: value_a, value_b, difference (b - a) and, where both runs
        measured the same pairs, its paired interval and p value.
    changed_pairs : DataFrame
        Pairs that one run accepts and the other rejects, each at its own threshold.
    settings : DataFrame
        Configuration, digests and versions that differ.
    path : Path or None
        The page, if one was written.
    """

    numbers: pd.DataFrame
    changed_pairs: pd.DataFrame
    settings: pd.DataFrame
    path: Path | None = None


def compare_runs(a: Path, b: Path, output: Path | None = None) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    a, b : Path
        Their folders, the earlier one first.
    output : Path, optional
        The page to write; None writes none.

    Returns
    -------
    Comparison
    """
    raise NotImplementedError
