"""Images are found as people spell them, and where one is not, what differs is told."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench import AccuracyTask
from facebench.data.pairs import (
    ImagePaths,
    find_image_list,
    find_images,
    numbered_images,
    read_pairs,
    resolve_images,
)
from facebench.errors import MissingImageError, PairsError
from facebench.run.task_images import images_of


def pairs_of(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"img1": names, "img2": names})


@pytest.mark.parametrize(("table", "disk"), [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("slash", ["/", "\\"])
def test_accents_and_back_slashes_make_no_difference(tmp_path, table, disk, slash):
    folder = tmp_path / unicodedata.normalize(disk, "José")
    folder.mkdir()
    image = folder / unicodedata.normalize(disk, "Zoë.png")
    image.touch()
    name = unicodedata.normalize(table, f"José{slash}Zoë.png")
    assert find_images(pairs_of(name), tmp_path, task="t").img1 == [image.resolve()]


def test_of_two_spellings_on_disk_the_exact_one_is_taken(tmp_path):
    names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    for name in names:
        (tmp_path / name).touch()
    found = find_images(pairs_of(*names), tmp_path, task="t").img1
    assert [path.name for path in found] == names


@pytest.mark.parametrize("name", ["..\\secret.png", "sub\\..\\..\\secret.png"])
def test_back_slashes_do_not_lead_out(tmp_path, name):
    (tmp_path / "secret.png").touch()
    (tmp_path / "images" / "sub").mkdir(parents=True)
    with pytest.raises((PairsError, MissingImageError)):
        find_images(pairs_of(name), tmp_path / "images", task="t")


@pytest.mark.parametrize("there", ["a.png", "A.JPG", "a.JPG", "a.jpeg"])
def test_another_suffix_or_case_is_told(tmp_path, there):
    (tmp_path / there).touch()
    with pytest.raises(MissingImageError, match=rf"'a.jpg' as '{there}'"):
        find_images(pairs_of("a.jpg"), tmp_path, task="t")


@pytest.mark.parametrize("suffix", [".png", ".JPG", ".bmp"])
def test_an_lfw_list_takes_the_suffix_that_is_there(tmp_path, suffix):
    (tmp_path / "pairs.txt").write_text("ann\t1\t2\nann\t1\tbea\t1\n")
    for name in ("ann/ann_0001", "ann/ann_0002", "bea/bea_0001"):
        path = tmp_path / f"{name}{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.touch()
    task = AccuracyTask("t", tmp_path / "pairs.txt", tmp_path, true_label="same")
    assert [path.name for path in images_of(task).img2] == [
        f"ann_0002{suffix}",
        f"bea_0001{suffix}",
    ]


class TestLinks:
    def test_an_annex_around_the_folder_is_followed(self, tmp_path):
        key = tmp_path / "set" / ".git" / "annex" / "objects" / "aa" / "key.png"
        key.parent.mkdir(parents=True)
        key.touch()
        link = tmp_path / "set" / "stimuli" / "a.png"
        link.parent.mkdir()
        link.symlink_to("../.git/annex/objects/aa/key.png")
        assert find_images(pairs_of("a.png"), link.parent, task="t").img1 == [key.resolve()]
        key.unlink()
        with pytest.raises(MissingImageError, match=r"is a link to .*datalad get"):
            find_images(pairs_of("a.png"), link.parent, task="t")

    def test_another_repository_s_annex_is_not(self, tmp_path):
        key = tmp_path / "other" / ".git" / "annex" / "objects" / "key.png"
        key.parent.mkdir(parents=True)
        key.touch()
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "a.png").symlink_to(key)
        with pytest.raises(PairsError, match="is a link to"):
            find_images(pairs_of("a.png"), tmp_path / "images", task="t")

    def test_a_linked_folder_is_named(self, tmp_path):
        (tmp_path / "ann").mkdir()
        (tmp_path / "ann" / "1.png").touch()
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "ann").symlink_to("../ann")
        with pytest.raises(PairsError, match=r"images/ann is a link to .*ann.*Copy the images"):
            find_images(pairs_of("ann/1.png"), tmp_path / "images", task="t")


def test_an_absolute_path_inside_is_told_as_such(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(PairsError, match=r"is an absolute path.*Write 'a\.png'"):
        find_images(pairs_of(str(tmp_path / "a.png")), tmp_path, task="t")


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000], ids=["nul", "long"])
def test_a_name_that_no_file_can_have_is_missing_in_an_lfw_list_too(tmp_path, name):
    path = tmp_path / "pairs.txt"
    path.write_text(f"1\nAda\t1\t2\n{name}\t1\tAda\t1\n")
    pairs = read_pairs(path, tmp_path)
    with pytest.raises(MissingImageError, match="is this the right folder") as caught:
        find_images(pairs, tmp_path, task="t")
    assert len(str(caught.value)) < 2000


def test_a_number_of_thousands_of_digits_is_none_of_a_list(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text(f"1\nAda\t1\t{'9' * 5000}\nAda\t1\tBo\t1\n")
    with pytest.raises(PairsError, match=r"Line 2 of .* must be"):
        read_pairs(path, tmp_path)


def test_where_no_image_is_found_the_folder_is_asked_about(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"human_{number:02}.png").touch()
    with pytest.raises(MissingImageError) as caught:
        find_image_list([f"a{number}.jpg" for number in range(40)], tmp_path, task="t")
    assert str(caught.value).startswith(
        f"None of 40 images of task 't' found in {tmp_path} (it holds human_00.png, human_01.png, "
        "human_02.png …): is this the right folder?"
    )
    assert "Did you mean" not in str(caught.value)
    # Of one name, or where others are there, the nearest name helps more.
    with pytest.raises(MissingImageError, match=r"Did you mean 'human_01.png'\?"):
        find_image_list(["human_1.png"], tmp_path, task="t")
    with pytest.raises(MissingImageError, match="2 of 3 images of task 't' are missing"):
        find_image_list(["human_01.png", "x.jpg", "y.jpg"], tmp_path, task="t")


def test_images_of_a_table_are_numbered_as_they_are_named():
    rng = np.random.default_rng(0)
    sides = [[f"{number}.jpg" for number in rng.integers(0, 9, 30)] for _ in range(2)]
    pairs = pd.DataFrame({"img1": sides[0], "img2": sides[1]})
    numbers, names = numbered_images(pairs)
    assert names == list(dict.fromkeys(sides[0] + sides[1]))
    assert [names[number] for number in numbers] == sides[0] + sides[1]
    # Paths of one file are one, also where they are different objects.
    paths = ImagePaths(*([Path(name) for name in side] for side in sides))
    assert paths.different == list(map(Path, names))
    assert np.concatenate(paths.numbers).tolist() == numbers.tolist()
    again = ImagePaths.of(numbers, list(map(Path, names)))
    assert (again, again.different) == (paths, paths.different)
    assert [side.tolist() for side in again.numbers] == [side.tolist() for side in paths.numbers]


def test_images_that_there_are_are_found_beside_others(tmp_path):
    (tmp_path / "a.jpg").touch()
    names = ["a.jpg", "b.jpg", "../c.jpg"]
    found = {"a.jpg": (tmp_path / "a.jpg").resolve()}
    assert resolve_images(tmp_path, names) == resolve_images(tmp_path, names[:2]) == found
    assert resolve_images(tmp_path / "none", names) == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="There are no pipes")
def test_what_is_there_and_no_image_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(MissingImageError, match=r"'a.png' is a pipe, a device or a socket"):
        find_images(pairs_of("a.png"), tmp_path, task="t")
    (tmp_path / "b").mkdir()
    with pytest.raises(MissingImageError, match=r"'b' is a folder, not a file"):
        find_images(pairs_of("b"), tmp_path, task="t")
