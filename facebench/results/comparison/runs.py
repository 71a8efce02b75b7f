"""What differs between two runs, as a record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from typing_extensions import override

from facebench.results.reader import Run
from facebench.types import StrPath

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
        for all layers of the model (p_layers) and of all models (p_models_layers). headline tells
        the headline numbers in the best layers of either run; p_adjusted is their P, adjusted for
        all of them by Holm's method. remark says why a number has no test: 'only in A', 'other
        pairs', 'other measure' and so on. With a margin also p_equivalent, with fdr also p_fdr.
    changed_pairs : DataFrame
        Labelled pairs that one run accepts and the other rejects, each at its own threshold with
        the largest Youden index, in the best layer of each model.
    settings : DataFrame
        Configuration, digests and versions that differ: setting, a, b, and kind: 'changed',
        'technical' (versions, machine, places) or 'follows' (from what was changed).
    changes : tuple of str
        What was changed, in short sentences.
    notes : tuple of str
        What must be known to read it: other pairs, a run that is not complete.
    runs : tuple of Run
        The two runs.
    path : Path or None
        The page, if one was written.
    """

    numbers: pd.DataFrame
    changed_pairs: pd.DataFrame
    settings: pd.DataFrame
    changes: tuple[str, ...]
    notes: tuple[str, ...]
    runs: tuple[Run, Run]
    path: Path | None = None

    def to_frame(self) -> pd.DataFrame:
        """Give the numbers side by side as a table, see `numbers`."""
        return self.numbers.copy()

    def write(self, path: StrPath) -> Path:
        """Write the page.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        Path
            The file: it needs no other file and no network.
        """
        from facebench.results.report.comparison_page import comparison_context
        from facebench.results.report.pages import write_page

        context = comparison_context(self)
        return write_page("compare.html.j2", Path(path), context, charts=False)

    @property
    def ordered(self) -> pd.DataFrame:
        """The numbers, headlines first, by adjusted P; those without a test last."""
        keys = self.numbers.assign(
            other=~self.numbers["headline"].astype(bool),
            size=-self.numbers["difference"].abs(),
        )
        by = ["other", "p_adjusted", "p_models_layers", "p_value", "size"]
        return self.numbers.loc[keys.sort_values(by, kind="stable").index]

    @property
    def differing(self) -> pd.DataFrame:
        """The numbers that differ by more than runs of one experiment may, see `ordered`."""
        ordered = self.ordered
        size = 1 + ordered[["value_a", "value_b"]].abs().max(axis=1)
        return ordered[ordered["difference"].abs() > _ROUNDING * size]

    @override
    def __str__(self) -> str:
        in_both = int(self.numbers["difference"].notna().sum())
        differing = self.differing
        told = differing["p_value"].lt(0.05).sum()
        tested = self.numbers["p_adjusted"].notna().sum()
        adjusted = self.numbers["p_adjusted"].lt(0.05).sum()
        after = (
            f"{adjusted} of {tested} headline numbers at p < 0.05 after Holm's correction, "
            if tested
            else ""
        )
        return (
            f"{len(self.numbers)} numbers, {in_both} of them in both runs, "
            f"{len(differing)} differ ({told} at p < 0.05), {after}{len(self.changed_pairs)} pairs "
            f"changed side, {len(self.changes)} settings changed"
        )
