"""InsightFace's verification packs: lfw.bin, cfp_fp.bin, agedb_30.bin and their like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from facebench.data.packs import member_name, open_pack, read_member
from facebench.data.pairs.table import as_path
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["InsightfacePack", "pairs_of_pack", "read_insightface_bin"]


class _Images(Mapping[str, bytes]):
    """The images of a pack by name, each read when asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @override
    def __getitem__(self, name: str) -> bytes:
        if name not in open_pack(self._path).members:
            raise KeyError(name)
        return read_member(self._path, name)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(open_pack(self._path).members)

    @override
    def __len__(self) -> int:
        return len(open_pack(self._path).members)


@dataclass(frozen=True, eq=False)
class InsightfacePack:
    """A pack's pairs and images.

    Attributes
    ----------
    pairs : DataFrame
        img1 and img2 (``000001.jpg``, ``000002.jpg``, in the pack's order) and same (1 or 0).
    images : mapping of str to bytes
        Encoded images (JPEG as a rule) by name, read from the pack when asked for.
    path : Path
        The pack. As ``images_path`` of a task it serves its images without unpacking.
    """

    pairs: pd.DataFrame
    images: Mapping[str, bytes]
    path: Path


def read_insightface_bin(path: StrPath) -> InsightfacePack:
    """Read an InsightFace ``.bin`` pack, as Python 2 or 3 wrote it.

    A pack is a pickle of two lists: encoded images, two per pair, and for each pair whether it is
    genuine. Pickles can run code, so only bytes, lists and booleans are admitted.

    Parameters
    ----------
    path : str or Path
        The pack.

    Returns
    -------
    InsightfacePack

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If it holds anything else, is cut short, or has not two images per label.
    """
    # Images are read later, perhaps from another working directory.
    pack = as_path(path, "path").absolute()
    return InsightfacePack(pairs_of_pack(pack), _Images(pack), pack)


def pairs_of_pack(path: Path) -> pd.DataFrame:
    """Read the pairs of a pack: img1, img2 and same."""
    import pandas as pd

    same = open_pack(path).same
    return pd.DataFrame(
        {
            "img1": [member_name(2 * place) for place in range(len(same))],
            "img2": [member_name(2 * place + 1) for place in range(len(same))],
            "same": [int(label) for label in same],
        }
    )
