"""Which file system a folder is on: the mount with the longest prefix tells."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from facebench.store import folder as folders
from facebench.store.file_systems import network_file_system
from facebench.store.folder import open_store

MOUNTS = """\
overlay / overlay rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sda1 /home/scratch ext4 rw 0 0
10.0.0.1@tcp:/fs /lustre lustre rw,flock 0 0
gpfs0 /gpfs\\040data gpfs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
server:/a /twice nfs rw 0 0
tmpfs /twice tmpfs rw 0 0
/dvs/lus /cray dvs rw 0 0
JuiceFS:x /juice fuse.juicefs rw 0 0
ceph-fuse /ceph fuse.ceph-fuse rw 0 0
/dev/sdb1 /ntfs fuseblk rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/ann/cache", "nfs4"),
        ("/home", "nfs4"),
        ("/homes/ann", None),
        ("/home/scratch/ann", None),
        ("/lustre/x", "lustre"),
        ("/gpfs data/x", "gpfs"),
        ("/mnt/ssh/x", "fuse.sshfs"),
        ("/twice/x", None),
        ("/cray/x", "dvs"),
        ("/juice/x", "fuse.juicefs"),
        ("/ceph/x", "fuse.ceph-fuse"),
        ("/ntfs/x", None),
        ("/var/cache", None),
    ],
)
def test_the_longest_prefix_counts(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert network_file_system(Path(folder), mounts) == kind
    assert network_file_system(Path(folder), tmp_path / "missing") is None


def test_a_store_there_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "network_file_system", lambda _folder: "nfs4")
    caplog.set_level(logging.WARNING)
    assert open_store(tmp_path) is not None
    assert "on a network file system (nfs4)" in caplog.text
