"""Writing files so that a reader never meets half of one, under names every system accepts."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock, Timeout

from facebench.errors import InputError
from facebench.utils.locks import lock_folder, unlock_folder
from facebench.utils.sharing import make_folder, refusal

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FileState",
    "atomic_path",
    "check_replaceable",
    "held",
    "one_writer",
    "safe_name",
    "write_bytes",
    "write_csv",
]

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGEST = re.compile("-[0-9a-f]{6}$")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
# File systems allow 255 bytes; the rest is room for what callers append ('_scatter.png').
_LONGEST = 150
_COMPARED = 100_000
# A file changed so recently may change again without its times showing it.
_RACY_NS = 2_000_000_000
# Windows translates line ends unless told not to.
_NEW_FILE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


class FileState(NamedTuple):
    """What the file system says of a file; equal states mean equal content, if it is settled.

    Size and time of modification can be kept when content is replaced; the time of the last change
    of its inode cannot.
    """

    size: int
    modified: int
    changed: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileState:
        """Take what matters of a stat result."""
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)

    @property
    def is_settled(self) -> bool:
        """Whether the last change is so long ago that another one would show in the times."""
        return self.was_settled(time.time_ns())

    def was_settled(self, moment: int) -> bool:
        """Tell whether it was settled at a time, in nanoseconds since the epoch."""
        return moment - max(self.modified, self.changed) > _RACY_NS


def safe_name(name: str) -> str:
    """Turn any name into one path component, different names into different ones.

    A name that is safe already stays as it is. Otherwise what is unsafe becomes an underscore and
    a digest of the whole name is appended, so that ``a/b`` and ``a:b`` do not share a file.

    Parameters
    ----------
    name : str
        The name of a model, layer, task or condition.

    Returns
    -------
    str
        The name as a single, portable path component.

    Examples
    --------
    >>> safe_name("classifier.5")
    'classifier.5'
    >>> safe_name("facebook/dinov2-base")
    'facebook_dinov2-base-3669a2'
    """
    cleaned = _UNSAFE.sub("_", name).strip(" .")
    cleaned = _LONE_SURROGATE.sub("_", cleaned)
    while len(cleaned.encode()) > _LONGEST:
        cleaned = cleaned[: max(1, len(cleaned) - 8)]
    reserved = _RESERVED.fullmatch(cleaned)
    # A name that looks like one of ours gets a digest too, or it might be another's.
    if cleaned == name and cleaned and not reserved and not _DIGEST.search(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    return f"{'_' if reserved else ''}{cleaned or 'unnamed'}-{digest}"


def check_replaceable(target: Path) -> None:
    """Refuse to replace anything but a plain file: a link, a device, a pipe, a folder.

    Raises
    ------
    InputError
        Naming it.
    """
    try:
        mode = target.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if not stat.S_ISREG(mode):
        kind = "a link" if stat.S_ISLNK(mode) else "no plain file"
        msg = f"{target} is {kind}, and is not replaced. Give the path of a file."
        raise InputError(msg)


def why_missing(path: Path, wanted: str = "file") -> str:
    """Say of a path what keeps it from being a file, or a folder.

    Parameters
    ----------
    path : Path
        What is not the file that is wanted.
    wanted : {'file', 'folder'}
        What it should be.

    Examples
    --------
    >>> why_missing(Path("/"))
    'is a folder, not a file'
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if not path.is_symlink():
            return f"does not exist (looked in {Path.cwd()})"
        if error.errno == errno.ELOOP:
            return "is a link that leads to itself"
        return f"is a link to {path.readlink()}, which does not exist"
    if stat.S_ISDIR(mode):
        return f"is a folder, not a {wanted}"
    is_file = stat.S_ISREG(mode)
    return f"is a {'file' if is_file else 'pipe, a device or a socket'}, not a {wanted}"


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that replaces it when the block ends well.

    Parameters
    ----------
    target : Path
        The file to write; its folder is made if need be.

    Yields
    ------
    Path
        Where to write. If the block raises, the file is removed and `target` stays as it was.

    Raises
    ------
    InputError
        If `target` is a link, a device, a pipe or a folder, or may not be written, or what should
        be its folder is none.
    """
    with _created(target) as (temporary, descriptor):
        os.close(descriptor)
        yield temporary


def write_bytes(target: Path, content: bytes) -> None:
    """Write a file, whole or not at all; see `atomic_path`, which takes twice as long for it."""
    with _created(target) as (_, descriptor), os.fdopen(descriptor, "wb") as file:
        file.write(content)


@contextmanager
def _created(target: Path) -> Iterator[tuple[Path, int]]:
    """Create and open a file that replaces `target` when the block ends well."""
    check_replaceable(target)
    temporary = target.with_name(f".{target.stem[:40]}-{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        try:
            descriptor = os.open(temporary, _NEW_FILE, 0o666)
        except FileNotFoundError:
            make_folder(target.parent)
            descriptor = os.open(temporary, _NEW_FILE, 0o666)
    except (FileExistsError, NotADirectoryError) as error:
        msg = f"{target} cannot be written: {_no_folder_of(target)}."
        raise InputError(msg) from error
    except PermissionError as error:
        raise InputError(_not_permitted(target)) from error
    try:
        yield temporary, descriptor
        try:
            temporary.replace(target)
        except PermissionError as error:
            raise InputError(_not_permitted(target)) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all; see `atomic_path`.

    A file that has this content already stays as it is; tables too long to be held as text are
    written again.
    """
    if len(table) > _COMPARED:
        with atomic_path(path) as temporary:
            table.to_csv(temporary, index=False)
        return
    content = table.to_csv(index=False).encode()
    check_replaceable(path)
    if not path.is_file() or path.stat().st_size != len(content) or path.read_bytes() != content:
        write_bytes(path, content)


def _no_folder_of(target: Path) -> str:
    """Say what stands where a file's folder should be."""
    there = next(part for part in target.parents if part.is_symlink() or part.exists())
    return f"{there} {why_missing(there, 'folder')}"


def _not_permitted(target: Path) -> str:
    return (
        f"{target} cannot be written: {refusal(target)}. Give another folder, or have it opened to "
        "you."
    )


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Let one run at a time write into a folder.

    Parameters
    ----------
    folder : Path
        The folder, which is locked itself; where it cannot be, a hidden file in it.

    Raises
    ------
    InputError
        If another run is writing there now.
    """
    msg = (
        f"Another run is writing its results to {folder}. Wait until it is done, or give "
        "this one a different export_path."
    )
    try:
        # Every run locks the same thing: the folder itself, also the first one.
        make_folder(folder)
        locked = lock_folder(folder)
    except BlockingIOError as error:
        raise InputError(msg) from error
    except OSError:
        with held(folder / ".facebench.lock", msg):
            yield
        return
    try:
        yield
    finally:
        unlock_folder(locked)


@contextmanager
def held(lock: Path, otherwise: str) -> Iterator[None]:
    """Hold a lock, which the system takes back when its holder dies, however it dies.

    Parameters
    ----------
    lock : Path
        The file of the lock, in a folder that is made if need be; it stays behind, as removing it
        would let two hold it.
    otherwise : str
        What to say if another holds it.

    Raises
    ------
    InputError
        If another process, or another part of this one, holds it now, or the file cannot be made.
    """
    # The lock of one user must not keep others out of a shared folder when it is free.
    guard = FileLock(lock, mode=0o666)
    try:
        make_folder(lock.parent)
        check_replaceable(lock)
        guard.acquire(timeout=0)
    except Timeout as error:
        raise InputError(otherwise) from error
    except (FileExistsError, NotADirectoryError) as error:
        msg = f"{lock.parent} must be a folder to write to: {_no_folder_of(lock)}."
        raise InputError(msg) from error
    except PermissionError as error:
        raise InputError(_not_permitted(lock)) from error
    except OSError as error:
        msg = f"{lock.parent} must be a folder to write to. Got {error}."
        raise InputError(msg) from error
    try:
        yield
    finally:
        guard.release()
