"""A small network that looks for faces: it finds one where the first pixel is white."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from facebench.faces import NO_FACE
from facebench.models.aligning import AligningModel
from support.small_net import SmallNet, small_transform


class Aligner(SmallNet, AligningModel):
    """Takes the middle of images without a face, as built-in models do."""

    chip = (32, 0.25)

    def __init__(self, name="aligner", extract_layers=None, *, align=None):
        self.aligns_by_default = align is None
        self.align = align is not False
        self.expected_notes = (NO_FACE,) if self.align else ()
        super().__init__(name, extract_layers=extract_layers, device="cpu")

    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        if self.align:
            if image.getpixel((0, 0)) != (255, 255, 255):
                self.note_image(NO_FACE)
                return small_transform(image.crop((8, 8, 24, 24)))
            return small_transform(image.crop((2, 2, 30, 30)))
        return small_transform(image)


def write_images(folder: Path, names: list[str], without_face: set[str], seed: int = 1) -> None:
    """Draw images of 32 pixels; those named in `without_face` have a black first pixel."""
    rng = np.random.default_rng(seed)
    for name in names:
        coarse = Image.fromarray(rng.integers(1, 255, (6, 6, 3), dtype=np.uint8))
        image = coarse.resize((32, 32), Image.Resampling.BICUBIC)
        image.putpixel((0, 0), (0, 0, 0) if name in without_face else (255, 255, 255))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(folder / name)


def write_conditions(
    folder: Path, n: int = 8, upright_lost: int = 0, inverted_lost: int = 8
) -> pd.DataFrame:
    """Write pairs of two conditions, upright and inverted, with some images without a face."""
    names = {c: [f"{c}/{i:02d}.png" for i in range(n)] for c in ("upright", "inverted")}
    lost = {*names["upright"][:upright_lost], *names["inverted"][:inverted_lost]}
    write_images(folder / "images", [*names["upright"], *names["inverted"]], lost)
    pairs = pd.DataFrame(
        [
            (own[i], own[(i + 1 + i % 2) % n], i % 2, condition)
            for condition, own in names.items()
            for i in range(n)
        ],
        columns=["img1", "img2", "same", "condition"],
    )
    pairs.to_csv(folder / "pairs.csv", index=False)
    return pairs
