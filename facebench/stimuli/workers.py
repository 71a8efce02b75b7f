"""The work on single photographs, done in processes of their own."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from facebench.errors import ImageError, StimulusError
from facebench.face_chip import face_landmarks
from facebench.files import atomic_path
from facebench.images import open_image
from facebench.progress import Progress
from facebench.stimuli.catalogue import UPRIGHT, Condition, Face
from facebench.stimuli.manipulate import aligned_chip, to_chip
from facebench.stimuli.pictures import Field, Picture
from facebench.stimuli.sources import PreparedFace, Source, own_seed

_log = logging.getLogger(__name__)
_IMAGES_PER_WORKER = 32  # a process takes seconds to start
# Cheeks, forehead beside the nose, and its tip: skin in nearly every face.
_SKIN_POINTS = (2, 3, 13, 14, 27, 30)
Job = TypeVar("Job")
Made = TypeVar("Made")


@dataclass(frozen=True)
class PrepareJob:
    """Find the face in one photograph and write it upright."""

    source: Source
    out: Path
    chip: tuple[int, float] | None  # size and padding; None takes the photograph as it is


@dataclass(frozen=True)
class MakeJob:
    """Make all conditions of one face."""

    out: Path
    face: PreparedFace
    donors: tuple[PreparedFace, ...]
    conditions: tuple[Condition, ...]
    seed: int


def prepare(job: PrepareJob) -> PreparedFace | str:
    """Return the face, or why there is none."""
    try:
        photograph = np.asarray(open_image(job.source.path))
    except ImageError as error:
        # Only the reason: the rest of the message names the file by its path on this machine.
        return str(error).replace(str(job.source.path), job.source.relative)
    found = face_landmarks(photograph)
    if found is None:
        return "No face was found."
    picture, landmarks = photograph, found.sixty_eight.astype(np.float64)
    if job.chip is not None:
        size, padding = job.chip
        if not np.ptp(found.five, axis=0).max():
            return "The landmarks lie in one place."
        picture = aligned_chip(photograph, found.five, size, padding)
        landmarks = to_chip(landmarks, found.five, size, padding)
    write_png(job.out / UPRIGHT / job.source.name, picture)
    return PreparedFace(job.source, landmarks, _skin(picture, landmarks))


def make(job: MakeJob) -> dict[str, str]:
    """Write what is not there yet; return why conditions could not be made, by label."""
    pending = [
        condition
        for condition in job.conditions
        if not all((job.out / folder / job.face.name).is_file() for folder in condition.folders)
    ]
    if not pending:
        return {}
    face, donors = _load(job.out, job.face), [_load(job.out, donor) for donor in job.donors]
    failed = {}
    for condition in pending:
        seed = own_seed(job.seed, condition.label, job.face.name)
        try:
            pictures = condition.make(face, donors, seed)
        except StimulusError as error:
            failed[condition.label] = str(error)
            continue
        for folder, picture in zip(condition.folders, pictures, strict=True):
            write_png(job.out / folder / job.face.name, picture)
    return failed


def _load(out: Path, face: PreparedFace) -> Face:
    return Face(np.asarray(open_image(out / UPRIGHT / face.name)), face.landmarks)


def _skin(picture: Picture, landmarks: Field) -> tuple[float, float, float]:
    limit = (picture.shape[1] - 1, picture.shape[0] - 1)
    columns, rows = np.clip(np.round(landmarks[list(_SKIN_POINTS)]), 0, limit).astype(int).T
    red, green, blue = np.median(picture[rows, columns], axis=0)
    return float(red), float(green), float(blue)


def write_png(path: Path, picture: Picture) -> None:
    """Write an image, making its folder."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", compress_level=1)


@contextmanager
def processes(workers: int | None, n_images: int) -> Iterator[ProcessPoolExecutor | None]:
    """Start worker processes; None where the work is better done in this one.

    They are spawned on every system: what this process has loaded (torch's threads, an open window)
    must not be forked.
    """
    if workers is None:
        workers = min(_usable_cores(), -(-n_images // _IMAGES_PER_WORKER))
    if workers <= 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            msg = (
                "The worker processes ended before their work was done. A script must call "
                "make_conditions below `if __name__ == '__main__':`; or pass workers=1."
            )
            raise StimulusError(msg) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def in_order(
    pool: ProcessPoolExecutor | None,
    title: str,
    function: Callable[[Job], Made],
    jobs: Sequence[Job],
) -> list[Made]:
    """Apply a function to every job, showing progress."""
    made = []
    results: Iterable[Made] = map(function, jobs)
    if pool is not None:
        results = pool.map(function, jobs, chunksize=8)
    with Progress(title, len(jobs), "images") as progress:
        for result in results:
            made.append(result)
            progress.advance(1)
    return made


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
