"""Finding the images that a table names, as files or within packs."""

from __future__ import annotations

import logging
import os
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facebench.data.folder import IMAGE_SUFFIXES
from facebench.data.packs import is_pack, open_pack, split_member
from facebench.data.pairs.rows import file_of, row_name, row_numbers
from facebench.data.pairs.table import PAIR_COLUMNS, SHOWN, as_path, shown
from facebench.errors import MissingImageError, PairsError
from facebench.types import IntArray, StrPath
from facebench.utils.files import why_missing
from facebench.utils.suggestions import did_you_mean_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ImagePaths",
    "check_images_path",
    "find_image_list",
    "find_images",
    "missing_images",
    "numbered_images",
    "resolve_image",
    "resolve_images",
    "with_suffixes_there",
]

_log = logging.getLogger(__name__)

_ANNEX = f"{os.sep}annex{os.sep}objects{os.sep}"


@dataclass(frozen=True)
class ImagePaths:
    """The files behind the pairs of one task.

    Attributes
    ----------
    img1, img2 : list of Path
        Real paths, one per pair row. Two spellings of one file are one path, so that it is
        embedded once.
    """

    img1: list[Path]
    img2: list[Path]

    @classmethod
    def of(cls, numbers: IntArray, paths: Sequence[Path]) -> ImagePaths:
        """Take the paths of images by number, first of all img1, then of all img2."""
        table = np.empty(len(paths), dtype=object)
        table[:] = paths
        both = table[numbers].tolist()
        return cls(both[: len(both) // 2], both[len(both) // 2 :])

    @cached_property
    def different(self) -> list[Path]:
        """The different files, in the order of their first rows, those of img1 first."""
        return list(self._numbered[0])

    @property
    def numbers(self) -> tuple[IntArray, IntArray]:
        """The places of img1 and img2 in `different`."""
        first, second = np.split(self._numbered[1], [len(self.img1)])
        return first, second

    @cached_property
    def _numbered(self) -> tuple[dict[Path, int], IntArray]:
        # A table may name a file in many rows, by one path object mostly: each is compared once.
        objects = np.fromiter(map(id, (*self.img1, *self.img2)), np.int64)
        _, first, place = np.unique(objects, return_index=True, return_inverse=True)
        rows = np.sort(first)
        number_of: dict[Path, int] = {}
        n_first = len(self.img1)
        numbers = [
            number_of.setdefault(
                self.img1[row] if row < n_first else self.img2[row - n_first], len(number_of)
            )
            for row in rows.tolist()
        ]
        return number_of, np.array(numbers, dtype=np.intp)[np.argsort(np.argsort(first))][place]


def check_images_path(images_path: StrPath, *, task: str) -> None:
    """Check a task's images folder when the task is made.

    One that does not exist is a warning here, and an error when a network is to be run on it:
    embeddings and scores that are read from files need no images.

    Raises
    ------
    InputError
        If it is not a path.
    """
    folder = as_path(images_path, "images_path")
    if not folder.exists():
        _log.warning(
            "The images folder %s of task %r does not exist (looked in %s). Networks need it.",
            folder,
            task,
            Path.cwd(),
        )


def find_images(
    pairs: pd.DataFrame, images_path: StrPath, *, task: str, pairs_path: StrPath | None = None
) -> ImagePaths:
    """Find every image that a pairs table names.

    Names that differ from the files' by back slashes, or by the writing of accents, are found too.
    Links are followed within the folder, and into the annex of git-annex and DataLad.

    Parameters
    ----------
    pairs : DataFrame
        A pairs table.
    images_path : str or Path
        The folder its names are relative to, or a pack (``lfw.bin``) that holds the images. Names
        may also lead into a pack within the folder: ``lfw.bin/000001.jpg``.
    task : str
        The task's name, for messages.
    pairs_path : str or Path, optional
        The file that the rows were read from, for messages; where `pairs` comes straight from
        `read_pairs` it is known.

    Returns
    -------
    ImagePaths

    Raises
    ------
    MissingImageError
        If the folder or any image is missing: all are counted, the first five named.
    PairsError
        If a name leads out of the folder ('../', a link), or is an absolute path.
    """
    numbers, names = numbered_images(pairs)
    rows = np.full(len(names), np.iinfo(np.intp).max, dtype=np.intp)
    np.minimum.at(rows, numbers, np.tile(np.asarray(row_numbers(pairs), dtype=np.intp), 2))
    found, missing = _find(names, images_path, task, rows.tolist(), pairs_path or file_of(pairs))
    _refuse_missing(missing, len(found), images_path, task)
    return ImagePaths.of(numbers, [found[name] for name in names])


def numbered_images(pairs: pd.DataFrame) -> tuple[IntArray, list[str]]:
    """Give a number to every image that a table names, in the order in which they are named.

    Parameters
    ----------
    pairs : DataFrame
        A pairs table.

    Returns
    -------
    numbers : int array, shape [2 N]
        Of img1 of all rows, then of img2.
    names : list of str
        By number.
    """
    import pandas as pd

    both = pd.concat([pairs[column] for column in PAIR_COLUMNS], ignore_index=True)
    numbers, names = pd.factorize(both, use_na_sentinel=False)
    return np.asarray(numbers, dtype=np.intp), names.tolist()


def find_image_list(names: Sequence[str], images_path: StrPath, *, task: str) -> list[Path]:
    """Find the images of a list, such as those of a gallery.

    Parameters
    ----------
    names : sequence of str
        Names relative to `images_path`.
    images_path, task
        See `find_images`.

    Returns
    -------
    list of Path
        Real paths, one per name.

    Raises
    ------
    MissingImageError, PairsError
        See `find_images`.
    """
    found, missing = _find(names, images_path, task)
    _refuse_missing(missing, len(found), images_path, task)
    return [found[name] for name in names]


def resolve_image(images_path: StrPath, name: str) -> Path:
    """Find one image of a folder by the rules of `find_images`.

    Parameters
    ----------
    images_path : str or Path
        The folder, or a pack.
    name : str
        The image in it.

    Returns
    -------
    Path
        Its real path, within the folder.

    Raises
    ------
    MissingImageError
        If there is none, or the name leads out of the folder.
    """
    try:
        found, _ = _find([name], images_path, "")
    except PairsError:
        found = {}
    if name not in found:
        msg = f"The image {name} does not exist in {images_path}."
        raise MissingImageError(msg)
    return found[name]


def resolve_images(images_path: StrPath, names: Sequence[str]) -> dict[str, Path]:
    """Find images of a folder by the rules of `find_images`, those that there are.

    Parameters
    ----------
    images_path : str or Path
        The folder, or a pack.
    names : sequence of str
        The images in it.

    Returns
    -------
    dict of str to Path
        Real paths within the folder; names that lead out of it are left out.
    """
    try:
        return _find(names, images_path, "")[0]
    except MissingImageError:
        return {}
    except PairsError:
        if len(names) == 1:
            return {}
    found: dict[str, Path] = {}
    for name in names:
        found |= resolve_images(images_path, [name])
    return found


def missing_images(names: Sequence[str], images_path: StrPath, *, task: str) -> list[str]:
    """List the names whose images are not there, each once.

    Parameters are those of `find_image_list`.

    Returns
    -------
    list of str

    Raises
    ------
    MissingImageError
        If the folder itself is missing.
    PairsError
        If a name leads out of the folder.
    """
    _, missing = _find(names, images_path, task)
    return list(missing)


def _in_pack(path: str) -> bool:
    parts = split_member(path)
    return parts is not None and parts[1] in open_pack(parts[0]).members


def _find(
    names: Sequence[str],
    images_path: StrPath,
    task: str,
    rows: Sequence[int] | None = None,
    pairs_path: StrPath | None = None,
) -> tuple[dict[str, Path], dict[str, str]]:
    """Resolve every different name once: those found, and those missing with their place."""
    folder = as_path(images_path, "images_path")
    if not folder.is_dir() and not is_pack(folder):
        msg = (
            f"The images folder {folder} of task {task!r} {why_missing(folder, 'folder')}. "
            "Give the folder that the names of its images are relative to."
            + did_you_mean_file(folder)
        )
        raise MissingImageError(msg)
    # Strings, not Paths: a table may name 100,000 images.
    root = os.path.realpath(folder)
    inside = os.path.join(root, "")  # noqa: PTH118
    first_row: dict[str, int] = {}
    for name, row in zip(names, range(len(names)) if rows is None else rows, strict=True):
        first_row[name] = min(row, first_row.get(name, row))

    def place(name: str, n: int) -> str:
        if n >= SHOWN:
            return f"{name!r:.200}"
        row = first_row[name]
        # A list of images is of no file, so it has rows and no lines.
        of_file = row_name(row, pairs_path) if rows is not None else f"row {row + 1}"
        return f"{name!r:.200} in {of_file}"

    found: dict[str, Path] = {}
    missing: list[str] = []
    folders: dict[str, str] = {}
    for name in first_row:
        try:
            path, exists = _real_file(inside + name, folders)
            exists = exists or _in_pack(path)
            if not exists and (other := _spelt_otherwise(root, name)) is not None:
                path, exists = os.path.realpath(inside + other), True
        except (OSError, ValueError):
            # A name that no file can have: too long, or with a NUL.
            missing.append(name)
            continue
        if os.path.isabs(name) or not _stays(path, inside):  # noqa: PTH117
            msg = (
                f"Image names of task {task!r} must stay inside {folder}. "
                f"{place(name, 0)} {_way_out(name, path, inside)}"
            )
            raise PairsError(msg)
        if exists:
            found[name] = Path(path)
        else:
            missing.append(name)
    in_order = sorted(missing, key=first_row.__getitem__)
    return found, {name: place(name, n) for n, name in enumerate(in_order)}


def _real_file(path: str, folders: dict[str, str]) -> tuple[str, bool]:
    """Follow the links of a path, and tell whether a file is there.

    The folders on the way are looked at once: `folders` remembers where they lead.
    """
    folder, base = os.path.split(path)
    if base not in ("", ".", ".."):
        try:
            is_file = stat.S_ISREG(os.lstat(path).st_mode)
        except OSError:
            is_file = False
        if is_file:
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            return os.path.join(folders[folder], base), True  # noqa: PTH118
    real = os.path.realpath(path)
    return real, os.path.isfile(real)  # noqa: PTH113


def _stays(path: str, inside: str) -> bool:
    """Tell whether a real path stays in a folder, or in the annex of the repository around it.

    git-annex and DataLad keep every image as a link into .git/annex/objects.
    """
    if (path + os.sep).startswith(inside):
        return True
    repository, git, rest = path.partition(f"{os.sep}.git{os.sep}")
    return bool(git) and inside.startswith(repository + os.sep) and _ANNEX in f"{os.sep}{rest}"


def _way_out(name: str, path: str, inside: str) -> str:
    """Say how a name leads out of its folder, and what to do."""
    plain = os.path.normpath(os.path.join(inside, name))  # noqa: PTH118
    if os.path.isabs(name):  # noqa: PTH117
        path = os.path.realpath(name)
        if not (path + os.sep).startswith(inside):
            return "leads out of it: it is an absolute path. Write names relative to that folder."
        relative = os.path.relpath(path, inside)
        return (
            "is an absolute path, which leads out of it wherever the folder lies elsewhere. "
            f"Write {relative!r}."
        )
    if not plain.startswith(inside):
        return "leads out of it."
    link = Path(inside)
    for part in Path(os.path.relpath(plain, inside)).parts:
        link /= part
        if link.is_symlink():
            break
    return (
        f"leads out of it: {link} is a link to {path}. Copy the images in place of links "
        "(cp -rL), or give the folder that the links lead into."
    )


def _spelt_otherwise(root: str, name: str) -> str | None:
    """Find the one file whose name differs by back slashes or the writing of accents (NFC, NFD)."""
    folder, parts = root, []
    for part in name.replace("\\", "/").split("/"):
        if part in ("", ".", ".."):
            return None
        alike = _names_in(folder, _state(folder)).get(_composed(part), [])
        if part in alike:
            alike = [part]
        if len(alike) != 1:
            return None
        folder = os.path.join(folder, alike[0])  # noqa: PTH118
        parts.append(alike[0])
    return "/".join(parts) if os.path.isfile(folder) else None  # noqa: PTH113


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _state(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except (OSError, ValueError):
        return 0


@lru_cache(maxsize=1024)
def _names_in(folder: str, state: int) -> dict[str, list[str]]:
    """Names in a folder by their composed form, as long as the folder stays as it is."""
    names: dict[str, list[str]] = {}
    try:
        for name in os.listdir(folder):  # noqa: PTH208
            names.setdefault(_composed(name), []).append(name)
    except (OSError, ValueError):
        # No such folder, or a name that none can have.
        pass
    return names


def _same_stem(folder: Path, name: str) -> list[str]:
    """List the names beside an image that differ from its name by suffix or case only."""
    path = folder / name
    stem = _composed(path.stem).casefold()
    beside = _names_in(str(path.parent), _state(str(path.parent)))
    return sorted(
        other
        for others in beside.values()
        for other in others
        if Path(_composed(other)).stem.casefold() == stem
        and Path(other).suffix.lower() in IMAGE_SUFFIXES
        and (path.parent / other).is_file()
    )


def with_suffixes_there(pairs: pd.DataFrame, images_path: Path) -> pd.DataFrame:
    """Give images that are not there the suffix with which they are.

    Parameters
    ----------
    pairs : DataFrame
        Pairs whose names have a suffix of our own making.
    images_path : Path
        The folder of the images.
    """
    names = {name for column in PAIR_COLUMNS for name in pairs[column]}
    renamed = {}
    for name in names:
        if not os.path.isfile(images_path / name):  # noqa: PTH113 (any name is a question to it)
            stem = Path(name).stem
            beside = [other for other in _same_stem(images_path, name) if Path(other).stem == stem]
            if len(beside) == 1:
                renamed[name] = Path(name).with_name(beside[0]).as_posix()
    return pairs.replace(dict.fromkeys(PAIR_COLUMNS, renamed)) if renamed else pairs


def _refuse_missing(missing: dict[str, str], n_found: int, images_path: StrPath, task: str) -> None:
    if not missing:
        return
    folder = Path(images_path)
    places = list(missing.values())[:SHOWN]
    hint = _what_is_there(list(missing), folder)
    if not n_found and not hint and len(missing) > 1:
        there = _examples_of(folder)
        holds = f" (it holds {there})" if there else ""
        msg = (
            f"None of {len(missing)} images of task {task!r} found in {folder}{holds}: is this the "
            f"right folder? Missing: {shown(places, len(missing))}. Names are relative to "
            "images_path."
        )
        raise MissingImageError(msg)
    if not hint and (n_found or len(missing) == 1):
        hint = did_you_mean_file(folder / next(iter(missing)))
    msg = (
        f"{len(missing)} of {n_found + len(missing)} images of task {task!r} are missing in "
        f"{folder}: {shown(places, len(missing))}. Names are relative to images_path."
        f"{hint}"
    )
    raise MissingImageError(msg)


def _examples_of(folder: Path) -> str:
    """Name some of what a folder holds, images first; '' of a pack or an empty folder."""
    try:
        there = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return ""
    there.sort(key=lambda name: Path(name).suffix.lower() not in IMAGE_SUFFIXES)
    return ", ".join(there[:3]) + (" …" if len(there) > 3 else "")


def _what_is_there(missing: Sequence[str], folder: Path) -> str:
    """Say what is there in place of missing images."""
    try:
        links = [name for name in missing if (folder / name).is_symlink()]
        if links:
            target = (folder / links[0]).readlink()
            fetch = " Fetch its content (datalad get)." if _ANNEX in target.as_posix() else ""
            return f" {links[0]!r} is a link to {target}, which is not there.{fetch}"
        odd = [name for name in missing if (folder / name).exists()]
        if odd:
            return f" {odd[0]!r} {why_missing(folder / odd[0])}."
        others = {name: beside for name in missing if (beside := _same_stem(folder, name))}
        if others:
            name, beside = next(iter(others.items()))
            return (
                f" {len(others)} of them exist with another suffix or case: {name!r} as "
                f"{beside[0]!r}. Write the names as the files have them."
            )
    except (OSError, ValueError):
        pass
    return ""
