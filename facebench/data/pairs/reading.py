"""One door for every file of pairs: CSV, Parquet, LFW's text lists, InsightFace packs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from facebench.data.packs import is_pack
from facebench.data.pairs.finding import with_suffixes_there
from facebench.data.pairs.insightface import pairs_of_pack
from facebench.data.pairs.lfw import read_lfw_pairs
from facebench.data.pairs.rows import is_lfw_list, remember_file
from facebench.data.pairs.table import as_path, read_csv_pairs, read_parquet_pairs
from facebench.data.tables import is_parquet
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_lfw_list", "read_pairs"]

_log = logging.getLogger(__name__)


def read_pairs(pairs_file_path: StrPath, images_path: StrPath | None = None) -> pd.DataFrame:
    """Read a table of image pairs.

    Parameters
    ----------
    pairs_file_path : str or Path
        A CSV file with any extension, separated by commas, tabs or semicolons, UTF-8, whose header
        names at least ``img1`` and ``img2``; further columns travel with their rows. Or the same
        table as Parquet, or one of
        LFW's text lists (see `read_lfw_pairs`), or a pack whose name ends in .bin (see
        `read_insightface_bin`; give it as the images' folder too), or a matrix of dissimilarities
        (see `facebench.data.rdms.read_rdms`), whose pairs are all rows. A first line ``sep=;`` is
        followed. Columns become numbers where their text survives it ('1.10' beside '1.1' stays
        text); between other separators than commas, numbers may have decimal commas.
    images_path : str or Path, optional
        The folder of the images. LFW's lists do not say how files end: the suffix is taken that
        is there, '.jpg' where none is. So it is for names without suffix of a matrix.

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
    # They are read by what embeddings are read by, which knows tables of pairs.
    from facebench.data.rdms import is_rdm_file, pairs_of_rdms, read_rdms

    path = as_path(pairs_file_path, "pairs_file_path")
    if is_pack(path):
        return pairs_of_pack(path)
    if is_rdm_file(path):
        rdms = read_rdms(path)
        for note in rdms.notes:
            _log.warning("%s: %s", path, note)
        return remember_file(pairs_of_rdms(rdms, images_path), path)
    if is_parquet(path):
        return remember_file(read_parquet_pairs(path), path)
    if not is_lfw_list(path):
        return remember_file(read_csv_pairs(path), path)
    pairs = read_lfw_pairs(path)
    if images_path is not None:
        pairs = with_suffixes_there(pairs, as_path(images_path, "images_path"))
    return remember_file(pairs, path)
