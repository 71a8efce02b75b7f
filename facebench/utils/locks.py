"""Locks on files that the system takes back when their holder dies, however it dies."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

__all__ = ["lock", "lock_folder", "share", "try_lock", "unlock_folder"]

# Windows locks ranges of bytes, also beyond the end; this one is never written.
_FAR_BYTE = 1 << 62
_PAUSE = 0.02
# Descriptors of the folders that this process has locked.
_folders: set[int] = set()

if sys.platform == "win32":
    import msvcrt

    def try_lock(descriptor: int) -> bool:
        """Take the lock of an open file unless it is held; say whether it was taken."""
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
        return True

    def share(descriptor: int) -> None:
        """Do nothing: an open file is not replaced on this system."""

    def lock_folder(folder: Path) -> int:
        """Raise OSError: folders have no locks on this system."""
        msg = "folders cannot be locked"
        raise OSError(msg)

else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Take the lock of an open file unless it is held; say whether it was taken."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def share(descriptor: int) -> None:
        """Hold the lock of an open file together with others, for as long as it is open."""
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def lock_folder(folder: Path) -> int:
        """Take the lock of a folder until `unlock_folder` is given what is returned.

        Raises
        ------
        BlockingIOError
            If it is held.
        OSError
            If the folder, or any on its file system, cannot be locked.
        """
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        _folders.add(descriptor)
        return descriptor

    def _leave_to_parent() -> None:
        """Close a parent's folders: its workers may outlive a process that is killed."""
        for descriptor in _folders:
            os.close(descriptor)
        _folders.clear()

    os.register_at_fork(after_in_child=_leave_to_parent)


def unlock_folder(descriptor: int) -> None:
    """Give back what `lock_folder` took."""
    if descriptor in _folders:
        _folders.remove(descriptor)
        os.close(descriptor)


def lock(descriptor: int, timeout: float) -> bool:
    """Wait for the lock of an open file, at most `timeout` seconds; say whether it was taken."""
    ends = time.monotonic() + timeout
    while not try_lock(descriptor):
        if time.monotonic() > ends:
            return False
        time.sleep(_PAUSE)
    return True
