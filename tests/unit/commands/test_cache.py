"""`facebench cache`: exit codes, and what is printed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.store import open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_store(tmp_path) as store:
        for key, layer in (("old", "fc6"), ("new", "fc7")):
            store.write(
                {key: np.ones((100, 25), dtype=np.float32)}, [bytes([i] * 16) for i in range(100)]
            )
            store.describe(key, model="vgg", layer=layer, details={})
        with store._database.change() as connection:
            connection.execute("UPDATE usage SET day = day - 100 WHERE layer = 1")
    return tmp_path


def cache(*arguments: object, given: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["cache", *map(str, arguments)], input=given)
    return result.exit_code, result.output


def test_info_shows_sizes_per_model_and_layer(folder: Path) -> None:
    code, text = cache("info", "--cache-dir", folder)
    assert code == 0
    for part in ("vgg", "fc6", "fc7", "10.0 kB", "float32", "100"):
        assert part in text


def test_verify_fails_where_a_row_is_damaged(folder: Path) -> None:
    assert cache("verify", "--cache-dir", folder) == (0, "200 rows read, 0 damaged.\n")
    (shard,) = (folder / "shards").iterdir()
    data = bytearray(shard.read_bytes())
    data[3] ^= 1
    shard.write_bytes(data)
    code, text = cache("verify", "--cache-dir", folder)
    assert (code, text) == (1, "200 rows read, 1 damaged.\n  vgg fc6: 1\n")
    assert cache("verify", "--cache-dir", folder)[0] == 0


@pytest.mark.parametrize("options", [("--older-than", "90d"), ("--max-size", "0.012MB")])
def test_prune_removes_the_longest_unused(folder: Path, options: tuple[str, str]) -> None:
    code, text = cache("prune", *options, "--cache-dir", folder)
    assert code == 0
    assert text.startswith("100 rows (10.0 kB) removed")
    with open_store(folder) as store:
        assert not store.has("old", [bytes(16)]).any()
        assert store.read("new", [bytes(16)])[0].tolist() == [[1.0] * 25]
        # Blocks of rows begin at multiples of 64 bytes.
        assert sum(p.stat().st_size for p in (folder / "shards").iterdir()) == 10_048


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("prune",), "--max-size"),
        (("prune", "--max-size", "much"), "4GiB"),
        (("prune", "--older-than", "a while"), "90d"),
    ],
)
def test_what_cannot_be_read_says_what_can(
    folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    code, text = cache(*arguments, "--cache-dir", folder)
    assert code == 2
    assert says in text


def test_clear_asks_first(folder: Path) -> None:
    assert cache("clear", "--cache-dir", folder, given="n\n")[0] == 1
    assert cache("verify", "--cache-dir", folder)[1].startswith("200 rows")
    assert cache("clear", "--cache-dir", folder, given="y\n")[0] == 0
    assert cache("verify", "--cache-dir", folder)[1].startswith("0 rows")
    assert list((folder / "shards").iterdir()) == []


def test_clear_removes_a_store_that_cannot_be_opened(folder: Path) -> None:
    with sqlite3.connect(folder / "index.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    code, text = cache("info", "--cache-dir", folder)
    assert code == 2
    assert "newer facebench" in text
    (folder / "mine.txt").touch()
    assert cache("clear", "--yes", "--cache-dir", folder)[0] == 0
    with open_store(folder) as store:
        assert store.verify().rows == 0
    assert (folder / "mine.txt").exists()


def test_no_store_is_an_error_and_none_is_made(tmp_path: Path) -> None:
    for command in ("info", "verify", "clear"):
        code, text = cache(command, "--cache-dir", tmp_path / "none")
        assert code == 2
        assert "no embedding store" in text
    assert not (tmp_path / "none").exists()
