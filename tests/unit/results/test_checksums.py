"""A table of a run that was changed after it is not read as if it were the run's."""

from __future__ import annotations

import json
import logging
import shutil

import pandas as pd
import pytest
from typer.testing import CliRunner

from facebench.cli import app
from facebench.errors import RunFolderError
from facebench.results.checksums import changed_tables, checksums_of_tables
from facebench.results.compare import compare_runs
from facebench.results.leaderboard import leaderboard
from facebench.results.reader import load_run
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from support.small_run import small_manager

TABLES = ["distances.parquet", "left_out.parquet", "results.csv", "results.parquet"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    folder = RunFolder.create(root, "r")
    folder.save(small_manager(tmp_path_factory.mktemp("data")))
    return folder.path


@pytest.fixture
def run(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "run")


def manifest_of(run):
    return json.loads((run / "manifest.json").read_text())


def flip(file, share):
    raw = bytearray(file.read_bytes())
    raw[int(share * (len(raw) - 1))] ^= 1
    file.write_bytes(raw)


def test_every_table_has_a_checksum(run):
    files = manifest_of(run)["files"]
    assert set(TABLES) <= set(files)
    assert files == checksums_of_tables(run)
    assert list(changed_tables(run, manifest_of(run))) == []
    flip(run / "results.csv", 0.5)
    assert [file.name for file in changed_tables(run, manifest_of(run))] == ["results.csv"]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1])
def test_a_flipped_bit_of_a_table_is_refused_with_its_name(run, share):
    for name, read in (
        ("results.parquet", lambda found: found.results),
        ("distances.parquet", lambda found: found.distances),
        ("distances.parquet", lambda found: found.task_distances("shallow", "rate")),
        ("left_out.parquet", lambda found: found.left_out),
    ):
        before = (run / name).read_bytes()
        flip(run / name, share)
        with pytest.raises(RunFolderError, match=name):
            read(load_run(run))
        (run / name).write_bytes(before)
        read(load_run(run))


def test_readers_of_runs_refuse_a_changed_table(run, saved, tmp_path):
    table = pd.read_parquet(run / "results.parquet")
    table.assign(value=table["value"] + 0.1).to_parquet(run / "results.parquet", index=False)
    for read in (
        lambda: write_report(run, tmp_path / "page.html"),
        lambda: compare_runs(run, saved),
        lambda: leaderboard([run], tmp_path / "board.html"),
        lambda: load_run(run).headline(),
    ):
        with pytest.raises(RunFolderError, match=r"results\.parquet must be a table as the run"):
            read()


def test_a_removed_table_of_results_is_not_an_empty_one(run):
    (run / "results.parquet").unlink()
    with pytest.raises(RunFolderError, match=r"results\.parquet"):
        _ = load_run(run).results


def test_a_table_changed_by_hand_is_told_and_can_be_accepted(run, caplog):
    path = run / "results.csv"
    path.write_text(path.read_text().replace("0", "1", 1))
    with caplog.at_level(logging.WARNING):
        assert not load_run(run).results.empty
    assert "results.csv must be a table as the run wrote it" in caplog.text
    assert "manifest.json" in caplog.text
    manifest = manifest_of(run)
    del manifest["files"]["results.csv"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    caplog.clear()
    load_run(run)
    assert not caplog.records


@pytest.mark.slow
def test_a_report_says_that_it_leaves_changed_distances_out(run, tmp_path):
    flip(run / "distances.parquet", 0.5)
    page = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["report", str(run), "-o", str(page)])
    assert done.exit_code == 0
    assert "distances.parquet must be a table as the run wrote it" in page.read_text()


def test_runs_without_checksums_are_read(run):
    manifest = manifest_of(run)
    del manifest["files"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    flip(run / "results.csv", 0.5)
    assert not load_run(run).results.empty


@pytest.mark.slow
def test_a_run_that_goes_on_has_no_checksums_yet(run, tmp_path_factory):
    folder = RunFolder.reopen(run)
    manager = small_manager(tmp_path_factory.mktemp("data"))
    folder.save(manager, status="running")
    assert manifest_of(run)["files"] == {}
    folder.save(manager)
    assert set(TABLES) <= set(manifest_of(run)["files"])


@pytest.mark.slow
def test_killed_while_saving_again_the_tables_are_still_read(run, monkeypatch, tmp_path_factory):
    folder = RunFolder.reopen(run)
    monkeypatch.setattr(folder, "_write_manifest", lambda _content: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        folder.save(small_manager(tmp_path_factory.mktemp("data"), seed=1))
    assert not load_run(run).results.empty
