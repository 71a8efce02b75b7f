"""Parts of searches that machines share: immutable files, one for each part of a gallery.

A file is a safetensors file with the arrays of a `SearchPart`; its metadata say what was searched,
and hold a digest of the arrays and of that. Its name begins with the search and follows from the
content, and it appears when it is whole. What is not as it was written is never used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from facebench.metrics.search_parts import SearchPart
from facebench.utils.files import atomic_path
from facebench.utils.sharing import open_to_others

__all__ = ["SearchFileError", "find_parts", "read_part", "write_part"]

_log = logging.getLogger(__name__)
_FORMAT = 1
_MARK = "facebench_search"
_SUFFIX = ".search"
_ARRAYS = {
    "indices": np.dtype("<i8"),
    "distances": np.dtype("<f8"),
    "mate_distances": np.dtype("<f8"),
    "nearer": np.dtype("<i8"),
}
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
_LARGEST = 1 << 32
_Count = Annotated[int, Field(ge=0)]


class SearchFileError(Exception):
    """Why a file is not used: the end of a sentence."""


@dataclass(frozen=True)
class _Description:
    first: _Count
    stop: _Count
    n_gallery: _Count
    n_failed: _Count
    n_asked: _Count
    n_recalled: _Count
    digest: str
    rows: str


_described: TypeAdapter[_Description] = TypeAdapter(_Description)


def write_part(folder: Path, part: SearchPart, rows: str) -> Path:
    """Write a part, whole or not at all; written twice it is one file.

    Parameters
    ----------
    folder : Path
        Where parts are; it is made if need be.
    part : SearchPart
        The part.
    rows : str
        Digest of the rows that were searched.
    """
    from safetensors.numpy import save

    arrays = {
        name: np.ascontiguousarray(getattr(part, name), dtype=kind)
        for name, kind in _ARRAYS.items()
    }
    description = _Description(
        first=part.first,
        stop=part.stop,
        n_gallery=part.n_gallery,
        n_failed=part.n_failed,
        n_asked=part.n_asked,
        n_recalled=part.n_recalled,
        digest=part.digest,
        rows=rows,
    )
    text = json.dumps(asdict(description), sort_keys=True)
    seal = _seal(text, arrays)
    data = save(arrays, {_MARK: str(_FORMAT), "description": text, "seal": seal})
    path = folder / f"{part.digest}.{part.first}-{part.stop}.{seal[:16]}{_SUFFIX}"
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
        open_to_others(temporary)
    return path


def read_part(path: Path) -> tuple[SearchPart, str]:
    """Read a part, and the digest of the rows that were searched, and check them.

    Raises
    ------
    SearchFileError
        If it is a link, no such file, damaged, cut short, or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if path.is_symlink() or not path.is_file():
        msg = "it is not a plain file"
        raise SearchFileError(msg)
    not_ours = "it is not part of a search by facebench"
    damaged = "it is damaged or cut short. Remove it; what it held is searched again"
    try:
        if path.stat().st_size > _LARGEST:
            raise SearchFileError(not_ours)
        data = path.read_bytes()
    except OSError as error:
        msg = f"it cannot be read ({error.strerror or error})"
        raise SearchFileError(msg) from error
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        version, text, seal = int(metadata[_MARK]), metadata["description"], metadata["seal"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise SearchFileError(damaged if _MARK.encode() in data else not_ours) from error
    if version != _FORMAT:
        msg = f"another version of facebench wrote it (format {version}; this one knows {_FORMAT})"
        raise SearchFileError(msg)
    try:
        arrays = load(data)
        description = _described.validate_json(text)
    except (SafetensorError, ValidationError, ValueError, TypeError, KeyError) as error:
        raise SearchFileError(damaged) from error
    if not _fits(arrays, description) or _seal(text, arrays) != seal:
        raise SearchFileError(damaged)
    part = SearchPart(
        first=description.first,
        stop=description.stop,
        n_gallery=description.n_gallery,
        n_failed=description.n_failed,
        n_asked=description.n_asked,
        n_recalled=description.n_recalled,
        digest=description.digest,
        **arrays,
    )
    return part, description.rows


def find_parts(folder: Path, digest: str) -> list[tuple[SearchPart, str]]:
    """Find the parts of a search that a folder has.

    Files that are not sound are reported, and not used.

    Parameters
    ----------
    folder : Path
        Where parts are, of this and other searches.
    digest : str
        `SearchPart.digest`.

    Returns
    -------
    list of (SearchPart, str)
        Each with the digest of the rows that were searched; by row.
    """
    found: list[tuple[SearchPart, str]] = []
    for path in sorted(folder.glob(f"{digest}.*{_SUFFIX}")):
        try:
            part, rows = read_part(path)
            if part.digest != digest:
                msg = "it belongs to another search than its name indicates"
                raise SearchFileError(msg)
            found.append((part, rows))
        except SearchFileError as error:
            _log.warning("The file %s in %s is not used: %s.", ascii(path.name), folder, error)
    if not found and any(folder.glob(f"*{_SUFFIX}")):
        _log.warning(
            "The parts of searches in %s are of other embeddings, probes or settings, and are not "
            "used.",
            folder,
        )
    return sorted(found, key=lambda one: (one[0].first, one[0].stop))


def _fits(arrays: dict[str, Any], said: _Description) -> bool:
    if arrays.keys() != _ARRAYS.keys() or not said.first <= said.stop <= said.n_gallery:
        return False
    if any(arrays[name].dtype != kind for name, kind in _ARRAYS.items()):
        return False
    shape = arrays["indices"].shape
    return (
        len(shape) == 2
        and arrays["distances"].shape == shape
        and arrays["nearer"].shape == arrays["mate_distances"].shape == shape[:1]
        and bool(_DIGEST.fullmatch(said.digest))
    )


def _seal(text: str, arrays: dict[str, Any]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    for name in _ARRAYS:
        digest.update(repr(arrays[name].shape).encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
