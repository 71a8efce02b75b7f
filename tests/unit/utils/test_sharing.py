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
# One run of one user; what it prints is what came of it.
RUN = """
import json, logging, os, sys, tempfile
import torch
from facebench import BaseModel, CorrelationTask, MultiModelTaskManager

number, store, results, seed = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
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
print(json.dumps({"error": error, "hits": hits, "logged": logged}))
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


def run(folder, number, store, results, seed=0):
    source = Path(facebench.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "run.py", str(number), str(store), str(results), str(seed)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(source), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@as_root
def test_two_users_share_a_store_and_a_results_folder(shared):
    for name in ("store", "results"):
        (shared / name).mkdir()
        (shared / name).chmod(0o777)
    first = run(shared, 2001, shared / "store", shared / "results")
    assert (first["error"], first["hits"]) == (None, 0)
    second = run(shared, 2002, shared / "store", shared / "results")
    assert (second["error"], second["hits"], second["logged"]) == (None, 6, [])
    # Each adds to the store, in turn.
    assert run(shared, 2002, shared / "store", shared / "results", 1)["error"] is None
    third = run(shared, 2001, shared / "store", shared / "results", 1)
    assert (third["error"], third["hits"], third["logged"]) == (None, 6, [])


@as_root
def test_what_is_not_shared_is_read_or_told_whose_it_is(shared):
    for name in ("of one", "results"):
        (shared / name).mkdir()
        os.chown(shared / name, 2001, 2001)
    assert run(shared, 2001, shared / "of one", shared / "results")["error"] is None
    second = run(shared, 2002, shared / "of one", shared / "results")
    assert "belongs to user" in second["error"]
    assert "results" in second["error"]
    mine = shared / "mine"
    mine.mkdir()
    os.chown(mine, 2002, 2002)
    third = run(shared, 2002, shared / "of one", mine)
    assert (third["error"], third["hits"]) == (None, 6)
    assert any("belongs to user" in text and "It is read" in text for text in third["logged"])
    # The reader has left nothing behind that keeps the owner from writing.
    assert run(shared, 2001, shared / "of one", shared / "results", 1)["error"] is None
    assert {path.stat().st_uid for path in (shared / "of one").rglob("*")} == {2001}


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
