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

from facebench.errors import StoreError
from facebench.store import pack_files
from facebench.store.layer_index import as_digests
from facebench.store.pack_files import (
    PackError,
    PackFile,
    PackLayer,
    check_packs_writable,
    open_pack,
    write_pack,
)
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


@pytest.mark.slow
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
    with pytest.raises(PackError, match=r"it is truncated\. Copy it again"):
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


def test_offsets_that_others_would_follow_are_refused_though_the_seal_fits(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    first, last = header["rows.0"]["data_offsets"]
    header["rows.0"]["data_offsets"] = [first - 8, last - 8]
    spelled = json.dumps(header).encode().ljust(length)
    rest = whole[8 + length + 16 :]
    path.write_bytes(whole[:8] + spelled + pack_files._seal(spelled) + rest)
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
        struct.pack("<Q", 1000) + b'{"__metadata__": {"format": "pt"}, "weight"',
        struct.pack("<Q", 17 << 20) + bytes(17 << 20),
        *(
            struct.pack("<Q", len(header)) + header
            for header in (
                b'{"__metadata__": [1]}',
                b'{"__metadata__": {"facebench_pack": 1e999, "description": "{}"}}',
                b'{"__metadata__": {"facebench_pack": "' + b"9" * 10_000 + b'"}}',
            )
        ),
        b"SQLite format 3\0" + bytes(4000),
    ],
    ids=[
        *("pickle", "zip", "huge header", "deep header", "other tensors"),
        *("truncated other", "much header"),
        *("list", "infinite format", "long format", "database"),
    ],
)
def test_what_is_no_pack_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(PackError, match="not a pack"):
        open_pack(path)


@pytest.mark.parametrize("sizes", [(1 << 38, 2, 2), (8, 1 << 40, 2), (8, 2, 1 << 40)])
def test_sizes_that_no_memory_holds_are_refused_and_not_read(
    tmp_path: Path, sizes: tuple[int, int, int]
) -> None:
    images, notes, facts = sizes
    description = pack_files._Description(images, (), "n", notes, facts, {})
    header = pack_files._header(description)
    path = tmp_path / "x.safetensors"
    spans = pack_files._spans(description, len(header) + 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + pack_files._seal(header))
        # A file that is mostly a hole takes no room.
        file.truncate(max(span.end for span in spans.values()))
    with pytest.raises(PackError, match="damaged"):
        open_pack(path)


@pytest.mark.parametrize(
    ("images", "more", "told"),
    [
        (IMAGES[:4] + IMAGES[:1], {}, "two rows of one image"),
        (IMAGES, {"facts": {"width a": 5}}, "rows of 'fc' have 4 values, and it says 5"),
        (IMAGES, {"facts": {"width a": 1 << 50}}, "not a pack"),
        (IMAGES, {"facts": {"unsteady a": "\x1b[2J"}}, "not a pack"),
        (IMAGES, {"notes": [["x" * 20_000], *([[]] * 4)]}, "not a pack"),
    ],
    ids=["twice", "contradiction", "width", "unsteady", "long"],
)
def test_what_is_sealed_and_cannot_be_true_is_refused(
    tmp_path: Path, images: list[bytes], more: dict[str, object], told: str
) -> None:
    def read(layer: PackLayer, some: list[bytes]) -> np.ndarray:
        return ROWS[layer.key][[IMAGES.index(image) for image in some]]

    write_pack(tmp_path, LAYERS, images, read, notes_key="n", **more)
    packs = Packs(tmp_path)
    packs.recall("width a")
    packs.notes("n")
    packs.has(("a", "float32"), packs.files[0].images() if packs.files else as_digests(IMAGES))
    assert told in "".join(packs.refused.values())


def test_of_facts_those_of_layers_count_and_remarks_leave_a_terminal_alone(tmp_path: Path) -> None:
    facts = {"width a": 4, "unsteady a": "batch", "pace here": "x", "faces 1": [], "layout x": {}}
    pack = open_pack(written(tmp_path, facts=facts, notes=[["\x1b[2Jno\n"], *([[]] * 4)]))
    assert pack.facts() == {"width a": 4, "unsteady a": "batch"}
    assert pack.notes() == {0: ("\ufffd[2Jno\ufffd",)}


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"Packs cannot be written to .*: the disk is full"):
            written(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())
    assert written(tmp_path).is_file()


@pytest.mark.parametrize("folder", ["file/packs", "file"])
def test_a_folder_that_takes_no_packs_is_told(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Packs cannot be written to"):
        check_packs_writable(tmp_path / folder)


def test_a_second_writer_in_the_middle_of_the_first_changes_nothing(tmp_path: Path) -> None:
    def read(layer: PackLayer, images: list[bytes]) -> np.ndarray:
        if layer.key == "b":
            # The first is half written.
            written(tmp_path)
            assert len(Packs(tmp_path).files) == 1
        return ROWS[layer.key]

    notes = [["no face"] if number == 2 else [] for number in range(5)]
    write_pack(tmp_path, LAYERS, IMAGES, read, notes_key="n", notes=notes, facts={"width a": 4})
    assert len(list(tmp_path.iterdir())) == 1
    assert Packs(tmp_path).verify() == (10, {})


def test_what_killed_writers_left_goes_after_a_day_by_the_clock_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = (tmp_path / f".{letter * 32}.part" for letter in "ab")
    for path in (new, old):
        path.touch()
    os.utime(old, (0, 0))
    # This machine's clock is a week ahead.
    monkeypatch.setattr("time.time", lambda: new.stat().st_mtime + 7 * 24 * 3600)
    written(tmp_path)
    assert (new.exists(), old.exists()) == (True, False)


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


@pytest.mark.parametrize("name", ["\x1b[2Jnet", "a\nb", "my\u00a0net", "\u202eevil", "\ud800"])
def test_names_that_act_on_a_terminal_are_spelled_and_those_of_others_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def write(folder: Path) -> Path:
        layer = PackLayer("a", "float32", 4, name, name)
        return write_pack(folder, [layer], IMAGES, lambda _layer, some: ROWS["a"][: len(some)])

    (layer,) = open_pack(write(tmp_path / "ours")).layers
    assert layer.model == layer.layer == name.encode("unicode_escape").decode()
    monkeypatch.setattr("facebench.store.pack_files._spelled", str)
    path = write(tmp_path / "theirs")
    assert path.parent == tmp_path / "theirs"
    with pytest.raises(PackError):
        open_pack(path)


def test_a_model_called_as_a_path_writes_into_the_folder(tmp_path: Path) -> None:
    layer = PackLayer("a", "float32", 4, "../../etc/passwd")
    path = write_pack(tmp_path / "packs", [layer], IMAGES, lambda _l, i: ROWS["a"][: len(i)])
    assert path.parent == tmp_path / "packs"
    assert path.is_file()
