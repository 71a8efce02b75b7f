"""Finding the images that tasks name among the images that a file of results names.

The names count as those of files do in `facebench.data.pairs.finding`: back slashes and the writing
of accents (NFC, NFD) make no difference; another suffix or case is another image, and is told.
Where no name of the file has a suffix, images are found without theirs; a name of a task without
suffix is that of the one image that it can be.
Names of the file are relative to the folder of a task's images, or to any folder above it.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from facebench.data.folder import IMAGE_SUFFIXES
from facebench.errors import InputError
from facebench.types import StrPath

__all__ = ["ImageName", "NameIndex", "alike_name", "is_image_name"]


class ImageName(NamedTuple):
    """An image as a task names it, whether there is such a file or not.

    Attributes
    ----------
    folder : str
        The folder of the task's images, absolute.
    name : str
        The name relative to it, with slashes and composed accents.
    """

    folder: str
    name: str

    @classmethod
    def of(cls, folder: StrPath, name: str) -> ImageName:
        """Write a name of a task's table in the one form that names are compared in."""
        # As written: a link to the folder may have a name that counts.
        return cls(os.path.abspath(folder), alike_name(name))  # noqa: PTH100

    @classmethod
    def all_of(cls, folder: StrPath, names: Iterable[str]) -> dict[str, ImageName]:
        """Write names of a task's table in that form, each once, by name."""
        whole = os.path.abspath(folder)  # noqa: PTH100
        return {name: cls(whole, alike_name(name)) for name in dict.fromkeys(names)}

    @property
    def path(self) -> Path:
        """Where the file is, or would be."""
        return Path(self.folder, self.name)

    def forms(self) -> Iterator[str]:
        """Give the names relative to the folder, and to every folder above it."""
        form = self.name
        yield form
        for part in _parts_above(self.folder):
            form = f"{part}{'' if part.endswith('/') else '/'}{form}"
            yield form


@lru_cache(maxsize=64)
def _parts_above(folder: str) -> tuple[str, ...]:
    """Give a folder's name and those of the folders above it, the nearest first."""
    return PurePosixPath(alike_name(folder)).parts[::-1]


def alike_name(name: str) -> str:
    r"""Write a name with slashes, composed accents and without './'.

    Examples
    --------
    >>> alike_name(r".\ann\1.jpg")
    'ann/1.jpg'
    """
    is_plain = name.isascii() and "\\" not in name and "//" not in name and "./" not in name
    if is_plain and name and not name.endswith(("/", ".")):
        return name
    return PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).as_posix()


class NameIndex:
    """The names of a file of results, by which its rows are found.

    Parameters
    ----------
    names : sequence of str
        A name for every row; several rows may have one.
    file : Path
        The file, for messages.
    """

    def __init__(self, names: Sequence[str], file: Path) -> None:
        self._names = names
        self._file = file
        self._exact: dict[str, int] = {}
        self._alike: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            if name not in self._exact:
                self._exact[name] = row
                self._alike.setdefault(alike_name(name), []).append(row)
        # Rows by their names without suffix.
        self._plain: dict[str, list[int]] = {}
        for name, rows in self._alike.items():
            if is_image_name(name):
                self._plain.setdefault(_without_suffix(name), []).extend(rows)
        self._by_stem: dict[str, str] | None = None
        # Which image a row was found for, as the file system has its folder.
        self._found_for: dict[int, tuple[str, ImageName]] = {}
        self._real: dict[str, str] = {}

    def find(self, image: ImageName) -> int | None:
        """Find the row of an image; None where there is none.

        Raises
        ------
        InputError
            If several names of the file may be meant, or one name is that of two images.
        """
        rows = sorted({row for form in image.forms() for row in self._rows_of(form)})
        if not rows:
            return None
        if len(rows) > 1:
            listed = " and ".join(repr(self._names[row]) for row in rows[:3])
            msg = (
                f"{image.name!r} in {image.folder} may be any of several images of {self._file}: "
                f"{listed}. Name it there once, relative to one folder."
            )
            raise InputError(msg)
        self._refuse_second(rows[0], image)
        return rows[0]

    def _rows_of(self, form: str) -> list[int]:
        if form in self._exact:
            return [self._exact[form]]
        rows = self._alike.get(form, [])
        if rows:
            return rows
        if not is_image_name(form):
            return self._plain.get(form, [])
        return [] if self._plain else self._alike.get(_without_suffix(form), [])

    def _refuse_second(self, row: int, image: ImageName) -> None:
        """Refuse one vector for images of different folders."""
        if image.folder not in self._real:
            self._real[image.folder] = os.path.realpath(image.folder)
        path = os.path.join(self._real[image.folder], image.name)  # noqa: PTH118
        known, other = self._found_for.setdefault(row, (path, image))
        # One of both may lack its suffix.
        if known != path and known != _without_suffix(path) and _without_suffix(known) != path:
            msg = (
                f"{self._names[row]!r} in {self._file} is the name of two images: {other.path} and "
                f"{image.path}. Name the images there relative to a folder that holds both."
            )
            raise InputError(msg)

    def hint(self, image: ImageName, *, all_missing: bool = False) -> str:
        """Say which name of the file resembles that of an image which it does not have.

        Where it has none of the images that were asked for, it may be another file altogether.
        """
        if self._by_stem is None:
            self._by_stem = {}
            for name in self._exact:
                self._by_stem.setdefault(_stem(alike_name(name)), name)
        for form in image.forms():
            other = self._by_stem.get(_stem(form))
            if other is not None:
                return (
                    f" {image.name!r} exists with another suffix or case, as {other!r}. Write "
                    "the names alike."
                )
        ending = f"/{image.name}".casefold()
        longer = next((n for n in self._exact if alike_name(n).casefold().endswith(ending)), None)
        if longer is not None:
            before = longer[: -len(image.name)]
            return (
                f" {image.name!r} exists as {longer!r}. If all names begin like this, set "
                f"strip={before!r}."
            )
        bare = self._by_stem.get(_stem(PurePosixPath(alike_name(image.name)).name))
        if bare is not None:
            return (
                f" {bare!r} is there, without its folder. Name the images there as the task does, "
                f"such as {image.name!r}."
            )
        first = next(iter(self._exact), None)
        if all_missing:
            there = "is empty" if first is None else f"holds {first!r} …"
            return f" None was found (it {there}): is this the right file?"
        return f" Its names are like {first!r}." if first is not None else ""


def is_image_name(name: str) -> bool:
    """Whether a name ends as those of image files do."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _without_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if is_image_name(name) else name


def _stem(name: str) -> str:
    return _without_suffix(name).casefold()
