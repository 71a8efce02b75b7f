"""A store that someone else has made leads to no file but its own."""

from __future__ import annotations

import os
import shutil
import sqlite3

import numpy as np
import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.errors import StoreError
from facebench.store import open_store
from facebench.store.database import connect, make_tables
from facebench.store.folder import remove_store
from facebench.store.shards import hold, shard_path

NAME = "0" * 32 + ".bin"


@pytest.fixture
def store_folder(tmp_path):
    folder = tmp_path / "store"
    store = open_store(folder)
    store.remember("x", 1)
    store.close()
    return folder


def list_shard(folder, name):
    connection = sqlite3.connect(folder / "index.sqlite3")
    connection.execute("INSERT INTO shards (name, size) VALUES (?, 0)", (name,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    "name", ["{}/thesis", "../../thesis", "..", "", "a.bin", NAME + "\n", "../shards/" + NAME, b"x"]
)
def test_only_names_that_the_store_gives_are_followed(tmp_path, name):
    assert shard_path(tmp_path, name) is None
    assert shard_path(tmp_path, NAME) == tmp_path / "shards" / NAME


@pytest.mark.parametrize("name", ["{}/thesis.tex", "../../thesis.tex"])
@pytest.mark.parametrize("act", ["prune", "clear", "write"])
def test_a_path_for_a_name_overwrites_and_removes_nothing(store_folder, tmp_path, name, act):
    (tmp_path / "thesis.tex").write_text("thesis")
    list_shard(store_folder, name.format(tmp_path))
    with open_store(store_folder) as store:
        if act == "prune":
            store.prune(max_size=0)
        elif act == "clear":
            store.clear()
        else:
            from facebench.store.shards import OwnShard

            shard = OwnShard(store._database)
            shard.append(np.zeros((4, 4), dtype=np.float32))
            shard.close()
    assert (tmp_path / "thesis.tex").read_text() == "thesis"


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs O_NOFOLLOW")
def test_a_link_for_a_shard_is_not_followed(store_folder, tmp_path):
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("thesis")
    (store_folder / "shards").mkdir(exist_ok=True)
    (store_folder / "shards" / NAME).symlink_to(thesis)
    list_shard(store_folder, NAME)
    assert hold(store_folder / "shards" / NAME) is None
    with open_store(store_folder) as store:
        store.clear()
    assert thesis.read_text() == "thesis"


def test_what_another_program_has_made_is_not_removed(tmp_path):
    folder = tmp_path / "other"
    (folder / "shards").mkdir(parents=True)
    (folder / "shards" / "model-00001.bin").write_text("weights")
    connection = sqlite3.connect(folder / "index.sqlite3")
    connection.execute("CREATE TABLE thesis (a)")
    connection.commit()
    connection.close()
    done = CliRunner().invoke(app, ["cache", "clear", "--yes", "--cache-dir", str(folder)])
    assert done.exit_code != 0
    with pytest.raises(StoreError, match="another program"):
        remove_store(folder)
    assert (folder / "index.sqlite3").is_file()
    # Of a damaged index only what bears our names goes.
    (folder / "index.sqlite3").write_text("damaged")
    (folder / "shards" / NAME).touch()
    remove_store(folder)
    assert sorted(path.name for path in (folder / "shards").iterdir()) == ["model-00001.bin"]
    assert not (folder / "index.sqlite3").exists()


@pytest.mark.parametrize("act", ["info", "verify"])
def test_another_programs_folder_is_left_as_it_is(tmp_path, act):
    connection = sqlite3.connect(tmp_path / "index.sqlite3")
    connection.execute("CREATE TABLE thesis (a)")
    connection.commit()
    connection.close()
    before = (tmp_path / "index.sqlite3").read_bytes()
    done = CliRunner().invoke(app, ["cache", act, "--cache-dir", str(tmp_path)])
    assert done.exit_code == 2
    assert "a database of another program" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["index.sqlite3"]
    assert (tmp_path / "index.sqlite3").read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="Links need privileges on Windows")
def test_shards_are_kept_in_no_folder_that_a_link_leads_to(store_folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / NAME).touch()
    if (store_folder / "shards").exists():
        (store_folder / "shards").rmdir()
    (store_folder / "shards").symlink_to(elsewhere)
    with pytest.raises(StoreError, match=r"shards of the embedding store must be a folder"):
        open_store(store_folder)
    remove_store(store_folder)
    assert [path.name for path in elsewhere.iterdir()] == [NAME]


@pytest.mark.parametrize(("is_ours", "left"), [(True, False), (False, True)])
def test_a_store_whose_index_is_only_in_its_log_yet_can_be_removed(tmp_path, is_ours, left):
    (tmp_path / "living").mkdir()
    index = tmp_path / "living" / "index.sqlite3"
    connection = connect(str(index))
    connection.execute("PRAGMA journal_mode = WAL")
    if is_ours:
        make_tables(connection)
        connection.execute("PRAGMA user_version = 99")
    else:
        connection.execute("CREATE TABLE thesis (a)")
    # As a process that is killed leaves it.
    killed = shutil.copytree(tmp_path / "living", tmp_path / "killed")
    connection.close()
    assert (killed / "index.sqlite3-wal").stat().st_size
    done = CliRunner().invoke(app, ["cache", "clear", "--yes", "--cache-dir", str(killed)])
    assert done.exit_code == (2 if left else 0), done.output
    assert (killed / "index.sqlite3").exists() == left
