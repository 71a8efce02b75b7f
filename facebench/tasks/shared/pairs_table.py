"""The pairs file of a task."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["PairsTable"]


class PairsTable(pd.DataFrame):  # type: ignore[misc]  # pandas has no types of its own
    """A DataFrame whose columns keep their names when it is merged with its own distances.

    Tasks of the first description merge ``self.pairs_df`` with the table they are given and then
    ask for a column of the file, 'true_distance', say. The given table has the file's columns
    too, so pandas would call them 'true_distance_x' and 'true_distance_y'; here the plain name is
    there as well.
    """

    def merge(self, right: pd.DataFrame | pd.Series, *args: Any, **options: Any) -> pd.DataFrame:
        """Merge as a DataFrame does, keeping plain names of columns that both tables have."""
        merged = pd.DataFrame(self).merge(right, *args, **options)
        for column in self.columns:
            if column not in merged.columns and f"{column}_x" in merged.columns:
                merged[column] = merged[f"{column}_x"]
        return merged
