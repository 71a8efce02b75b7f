"""``facebench cache``: what the embedding store holds, whether it is whole, and making room."""

from __future__ import annotations

import datetime
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from facebench.errors import FacebenchError, StoreError
from facebench.store import EmbeddingStore, default_cache_dir, open_store
from facebench.store.database import INDEX_NAME
from facebench.store.folder import VARIABLE, remove_store

__all__ = ["cache_app"]

cache_app = typer.Typer(
    help="Look after the embedding store: info, verify, prune, clear.", no_args_is_help=True
)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_DAYS = {"d": 1, "w": 7, "y": 365}
_HUGE = 10_000
_FAILED, _WRONG_INPUT = 1, 2

_Folder = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="DIR",
        help="The store's folder. [default: FACEBENCH_CACHE, or the user's cache folder]",
    ),
]


@cache_app.command()
def info(cache_dir: _Folder = None) -> None:
    """Show what is stored, per model and layer."""
    with _opened(cache_dir) as store:
        held = store.info()
    table = Table(title=f"{held.folder}: {_size(held.size)} on disk")
    for column in ("model", "layer", "type", "width", "images", "size", "last used"):
        is_text = column in ("model", "layer", "type", "last used")
        table.add_column(column, justify="left" if is_text else "right")
    for layer in held.layers:
        table.add_row(
            layer.model or f"({layer.key[:12]})",
            layer.layer,
            layer.dtype,
            f"{layer.width:,}",
            f"{layer.images:,}",
            _size(layer.size),
            str(layer.last_used or ""),
        )
    Console(width=None if sys.stdout.isatty() else _HUGE).print(table)


@cache_app.command()
def verify(cache_dir: _Folder = None) -> None:
    """Read everything stored; what is damaged is dropped and embedded again when needed.

    Exit status 1 if anything was damaged.
    """
    with _opened(cache_dir) as store:
        verified = store.verify()
    typer.echo(f"{verified.rows:,} rows read, {sum(verified.damaged.values()):,} damaged.")
    for (model, layer), rows in verified.damaged.items():
        typer.echo(f"  {model} {layer}: {rows:,}")
    if verified.damaged:
        raise typer.Exit(_FAILED)


@cache_app.command()
def prune(
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Keep at most this much, such as 20GB.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Drop what was not used since, such as 90d.")
    ] = None,
    cache_dir: _Folder = None,
) -> None:
    """Remove what was not used for longest."""
    if max_size is None and older_than is None:
        _fail("Give --max-size, --older-than or both.")
    size = None if max_size is None else _parse_size(max_size)
    age = None if older_than is None else _parse_age(older_than)
    with _opened(cache_dir) as store:
        pruned = store.prune(size, age)
    typer.echo(
        f"{pruned.rows:,} rows ({_size(pruned.size)}) removed, {_size(pruned.freed)} given back."
    )


@cache_app.command()
def clear(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    cache_dir: _Folder = None,
) -> None:
    """Remove everything stored."""
    folder = _folder(cache_dir)
    if not yes:
        typer.confirm(f"Remove all embeddings in {folder}?", abort=True)
    try:
        with _existing(folder) as store:
            store.clear()
    except StoreError:
        # Damaged, or of a newer format: it cannot be asked to empty itself, so its files go.
        remove_store(folder)
    typer.echo(f"The store in {folder} is empty.")


def _folder(cache_dir: Path | None) -> Path:
    folder = cache_dir or default_cache_dir()
    if folder is None:
        _fail(f"{VARIABLE} turns the embedding store off. Give --cache-dir.")
    if not (folder / INDEX_NAME).is_file():
        _fail(f"There is no embedding store at {folder}.")
    return folder


def _existing(folder: Path) -> EmbeddingStore:
    store = open_store(folder)
    if store is None:
        _fail(f"The embedding store at {folder} cannot be opened.")
    return store


@contextmanager
def _opened(cache_dir: Path | None) -> Iterator[EmbeddingStore]:
    try:
        with _existing(_folder(cache_dir)) as store:
            yield store
    except FacebenchError as error:
        _fail(str(error))


def _fail(sentence: str) -> NoReturn:
    Console(stderr=True).print(Text.assemble(("Error: ", "red"), sentence), soft_wrap=True)
    raise typer.Exit(_WRONG_INPUT)


def _parse_size(text: str) -> int:
    """Read '20GB', '500 MB' or plain bytes; units are powers of 1,000."""
    found = re.fullmatch(r"([0-9.]+)\s*([KMGT]?)I?B?", text.strip().upper())
    try:
        if found is not None:
            return int(float(found[1]) * _UNITS[found[2]])
    except ValueError:
        pass
    _fail(f"--max-size must be a size such as 20GB or 500MB. Got {text!r} instead.")


def _parse_age(text: str) -> datetime.timedelta:
    found = re.fullmatch(r"([0-9]{1,5})\s*([dwy]?)", text.strip().lower())
    if found is None:
        _fail(f"--older-than must be an age such as 90d, 12w or 1y. Got {text!r} instead.")
    return datetime.timedelta(days=int(found[1]) * _DAYS[found[2] or "d"])


def _size(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"
