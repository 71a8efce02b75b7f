"""Checksums of a run's tables, kept in its manifest: a table that was changed later is noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import xxhash

from facebench.errors import RunFolderError
from facebench.results.schema import MANIFEST_FILE

__all__ = ["CHECKSUMS", "changed_tables", "check_table", "checksums_of_tables", "told_changed"]

CHECKSUMS = "files"
_ALGORITHM = "xxh3_128"
_SUFFIXES = (".parquet", ".csv")
_AT_ONCE = 1 << 20


def checksums_of_tables(folder: Path) -> dict[str, str]:
    """Compute the checksum of every table in a run's folder.

    Returns
    -------
    dict of str to str
        Path within the folder, with ``/``, to checksum.
    """
    return {
        file.relative_to(folder).as_posix(): _checksum(file)
        for file in sorted(folder.rglob("*"))
        if file.suffix in _SUFFIXES and not file.is_symlink() and file.is_file()
    }


def changed_tables(
    folder: Path, manifest: Mapping[str, Any], *, within: str = "**/*"
) -> Iterator[Path]:
    """Find the tables that differ from what the run wrote; those removed do not count.

    Parameters
    ----------
    folder : Path
        The run's folder.
    manifest : mapping
        What it says of itself; of earlier versions, it has no checksums.
    within : str, default '**/*'
        Which tables to look at.

    Yields
    ------
    Path
    """
    known = manifest.get(CHECKSUMS, {})
    for file in sorted(folder.glob(within)):
        name = file.relative_to(folder).as_posix()
        if name in known and not (file.is_file() and _checksum(file) == known[name]):
            yield file


def check_table(file: Path, manifest: Mapping[str, Any]) -> None:
    """Check a table at the top of a run's folder before it is read.

    Raises
    ------
    RunFolderError
        If it differs from what the run wrote.
    """
    known = manifest.get(CHECKSUMS, {}).get(file.name)
    if known is not None and _checksum(file) != known:
        raise RunFolderError(told_changed(file))


def told_changed(file: Path) -> str:
    """Say that a table was changed, and what to do."""
    return (
        f"{file} must be a table as the run wrote it. It was changed or damaged since: its "
        f"checksum is not that in {MANIFEST_FILE}. Restore it or run the experiment again with "
        f"--force; if the change is meant, remove the file's line under '{CHECKSUMS}' in "
        f"{MANIFEST_FILE}."
    )


def _checksum(file: Path) -> str:
    hashed = xxhash.xxh3_128()
    with file.open("rb") as opened:
        while piece := opened.read(_AT_ONCE):
            hashed.update(piece)
    return f"{_ALGORITHM}:{hashed.hexdigest()}"
