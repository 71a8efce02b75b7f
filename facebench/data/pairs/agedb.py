"""AgeDB's protocols: a MATLAB file of ten folds for each age gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from facebench.data.pairs.table import as_path
from facebench.errors import MissingPairsFileError, PairsError
from facebench.types import StrPath
from facebench.utils.matlab import refuse_crashing_matlab

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_agedb_pairs"]


def read_agedb_pairs(path: StrPath, suffix: str = ".jpg") -> pd.DataFrame:
    """Read one of AgeDB's protocols, such as ``04_FINAL_protocol_30_years.mat``.

    The file's ``splits`` is a cell for each fold: a structure of a 2 x n cell (the images of the
    pairs, each a structure that begins with the image's name) and the n labels, 1 for one person
    and -1 for two.

    Parameters
    ----------
    path : str or Path
        The protocol.
    suffix : str, default '.jpg'
        How image files end; the protocol names them without.

    Returns
    -------
    DataFrame
        img1 and img2 (``1_Name_35_m.jpg``), same (1 or 0) and fold (from 1), fold by fold.

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If it is not a MATLAB file (up to version 7), or not of this form.

    References
    ----------
    S. Moschoglou et al., "AgeDB: the first manually collected, in-the-wild age database", CVPR
    Workshops (2017).
    """
    import pandas as pd
    from scipy.io import loadmat

    file_path = as_path(path, "path")
    if not file_path.is_file():
        msg = f"The protocol {file_path} does not exist."
        raise MissingPairsFileError(msg)
    try:
        refuse_crashing_matlab(file_path)
        splits = loadmat(file_path)["splits"]
        rows = [
            (first, second, label, fold)
            for fold, split in enumerate(splits.ravel(), start=1)
            for first, second, label in _pairs_of(split)
        ]
    except Exception as error:
        # SciPy raises exceptions of many kinds for a foreign or damaged file.
        msg = (
            f"The protocol {file_path} cannot be read ({type(error).__name__}: {error!s:.200}). It "
            "must be a MATLAB file with 'splits', a cell for each fold of pairs and labels, as "
            "AgeDB's 04_FINAL_protocol_30_years.mat."
        )
        raise PairsError(msg) from error
    table = pd.DataFrame(rows, columns=["img1", "img2", "same", "fold"])
    wrong = table["same"][~table["same"].isin([1, -1, 0])]
    if table.empty or len(wrong):
        got = "no pairs" if table.empty else str(wrong.iloc[0])
        msg = f"The labels of {file_path} must be 1 (one person) and -1 (two). Got {got}."
        raise PairsError(msg)
    for side in ("img1", "img2"):
        table[side] += suffix
    return table.assign(same=(table["same"] == 1).astype(int))


def _pairs_of(split: Any) -> list[tuple[str, str, int]]:
    """Take a fold apart: by place, as what the structures call their parts is not documented."""
    record = split[0][0]
    images, labels = record[0], record[1].ravel()
    first, second = ([str(cell[0][0][0][0]) for cell in row] for row in images)
    return [
        (one, other, int(label)) for one, other, label in zip(first, second, labels, strict=True)
    ]
