<<<<<<< HEAD
"""A folder of photographs becomes the same folder of faces, and everything else is told."""
=======
"""A folder of photographs is cut to faces, and what was done is recorded."""
>>>>>>> main

from __future__ import annotations

import csv
<<<<<<< HEAD
=======
import json
>>>>>>> main
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

<<<<<<< HEAD
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
=======
from facebench.errors import InputError
from facebench.faces.alignment import align_folder
from facebench.faces.chips import face_chip
from facebench.stimuli import render_face, sample_identity, sample_view


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    small = Image.fromarray(render_face(sample_identity(1), sample_view(1)).image)
    large = Image.fromarray(render_face(sample_identity(2), sample_view(2)).image)
    both = Image.new("RGB", (700, 300), (128, 128, 128))
    both.paste(small.resize((190, 190)), (230, 60))
    both.paste(large, (430, 20))
    both.save(folder / "two.png")
    Image.new("RGB", (90, 90)).save(folder / "none.png")
    return folder


@pytest.mark.parametrize("which", ["nearest-centre", "largest"])
def test_the_folder_says_how_its_faces_were_cut(photographs, tmp_path, which) -> None:
    out = tmp_path / which
    done = align_folder(photographs, out, size=112, which_face=which, keep_all=True, num_workers=0)
    assert (done.written, done.no_face) == (2, ("none.png",))
    assert json.loads((out / "alignment.json").read_text()) == {
        "size": 112, "padding": 0.25, "which_face": which,
        "keep_all": True, "images": 2, "no_face": 1, "bad_images": 0,
    }  # fmt: skip
    pixels = np.asarray(Image.open(photographs / "two.png"))
    expected = face_chip(pixels, size=112, which_face=which).pixels
    np.testing.assert_array_equal(np.asarray(Image.open(out / "two.png")), expected)
    with (out / "chips.csv").open(encoding="utf-8") as file:
        assert [row["face"] for row in csv.DictReader(file)] == ["0", "1"]


def test_the_two_rules_cut_different_faces(photographs) -> None:
    pixels = np.asarray(Image.open(photographs / "two.png"))
    assert face_chip(pixels).box != face_chip(pixels, which_face="largest").box


def test_another_rule_is_refused_before_anything_is_written(photographs, tmp_path) -> None:
    with pytest.raises(InputError, match="'which_face' parameter must be one of"):
        align_folder(photographs, tmp_path / "out", which_face="any", num_workers=0)
    assert not (tmp_path / "out").exists()
>>>>>>> main
