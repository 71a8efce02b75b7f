"""A table of a run that grows while the run goes on: what is written is not written again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from facebench.utils.files import check_replaceable, write_csv

__all__ = ["GrowingTable"]


class GrowingTable:
    """A CSV file that gets rows appended, and is written whole where that is not enough.

    Parameters
    ----------
    path : Path
        The file. Existing content is replaced by the first rows.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._columns: list[str] = []
        self._size = -1

    def add(self, rows: pd.DataFrame, whole: Callable[[], pd.DataFrame]) -> None:
        """Append rows; where their columns are new, or the file was changed, write all.

        Parameters
        ----------
        rows : DataFrame
            The new rows.
        whole : callable
            Gives the table with all rows, old and new.
        """
        known = set(rows.columns) <= set(self._columns)
        if not known or self._size < 0 or self._size_now() != self._size:
            self.write(whole())
            return
        check_replaceable(self._path)
        text = rows.reindex(columns=self._columns).to_csv(index=False, header=False).encode()
        # One call: a run that is killed leaves whole rows.
        with self._path.open("ab", buffering=0) as file:
            file.write(text)
        self._size = self._size_now()

    def keep(self, whole: Callable[[], pd.DataFrame]) -> None:
        """Leave a file as it is, where it has the rows; write all where it was changed."""
        if self._size < 0 or self._size_now() != self._size:
            self.write(whole())

    def write(self, whole: pd.DataFrame) -> None:
        """Write all rows, in their final order."""
        write_csv(whole, self._path)
        self._columns = [str(column) for column in whole.columns]
        self._size = self._size_now()

    def _size_now(self) -> int:
        return self._path.stat().st_size if self._path.is_file() else -1
