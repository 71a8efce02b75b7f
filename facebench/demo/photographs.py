"""A folder of photographs, NAME/*.jpg, as the demo's faces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from facebench.data.folder import list_images
from facebench.data.identity import person_of
from facebench.data.images import open_image
from facebench.demo.stimuli import (
    CHIP_SIZE,
    INVERTED,
    TABLES,
    THATCHERISED,
    UPRIGHT,
    DemoStimuli,
    in_parallel,
    reuse_or_make,
    write_versions,
)
from facebench.errors import ImageError, InputError, MissingImageError
from facebench.stimuli import feature_outlines, thatcherise
from facebench.types import StrPath
from facebench.utils.files import safe_name

__all__ = ["prepare_photographs"]

_FEWEST_PEOPLE = 3
_PIXEL_SIDE = 32


@dataclass(frozen=True)
class _Job:
    source: Path
    folder: Path
    name: str


def prepare_photographs(
    data: StrPath,
    folder: StrPath,
    *,
    n_people: int = 60,
    n_photographs: int = 3,
    seed: int = 0,
) -> DemoStimuli:
    """Align photographs, make the versions and the tables, or find them made already.

    Photographs in which no face is found, or whose landmarks cannot be placed, are left out and
    listed. Without human ratings, ``distances`` holds the distance in pixels of small grey
    chips: it shows how much of a network's judgment a comparison of pixels explains.

    Parameters
    ----------
    data : str or Path
        A folder with a folder of images per person.
    folder : str or Path
        Where to.
    n_people, n_photographs : int
        At most so many people with two or more photographs, and photographs of each, are drawn at
        random.
    seed : int
        Seed of the choice.

    Returns
    -------
    DemoStimuli

    Raises
    ------
    MissingImageError
        If `data` is not a folder.
    InputError
        If fewer than three people with two usable photographs are in it.
    """
    source, root = Path(data), Path(folder)
    if not source.is_dir():
        msg = f"The data folder {source} does not exist (looked in {Path.cwd()})."
        raise MissingImageError(msg)
    chosen = _choose(source, n_people, n_photographs, seed)
    stimuli = DemoStimuli(source.resolve().name, root, "pixel distance")
    settings: dict[str, Any] = {
        "source": str(source.resolve()),
        "images": [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in chosen],
        "seed": seed,
        "tables": TABLES,
    }
    with reuse_or_make(root, settings) as state:
        if not state["ready"]:
            jobs = [_Job(path, root, _png_name(path)) for path in chosen]
            found = in_parallel("Finding faces", "images", _align, jobs)
            state["left_out"] = [
                str(job.source.relative_to(source))
                for job, is_found in zip(jobs, found, strict=True)
                if not is_found
            ]
            usable = [job.name for job, is_found in zip(jobs, found, strict=True) if is_found]
            _write_tables(stimuli, source, usable, seed)
    return replace(stimuli, left_out=tuple(state["left_out"]))


def _choose(source: Path, n_people: int, n_photographs: int, seed: int) -> list[Path]:
    found = groupby(list_images(source, people=True).images, key=lambda path: path.parent)
    people = {person: images for person, group in found if len(images := list(group)) > 1}
    if len(people) < _FEWEST_PEOPLE:
        msg = (
            f"The data folder {source} must hold a folder of images per person, NAME/*.jpg, with "
            f"two or more images for at least {_FEWEST_PEOPLE} people. Found {len(people)}."
        )
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    drawn = sorted(rng.permutation(len(people))[:n_people])
    chosen = []
    for index, (_, images) in enumerate(people.items()):
        if index in drawn:
            kept = sorted(rng.permutation(len(images))[:n_photographs])
            chosen += [images[i] for i in kept]
    return chosen


def _png_name(path: Path) -> str:
    # The suffix stays in the name: a.jpg and a.png of one person are two photographs.
    return f"{safe_name(path.parent.name)}/{safe_name(path.name)}.png"


def _align(job: _Job) -> bool:
    """Cut one face and write its versions; runs in a worker process."""
    # dlib and torch load in the workers only.
    from facebench.faces.chips import face_chip
    from facebench.faces.landmarks import face_landmarks_68

    try:
        chip = face_chip(np.asarray(open_image(job.source)), size=CHIP_SIZE)
    except ImageError:
        return False
    landmarks = face_landmarks_68(chip.pixels) if chip.found else None
    if landmarks is None:
        return False
    turned = thatcherise(chip.pixels, feature_outlines(landmarks))
    write_versions(job.folder, job.name, chip.pixels, turned)
    return True


def _write_tables(stimuli: DemoStimuli, source: Path, names: list[str], seed: int) -> None:
    people: dict[str, list[str]] = {}
    for name in names:
        people.setdefault(person_of(name), []).append(name)
    people = {person: images for person, images in people.items() if len(images) > 1}
    if len(people) < _FEWEST_PEOPLE:
        msg = (
            f"Faces were found in two or more images of {len(people)} people in {source}; "
            f"at least {_FEWEST_PEOPLE} are needed."
        )
        raise InputError(msg)
    first = [images[0] for images in people.values()]
    pixels = {name: _small_grey(stimuli.images_path / UPRIGHT / name) for name in first}
    distances = [
        (a, b, float(np.linalg.norm(pixels[a] - pixels[b]))) for a, b in combinations(first, 2)
    ]
    conditions = [
        (f"{UPRIGHT}/{images[0]}", other, condition)
        for condition, others in (
            ("same person", [f"{UPRIGHT}/{images[1]}" for images in people.values()]),
            ("other person", [f"{UPRIGHT}/{name}" for name in first[1:] + first[:1]]),
            ("thatcherised", [f"{THATCHERISED}/{name}" for name in first]),
            ("upside-down", [f"{INVERTED}/{name}" for name in first]),
        )
        for images, other in zip(people.values(), others, strict=True)
    ]
    stimuli.write_tables(people, distances, conditions, seed)


def _small_grey(path: Path) -> Any:
    grey = open_image(path).convert("L").resize((_PIXEL_SIDE, _PIXEL_SIDE), Image.Resampling.BOX)
    values = np.asarray(grey, dtype=np.float64)
    # Without its mean and contrast, so that the light of the room is not what is compared.
    return (values - values.mean()) / max(float(values.std()), 1e-9)
