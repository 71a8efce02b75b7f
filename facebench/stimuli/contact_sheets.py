"""Contact sheets: what a condition looks like, at one glance."""

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
_PAPER, _INK = (255, 255, 255), (34, 34, 34)


def contact_sheet(root: Path, folders: Sequence[str], names: Sequence[str], target: Path) -> None:
    """Show some faces in several versions, one below the other.

    Parameters
    ----------
    root : Path
        The folder of the versions.
    folders : sequence of str
        The versions, top to bottom.
    names : sequence of str
        The images; if more than 24, an even choice of them is shown.
    target : Path
        The PNG to write.
    """
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, min(_FACES, len(names))).astype(int)]
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
            draw.text((_GAP, top), folder, fill=_INK, font=font)
            for column, name in enumerate(block):
                tile = open_image(root / folder / name)
                tile.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
                sheet.paste(tile, (_GAP + column * (_TILE + _GAP), top + _LABEL))
    with atomic_path(target) as temporary:
        sheet.save(temporary, format="PNG")
