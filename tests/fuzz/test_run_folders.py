"""Mutated run folders: the numbers that the run wrote, or told as changed."""

import json
import os
import random
import shutil
from contextlib import suppress

import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from facebench import load_run
from facebench.cli import app
from support.mutation import damaged, fuzzed, told_or_done
from support.small_run import save_small_run

SECRET = "precious and private"
JSON = (
    None, 0, -1, 1e308, "", "x", [], {}, [[]], {"a": {}}, True, "../..", "/etc/passwd", "<b>",
    "\0", "x" * 50_000, ["a"] * 9, float("nan"), "finished", "running", 10**400,
)  # fmt: skip
CELLS = (
    None,
    "",
    "<script>alert(1)</script>",
    "../../secret.png",
    "/etc/passwd",
    -1,
    2**40,
    "\0",
    "x" * 999,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "faces").mkdir()
    save_small_run(folder / "faces", folder / "runs", seed=0)
    return folder


@pytest.fixture(scope="module")
def whole(world):
    return next((world / "runs").glob("*/2*"))


@pytest.fixture(scope="module")
def original(whole):
    run = load_run(whole)
    return run.results, run.distances


def other_manifest(path, rng):
    manifest = json.loads(path.read_text())
    here = manifest
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            break
        key = rng.choice(keys)
        if isinstance(here[key], dict | list) and rng.random() < 0.7:
            here = here[key]
            continue
        if rng.random() < 0.3:
            del here[key]
        else:
            here[key] = rng.choice(JSON)
        break
    with suppress(ValueError):
        path.write_text(json.dumps(manifest))


def odd_json(path, rng):
    text = path.read_text()
    path.write_bytes(
        rng.choice(
            [
                b"[" * 100_000,
                b'{"a":' * 50_000,
                b"",
                b"null",
                b"[1]",
                text.replace(":", ": 1", 1).encode(),
                text.encode("utf-16"),
                b"\xff" + text.encode(),
                text.replace('"schema_version"', '"schema_version": 1, "schema_version"').encode(),
                (b'{"schema_version": ' + b"9" * 5000 + b"}"),
            ]
        )
    )


def other_table(path, rng):
    """Change cells or columns of a table, which is then written whole."""
    frame = pd.read_csv(path) if path.suffix == ".csv" else pq.read_table(path).to_pandas()
    frame = frame.astype(object)
    if frame.empty:
        return
    column = rng.choice(list(frame.columns))
    change = rng.randrange(4)
    if change == 0:
        frame[column] = [rng.choice(CELLS)] * len(frame)
    elif change == 1:
        frame.loc[rng.randrange(len(frame)), column] = rng.choice(CELLS)
    elif change == 2:
        frame = frame.drop(columns=column)
    else:
        frame = frame.sample(frac=0.7, random_state=rng.randrange(99))
    with suppress(Exception):
        frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)


def no_plain_file(path, folder, rng):
    path.unlink()
    change = rng.randrange(5)
    if change == 0:
        path.symlink_to(folder.parent / "secret.txt")
    elif change == 1:
        path.symlink_to(path.name)
    elif change == 2:
        path.mkdir()
    elif change == 3:
        os.mkfifo(path)


def mutate(folder, rng):
    tables = sorted([*folder.rglob("*.parquet"), *folder.rglob("*.csv")])
    manifest = folder / "manifest.json"
    change = rng.randrange(9)
    if change <= 1:
        other_manifest(manifest, rng)
    elif change == 2:
        odd_json(manifest, rng)
    elif change == 3:
        other_table(rng.choice(tables), rng)
    elif change == 4:
        path = rng.choice([*tables, manifest])
        no_plain_file(path, folder, rng)
    elif change == 5:
        # As a stranger's folder, or one of an earlier version: without checksums.
        said = json.loads(manifest.read_text())
        said.pop("files", None)
        manifest.write_text(json.dumps(said))
        path = rng.choice(tables)
        path.write_bytes(damaged(path.read_bytes(), rng))
    elif change == 6:
        first, second = rng.choice(tables), rng.choice(tables)
        shutil.copy(first, second) if first != second else None
    else:
        path = rng.choice([*tables, *tables, manifest])
        path.write_bytes(damaged(path.read_bytes(), rng))
    return change == 5


def called(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in (0, 1, 2), done.stderr
    if done.exit_code:
        assert "Error: " in done.stderr
        assert len(done.stderr) < 10_000
    return done


def asked(rng, whole, folder, place):
    """Choose a command on a run, and what it writes."""
    page, table = place / "page.html", place / "table.csv"
    return rng.choice(
        [
            (["report", folder, "-o", page], page),
            (["compare", whole, folder, "-o", page], page),
            (["compare", folder, whole, "--no-page", "--csv", table], table),
            (["leaderboard", whole, folder, "-o", page], page),
            (["leaderboard", folder, "--no-page", "--csv", table, "--json"], table),
            (["results", folder, "--all"], page),
            (["results", folder, "--json", "--layer-choice", "held-out"], page),
            (["methods", folder], page),
            (["methods", folder, "-o", place / "methods.tex"], place / "methods.tex"),
            (["figures", folder, "--kind", "bars", "-o", place / "drawn"], place / "drawn"),
            (["rdm", folder, "-o", table], table),
            (["predictors", folder, "-p", "plain,shallow"], page),
            (["export", folder, "--long", table], table),
        ]
    )


def contents(place, folder):
    """List what is in a folder, beside a run."""
    beside = [path for path in place.rglob("*") if "drawn" not in path.parent.parts]
    return {path: path.lstat().st_mtime for path in beside if folder not in path.parents}


@fuzzed(in_ci=10)
def test_run_folders(seed, world, whole, original, tmp_path):
    rng = random.Random(f"run folders {seed}")
    folder = tmp_path / "runs" / whole.parent.name / whole.name
    shutil.copytree(whole, folder)
    (folder.parent / "secret.txt").write_text(SECRET)
    unchecked = mutate(folder, rng)
    results, distances = original
    run = told_or_done(lambda: load_run(folder), folder)
    if run is not None and not unchecked:
        for read, before in ((lambda: run.results, results), (lambda: run.distances, distances)):
            found = told_or_done(read, folder)
            if found is not None and len(found):
                pd.testing.assert_frame_equal(found, before)
    elif run is not None:
        for read in (lambda: run.results, lambda: run.distances, lambda: run.headline()):
            told_or_done(read, folder)
    before = contents(tmp_path, folder)
    arguments, page = asked(rng, whole, folder, tmp_path)
    done = called(*arguments)
    assert SECRET not in done.stdout
    # Nothing but the file that was asked for is written.
    assert contents(tmp_path, folder).keys() - before.keys() <= {page}
    if page.is_file():
        text = page.read_text()
        assert SECRET not in text
        assert page.suffix != ".html" or "<script>alert" not in text
    shutil.rmtree(tmp_path / "runs", ignore_errors=True)
