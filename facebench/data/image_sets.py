"""A set of other images that something is fitted on: a folder, a pack or a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facebench.data.folder import list_images
from facebench.data.identity import person_of
from facebench.data.packs import is_pack, open_pack
from facebench.data.pairs.finding import find_image_list
from facebench.data.pairs.table import PAIR_COLUMNS, as_path
from facebench.data.tables import read_text_table
from facebench.errors import InputError, MissingImageError
from facebench.types import StrPath

__all__ = ["ImageSet", "image_set"]


@dataclass(frozen=True)
class ImageSet:
    """Images and who is in them.

    Attributes
    ----------
    source : Path
        The folder, pack or table.
    paths : list of Path
        The images, each once.
    people : set of str
        The folders that images are in, NAME/file; empty where some are in none.
    """

    source: Path
    paths: list[Path]
    people: set[str]


def image_set(source: StrPath, parameter: str) -> ImageSet:
    """Find the images of a set.

    Parameters
    ----------
    source : str or Path
        A folder of images at any depth, a .bin pack, or a CSV file with a column ``image`` (or
        ``img1`` and ``img2``) of names relative to its own folder.
    parameter : str
        What it was given as, for messages.

    Raises
    ------
    MissingImageError
        If there is no such folder or file, or an image is missing.
    InputError
        If a table has no such column.
    """
    path = as_path(source, parameter)
    if path.is_dir():
        paths = list_images(path).images
        names = [image.relative_to(path).as_posix() for image in paths]
    elif is_pack(path):
        names = list(open_pack(path).members)
        paths = [path / name for name in names]
    elif path.is_file():
        table, _ = read_text_table(path, ("image",))
        columns = ["image"] if "image" in table else [c for c in PAIR_COLUMNS if c in table]
        if not columns:
            msg = (
                f"The table {path} given as {parameter!r} must have a column 'image', or 'img1' "
                f"and 'img2' (it has: {', '.join(map(str, table.columns))})."
            )
            raise InputError(msg)
        names = list(dict.fromkeys(name for column in columns for name in table[column]))
        paths = find_image_list(names, path.parent, task=parameter)
    else:
        msg = (
            f"The {parameter!r} must be a folder of images, a .bin pack or a table. There is no "
            f"{path} (looked in {Path.cwd()})."
        )
        raise MissingImageError(msg)
    people = {person_of(name) for name in names}
    return ImageSet(path, list(dict.fromkeys(paths)), set() if "" in people else people)
