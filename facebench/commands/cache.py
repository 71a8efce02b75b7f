"""``facebench cache``: what the embedding store holds, whether it is whole, and making room."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.commands.frame import SOME_FAILED, CommandLines, command, talk
from facebench.errors import InputError, StoreError
from facebench.utils.units import as_bytes, shown_bytes

if TYPE_CHECKING:
    from facebench.store import EmbeddingStore
    from facebench.store.exchange import Exchanged
    from facebench.store.packs import Packs

__all__ = ["cache_app"]

cache_app = typer.Typer(
    cls=CommandLines,
    help="Manage the embedding store: show, check, share, free space.",
    no_args_is_help=True,
)
_DAYS = {"d": 1, "w": 7, "y": 365}

_Folder = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="DIR",
        help="The store's folder. [default: FACEBENCH_CACHE, or the user's cache folder]",
    ),
]


_PackFolder = Annotated[
    Path, typer.Argument(metavar="PACKS", help="A folder of packs, such as `packs:` of a run.")
]


@cache_app.command(epilog="Example: facebench cache info")
@command
def info(cache_dir: _Folder = None) -> None:
    """Show what is stored, per model and layer."""
    with _existing(_folder(cache_dir)) as store:
        held = store.info()
    rows = [
        {
            "model": layer.model or f"({layer.key[:12]})",
            "layer": layer.layer,
            "type": layer.dtype,
            "width": layer.width,
            "images": layer.images,
            "bytes": layer.size,
            "last used": layer.last_used,
        }
        for layer in held.layers
    ]
    shown = [
        (row["model"], row["layer"], row["type"], f"{row['width']:,}", f"{row['images']:,}",
         shown_bytes(layer.size), str(row["last used"] or ""))
        for row, layer in zip(rows, held.layers, strict=True)
    ]  # fmt: skip
    talk().table(
        ["model", "layer", "type", "width", "images", "size", "last used"],
        shown,
        f"{held.folder}: {shown_bytes(held.size)} on disk",
    )
    talk().data({"folder": held.folder, "bytes": held.size, "layers": rows})


@cache_app.command(epilog="Example: facebench cache verify")
@command
def verify(
    packs: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Verify the packs in this folder, and no store."),
    ] = None,
    cache_dir: _Folder = None,
) -> None:
    """Read everything stored, and drop what is damaged.

    It is embedded again when needed. An index that cannot be read is made anew from its sound
    entries, and the old one set aside. Packs are never changed: those that are damaged are named.
    Exit status 1 if anything was damaged.
    """
    if packs is not None:
        _verify_packs(packs)
        return
    from facebench.store.index_tables import spelled_counts
    from facebench.store.repair import repair_index

    folder = _folder(cache_dir)
    rebuilt = repair_index(folder)
    if rebuilt is not None:
        talk().result(
            f"The index was damaged ({rebuilt.why}). It was rebuilt with {rebuilt.entries:,} "
            f"intact entries; the old one is {rebuilt.set_aside}."
        )
    with _existing(folder) as store:
        verified = store.verify()
    if verified.entries:
        talk().result(
            f"Damaged entries of the index dropped: {spelled_counts(verified.entries)}. What they "
            "described is read or embedded again."
        )
    talk().result(f"{verified.rows:,} rows read, {sum(verified.damaged.values()):,} damaged.")
    damaged = {f"{model} {layer}": rows for (model, layer), rows in verified.damaged.items()}
    talk().data(
        {
            "rows": verified.rows,
            "damaged": damaged,
            "index_entries_dropped": verified.entries,
            "index_rebuilt": None if rebuilt is None else rebuilt.why,
        }
    )
    for (model, layer), rows in verified.damaged.items():
        talk().result(f"  {model} {layer}: {rows:,}")
    if verified.damaged or verified.entries or rebuilt is not None:
        raise typer.Exit(SOME_FAILED)


def _verify_packs(folder: Path) -> None:
    packs = _packs(folder)
    n_files = len(packs.files)
    rows, damaged = packs.verify()
    talk().result(f"{n_files:,} packs, {rows:,} rows read, {sum(damaged.values()):,} damaged.")
    talk().data(
        {
            "packs": n_files,
            "rows": rows,
            "damaged": damaged,
            "refused": packs.refused,
            "contradicted": packs.contradicted,
        }
    )
    for name, count in damaged.items():
        talk().result(f"  {name!a}: {count:,} damaged rows. Remove it; they are embedded again.")
    for name, count in packs.contradicted.items():
        talk().result(f"  {name!a}: {count:,} rows of which another pack holds different values.")
    if damaged or packs.refused or packs.contradicted:
        raise typer.Exit(SOME_FAILED)


@cache_app.command("import", epilog="Example: facebench cache import packs")
@command
def import_(folder: _PackFolder, cache_dir: _Folder = None) -> None:
    """Take into the store what packs have and it does not.

    Exit status 1 if packs, or rows of them, were left out: damaged, or contradicted by others.
    """
    from facebench.store import default_cache_dir, open_store
    from facebench.store.exchange import import_packs

    packs = _packs(folder)
    store = open_store(cache_dir or default_cache_dir())
    if store is None or store.read_only:
        msg = "There is no embedding store that can be written to. Give --cache-dir."
        raise InputError(msg)
    with store:
        done = import_packs(packs, store)
    talk().result(f"{_new(done)} of {done.packs:,} packs are now in {store.folder}.")
    n_lost = len(done.left_out)
    talk().data(
        {
            "folder": store.folder,
            "rows": done.rows,
            "notes": done.notes,
            "packs": done.packs,
            "left_out": n_lost,
            "refused": packs.refused,
        }
    )
    if n_lost:
        talk().result(
            f"{n_lost:,} rows were left out, as they are damaged or packs contradict each other: "
            f"see facebench cache verify --packs {folder}."
        )
    if packs.refused or n_lost:
        raise typer.Exit(SOME_FAILED)


@cache_app.command(epilog="Example: facebench cache export packs")
@command
def export(folder: _PackFolder, cache_dir: _Folder = None) -> None:
    """Write what the store has and packs do not into new packs."""
    from facebench.store.exchange import export_store
    from facebench.store.packs import Packs

    with _existing(_folder(cache_dir)) as store:
        done = export_store(store, Packs(folder))
    talk().result(f"{_new(done)} are now in {done.packs:,} packs in {folder}.")
    talk().data({"folder": folder, "rows": done.rows, "notes": done.notes, "packs": done.packs})


@cache_app.command(epilog="Example: facebench cache prune --max-size 20GB")
@command
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
        msg = "Give --max-size, --older-than or both."
        raise InputError(msg)
    size = None if max_size is None else as_bytes(max_size, "--max-size", minimum=0)
    age = None if older_than is None else _parse_age(older_than)
    with _existing(_folder(cache_dir)) as store:
        pruned = store.prune(size, age)
    talk().result(
        f"{pruned.rows:,} rows ({shown_bytes(pruned.size)}) removed, "
        f"{shown_bytes(pruned.freed)} given back."
    )
    talk().data({"rows": pruned.rows, "bytes": pruned.size, "freed_bytes": pruned.freed})


@cache_app.command(epilog="Example: facebench cache clear")
@command
def clear(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    cache_dir: _Folder = None,
) -> None:
    """Remove everything stored."""
    from facebench.store.folder import remove_store

    folder = _folder(cache_dir)
    if not yes:
        typer.confirm(f"Remove all embeddings in {folder}?", abort=True)
    try:
        with _existing(folder) as store:
            store.clear()
    except StoreError:
        # Damaged, or of a newer format: it cannot be asked to empty itself, so its files go.
        remove_store(folder)
    talk().result(f"The store in {folder} is empty.")
    talk().data({"folder": str(folder), "bytes": 0})


def _new(done: Exchanged) -> str:
    """Say what was new; remarks that came with their rows are not counted."""
    return f"{done.rows:,} new rows" + (
        f" and remarks on {done.notes:,} images" if done.notes else ""
    )


def _packs(folder: Path) -> Packs:
    from facebench.store.packs import Packs

    if not folder.is_dir():
        msg = f"There is no folder of packs at {folder}."
        raise InputError(msg)
    return Packs(folder)


def _folder(cache_dir: Path | None) -> Path:
    from facebench.store import default_cache_dir
    from facebench.store.database import INDEX_NAME
    from facebench.store.folder import VARIABLE

    folder = cache_dir or default_cache_dir()
    if folder is None:
        msg = f"{VARIABLE} turns the embedding store off. Give --cache-dir."
        raise InputError(msg)
    if not (folder / INDEX_NAME).is_file():
        msg = f"There is no embedding store at {folder}."
        raise InputError(msg)
    return folder


def _existing(folder: Path) -> EmbeddingStore:
    from facebench.store import open_store

    store = open_store(folder)
    if store is None:
        msg = f"The embedding store at {folder} cannot be opened."
        raise InputError(msg)
    return store


def _parse_age(text: str) -> datetime.timedelta:
    found = re.fullmatch(r"([0-9]{1,5})\s*([dwy]?)", text.strip().lower())
    if found is None:
        msg = f"--older-than must be an age such as 90d, 12w or 1y. Got {text!r} instead."
        raise InputError(msg)
    return datetime.timedelta(days=int(found[1]) * _DAYS[found[2] or "d"])
