"""Lists of pairs made from folders: balanced, reproducible, without repeats."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from facebench.data.pairs import all_pairs, find_images, pairs_from_folder, read_pairs
from facebench.errors import MissingImageError, PairsError

SIZES = {"ann": 5, "bo b": 3, "cy": 1, "dee": 2, "élan": 12}
GENUINE = sum(n * (n - 1) // 2 for n in SIZES.values())
ALL = 23 * 22 // 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, count in SIZES.items():
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.jpg").touch()
        (tmp_path / name / "notes.txt").touch()
    (tmp_path / "stray.jpg").touch()
    return tmp_path


def unordered(pairs: pd.DataFrame) -> set[frozenset]:
    return {frozenset(pair) for pair in zip(pairs["img1"], pairs["img2"], strict=True)}


def test_balanced_and_documented(root: Path) -> None:
    pairs = pairs_from_folder(root, genuine=20, impostor=30, seed=3)
    assert pairs["same"].value_counts().to_dict() == {1: 20, 0: 30}
    assert ((pairs["identity1"] == pairs["identity2"]) == pairs["same"]).all()
    for side in ("1", "2"):
        assert (pairs[f"img{side}"].str.split("/").str[0] == pairs[f"identity{side}"]).all()
    assert len(unordered(pairs)) == 50
    assert (pairs["img1"] != pairs["img2"]).all()
    assert pairs_from_folder(root, genuine=7)["same"].mean() == 0.5


def test_reproducible(root: Path) -> None:
    once, again = (pairs_from_folder(root, 10, 10, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(once, again)
    assert not once.equals(pairs_from_folder(root, 10, 10, seed=2))


def test_people_take_turns(root: Path) -> None:
    found = pairs_from_folder(root, genuine=4, impostor=0)
    assert set(found["identity1"]) == {"ann", "bo b", "dee", "élan"}


def test_all_there_are(root: Path) -> None:
    pairs = pairs_from_folder(root, genuine=GENUINE, impostor=ALL - GENUINE)
    assert unordered(pairs) == unordered(all_pairs(root))
    assert len(pairs) == ALL == len(all_pairs(root))
    assert all_pairs(root)["same"].sum() == GENUINE


def test_too_many_are_refused_with_the_number_there_is(root: Path) -> None:
    with pytest.raises(PairsError, match=rf"'genuine' .* 0 … {GENUINE}, .* Got 1000\."):
        pairs_from_folder(root, genuine=1000)
    with pytest.raises(PairsError, match="'impostor'"):
        pairs_from_folder(root, genuine=1, impostor=-1)


def test_no_images_or_no_genuine_pair(tmp_path: Path) -> None:
    for build in (pairs_from_folder, all_pairs):
        with pytest.raises(MissingImageError, match=r"NAME/\*\.jpg"):
            build(tmp_path)
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "1.jpg").touch()
    with pytest.raises(PairsError, match="two images"):
        pairs_from_folder(tmp_path)


def test_a_written_list_is_a_pairs_file(root: Path, tmp_path: Path) -> None:
    pairs = pairs_from_folder(root, 5, 5)
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    back = read_pairs(tmp_path / "pairs.csv")
    pd.testing.assert_frame_equal(back, pairs, check_dtype=False)
    assert find_images(back, root, task="t").img1[0].is_file()
