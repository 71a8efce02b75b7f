"""InsightFace's packs, as Python 2 and 3 wrote them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from facebench.data.images import image_bytes, image_exists, open_image
from facebench.data.pairs import find_images, read_insightface_bin, read_pairs
from support.packs import IMAGES, SAME, write


def test_reads_what_python_2_and_3_wrote(pack: Path) -> None:
    found = read_insightface_bin(pack)
    assert list(found.images) == [f"{number:06d}.jpg" for number in range(1, 7)]
    assert [found.images[name] for name in found.images] == IMAGES
    assert found.pairs.to_dict("list") == {
        "img1": ["000001.jpg", "000003.jpg", "000005.jpg"],
        "img2": ["000002.jpg", "000004.jpg", "000006.jpg"],
        "same": [1, 0, 1],
    }
    assert "000007.jpg" not in found.images


def test_a_pack_of_any_name_from_anywhere(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path, (IMAGES, SAME)).rename(tmp_path / "pack.pkl")
    monkeypatch.chdir(tmp_path)
    found = read_insightface_bin("pack.pkl")
    monkeypatch.chdir(path.parent.parent)
    assert list(found.images.values()) == IMAGES


def test_one_image_twice(tmp_path: Path) -> None:
    shared = IMAGES[0]
    found = read_insightface_bin(write(tmp_path, ([shared, IMAGES[1], shared, shared], [1, 0])))
    assert list(found.images.values()) == [shared, IMAGES[1], shared, shared]


def test_a_pack_serves_images_to_tasks(pack: Path) -> None:
    paths = find_images(read_pairs(pack), pack, task="t")
    assert paths.img1[1] == pack / "000003.jpg"
    assert image_exists(paths.img1[1])
    assert image_bytes(paths.img1[1]) == IMAGES[2]
    expected = np.asarray(Image.open(io.BytesIO(IMAGES[2])))
    assert (np.asarray(open_image(paths.img1[1])) == expected).all()
