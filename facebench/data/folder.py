"""Which files of a folder are its images: one answer for every command that takes a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

from facebench.errors import MissingImageError

__all__ = ["IMAGE_SUFFIXES", "ImageFolder", "images_below", "list_images"]

# Files with these names are taken for images where a whole folder is asked for.
IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True)
class ImageFolder:
    """The images of a folder, and what else lies there.

    Attributes
    ----------
    images : list of Path
        Sorted.
    passed_over : dict of str to int
        Files that are not among them: how many by suffix ('' without one), and as 'hidden' those
        whose name, or whose folder's name, begins with a dot.
    """

    images: list[Path]
    passed_over: dict[str, int]

    @override
    def __str__(self) -> str:
        named = {"hidden": "hidden", "": "without a suffix"}
        parts = (f"{n} {named.get(suffix, suffix)}" for suffix, n in self.passed_over.items())
        listed = ", ".join(parts)
        return f"Passed over: {listed}." if listed else ""


def list_images(folder: Path, *, people: bool = False) -> ImageFolder:
    """List the images of a folder.

    Files and folders whose name begins with a dot are none (companions that macOS leaves as
    ``._NAME.jpg``, thumbnails, checkpoints of notebooks). Links are followed.

    Parameters
    ----------
    folder : Path
        The folder.
    people : bool, default False
        Only images one folder deep, NAME/*.jpg; else at any depth.

    Raises
    ------
    MissingImageError
        If there is no such folder, or no image in it: what lies there is counted.
    """
    images: list[Path] = []
    passed_over: Counter[str] = Counter()
    for path in sorted(_files(folder, people=people)):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            passed_over["hidden"] += 1
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            images.append(path)
        else:
            passed_over[path.suffix.lower()] += 1
    listed = ImageFolder(images, dict(passed_over.most_common()))
    if not images:
        what = "holds no images" if folder.is_dir() else "does not exist"
        where = " as NAME/*.jpg" if people and folder.is_dir() else ""
        msg = (
            f"The folder {folder} {what}{where} (looked in {Path.cwd()} for "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}). {listed}"
        )
        raise MissingImageError(msg.strip())
    return listed


def _files(folder: Path, *, people: bool) -> Iterator[Path]:
    for path, folders, files in os.walk(folder, followlinks=True):
        here = Path(path)
        depth = len(here.relative_to(folder).parts)
        # A link to a folder above would be walked for ever.
        above = {os.path.realpath(part) for part in (here, *here.parents)}
        folders[:] = [name for name in folders if os.path.realpath(here / name) not in above]
        if people and depth == 1:
            folders.clear()
        if not people or depth == 1:
            # No devices and no pipes.
            yield from (here / name for name in files if (here / name).is_file())


def images_below(folder: Path) -> list[Path]:
    """Find the images of a folder, at any depth; see `list_images`."""
    return list_images(folder).images
