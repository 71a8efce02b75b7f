"""Whether a folder is on a network file system, where SQLite's locks cannot be relied on."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["network_file_system"]

_MOUNTS = Path("/proc/mounts")
# Those that are known by this name only in user space.
_SHARED_BY_USERS = frozenset(
    {
        *("sshfs", "ceph-fuse", "juicefs", "mfs", "moosefs", "lizardfs", "seaweedfs"),
        *("s3fs", "gcsfuse", "rclone"),
    }
)
_SHARED = frozenset(
    {
        *("nfs", "nfs4", "lustre", "gpfs", "beegfs", "cephfs", "ceph", "glusterfs", "panfs"),
        *("cifs", "smb3", "smbfs", "afs", "orangefs", "pvfs2", "wekafs", "ocfs2", "gfs2"),
        *("dvs", "fhgfs", "quobyte", "coda"),
    }
)


def network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str | None:
    """Name the network file system that a folder is on.

    Parameters
    ----------
    folder : Path
        It need not exist.
    mounts : Path
        What is mounted where, as Linux tells it.

    Returns
    -------
    str or None
        Such as 'nfs4'; None if it is on a local disk, or that is not known.
    """
    here = os.path.realpath(folder)
    longest, kind = "", ""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        _device, point, found, *_rest = (*line.split(" "), "", "", "")
        # Spaces and the like are written as octal numbers.
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
        inside = here == point or here.startswith(f"{point.rstrip('/')}/")
        # Of two on one place, the later hides the earlier.
        if point and inside and len(point) >= len(longest):
            longest, kind = point, found
    # Those in user space are called 'fuse.glusterfs' and the like.
    plain = kind.removeprefix("fuse.")
    return kind if plain in _SHARED | _SHARED_BY_USERS else None
