"""Where the store is, and opening it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from facebench.errors import InputError, StoreError
from facebench.store.database import (
    IN_USE,
    INDEX_NAME,
    OPENING,
    SHARDS_NAME,
    is_of_another_program,
)
from facebench.store.embedding_store import EmbeddingStore
from facebench.store.file_systems import network_file_system
from facebench.store.repair import DAMAGED_NAME
from facebench.store.rows import StoreDtype
from facebench.store.shards import shard_path
from facebench.types import StrPath
from facebench.utils.sharing import make_folder, refusal

if TYPE_CHECKING:
    from facebench.store.packs import Packs

__all__ = [
    "NOT_KEPT",
    "NO_PACKS",
    "VARIABLE",
    "default_cache_dir",
    "existing_store",
    "open_store",
    "remove_store",
]

_log = logging.getLogger(__name__)
VARIABLE = "FACEBENCH_CACHE"
NO_PACKS = (
    "Shards publish what they embed as packs. Say where: 'packs: FOLDER' in the experiment, "
    "--packs, or packs= of the manager."
)
NOT_KEPT = (
    "Shards keep embeddings in a store before they publish them as packs, and the embedding store "
    f"cannot be written to. Give another cache_dir, or set {VARIABLE}."
)
_INDEX_FILES = (INDEX_NAME, f"{INDEX_NAME}-wal", f"{INDEX_NAME}-shm")
_OFF = {"", "off", "none"}
_DTYPES = ("float32", "float16")


def default_cache_dir() -> Path | None:
    """Give the folder of the embedding store where none is named.

    Returns
    -------
    Path or None
        FACEBENCH_CACHE if it is set (None if that is 'off', 'none' or empty), else the user's
        cache folder by the platform's convention.
    """
    named = os.environ.get(VARIABLE)
    if named is None:
        return Path(platformdirs.user_cache_dir("facebench", appauthor=False))
    return None if named.strip().lower() in _OFF else Path(named).expanduser()


def open_store(
    cache_dir: StrPath | None = "default",
    *,
    dtype: StoreDtype = "float32",
    packs: StrPath | None = None,
) -> EmbeddingStore | None:
    """Open the embedding store, making it if need be.

    Parameters
    ----------
    cache_dir : str, Path or None, default 'default'
        The store's folder; 'default' is `default_cache_dir`; None means no store. (A folder of the
        name 'default' is './default'.)
    dtype : {'float32', 'float16'}, default 'float32'
        What values are kept as.
    packs : str or Path, optional
        A folder of packs that is read beside the store; see `facebench embed --shard`.

    Returns
    -------
    EmbeddingStore or None
        None if there is to be none, or can be none, which a warning tells; read-only where the
        folder cannot be written, which a warning tells too.

    Raises
    ------
    StoreError
        If the folder holds a store of a newer format, a damaged index, or another database.
    InputError
        If `dtype` is neither of the two, or there are to be packs and no store.
    """
    if dtype not in _DTYPES:
        msg = f"The 'dtype' of the embedding store must be float32 or float16. Got {dtype!r}."
        raise InputError(msg)
    folder = default_cache_dir() if cache_dir == "default" else _as_folder(cache_dir)
    if folder is None:
        if packs is not None:
            msg = (
                "Packs are read in addition to an embedding store, and none is configured. Give a "
                f"cache_dir (or set {VARIABLE}), or leave the packs out."
            )
            raise InputError(msg)
        return None
    shared = None if packs is None else _packs_in(Path(packs).expanduser())
    try:
        make_folder(folder)
    except OSError as error:
        _log.warning(
            "The embedding store's folder %s cannot be made (%s): nothing is kept. Give another "
            "cache_dir or set %s.",
            folder,
            error.strerror or error,
            VARIABLE,
        )
        return None
    kind = network_file_system(folder)
    if kind is not None:
        _log.warning(
            "The embedding store at %s is on a network file system (%s), where SQLite's locks "
            "cannot be relied on. Give a cache_dir on a local disk (or set %s), and share "
            "embeddings as packs.",
            folder,
            kind,
            VARIABLE,
        )
    closed = _closed_to_us(folder)
    if closed is None:
        return EmbeddingStore(folder, dtype, packs=shared)
    if not (folder / INDEX_NAME).is_file():
        _log.warning(
            "The embedding store's folder %s cannot be written and holds no store: nothing is "
            "kept. Give another cache_dir or set %s.",
            folder,
            VARIABLE,
        )
        return None
    _log.warning(
        "The embedding store at %s cannot be written: %s. It is read, but nothing new is kept.",
        folder,
        refusal(closed),
    )
    return EmbeddingStore(folder, dtype, read_only=True, packs=shared)


def _packs_in(folder: Path) -> Packs:
    # Only those who share packs need what checks them.
    from facebench.store.packs import Packs

    if folder.exists() and not folder.is_dir():
        msg = f"The packs must be in a folder. {folder} is not one."
        raise InputError(msg)
    if not folder.exists():
        _log.warning("There are no packs at %s yet: everything is embedded here.", folder)
    return Packs(folder)


def existing_store(cache_dir: StrPath | None) -> EmbeddingStore | None:
    """Open a store that is there already, without a word where there is none to be opened.

    Parameters
    ----------
    cache_dir : str, Path or None
        See `open_store`.
    """
    folder = default_cache_dir() if cache_dir == "default" else _as_folder(cache_dir)
    if folder is None or not (folder / INDEX_NAME).is_file():
        return None
    try:
        return EmbeddingStore(folder, read_only=_closed_to_us(folder) is not None)
    except StoreError:
        return None


def _closed_to_us(folder: Path) -> Path | None:
    """Find what keeps this user from writing to a store; None if nothing does."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return folder
    parts = (folder / name for name in (*_INDEX_FILES, OPENING, IN_USE, SHARDS_NAME))
    return next((part for part in parts if part.exists() and not os.access(part, os.W_OK)), None)


def _as_folder(cache_dir: StrPath | None) -> Path | None:
    return None if cache_dir is None else Path(cache_dir).expanduser()


def remove_store(folder: Path) -> None:
    """Remove the files of a store that cannot be opened, and nothing else of its folder.

    Raises
    ------
    StoreError
        If the index is a database of another program.
    """
    if is_of_another_program(folder / INDEX_NAME):
        msg = f"{folder / INDEX_NAME} is a database of another program. Nothing was removed."
        raise StoreError(msg)
    holding = folder / SHARDS_NAME
    shards = [
        path
        for path in (() if holding.is_symlink() else holding.glob("*.bin"))
        if shard_path(folder, path.name) is not None
    ]
    for path in (*(folder / name for name in (*_INDEX_FILES, DAMAGED_NAME)), *shards):
        path.unlink(missing_ok=True)
