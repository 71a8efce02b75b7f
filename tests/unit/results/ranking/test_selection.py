"""Folders of runs are looked into, and no run is counted twice."""

import shutil

import pytest

from facebench.errors import InputError, RunFolderError
from facebench.results.ranking.selection import load_runs, run_labels
from support.copied_run import copied_run


@pytest.fixture
def root(runs, tmp_path):
    for name in ("first", "second"):
        copied_run(runs[0], tmp_path / "runs", name)
    return tmp_path / "runs"


def test_a_folder_of_runs_gives_the_latest_of_every_experiment(root):
    newer = root / "first" / "29991231T000000Z-abcdef"
    shutil.copytree(next((root / "first").iterdir()), newer)
    (root / "first" / "latest").symlink_to(newer)
    found, notes = load_runs([root])
    assert [run.path for run in found] == [newer, next((root / "second").iterdir())]
    [note] = notes
    assert "holds 2 runs; only the latest is counted" in note


def test_no_run_is_counted_twice(root):
    run = next((root / "first").iterdir())
    (root / "first" / "latest").symlink_to(run)
    found, notes = load_runs(
        [run, root / "first" / "latest", root / "first", run / "manifest.json"]
    )
    assert (len(found), notes) == (1, [])
    copy = root / "backup"
    shutil.copytree(run, copy)
    found, notes = load_runs([run, copy])
    assert len(found) == 1
    assert "is a copy of" in notes[0]


def test_runs_of_one_name_are_told_by_their_folders(root, runs):
    other = copied_run(runs[1], root, "third", lambda manifest: manifest.update(name="first"))
    found, _ = load_runs([root / "first", other, root / "second"])
    labels = run_labels(found)
    assert labels[2] == "second"
    assert labels[0] == f"first {found[0].path.name.rpartition('-')[2]}"
    assert len(set(labels)) == 3


def test_what_is_no_run_is_told(tmp_path):
    with pytest.raises(InputError, match="one run or more"):
        load_runs([])
    with pytest.raises(InputError, match=r"write \['runs'\]"):
        load_runs("runs")
    with pytest.raises(RunFolderError, match="There is no run"):
        load_runs([tmp_path])
