"""Processing of single photographs in worker processes."""

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
from scipy.ndimage import gaussian_filter, uniform_filter

from facebench.data.images import open_image
from facebench.data.made_stimuli import UPRIGHT
from facebench.errors import ImageError, StimulusError
from facebench.faces import WhichFace
from facebench.faces.landmarks import face_landmarks
from facebench.faces.pictures import Field, Picture
from facebench.stimuli.catalogue import Condition, Face
from facebench.stimuli.geometry import face_width, outside
from facebench.stimuli.manipulate import aligned_chip, to_chip
from facebench.stimuli.skin_tone import tones
from facebench.stimuli.sources import PreparedFace, Source, own_seed
from facebench.utils.files import atomic_path
from facebench.utils.progress import Progress

_log = logging.getLogger(__name__)
_IMAGES_PER_WORKER = 32  # a process takes seconds to start
# Where skin is compared, each half way between two landmarks: forehead, nose, both cheeks, upper
# lip, both sides of the mouth, chin. Beards and the direction of light tell there.
_SKIN_BETWEEN = np.array(
    [(21, 22), (29, 30), (2, 31), (14, 35), (33, 51), (48, 4), (54, 12), (57, 8)]
)
_SKIN_PATCH = 0.06  # of the face's width
_MIDDLE_FACE = slice(17, 68)
_FINE = 0.01  # sigma of the Gaussian that takes fine detail out, of the face's width
Job = TypeVar("Job")
Made = TypeVar("Made")


@dataclass(frozen=True)
class PrepareJob:
    """Find the face in one photograph and write it upright."""

    source: Source
    out: Path
    chip: tuple[int, float] | None  # size and padding; None takes the photograph as it is
    which_face: WhichFace = "nearest-centre"


@dataclass(frozen=True)
class MakeJob:
    """Make all conditions of one face."""

    out: Path
    face: PreparedFace
    donors: tuple[PreparedFace, ...]
    conditions: tuple[Condition, ...]
    seed: int
    max_yaw: float | None  # None takes each condition's own limit


def prepare(job: PrepareJob) -> PreparedFace | str:
    """Return the face, or why there is none."""
    try:
        photograph = np.asarray(open_image(job.source.path))
    except ImageError as error:
        # Only the reason: the rest of the message names the file by its path on this machine.
        return str(error).replace(str(job.source.path), job.source.relative)
    found = face_landmarks(photograph, job.which_face)
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
    skin, sharpness = _skin(picture, landmarks), _sharpness(picture, landmarks)
    return PreparedFace(job.source, landmarks, skin, sharpness)


def make(job: MakeJob) -> dict[str, str]:
    """Write what is not there yet; return why conditions could not be made, by label."""
    failed, usable = {}, []
    for condition in job.conditions:
        limit = condition.max_yaw if job.max_yaw is None else job.max_yaw
        if condition.needs_frontal_face and abs(job.face.yaw) > limit:
            failed[condition.label] = (
                f"The head is turned by about {abs(job.face.yaw):.1f} degrees; "
                f"at most {limit:g} serve here (max_yaw)."
            )
        else:
            usable.append(condition)
    pending = [
        condition
        for condition in usable
        if not all((job.out / folder / job.face.name).is_file() for folder in condition.folders)
    ]
    if not pending:
        return failed
    face, donors = _load(job.out, job.face), [_load(job.out, donor) for donor in job.donors]
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


def _skin(picture: Picture, landmarks: Field) -> Field:
    """Return tones of the skin, [8, 3]."""
    places = landmarks[_SKIN_BETWEEN].mean(axis=1)
    limit = (picture.shape[1] - 1, picture.shape[0] - 1)
    columns, rows = np.clip(np.round(places), 0, limit).astype(int).T
    side = max(1, round(_SKIN_PATCH * face_width(landmarks)))
    values = picture.astype(np.float64)
    return tones(uniform_filter(values, (side, side, 1), mode="nearest")[rows, columns])


def _sharpness(picture: Picture, landmarks: Field) -> float:
    """Return the share of fine detail in the contrast between brows and mouth, as a logarithm."""
    within = outside(landmarks[_MIDDLE_FACE], picture.shape) < 0
    grey = picture.mean(axis=2)
    fine = grey - gaussian_filter(grey, _FINE * face_width(landmarks))
    if not within.any():
        return 0.0
    return float(np.log((fine[within].std() + 0.1) / (grey[within].std() + 0.1)))


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
