"""Whatever bit of an index is flipped: never another row, and never a store that stays unusable."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.errors import StoreError
from facebench.store import open_store
from facebench.store.repair import DAMAGED_NAME, repair_index

IMAGES = [bytes([number, 255 - number]) * 8 for number in range(40)]
LAYERS = ("a", "b")
STEP = 97 if os.environ.get("FACEBENCH_NIGHTLY") else 389
NOTES = [("no face",) if number % 3 else () for number in range(40)]


def rows_of(layer: str) -> np.ndarray:
    return np.random.default_rng(ord(layer)).random((len(IMAGES), 3), dtype=np.float32)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a small store with something in every table."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "images").mkdir()
    long_ago = time.time() - 1000
    for number in range(len(IMAGES)):
        path = folder / "images" / f"{number}.jpg"
        path.write_bytes(b"%d" % number)
        os.utime(path, (long_ago, long_ago))
    with open_store(folder / "store") as store:
        for first in range(0, len(IMAGES), 8):
            part = slice(first, first + 8)
            store.write(
                {layer: rows_of(layer)[part] for layer in LAYERS}, IMAGES[part], NOTES[part], "n"
            )
        for layer in LAYERS:
            store.remember(f"width {layer}", 3)
            store.describe(layer, model="m", layer=layer, details={})
            store.read(layer, IMAGES)
        # What was changed a moment ago is not remembered.
        paths = sorted((folder / "images").iterdir())
        wait = max(path.stat().st_ctime for path in paths) + 2.1 - time.time()
        time.sleep(max(0, wait))
        store.image_digests(paths)
    return folder


def use(store_folder: Path, images: Path) -> None:
    """Read all there is and write what is absent, as a run does; nothing may have changed."""
    paths = sorted(images.iterdir())
    with open_store(store_folder) as store:
        with open_store(None) or open_store(images.parent / "fresh") as fresh:
            assert store.image_digests(paths) == fresh.image_digests(paths)
        for layer in LAYERS:
            assert store.recall(f"width {layer}") in (3, None)
            rows, found = store.read(layer, IMAGES)
            assert np.array_equal(rows, rows_of(layer)[found]) or not found.any()
        for kept, noted in zip(store.notes("n", IMAGES), NOTES, strict=True):
            assert kept is None or kept == noted
        for layer in LAYERS:
            store.remember(f"width {layer}", 3)
            store.describe(layer, model="m", layer=layer, details={})
        store.write({layer: rows_of(layer) for layer in LAYERS}, IMAGES, NOTES, "n")
        for layer in LAYERS:
            rows, found = store.read(layer, IMAGES)
            assert found.all()
            assert np.array_equal(rows, rows_of(layer))
        assert store.notes("n", IMAGES) == NOTES
        assert store.info().layers


@pytest.mark.slow
def test_any_flipped_bit_changes_no_row_and_can_be_repaired(sound: Path, tmp_path: Path) -> None:
    index = (sound / "store" / "index.sqlite3").read_bytes()
    refused = repaired = 0
    said: set[str] = set()
    for number, place in enumerate(range(0, len(index), STEP)):
        store = Path(shutil.copytree(sound / "store", tmp_path / f"{place}"))
        flipped = bytearray(index)
        flipped[place] ^= 1 << number * 5 % 8
        (store / "index.sqlite3").write_bytes(flipped)
        try:
            use(store, sound / "images")
        except StoreError as error:
            refused += 1
            said.add(str(error).replace(str(store), ""))
            repaired += repair_index(store) is not None
            use(store, sound / "images")
        if repair_index(store) is not None:
            # Nothing that was read was concerned.
            use(store, sound / "images")
        shutil.rmtree(store)
    assert all("facebench cache" in message for message in said)
    # Most of the file is cells, whose damage concerns them alone.
    assert repaired == refused < 0.1 * len(index) / STEP


def flip(folder: Path, what: bytes, by: int = 1) -> None:
    """Flip a bit in the middle of some bytes of the index."""
    path = folder / "index.sqlite3"
    raw = bytearray(path.read_bytes())
    raw[raw.index(what) + len(what) // 2] ^= by
    path.write_bytes(raw)


def test_a_damaged_entry_is_dropped_with_one_warning(
    sound: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store_folder = Path(shutil.copytree(sound / "store", tmp_path / "store"))
    paths = sorted((sound / "images").iterdir())
    with open_store(store_folder) as store:
        digests = store.image_digests(paths)
    flip(store_folder, digests[7])
    with open_store(store_folder) as store, caplog.at_level(logging.WARNING):
        assert store.image_digests(paths) == digests
        assert store.image_digests(paths) == digests
    assert len(caplog.records) == 1
    assert "files: 1" in caplog.text
    assert "index.sqlite3" in caplog.text
    with open_store(store_folder) as store:
        assert store.verify().entries == {}


def test_verify_reports_and_repairs_entries_and_structure(sound: Path, tmp_path: Path) -> None:
    def verify(folder: Path) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["cache", "verify", "--cache-dir", str(folder)])
        return done.exit_code, done.output

    store_folder = Path(shutil.copytree(sound / "store", tmp_path / "store"))
    flip(store_folder, rows_of("a").tobytes()[:0] + IMAGES[10] + IMAGES[11])
    code, output = verify(store_folder)
    assert code == 1
    assert "Damaged entries of the index dropped: batches: 1." in output
    assert verify(store_folder) == (0, "64 rows read, 0 damaged.\n")
    flip(store_folder, b"SQLite format 3")
    with pytest.raises(StoreError, match="'facebench cache verify'"):
        open_store(store_folder)
    code, output = verify(store_folder)
    assert code == 1
    assert "The index was damaged" in output
    assert DAMAGED_NAME in "".join(output.split())
    assert "64 rows read, 0 damaged." in output
    assert verify(store_folder)[0] == 0


@pytest.mark.parametrize("content", [b"", b"nothing of a database" * 500, b"SQLite format 3\0"])
def test_an_index_of_which_nothing_is_left_is_begun_anew(
    sound: Path, tmp_path: Path, content: bytes
) -> None:
    store_folder = Path(shutil.copytree(sound / "store", tmp_path / "store"))
    (store_folder / "index.sqlite3").write_bytes(content)
    rebuilt = repair_index(store_folder)
    if content:
        assert rebuilt is not None
        assert rebuilt.entries == 0
        assert rebuilt.set_aside.read_bytes() == content
    use(store_folder, sound / "images")


def test_an_index_in_use_is_not_replaced(sound: Path, tmp_path: Path) -> None:
    store_folder = Path(shutil.copytree(sound / "store", tmp_path / "store"))
    with open_store(store_folder) as store:
        assert store.has("a", IMAGES).all()
        flip(store_folder, b"SQLite format 3")
        with pytest.raises(StoreError, match="another process uses it"):
            repair_index(store_folder)
    assert repair_index(store_folder) is not None
    with open_store(store_folder) as store:
        assert store.has("a", IMAGES).all()


def test_other_databases_are_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "index.sqlite3") as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        repair_index(tmp_path)
