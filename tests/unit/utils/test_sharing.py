"""Users of one machine: what one makes in a shared folder, the other may write to, or is told."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import facebench
from facebench.utils.sharing import make_folder, open_to_others, refusal

posix = pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX systems")
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be several users"
)
# Runs of users, one after the other, each in a process of its own, which is forked since imports
# take seconds. A line is printed of each.
RUN = """
import json, logging, os, sys, tempfile
import torch
from facebench import BaseModel, CorrelationTask, MultiModelTaskManager

seed = 0
logged = []

class Log(logging.Handler):
    def emit(self, record):
        logged.append(record.getMessage())

class Net(BaseModel):
    def _build_model(self):
        torch.manual_seed(seed)
        self.model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 224 * 224, 4))

    def _forward(self, images):
        return self.model(images)

def run(cache_dir, folder):
    manager = MultiModelTaskManager(
        Net("net", device="cpu"), CorrelationTask("c", "pairs.csv", "images"),
        num_workers=0, cache_dir=cache_dir,
    )
    try:
        manager.run_all_tasks_all_models(folder, plots=False)
    finally:
        hits = manager.records["net"].n_hits if manager.records else None
    return hits

# All is imported by now, should Python itself be out of the users' reach.
with tempfile.TemporaryDirectory() as scratch:
    run(scratch + "/store", scratch)
    run(scratch + "/store", scratch)
for number, store, results, seed in json.loads(sys.argv[1]):
    if forked := os.fork():
        os.waitpid(forked, 0)
        continue
    os.setgroups([])
    os.setgid(number)
    os.setuid(number)
    os.umask(0o022)
    logging.getLogger("facebench").addHandler(Log(level=logging.WARNING))
    hits = error = None
    try:
        hits = run(store, results)
    except Exception as failed:
        error = f"{type(failed).__name__}: {failed}"
    print(json.dumps({"error": error, "hits": hits, "logged": logged}), flush=True)
    os._exit(0)
"""


@pytest.fixture
def shared(image_folder):
    """Make images and pairs that all can read, and give the folder."""
    sources = image_folder(6)
    # Other users have no way into the folders of pytest.
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "images").mkdir()
        for source in sources:
            shutil.copy(source, folder / "images")
        pairs = itertools.pairwise(source.name for source in sources)
        rows = [f"{a},{b},{number / 5}" for number, (a, b) in enumerate(pairs)]
        (folder / "pairs.csv").write_text("\n".join(["img1,img2,distance", *rows]))
        (folder / "run.py").write_text(RUN)
        for part in (folder, *folder.rglob("*")):
            part.chmod(0o755 if part.is_dir() else 0o644)
        yield folder


def run(folder, *jobs):
    """Run as each user in turn, into a store and a results folder: (user, store, results, seed)."""
    source = Path(facebench.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "run.py", json.dumps(jobs, default=str)],
        cwd=folder,
        # Without threads, of which a forked process has none.
        env={
            **os.environ, "PYTHONPATH": str(source), "HOME": str(folder), "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(jobs), done.stderr
    return found


@pytest.mark.slow
@as_root
def test_two_users_share_a_store_and_a_results_folder(shared):
    for name in ("store", "results"):
        (shared / name).mkdir()
        (shared / name).chmod(0o777)
    where = shared / "store", shared / "results"
    first, second, other, third = run(
        shared, (2001, *where, 0), (2002, *where, 0), (2002, *where, 1), (2001, *where, 1)
    )
    assert (first["error"], first["hits"]) == (None, 0)
    assert (second["error"], second["hits"], second["logged"]) == (None, 6, [])
    # Each adds to the store, in turn.
    assert (other["error"], other["hits"]) == (None, 0)
    assert (third["error"], third["hits"], third["logged"]) == (None, 6, [])


@pytest.mark.slow
@as_root
def test_what_is_not_shared_is_read_or_told_whose_it_is(shared):
    store, results, mine = (shared / name for name in ("of one", "results", "mine"))
    for folder, owner in ((store, 2001), (results, 2001), (mine, 2002)):
        folder.mkdir()
        os.chown(folder, owner, owner)
    first, second, third, last = run(
        shared,
        (2001, store, results, 0),
        (2002, store, results, 0),
        (2002, store, mine, 0),
        (2001, store, results, 1),
    )
    assert first["error"] is None
    assert "belongs to user" in second["error"]
    assert "results" in second["error"]
    assert (third["error"], third["hits"]) == (None, 6)
    assert any("belongs to user" in text and "It is read" in text for text in third["logged"])
    # The reader has left nothing behind that keeps the owner from writing.
    assert last["error"] is None
    assert {path.stat().st_uid for path in store.rglob("*")} == {2001}


@posix
@pytest.mark.parametrize(
    ("above", "folder", "file"),
    [
        (0o755, 0o755, 0o644),
        (0o775, 0o775, 0o664),
        (0o2775, 0o2775, 0o664),
        (0o777, 0o777, 0o666),
        # Each their own, as in /tmp.
        (0o1777, 0o755, 0o644),
    ],
)
def test_permissions_follow_the_folder(tmp_path, above, folder, file):
    before = os.umask(0o022)
    try:
        root = tmp_path / "root"
        root.mkdir()
        root.chmod(above)
        make_folder(root / "a" / "b")
        make_folder(root / "a" / "b")
        (root / "x").touch()
        open_to_others(root / "x")
    finally:
        os.umask(before)
    for path, mode in ((root / "a", folder), (root / "a" / "b", folder), (root / "x", file)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "a")
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "a" / "b")


@posix
def test_the_owner_is_named(tmp_path):
    assert f"{tmp_path} belongs to user {tmp_path.owner()!r}" in refusal(tmp_path / "a" / "b")
