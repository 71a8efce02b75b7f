"""A folder of photographs cut to aligned faces."""

from __future__ import annotations

import csv
import json
import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facebench.data.images import list_images, open_image
from facebench.errors import ImageError, InputError
from facebench.faces import WhichFace
from facebench.faces.chips import face_chip
from facebench.faces.detection import check_which_face
from facebench.utils.files import atomic_path
from facebench.utils.progress import Progress

__all__ = ["AlignedFolder", "align_folder"]

_log = logging.getLogger(__name__)
_TABLE, _RECORD = "chips.csv", "alignment.json"
# A process takes a second to start.
_FEWEST_FOR_WORKERS = 16


@dataclass(frozen=True)
class AlignedFolder:
    """What was cut.

    Attributes
    ----------
    written : int
        Chips written.
    no_face : tuple of str
        Images in which no face was found, relative to their folder.
    bad : dict of str to str
        Images that cannot be read, and why.
    """

    written: int
    no_face: tuple[str, ...]
    bad: dict[str, str]


def align_folder(
    folder: Path,
    output: Path,
    *,
    size: int = 150,
    padding: float = 0.25,
    which_face: WhichFace = "nearest-centre",
    keep_all: bool = False,
    num_workers: int | None = None,
) -> AlignedFolder:
    """Cut the face out of every image, upright and scaled, as PNG.

    Parameters
    ----------
    folder : Path
        Images at any depth.
    output : Path
        The same tree of chips, ``chips.csv``: image, source, face (1 where one was found), and
        ``alignment.json``: how they were cut.
    size, padding, which_face : int, float, str
        See `facebench.faces.chips.face_chip`.
    keep_all : bool, default False
        Also cut images in which no face is found, around their centre.
    num_workers : int, optional
        Processes; None takes one per core, 0 works in this one.

    Returns
    -------
    AlignedFolder

    Raises
    ------
    MissingImageError
        If the folder is missing or holds no images.
    InputError
        If `output` lies inside of `folder`, or `which_face` is another name.
    """
    check_which_face(which_face)
    listed = list_images(folder)
    images = listed.images
    if listed.passed_over:
        _log.info("%s %s", folder, listed)
    if output.resolve().is_relative_to(folder.resolve()):
        msg = f"The output {output} must lie outside of {folder}: its chips are images too."
        raise InputError(msg)
    names = _names([path.relative_to(folder) for path in images])
    jobs = [(path, output / name) for path, name in zip(images, names, strict=True)]
    how = {"size": size, "padding": padding, "which_face": which_face}
    cut = partial(_cut, how=how, keep_all=keep_all)
    found: list[bool | str] = []
    with Progress("Aligning", len(jobs)) as progress:
        if num_workers == 0 or len(jobs) < _FEWEST_FOR_WORKERS:
            for job in jobs:
                found.append(cut(job))
                progress.advance(1)
        else:
            with ProcessPoolExecutor(num_workers) as pool:
                for result in pool.map(cut, jobs):
                    found.append(result)
                    progress.advance(1)
    done = _told(folder, output, images, names, found, keep_all)
    with atomic_path(output / _RECORD) as temporary:
        counts = {"images": len(images), "no_face": len(done.no_face), "bad_images": len(done.bad)}
        text = json.dumps({**how, "keep_all": keep_all, **counts}, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")
    return done


def _told(
    folder: Path,
    output: Path,
    images: list[Path],
    names: list[str],
    found: list[bool | str],
    keep_all: bool,
) -> AlignedFolder:
    no_face, bad, rows = [], {}, []
    for path, name, result in zip(images, names, found, strict=True):
        source = path.relative_to(folder).as_posix()
        if isinstance(result, str):
            bad[source] = result
            continue
        if not result:
            no_face.append(source)
        if result or keep_all:
            rows.append((name, source, int(result)))
    with (
        atomic_path(output / _TABLE) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("image", "source", "face"))
        writer.writerows(rows)
    return AlignedFolder(len(rows), tuple(no_face), bad)


def _names(sources: list[Path]) -> list[str]:
    """Name the chips; a.jpg and a.png of one person stay two."""
    plain = [source.with_suffix(".png").as_posix() for source in sources]
    return [
        name if plain.count(name) == 1 else f"{source.as_posix()}.png"
        for name, source in zip(plain, sources, strict=True)
    ]


def _cut(job: tuple[Path, Path], *, how: dict[str, Any], keep_all: bool) -> bool | str:
    """Cut one face; tells whether there was one, or why the image cannot be read."""
    source, target = job
    try:
        chip = face_chip(np.asarray(open_image(source)), **how)
    except ImageError as error:
        return str(error)
    if chip.found or keep_all:
        with atomic_path(target) as temporary:
            Image.fromarray(chip.pixels).save(temporary, format="PNG")
    return bool(chip.found)
