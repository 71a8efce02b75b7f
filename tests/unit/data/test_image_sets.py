"""Sets of other images: folders, packs, tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from facebench.data.image_sets import image_set
from facebench.errors import InputError, MissingImageError
from support.face_sets import image, lfw_people, packs, write


def test_a_folder_of_people(tmp_path: Path) -> None:
    lfw_people(tmp_path)
    found = image_set(tmp_path, "cohort")
    assert len(found.paths) == 8
    assert found.people == {"Ann_Lee", "Bea_Moe", "Cy_Noe", "Di_Ort"}
    image(tmp_path / "loose.png")
    # Who is in that one is not known, so it is known of none.
    assert image_set(str(tmp_path), "cohort").people == set()


def test_a_pack(tmp_path: Path) -> None:
    packs(tmp_path, "others.bin", [True, False])
    found = image_set(tmp_path / "others.bin", "whiten")
    assert [path.name for path in found.paths] == [f"{n:06d}.jpg" for n in (1, 2, 3, 4)]
    assert not found.people


@pytest.mark.parametrize("header", ["image", "img1,img2"])
def test_a_table(header: str, tmp_path: Path) -> None:
    lfw_people(tmp_path / "faces")
    names = [f"faces/Ann_Lee/Ann_Lee_000{n}.jpg" for n in (1, 2)]
    rows = names if header == "image" else [",".join(names)] * 2
    found = image_set(write(tmp_path / "others.csv", "\n".join([header, *rows])), "centre")
    assert found.paths == [(tmp_path / name).resolve() for name in names]
    assert found.people == {"Ann_Lee"}


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingImageError, match="'whiten' must be a folder"):
        image_set(tmp_path / "none", "whiten")
    with pytest.raises(MissingImageError, match="holds no images"):
        image_set(tmp_path, "whiten")
    with pytest.raises(InputError, match=r"column 'image'.*it has: file"):
        image_set(write(tmp_path / "a.csv", "file\nx.png\n"), "whiten")
    with pytest.raises(MissingImageError, match=r"x\.png"):
        image_set(write(tmp_path / "b.csv", "image\nx.png\n"), "whiten")
