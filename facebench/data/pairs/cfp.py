"""Lists of pairs by number, as Celebrities in Frontal-Profile has them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.pairs.table import as_path
from facebench.data.pairs.text import lines_of, whole_number
from facebench.errors import MissingPairsFileError, PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_cfp_pairs"]

_LABELS = {"same.txt": 1, "diff.txt": 0}
_IMAGE_LISTS = {"F": "Pair_list_F.txt", "P": "Pair_list_P.txt"}


def read_cfp_pairs(protocol_path: StrPath, kind: str = "FP") -> pd.DataFrame:
    """Read the pairs of a CFP-style protocol folder.

    ``Pair_list_F.txt`` and ``Pair_list_P.txt`` number the frontal and the profile images, a line
    ``number path`` each. ``Split/<kind>/01/same.txt`` and ``diff.txt``, and so on for each fold,
    hold a pair per line, ``i,j``: the first number is of the first letter's list.

    Parameters
    ----------
    protocol_path : str or Path
        The folder ``Protocol``.
    kind : {'FP', 'FF'}, default 'FP'
        Frontal against profile, or frontal against frontal.

    Returns
    -------
    DataFrame
        img1 and img2 (as the lists have them, without a leading ``../``), same (1 or 0) and fold
        (the number of its folder), fold by fold.

    Raises
    ------
    MissingPairsFileError
        If the folder, or a list, is missing.
    PairsError
        If a line is of another form or gives a number that its list has not (naming the line).

    References
    ----------
    S. Sengupta et al., "Frontal to profile face verification in the wild", WACV (2016).
    """
    import pandas as pd

    root = as_path(protocol_path, "protocol_path")
    if kind not in ("FP", "FF"):
        msg = f"The 'kind' parameter of read_cfp_pairs must be 'FP' or 'FF'. Got {kind!r} instead."
        raise PairsError(msg)
    lists = {letter: _numbered_images(root / _IMAGE_LISTS[letter]) for letter in sorted(set(kind))}
    folds = sorted(path for path in (root / "Split" / kind).glob("*") if path.is_dir())
    if not folds:
        msg = f"There are no folds in {root / 'Split' / kind}: expected 01, 02 … with same.txt."
        raise MissingPairsFileError(msg)
    rows = []
    for place, fold in enumerate(folds, start=1):
        number = whole_number(fold.name) or place
        for name, label in _LABELS.items():
            for line in lines_of(fold / name, separator=","):
                images = [
                    lists[letter].get(cell) for letter, cell in zip(kind, line.cells, strict=False)
                ]
                if len(line.cells) != 2 or None in images:
                    msg = (
                        f"Line {line.number} of {fold / name} must be two numbers of images, "
                        f"'i,j'. Got {','.join(line.cells)!r:.200}."
                    )
                    raise PairsError(msg)
                rows.append((*images, label, number))
    return pd.DataFrame(rows, columns=["img1", "img2", "same", "fold"])


def _numbered_images(path: Path) -> dict[str, str]:
    images = {}
    for line in lines_of(path):
        number, *rest = line.cells
        image = " ".join(rest)
        if whole_number(number) is None or not image:
            msg = f"Line {line.number} of {path} must be 'number path'. Got {number!r} {image!r}."
            raise PairsError(msg)
        while image.startswith("../"):
            image = image.removeprefix("../")
        images[number] = image
    return images
