"""Contact sheets: tiles in order, as many as asked for."""

from __future__ import annotations

import numpy as np
from PIL import Image

from facebench.faces.contact_sheets import contact_sheet


def test_an_even_choice_is_shown_in_order(tmp_path):
    names = [f"a-rather-long-folder-name/{tone:03d}.png" for tone in range(0, 100, 10)]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 20), (int(name[-7:-4]),) * 3).save(tmp_path / name)
    for captions in (False, True):
        contact_sheet(tmp_path, ["."], names, tmp_path / "s.png", at_most=4, captions=captions)
        sheet = np.asarray(Image.open(tmp_path / "s.png"))
        shown = [sheet[30, 6 + n * 156 + 5, 0] for n in range(4)]
        assert shown == [0, 30, 60, 90]
