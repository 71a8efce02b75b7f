"""Folders that several users of a machine write to.

What is made in a folder that its group, or everyone, may write to can be written by them too,
regardless of the umask. A folder with the sticky bit, such as /tmp, is not shared in this sense.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

__all__ = ["make_folder", "open_to_others", "refusal"]

_GROUP, _OTHERS = 0o020, 0o002


def make_folder(path: Path) -> None:
    """Make a folder, with its parents, that those may write to who may write to the one above.

    Parameters
    ----------
    path : Path
        The folder; it may exist.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    if path.is_dir():
        return
    if not path.parent.exists() and path.parent != path:
        make_folder(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        open_to_others(path)
        return
    # Raises if it is not a folder.
    path.mkdir(exist_ok=True)


def open_to_others(path: Path) -> None:
    """Let those write to a new file or folder who may write to the folder it is in."""
    if os.name != "posix":
        return
    folder = path.parent.stat()
    if folder.st_mode & stat.S_ISVTX or not folder.st_mode & (_GROUP | _OTHERS):
        return
    # What belongs to someone else stays as it is.
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        everything = 7 if stat.S_ISDIR(mode) else 6
        if folder.st_mode & _OTHERS:
            mode |= everything << 3 | everything
        elif _given_to(path, folder.st_gid):
            mode |= everything << 3
        if stat.S_ISDIR(mode):
            mode |= folder.st_mode & stat.S_ISGID
        path.chmod(stat.S_IMODE(mode))


def _given_to(path: Path, group: int) -> bool:
    """Give a file to a group that its owner is a member of; say whether it is the group's now."""
    with contextlib.suppress(OSError):
        os.chown(path, -1, group)
        return True
    return False


def refusal(path: Path) -> str:
    """Say whose file or folder it is that one may not write to.

    Parameters
    ----------
    path : Path
        What could not be written; of what is missing, the folder is named.

    Returns
    -------
    str
        Such as "runs/a belongs to user 'anna', and you may not write to it".
    """
    # A file is replaced, so that its folder counts.
    while not path.exists() or (not path.is_dir() and os.access(path, os.W_OK)):
        if path.parent == path:
            break
        path = path.parent
    return f"{path} belongs to {_owner(path)}, and you may not write to it"


def _owner(path: Path) -> str:
    with contextlib.suppress(ImportError, OSError, NotImplementedError, KeyError):
        return f"user {path.owner()!r}"
    with contextlib.suppress(OSError):
        return f"user number {path.stat().st_uid}"
    return "another user"
