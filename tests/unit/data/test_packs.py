"""A pack gives its images wherever a file would do, and runs nothing."""

from __future__ import annotations

import os
import pickle
import resource
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from facebench.data.images import image_bytes, image_exists, open_image
from facebench.data.packs import open_pack
from facebench.data.pairs import find_images, read_insightface_bin, read_pairs
from facebench.errors import FacebenchError, MissingImageError, MissingPairsFileError, PairsError
from support.packs import IMAGES, SAME, python2_pickle, write


def test_images_are_not_kept_in_memory_where_the_file_has_them(tmp_path: Path) -> None:
    path = write(tmp_path, (IMAGES, SAME))
    assert not any(isinstance(member, bytes) for member in open_pack(path).members.values())


def numpy_of(version: int, pickled: bytes) -> bytes:
    """Name NumPy's functions as its version 1 does; short texts begin with their length."""
    if version == 2:
        return pickled
    for name in (b"numpy._core.multiarray", b"numpy._core.numeric"):
        former = name.replace(b"._core.", b".core.")
        pickled = pickled.replace(bytes([len(name)]) + name, bytes([len(former)]) + former)
        pickled = pickled.replace(b"c" + name, b"c" + former)
    return pickled


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)], ids=["flat", "column"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("protocol", range(6))
def test_images_may_be_arrays_as_opencv_encodes_them(
    tmp_path: Path, protocol: int, version: int, shape: tuple[int, ...]
) -> None:
    path = tmp_path / "agedb_30.bin"
    arrays = [np.frombuffer(image, np.uint8).copy().reshape(shape) for image in IMAGES]
    path.write_bytes(numpy_of(version, pickle.dumps((arrays, SAME), protocol)))
    found = open_pack(path)
    assert [image_bytes(path / name) for name in found.members] == IMAGES
    assert found.same == SAME


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.uint8),
        np.zeros(4, np.float32),
        np.array(["a"], object),
        np.zeros(0, np.uint8),
    ],
    ids=["pixels", "floats", "objects", "empty"],
)
@pytest.mark.parametrize("protocol", [2, 5])
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, protocol: int) -> None:
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(([array, array], [True]), protocol))
    if array.size:
        with pytest.raises(PairsError, match=r"lfw\.bin cannot be read: it (holds|asks)"):
            open_pack(path)
    else:
        with pytest.raises(FacebenchError):
            open_image(path / "000001.jpg")


def test_a_name_may_lead_into_a_pack_of_the_folder(pack: Path) -> None:
    pairs = read_pairs(pack).assign(img1="lfw.bin/000006.jpg", img2="lfw.bin/000001.jpg")
    found = find_images(pairs, pack.parent, task="t")
    assert image_bytes(found.img1[0]) == IMAGES[5]


def test_missing_members_are_told(pack: Path) -> None:
    assert not image_exists(pack / "000007.jpg")
    pairs = read_pairs(pack).assign(img2="000009.jpg")
    with pytest.raises(MissingImageError, match=r"1 of 4 images .* '000009\.jpg' in row 1"):
        find_images(pairs, pack, task="t")
    for read in (image_bytes, open_image):
        with pytest.raises(MissingImageError, match=r"no image 000009"):
            read(pack / "000009.jpg")


def _digest(path: str) -> bytes:
    return image_bytes(path)


@pytest.mark.slow
def test_processes_and_threads_read_at_once(pack: Path) -> None:
    names = [str(pack / name) for name in open_pack(pack).members] * 20
    with get_context("fork").Pool(2) as pool, ThreadPoolExecutor(4) as threads:
        assert pool.map(_digest, names) == list(threads.map(image_bytes, names)) == IMAGES * 20


def test_a_pack_that_changed_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, (IMAGES[:2], [True]))
    assert image_bytes(path / "000002.jpg") == IMAGES[1]
    write(tmp_path, (IMAGES[2:], SAME[1:]))
    os.utime(path, ns=(1, 1))
    assert image_bytes(path / "000002.jpg") == IMAGES[3]


class Attack:
    def __reduce__(self):
        return os.mkdir, ("attacked",)


class Forged:
    """Pickled as a call of what is admitted, with arguments that are not."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __reduce__(self):
        import _codecs

        return _codecs.encode, self.arguments


BAD = {
    "code": [Attack()],
    "another codec": [Forged("a", "rot13")],
    "numpy": [np.zeros(3, np.uint8)],
    "a bytearray": [bytearray(b"x"), b"y"],
    "text": ["image", "image"],
    "numbers": [1, 2],
    "nothing": None,
}


@pytest.mark.parametrize("images", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_anything_but_bytes_is_refused(tmp_path: Path, monkeypatch, images, protocol) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, (images, [True]), protocol)
    for read in (read_insightface_bin, read_pairs):
        with pytest.raises(PairsError, match=r"pack .*some\.bin"):
            read(path)
    assert not Path("attacked").exists()


@pytest.mark.parametrize(
    "content",
    [
        (IMAGES, SAME, []),
        [IMAGES],
        {"images": IMAGES},
        (IMAGES[:5], SAME),
        ([], []),
        (IMAGES, [1, 2, 0]),
        (IMAGES, [True, None, False]),
        (IMAGES, [True, "False", False]),
        (IMAGES, [1.0, 0, 1]),
        7,
    ],
)
def test_another_shape_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(PairsError, match=r"some\.bin"):
        read_insightface_bin(write(tmp_path, content))


def test_damage_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = python2_pickle(IMAGES[:2], [True])
    path = tmp_path / "cut.bin"
    for size in [0, 1, 2, 5, 40, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(FacebenchError):
            read_insightface_bin(path)
    with pytest.raises(PairsError, match="it is cut short, copy or download it again"):
        read_insightface_bin(path)


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    path = tmp_path / "noise.bin"
    for size in generator.integers(1, 200, 300):
        path.write_bytes(b"\x80\x02" + generator.bytes(int(size)) + b".")
        with pytest.raises(PairsError):
            read_insightface_bin(path)


def test_state_cannot_be_put_on_what_is_admitted(tmp_path: Path) -> None:
    # GLOBAL _codecs encode, then BUILD with a state: an attribute would outlive this pack.
    path = tmp_path / "state.bin"
    path.write_bytes(b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00aK\x01sb.")
    with pytest.raises(PairsError):
        read_insightface_bin(path)


def test_a_missing_pack_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingPairsFileError, match="does not exist"):
        read_insightface_bin(tmp_path / "none.bin")
    with pytest.raises(FacebenchError):
        read_insightface_bin(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",
        b"\x80\x04\x95" + b"\xff" * 7 + b"\0]]\x86.",
        b"\x80\x04\x8e" + b"\xff" * 7 + b"\0.",
    ],
    ids=["memo", "frame", "bytes"],
)
def test_a_pack_that_claims_to_be_huge_takes_no_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PairsError, match=r"some\.bin"):
        open_pack(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    "labels",
    [b"]" * 100_001 + b"a" * 100_000, b"](\x8b\x00\x00\x01\x00" + b"\x7f" * 65536 + b"e"],
    ids=["deep", "long"],
)
def test_labels_that_cannot_be_shown_are_refused(tmp_path: Path, labels: bytes) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(b"\x80\x04]" + labels + b"\x86.")
    with pytest.raises(PairsError, match=r"some\.bin must .*Label 1 is (list|int)"):
        open_pack(path)


def test_what_a_pickle_stumbles_over_is_told_briefly(tmp_path: Path) -> None:
    path = tmp_path / "some.bin"
    # An image is called as if it were a function.
    path.write_bytes(b"\x80\x04B\x00\x10\x00\x00" + IMAGES[0].ljust(4096, b"\1") + b")R.")
    with pytest.raises(PairsError, match=r"some\.bin") as caught:
        open_pack(path)
    assert len(str(caught.value)) < 600


def test_bytes_spelled_as_text_of_another_encoding_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(b"](c_codecs\nencode\n(V\xe9\ntRc_codecs\nencode\n(V\xe9\ntRe](I01\ne\x86.")
    with pytest.raises(PairsError, match="spelled in an unknown way"):
        open_pack(path)
