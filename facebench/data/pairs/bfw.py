"""The table of pairs of Balanced Faces in the Wild."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facebench.data.pairs.table import as_path
from facebench.data.tables import read_text_table
from facebench.errors import MissingPairsFileError, PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_bfw_pairs"]

_COLUMNS = {
    "p1": "img1",
    "p2": "img2",
    "label": "same",
    "fold": "fold",
    "id1": "identity1",
    "id2": "identity2",
    "att1": "group1",
    "att2": "group2",
}


def read_bfw_pairs(path: StrPath) -> pd.DataFrame:
    """Read ``bfw-v0.1.5-datatable.csv`` and its like.

    Parameters
    ----------
    path : str or Path
        A CSV file with the columns p1 and p2 (images), label (1 for one person, 0 for two), fold,
        id1 and id2, att1 and att2 (such as ``asian_females``). Others, such as scores of networks,
        are left out.

    Returns
    -------
    DataFrame
        img1, img2, same (1 or 0), fold, identity1, identity2, group1 and group2, in file order.

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If a column is missing, or label or fold is not a whole number (naming the row).

    References
    ----------
    J. P. Robinson et al., "Face recognition: too bias, or not too bias?", CVPR Workshops (2020).
    """
    import pandas as pd

    file_path = as_path(path, "path")
    if not file_path.is_file():
        msg = f"The table {file_path} does not exist."
        raise MissingPairsFileError(msg)
    table, _ = read_text_table(file_path, tuple(_COLUMNS))
    missing = [column for column in _COLUMNS if column not in table]
    if missing:
        msg = (
            f"The table {file_path} must have the columns {', '.join(_COLUMNS)}. It lacks "
            f"{', '.join(missing)} (it has: {', '.join(map(str, table.columns))})."
        )
        raise PairsError(msg)
    pairs = table[list(_COLUMNS)].rename(columns=_COLUMNS)
    for column, allowed in (("same", {0, 1}), ("fold", None)):
        numbers = pd.to_numeric(pairs[column], errors="coerce")
        bad = numbers.isna() | (numbers % 1 != 0)
        if allowed is not None:
            bad |= ~numbers.isin(allowed)
        if bad.any():
            row = int(bad.to_numpy().argmax())
            said = "0 or 1" if allowed else "whole numbers"
            original = next(name for name, ours in _COLUMNS.items() if ours == column)
            msg = (
                f"The {original!r} column of {file_path} must hold {said}. Row {row + 1} has "
                f"{pairs[column].iloc[row]!r:.200}."
            )
            raise PairsError(msg)
        pairs[column] = numbers.astype(int)
    if (empty := pairs.eq("").any(axis=1)).any():
        row = int(empty.to_numpy().argmax())
        msg = f"Row {row + 1} of {file_path} has an empty cell: {pairs.iloc[row].to_dict()!r:.300}."
        raise PairsError(msg)
    return pairs
