"""A folder of photographs is cut to faces, and what was done is recorded."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
