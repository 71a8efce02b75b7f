"""What differs between two runs, as a record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from typing_extensions import override

__all__ = ["RunComparison"]

# The share by which numbers of one experiment may differ from machine to machine.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class RunComparison:
    """What differs between two runs.

    Attributes
    ----------
    numbers : DataFrame
        A row per number of either run: value_a, value_b, difference (b - a) and, where both runs
        measured the same pairs, its paired 95 % interval (ci_low, ci_high), p_value, the difference
        that would be found with 80 % power (detectable), and P adjusted by the maximum statistic
        for all layers of the model (p_layers) and of all models (p_models_layers). With a margin
        also p_equivalent, with fdr also p_fdr.
    changed_pairs : DataFrame
        Labelled pairs that one run accepts and the other rejects, each at its own threshold with
        the largest Youden index, in the best layer of each model.
    settings : DataFrame
        Configuration, digests and versions that differ: setting, a, b.
    path : Path or None
        The page, if one was written.
    """

    numbers: pd.DataFrame
    changed_pairs: pd.DataFrame
    settings: pd.DataFrame
    path: Path | None = None

    def to_frame(self) -> pd.DataFrame:
        """Give the numbers side by side as a table, see `numbers`."""
        return self.numbers.copy()

    @property
    def differing(self) -> pd.DataFrame:
        """The numbers that differ by more than runs of one experiment may."""
        size = 1 + self.numbers[["value_a", "value_b"]].abs().max(axis=1)
        return self.numbers[self.numbers["difference"].abs() > _ROUNDING * size]

    @override
    def __str__(self) -> str:
        in_both = int(self.numbers["difference"].notna().sum())
        told = self.differing["p_value"].lt(0.05).sum()
        return (
            f"{len(self.numbers)} numbers, {in_both} of them in both runs, "
            f"{len(self.differing)} differ ({told} at p < 0.05), "
            f"{len(self.changed_pairs)} pairs changed side, {len(self.settings)} settings differ"
        )
