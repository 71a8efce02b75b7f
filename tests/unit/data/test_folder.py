"""One answer to which files of a folder are images, whoever asks."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from facebench.data.folder import images_below, list_images
from facebench.data.pairs import all_pairs, pairs_from_folder
from facebench.errors import InputError, MissingImageError, PairsError
from facebench.experiment.starters.folder import write_starter
from facebench.faces.alignment import align_folder
from facebench.stimuli.sources import find_sources


@pytest.fixture
def faces(tmp_path):
    """Return three people with two photographs, among what other programs leave in folders."""
    folder = tmp_path / "faces"
    for person in ("ann", "bea", "cem"):
        (folder / person / ".ipynb_checkpoints").mkdir(parents=True)
        for i in (1, 2):
            path = folder / person / f"{i}.png"
            Image.new("RGB", (8, 8)).save(path)
            (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
            (path.parent / ".ipynb_checkpoints" / path.name).write_bytes(path.read_bytes())
        (folder / person / "3.heic").touch()
        (folder / person / "notes").touch()
    return folder


def names(paths, folder):
    return [path.relative_to(folder).as_posix() for path in paths]


def test_hidden_files_are_no_images_for_anyone(faces, tmp_path):
    expected = [f"{person}/{i}.png" for person in ("ann", "bea", "cem") for i in (1, 2)]
    assert names(images_below(faces), faces) == expected
    sources = find_sources(faces, n_people=None, n_images=None, min_images=1, seed=0)
    assert [source.relative for source in sources] == expected
    table = pairs_from_folder(faces)
    assert sorted({*table["img1"], *table["img2"]}) == expected
    assert table["same"].sum() == 3
    assert len(all_pairs(faces)) == 15
    assert write_starter(faces, tmp_path / "e.yaml").n_genuine == 3
    done = align_folder(faces, tmp_path / "out", num_workers=0)
    assert done.written + len(done.no_face) == 6
    assert not done.bad


def test_what_is_passed_over_is_counted_by_suffix(faces):
    listed = list_images(faces)
    assert listed.passed_over == {"hidden": 12, ".heic": 3, "": 3}
    assert str(listed) == "Passed over: 12 hidden, 3 .heic, 3 without a suffix."
    for path in images_below(faces):
        path.unlink()
    with pytest.raises(MissingImageError, match=r"holds no images.*3 \.heic"):
        list_images(faces)


def test_people_s_folders_may_be_links(faces):
    (faces / "dee").symlink_to("ann")
    (faces / "ann" / "round").symlink_to("..")
    assert names(images_below(faces), faces)[-2:] == ["dee/1.png", "dee/2.png"]
    assert "dee" in set(pairs_from_folder(faces)["identity1"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_no_image(faces):
    os.mkfifo(faces / "ann" / "9.png")
    assert len(images_below(faces)) == 6


def test_init_refuses_links_that_a_run_would_refuse(faces, tmp_path):
    linked = tmp_path / "linked"
    for path in images_below(faces):
        link = linked / path.relative_to(faces)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    with pytest.raises(PairsError, match="is a link to"):
        write_starter(linked, tmp_path / "e.yaml")
    assert not (tmp_path / "e.yaml").exists()
    with pytest.raises(InputError, match="two people"):
        write_starter(tmp_path, tmp_path / "e.yaml")


def test_a_rule_says_who_is_in_a_flat_folder(tmp_path):
    for name in ("ann_1.png", "ann_2.png", "bea_1.png", "cem_1.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    table = pairs_from_folder(tmp_path, identity="name")
    assert table[["img1", "img2", "same"]].values.tolist()[0] == ["ann_1.png", "ann_2.png", 1]
    assert set(
        pairs_from_folder(tmp_path, 1, 1, identity="name", people={"ann", "cem"})["identity2"]
    ) == {
        "ann",
        "cem",
    }
    assert len(all_pairs(tmp_path, identity="(.+)_")) == 6
    sources = find_sources(
        tmp_path, n_people=None, n_images=None, min_images=1, seed=0, identity="name"
    )
    assert [source.identity for source in sources] == ["ann", "ann", "bea", "cem"]
    with pytest.raises(PairsError, match=r"finds no person in 'ann_1\.png'"):
        pairs_from_folder(tmp_path, identity="(bea)")
