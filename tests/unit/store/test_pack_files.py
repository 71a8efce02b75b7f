"""Packs are read as they were written, or refused with a reason."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from facebench.store.pack_files import PackError, PackFile, PackLayer, open_pack, write_pack
from facebench.store.packs import Packs

IMAGES = [bytes([number]) * 16 for number in range(5)]
ROWS = {
    "a": np.arange(20, dtype=np.float32).reshape(5, 4),
    "b": np.linspace(-1, 1, 10, dtype=np.float32).reshape(5, 2),
}
LAYERS = [PackLayer("a", "float32", 4, "net", "fc"), PackLayer("b", "float16", 2, "net", "x")]


def written(folder: Path, **more: object) -> Path:
    def read(layer: PackLayer, images: list[bytes]) -> np.ndarray:
        return ROWS[layer.key][[IMAGES.index(image) for image in images]]

    notes = [["no face"] if number == 2 else [] for number in range(5)]
    options = {"notes_key": "n", "notes": notes, "facts": {"width a": 4}, **more}
    return write_pack(folder, LAYERS, IMAGES, read, **options)


def test_a_pack_is_a_safetensors_file_that_other_programs_read(tmp_path: Path) -> None:
    tensors = load_file(written(tmp_path))
    assert np.array_equal(tensors["rows.0"], ROWS["a"])
    assert np.array_equal(tensors["rows.1"], ROWS["b"].astype(np.float16))
    assert [row.tobytes() for row in tensors["images"]] == IMAGES
    assert json.loads(tensors["notes"].tobytes()) == {"2": ["no face"]}


def test_the_same_rows_make_the_same_file(tmp_path: Path) -> None:
    first = written(tmp_path)
    before = first.read_bytes()
    assert written(tmp_path) == first
    assert first.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_what_a_pack_says_of_itself(tmp_path: Path) -> None:
    pack = open_pack(written(tmp_path))
    assert (pack.n_images, pack.notes_key, pack.layers) == (5, "n", tuple(LAYERS))
    assert pack.notes() == {2: ("no face",)}
    assert pack.facts() == {"width a": 4}


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(_layer: PackLayer, _images: list[bytes]) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_pack(tmp_path, LAYERS, IMAGES, fail)
    assert not list(tmp_path.iterdir())


def use_all(pack: PackFile) -> None:
    """Read everything of a pack but the rows."""
    pack.images()
    pack.notes()
    pack.facts()
    for layer in range(len(pack.layers)):
        pack.checksums(layer)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    rng = np.random.default_rng(4)
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        packs = Packs(tmp_path)
        _rows, lost = packs.verify()
        assert packs.refused or lost, place


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, -1])
def test_a_truncated_pack_is_refused(tmp_path: Path, length: int) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(PackError, match=r"not a pack|damaged"):
        open_pack(path)


def rewritten(path: Path, change: object) -> None:
    """Change the header of a pack as somebody would who knows the format, but not the seal."""
    whole = path.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    change(header)  # type: ignore[operator]
    spelled = json.dumps(header).encode().ljust(length)
    path.write_bytes(struct.pack("<Q", len(spelled)) + spelled + whole[8 + length :])


def test_offsets_of_a_header_are_not_followed(tmp_path: Path) -> None:
    path = written(tmp_path)
    rewritten(path, lambda header: header["rows.0"].update(data_offsets=[0, 80]))
    with pytest.raises(PackError, match="damaged"):
        open_pack(path)


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    rewritten(path, lambda header: header["__metadata__"].update(facebench_pack="2"))
    with pytest.raises(PackError, match=r"a newer facebench wrote it \(format 2"):
        open_pack(path)


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps({"a": print}),
        b"PK\x03\x04" + bytes(200),
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 20_000) + b"[" * 20_000,
        struct.pack("<Q", 16) + b'{"a": 1}        ',
    ],
    ids=["pickle", "zip", "huge header", "deep header", "other tensors"],
)
def test_what_is_no_pack_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(PackError, match="not a pack"):
        open_pack(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_links_pipes_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    path = written(tmp_path / "elsewhere")
    (tmp_path / "packs/link.safetensors").symlink_to(path)
    os.mkfifo(tmp_path / "packs/pipe.safetensors")
    (tmp_path / "packs/folder.safetensors").mkdir()
    packs = Packs(tmp_path / "packs")
    assert not packs.files
    assert "links are not followed" in packs.refused["link.safetensors"]
    assert "not a plain file" in packs.refused["pipe.safetensors"]
    assert packs.refused.keys() >= {"folder.safetensors"}


@pytest.mark.parametrize("name", ["\x1b[2Jnet", "a\nb"])
def test_names_that_act_on_a_terminal_are_refused(tmp_path: Path, name: str) -> None:
    path = write_pack(
        tmp_path,
        [PackLayer("a", "float32", 4, name)],
        IMAGES,
        lambda _layer, images: ROWS["a"][: len(images)],
    )
    assert path.parent == tmp_path
    with pytest.raises(PackError):
        open_pack(path)


def test_a_model_called_as_a_path_writes_into_the_folder(tmp_path: Path) -> None:
    layer = PackLayer("a", "float32", 4, "../../etc/passwd")
    path = write_pack(tmp_path / "packs", [layer], IMAGES, lambda _l, i: ROWS["a"][: len(i)])
    assert path.parent == tmp_path / "packs"
    assert path.is_file()
