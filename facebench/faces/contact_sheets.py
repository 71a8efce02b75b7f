"""Contact sheets: what a condition looks like, or where no face was found, at one glance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facebench.data.images import open_image
from facebench.utils.files import atomic_path

__all__ = ["contact_sheet"]

_FACES, _COLUMNS, _TILE = 24, 8, 150
_LABEL, _GAP = 18, 6  # pixels
_LETTERS = 20  # of a caption
_PAPER, _INK = (255, 255, 255), (34, 34, 34)


def contact_sheet(
    root: Path,
    folders: Sequence[str],
    names: Sequence[str],
    target: Path,
    *,
    at_most: int = _FACES,
    captions: bool = False,
) -> None:
    """Show some faces in several versions, one below the other.

    Parameters
    ----------
    root : Path
        The folder of the versions.
    folders : sequence of str
        The versions, top to bottom.
    names : sequence of str
        The images.
    target : Path
        The PNG to write.
    at_most : int, default 24
        Of more images, an even choice of so many is shown.
    captions : bool, default False
        Write the names of images above them, instead of those of folders above rows.
    """
    chosen = [
        names[i] for i in np.linspace(0, len(names) - 1, min(at_most, len(names))).astype(int)
    ]
    blocks = [chosen[i : i + _COLUMNS] for i in range(0, len(chosen), _COLUMNS)]
    row = _LABEL + _TILE
    block_height = len(folders) * row + 2 * _GAP
    width = len(blocks[0]) * (_TILE + _GAP) + _GAP
    sheet = Image.new("RGB", (width, len(blocks) * block_height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for number, block in enumerate(blocks):
        for line, folder in enumerate(folders):
            top = number * block_height + line * row + _GAP
            if not captions:
                draw.text((_GAP, top), folder, fill=_INK, font=font)
            for column, name in enumerate(block):
                left = _GAP + column * (_TILE + _GAP)
                if captions:
                    draw.text((left, top), _shortened(name), fill=_INK, font=font)
                tile = open_image(root / folder / name)
                tile.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
                sheet.paste(tile, (left, top + _LABEL))
    with atomic_path(target) as temporary:
        sheet.save(temporary, format="PNG", compress_level=1)


def _shortened(name: str) -> str:
    return name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"
