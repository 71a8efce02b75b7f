"""What folders of made stimuli say of their images is found from any image below."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facebench.data.made_stimuli import MadeStimuli, made_images


def write(folder: Path, settings: Any, **content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"format": 1, "settings": settings, "versions": {"facebench": "1"}, **content}
    (folder / "manifest.json").write_text(json.dumps(whole))


CONDITIONS = {"conditions": [], "chip": {"size": 150, "padding": 0.25}}


def test_conditions_say_how_they_are_aligned(tmp_path: Path) -> None:
    write(tmp_path, {**CONDITIONS, "which_face": "largest"})
    folder = MadeStimuli().folder_of(tmp_path / "inverted" / "deep" / "ann" / "1.png")
    assert folder is not None
    assert folder.path == tmp_path
    assert folder.alignment == {"size": 150, "padding": 0.25, "which_face": "largest"}
    assert folder.is_manipulated(tmp_path / "inverted" / "ann" / "1.png")
    assert not folder.is_manipulated(tmp_path / "upright" / "ann" / "1.png")


def test_older_manifests_tell_it_too(tmp_path: Path) -> None:
    write(tmp_path, CONDITIONS)
    folder = MadeStimuli().folder_of(tmp_path / "upright" / "1.png")
    assert folder is not None
    assert folder.alignment == {"size": 150, "padding": 0.25, "which_face": "nearest-centre"}


def test_whole_photographs_are_not_aligned(tmp_path: Path) -> None:
    write(tmp_path, {**CONDITIONS, "chip": None})
    folder = MadeStimuli().folder_of(tmp_path / "upright" / "1.png")
    assert folder is not None
    assert folder.alignment is None


def test_rendered_faces_are_photographs_but_for_changed_ones(tmp_path: Path) -> None:
    write(tmp_path, {"source": "facebench rendered faces"}, set_aside=["changed"])
    images = [tmp_path / "person_001" / "1.png", tmp_path / "changed" / "nose_width" / "1.png"]
    folder = MadeStimuli().folder_of(images[0])
    assert folder is not None
    assert [folder.is_manipulated(image) for image in images] == [False, True]
    assert made_images(images, MadeStimuli()).n_made == 0


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2, "settings": {}, "versions": {"facebench": 1}}',
             '{"format": 1, "settings": [], "versions": {"facebench": "1"}}', "\x00\xff"],
)  # fmt: skip
def test_other_manifests_say_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    assert MadeStimuli().folder_of(tmp_path / "1.png") is None


def test_images_are_counted_once(tmp_path: Path) -> None:
    write(tmp_path / "a", CONDITIONS)
    write(tmp_path / "b", {**CONDITIONS, "chip": None})
    made = [tmp_path / "a" / "1.png", tmp_path / "a" / "1.png", tmp_path / "b" / "x" / "1.png"]
    found = made_images(made, MadeStimuli())
    assert (found.n_made, found.n_images, found.are_all) == (2, 2, True)
    assert [folder.path.name for folder in found.folders] == ["a", "b"]
    mixed = made_images([*made, tmp_path / "1.png"], MadeStimuli())
    assert (mixed.n_made, mixed.n_images, mixed.are_all) == (2, 3, False)
    assert not made_images([], MadeStimuli()).are_all
