"""Processing of single photographs in worker processes."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
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
from facebench.stimuli.catalogue import CONDITIONS, Around, Condition, LandmarkedFace
from facebench.stimuli.geometry import face_width, outside
from facebench.stimuli.manipulate import aligned_chip, to_chip
from facebench.stimuli.matching import Luminance, clipped_share
from facebench.stimuli.skin_tone import tones
from facebench.stimuli.sources import PreparedFace, Source, own_seed
from facebench.stimuli.warping import averaged
from facebench.utils.cores import usable_cores
from facebench.utils.files import atomic_path
from facebench.utils.processes import end_with_parent
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
    others: tuple[PreparedFace, ...] = ()  # photographs of the same person
    shape: Field | None = None  # the mean of all faces
    targets: Mapping[str, Luminance] = field(default_factory=dict)  # by label


@dataclass(frozen=True)
class MeasureJob:
    """Measure the luminance of one face in one folder."""

    out: Path
    folder: str
    face: PreparedFace


@dataclass(frozen=True)
class AverageJob:
    """Average photographs, each with a weight, into one image."""

    out: Path
    name: str
    members: tuple[PreparedFace, ...]
    weights: tuple[float, ...]


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
                f"at most {limit:g} are accepted (max_yaw)."
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
    face = _load(job.out, job.face)
    kinds = [CONDITIONS[condition.kind] for condition in pending]
    donors = [_load(job.out, one) for one in job.donors if any(kind.donors for kind in kinds)]
    others = [_load(job.out, one) for one in job.others if any(kind.others for kind in kinds)]
    for condition in pending:
        around = Around(donors, others, job.shape, job.targets.get(condition.label))
        seed = own_seed(job.seed, condition.label, job.face.name)
        try:
            pictures = condition.make(face, around, seed)
        except StimulusError as error:
            failed[condition.label] = str(error)
            continue
        for folder, picture in zip(condition.folders, pictures, strict=True):
            write_png(job.out / folder / job.face.name, picture)
    return failed


def measure_luminance(job: MeasureJob) -> Luminance | None:
    """Return the luminance of a face; None where it lies beyond its picture."""
    try:
        return Luminance.of(_picture(job.out / job.folder / job.face.name), job.face.landmarks)
    except StimulusError:
        return None


def measure(job: MeasureJob) -> tuple[Luminance, float]:
    """Return the luminance of a face, and the share of it that was cut off at black or white."""
    upright = _load(job.out, job.face).picture
    picture = _picture(job.out / job.folder / job.face.name)
    luminance = Luminance.of(picture, job.face.landmarks)
    return luminance, clipped_share(upright, picture, job.face.landmarks)


def average(job: AverageJob) -> str:
    """Write an average that is not there yet; return why it could not be made, or nothing."""
    path = job.out / job.name
    if path.is_file():
        return ""
    load = [partial(_picture, job.out / UPRIGHT / face.name) for face in job.members]
    try:
        picture = averaged(load, [face.landmarks for face in job.members], job.weights)
    except StimulusError as error:
        return str(error)
    write_png(path, picture)
    return ""


def _load(out: Path, face: PreparedFace) -> LandmarkedFace:
    return LandmarkedFace(_picture(out / UPRIGHT / face.name), face.landmarks)


def _picture(path: Path) -> Picture:
    return np.asarray(open_image(path))


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
        workers = min(usable_cores(), -(-n_images // _IMAGES_PER_WORKER))
    if workers <= 1:
        yield None
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, end_with_parent) as pool:
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
