"""A folder of photographs becomes the same folder of faces, and everything else is told."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facebench.errors import InputError, MissingImageError
from facebench.faces import alignment
from facebench.faces.alignment import align_folder
from facebench.faces.chips import FaceChip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write pictures, of which the dark one shows no face."""

    def face_chip(image: np.ndarray, size: int, padding: float) -> FaceChip:
        pixels = np.full((size, size, 3), image[0, 0], dtype=np.uint8)
        return FaceChip(pixels, bool(image.max()), None)

    monkeypatch.setattr(alignment, "face_chip", face_chip)
    for name, tone in {"ann/1.jpg": 200, "ann/1.png": 90, "bob/1.png": 120, "bob/2.png": 0}.items():
        path = tmp_path / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (tone,) * 3).save(path)
    (tmp_path / "faces" / "bob" / "3.png").write_bytes(b"no image")
    return tmp_path / "faces"


def rows_of(output: Path) -> list[list[str]]:
    with (output / "chips.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def test_chips_keep_their_person_and_two_formats_stay_two(folder: Path, tmp_path: Path) -> None:
    done = align_folder(folder, tmp_path / "out", size=8, num_workers=0)
    assert (done.written, done.no_face, list(done.bad)) == (3, ("bob/2.png",), ["bob/3.png"])
    assert rows_of(tmp_path / "out") == [
        ["ann/1.jpg.png", "ann/1.jpg", "1"],
        ["ann/1.png.png", "ann/1.png", "1"],
        ["bob/1.png", "bob/1.png", "1"],
    ]
    tones = {}
    for name, source, _ in rows_of(tmp_path / "out"):
        with Image.open(tmp_path / "out" / name) as chip:
            assert chip.size == (8, 8)
            tones[source] = chip.getpixel((0, 0))[0]
    assert tones["ann/1.png"] == 90
    assert tones["bob/1.png"] == 120
    assert sorted(path.name for path in (tmp_path / "out" / "bob").iterdir()) == ["1.png"]


def test_images_without_a_face_are_kept_if_asked_for_and_marked(
    folder: Path, tmp_path: Path
) -> None:
    done = align_folder(folder, tmp_path / "out", size=8, keep_all=True, num_workers=0)
    assert (done.written, done.no_face) == (4, ("bob/2.png",))
    assert ["bob/2.png", "bob/2.png", "0"] in rows_of(tmp_path / "out")


@pytest.mark.parametrize("output", ["faces", "faces/chips", "faces/../faces/chips"])
def test_an_output_among_the_images_is_refused(folder: Path, tmp_path: Path, output: str) -> None:
    with pytest.raises(InputError, match="outside of"):
        align_folder(folder, tmp_path / output, num_workers=0)


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingImageError):
        align_folder(tmp_path, tmp_path / "out")
