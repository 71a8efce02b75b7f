"""A folder of photographs is cut to faces, and what was done is recorded."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facebench.errors import InputError, MissingImageError
from facebench.faces import alignment
from facebench.faces.alignment import align_folder
from facebench.faces.chips import face_chip
from facebench.faces.detection import Face
from facebench.faces.templates import Template
from facebench.stimuli import render_face, sample_identity, sample_view

EIGHT = Template("eight", "box", 8)


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
    record = json.loads((out / "alignment.json").read_text())
    assert record.pop("detector_identity").startswith("dlib-hog-1 dlib ")
    assert record == {
        "template": "dlib150", "size": 112, "padding": 0.25, "detector": "dlib-hog",
        "which_face": which, "keep_all": True, "images": 2, "no_face": 1, "bad_images": 0,
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


class Bright:
    """Finds a face that fills an image, unless the image is black."""

    name, identity, box_kind, longest_side = "bright", "bright 1", "whole", 640

    def __init__(self, calls: Path | None = None) -> None:
        self.calls = calls

    def __call__(self, image: np.ndarray) -> list[Face]:
        if self.calls is not None:
            with self.calls.open("a") as file:
                file.write("x")
        height, width = image.shape[:2]
        return [Face((0.0, 0.0, float(width), float(height)), 1.0)] if image.max() else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write pictures, of which the dark one shows no face."""
    for name, tone in {"ann/1.jpg": 200, "ann/1.png": 90, "bob/1.png": 120, "bob/2.png": 0}.items():
        path = tmp_path / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (tone,) * 3).save(path)
    (tmp_path / "faces" / "bob" / "3.png").write_bytes(b"no image")
    return tmp_path / "faces"


def align(folder: Path, output: Path, detector: Bright | None = None, **options: Any) -> Any:
    options = {"template": EIGHT, "num_workers": 0, **options}
    return align_folder(folder, output, detector=detector or Bright(), **options)


def rows_of(output: Path) -> list[list[str]]:
    with (output / "chips.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def test_chips_keep_their_person_and_two_formats_stay_two(folder: Path, tmp_path: Path) -> None:
    done = align(folder, tmp_path / "out")
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
    done = align(folder, tmp_path / "out", keep_all=True)
    assert (done.written, done.no_face) == (4, ("bob/2.png",))
    assert ["bob/2.png", "bob/2.png", "0"] in rows_of(tmp_path / "out")


@pytest.mark.parametrize("output", ["faces", "faces/chips", "faces/../faces/chips"])
def test_an_output_among_the_images_is_refused(folder: Path, tmp_path: Path, output: str) -> None:
    with pytest.raises(InputError, match="outside of"):
        align_folder(folder, tmp_path / output, num_workers=0)


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingImageError):
        align_folder(tmp_path, tmp_path / "out")


def test_an_interrupted_call_goes_on_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    calls, out = tmp_path / "calls", tmp_path / "out"
    detector = Bright(calls)
    first = align(folder, out, detector)
    assert (first.written, first.resumed, len(calls.read_text())) == (3, 0, 4)
    # Killed in the middle of a line, after two images; one of them has changed since.
    journal = (out / "alignment.jsonl").read_text().splitlines()
    (out / "alignment.jsonl").write_text("\n".join([*journal[:4], journal[4][:20]]))
    Image.new("RGB", (20, 10), (77,) * 3).save(folder / "ann" / "1.png")
    again = align(folder, out, detector)
    assert (again.written, again.no_face, list(again.bad)) == (3, ("bob/2.png",), ["bob/3.png"])
    assert (again.resumed, len(calls.read_text())) == (1, 4 + 3)
    assert np.asarray(Image.open(out / "ann" / "1.png.png"))[0, 0, 0] == 77
    assert align(folder, out, detector).resumed == 4
    (out / "bob" / "1.png").unlink()
    assert align(folder, out, detector).resumed == 3
    assert (out / "bob" / "1.png").is_file()


def test_large_photographs_are_not_all_held_at_once(folder, tmp_path, monkeypatch) -> None:
    held: list[list[str]] = []
    cut = alignment._Cutter.__call__

    def recorded(self: Any, jobs: Any) -> Any:
        held.append([job.source.name for job in jobs])
        return cut(self, jobs)

    monkeypatch.setattr(alignment._Cutter, "__call__", recorded)
    together = align(folder, tmp_path / "together")
    monkeypatch.setattr(alignment, "_BYTES_AT_ONCE", 1)
    assert align(folder, tmp_path / "alone") == together
    assert held == [["1.jpg", "1.png", "1.png", "2.png", "3.png"], *([name] for name in held[0])]
    assert rows_of(tmp_path / "alone") == rows_of(tmp_path / "together")


def test_images_without_a_face_come_and_go_with_keep_all(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for keep_all in (False, True, False):
        done = align(folder, out, keep_all=keep_all)
        assert done.written == 3 + keep_all
        assert (out / "bob" / "2.png").exists() == keep_all
        assert len(rows_of(out)) == 3 + keep_all


def test_faces_cut_in_another_way_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    align(folder, tmp_path / "out")
    with pytest.raises(InputError, match=r"cut in another way.*Give another output"):
        align(folder, tmp_path / "out", template=Template("nine", "box", 9))
    with pytest.raises(InputError, match=r"'align' of a model must be .*Did you mean 'arcface112'"):
        align(folder, tmp_path / "new", template="arcface")
    with pytest.raises(InputError, match="arcface112 are fixed"):
        align(folder, tmp_path / "new", template="arcface112", size=96)
    assert not (tmp_path / "new").exists()


def test_a_sheet_shows_the_images_without_a_face(folder: Path, tmp_path: Path) -> None:
    align(folder, tmp_path / "out")
    with Image.open(tmp_path / "out" / "no_face.png") as sheet:
        assert sheet.size == (162, 180)
        tile = np.asarray(sheet)[24:34, 6:26]
    assert tile.max() == 0
    (folder / "bob" / "2.png").unlink()
    align(folder, tmp_path / "out")
    assert not (tmp_path / "out" / "no_face.png").exists()


@pytest.mark.slow
def test_processes_give_the_same_chips(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    # As many as are worth processes.
    for number in range(33):
        image = render_face(sample_identity(number % 3), sample_view(number)).image
        Image.fromarray(image).save(folder / f"{number:02d}.png")
    done = [
        align_folder(folder, tmp_path / str(n), template="arcface112", num_workers=n)
        for n in (0, 2)
    ]
    assert done[0] == done[1]
    assert done[0].written >= 30
    for path in (tmp_path / "0").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()


def test_chips_of_names_that_only_differ_in_suffixes_stay_apart(tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    folder.mkdir()
    sources = ["a.bmp", "a.png", "a.png.png", "a.png.png.png", "b.png.bmp"]
    for place, name in enumerate(sources):
        Image.new("RGB", (20, 20), (50 * place, 0, 0)).save(folder / name)
    done = align_folder(folder, out, template=EIGHT, keep_all=True, num_workers=0)
    with (out / "chips.csv").open(encoding="utf-8") as file:
        chips = {row["source"]: row["image"] for row in csv.DictReader(file)}
    assert done.written == len(set(chips.values())) == len(sources)
    assert chips["b.png.bmp"] == "b.png.png"
    for place, name in enumerate(sources):
        assert Image.open(out / chips[name]).getpixel((4, 4)) == (50 * place, 0, 0)


def test_chips_of_removed_images_are_told(tmp_path: Path) -> None:
    folder, out = tmp_path / "folder", tmp_path / "out"
    (folder / "ann").mkdir(parents=True)
    for name in ("ann/1.bmp", "ann/2.bmp", "3.bmp"):
        Image.new("RGB", (20, 20), (9, 9, 9)).save(folder / name)
    assert align_folder(folder, out, template=EIGHT, keep_all=True, num_workers=0).strays == ()
    (folder / "ann" / "2.bmp").unlink()
    done = align_folder(folder, out, template=EIGHT, keep_all=True, num_workers=0)
    assert (done.written, done.strays) == (2, ("ann/2.png",))
