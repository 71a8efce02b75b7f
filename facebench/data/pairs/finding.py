"""Finding the images that a table names, as files or within packs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.packs import is_pack, open_pack, split_member
from facebench.data.pairs.table import PAIR_COLUMNS, SHOWN, as_path, row_name, shown
from facebench.errors import MissingImageError, PairsError
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImagePaths", "find_image_list", "find_images", "missing_images"]


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


def find_images(pairs: pd.DataFrame, images_path: StrPath, *, task: str) -> ImagePaths:
    """Find every image that a pairs table names.

    Parameters
    ----------
    pairs : DataFrame
        A pairs table.
    images_path : str or Path
        The folder its names are relative to, or a pack (``lfw.bin``) that holds the images. Names
        may also lead into a pack within the folder: ``lfw.bin/000001.jpg``.
    task : str
        The task's name, for messages.

    Returns
    -------
    ImagePaths

    Raises
    ------
    MissingImageError
        If the folder or any image is missing: all are counted, the first five named.
    PairsError
        If a name leads out of the folder ('../', an absolute path, a link).
    """
    n_pairs = len(pairs)
    # Both columns one after the other, so that a name's first row is found in one go.
    names = [name for column in PAIR_COLUMNS for name in pairs[column]]
    found, missing = _find(names, [*range(n_pairs), *range(n_pairs)], images_path, task)
    _refuse_missing(missing, len(found), images_path, task)
    return ImagePaths(
        img1=[found[name] for name in names[:n_pairs]],
        img2=[found[name] for name in names[n_pairs:]],
    )


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
    found, missing = _find(names, range(len(names)), images_path, task)
    _refuse_missing(missing, len(found), images_path, task)
    return [found[name] for name in names]


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
    _, missing = _find(names, range(len(names)), images_path, task)
    return list(missing)


def _in_pack(path: str) -> bool:
    parts = split_member(path)
    return parts is not None and parts[1] in open_pack(parts[0]).members


def _find(
    names: Sequence[str], rows: Sequence[int], images_path: StrPath, task: str
) -> tuple[dict[str, Path], dict[str, int]]:
    """Resolve every different name once: those found, and those missing with their rows."""
    folder = as_path(images_path, "images_path")
    if not folder.is_dir() and not is_pack(folder):
        msg = (
            f"The images folder {folder} of task {task!r} does not exist (looked in {Path.cwd()}). "
            "Give the folder that the names of its images are relative to."
            + did_you_mean_file(folder)
        )
        raise MissingImageError(msg)
    # Strings, not Paths: a table may name 100,000 images.
    root = os.path.realpath(folder)
    inside = os.path.join(root, "")  # noqa: PTH118
    first_row: dict[str, int] = {}
    for name, row in zip(names, rows, strict=True):
        first_row[name] = min(row, first_row.get(name, row))
    found: dict[str, Path] = {}
    missing: dict[str, int] = {}
    for name, position in first_row.items():
        try:
            path = os.path.realpath(inside + name)
            exists = os.path.isfile(path) or _in_pack(path)  # noqa: PTH113
        except (OSError, ValueError):
            # A name that no file can have: too long, or with a NUL.
            missing[name] = position
            continue
        if os.path.isabs(name) or not (path + os.sep).startswith(inside):  # noqa: PTH117
            msg = (
                f"Image names of task {task!r} must stay inside {folder}. "
                f"{name!r} in {row_name(position)} leads out of it."
            )
            raise PairsError(msg)
        if exists:
            found[name] = Path(path)
        else:
            missing[name] = position
    return found, missing


def _refuse_missing(missing: dict[str, int], n_found: int, images_path: StrPath, task: str) -> None:
    if not missing:
        return
    in_order = sorted(missing.items(), key=lambda item: item[1])
    named = (f"{name!r} in {row_name(row)}" for name, row in in_order[:SHOWN])
    msg = (
        f"{len(missing)} of {n_found + len(missing)} images of task {task!r} are missing in "
        f"{Path(images_path)}: {shown(named, len(missing))}. Names are relative to images_path."
    )
    raise MissingImageError(msg)
