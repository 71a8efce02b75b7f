"""Rendered people as the demo's faces: whose parameters, and so whose true distances, are known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import facebench.stimuli
from facebench.demo.stimuli import (
    CHIP_SIZE,
    UPRIGHT,
    DemoStimuli,
    in_parallel,
    reuse_or_make,
    write_png,
    write_versions,
)
from facebench.files import atomic_path
from facebench.stimuli import (
    FEATURES,
    aligned_chip,
    change_feature,
    identity_distance,
    render_face,
    sample_identity,
    sample_view,
    thatcherise,
)
from facebench.types import StrPath

__all__ = ["prepare_rendered_faces"]

_IMAGE_SIZE = 250
_PHOTOGRAPHS, _FEATURE_FOLDER = "photographs", "feature-changes"
_OTHER_PERSON = "other person"


@dataclass(frozen=True)
class _Job:
    """One picture to draw, as plain numbers for a worker process."""

    folder: Path
    person: int
    photograph: int
    seed: int
    feature: str = ""

    @property
    def name(self) -> str:
        person = f"person_{self.person + 1:02d}"
        if self.feature:
            return f"{person}/{person}_{self.feature}.png"
        return f"{person}/{person}_{self.photograph + 1:04d}.png"


def prepare_rendered_faces(
    folder: StrPath,
    *,
    n_people: int = 32,
    n_photographs: int = 5,
    n_changed: int = 16,
    seed: int = 0,
) -> DemoStimuli:
    """Render people, make the versions and the tables, or find them made already.

    Parameters
    ----------
    folder : str or Path
        Where to.
    n_people, n_photographs : int
        How many people, and views of each.
    n_changed : int
        For how many people each feature is changed alone.
    seed : int
        The same seed gives the same images.

    Returns
    -------
    DemoStimuli
        ``distances`` holds the distance in identity parameters.
    """
    root = Path(folder)
    stimuli = DemoStimuli("Rendered faces", root, "identity parameters")
    settings = {
        "source": "facebench rendered faces",
        "renderer": _renderer_digest(),
        "people": n_people,
        "photographs": n_photographs,
        "changed": n_changed,
        "seed": seed,
    }
    with reuse_or_make(root, settings) as state:
        if not state["ready"]:
            jobs = list(_jobs(root, n_people, n_photographs, n_changed, seed))
            records = in_parallel("Rendering faces", _draw, jobs)
            _write_parameters(root, jobs, records)
            _write_tables(stimuli, n_people, n_photographs, n_changed, seed)
    return stimuli


def _jobs(
    root: Path, n_people: int, n_photographs: int, n_changed: int, seed: int
) -> Iterator[_Job]:
    for person in range(n_people):
        for photograph in range(n_photographs):
            yield _Job(root, person, photograph, seed)
        if person < n_changed:
            for feature in FEATURES:
                yield _Job(root, person, 0, seed, feature)


def _identity_seed(seed: int, person: int) -> int:
    return seed * 1_000_003 + person


def _draw(job: _Job) -> dict[str, Any]:
    """Render one picture and write its versions; runs in a worker process."""
    identity = sample_identity(_identity_seed(job.seed, job.person))
    view = sample_view(_identity_seed(job.seed, job.person) * 1_009 + job.photograph)
    if job.feature:
        identity = change_feature(identity, job.feature, seed=_identity_seed(job.seed, job.person))
    face = render_face(identity, view, size=_IMAGE_SIZE)
    marks = face.landmarks
    chip = aligned_chip(face.image, marks["five_points"], size=CHIP_SIZE)
    if job.feature:
        write_png(job.folder / _FEATURE_FOLDER / job.name, chip)
    else:
        write_png(job.folder / _PHOTOGRAPHS / job.name, face.image)
        turned = None
        if job.photograph == 0:  # one thatcherised picture a person
            turned = thatcherise(
                face.image, [marks["left_eye"], marks["right_eye"], marks["mouth"]]
            )
            turned = aligned_chip(turned, marks["five_points"], size=CHIP_SIZE)
        write_versions(job.folder, job.name, chip, turned)
    return {
        "image": job.name,
        "changed": job.feature or None,
        "identity": identity.to_dict(),
        "view": view.to_dict(),
        "landmarks": {name: points.round(2).tolist() for name, points in marks.items()},
    }


def _write_parameters(root: Path, jobs: list[_Job], records: list[dict[str, Any]]) -> None:
    with atomic_path(root / "parameters.json") as temporary:
        temporary.write_text(json.dumps(records), encoding="utf-8")


def _write_tables(
    stimuli: DemoStimuli, n_people: int, n_photographs: int, n_changed: int, seed: int
) -> None:
    names = [
        [_Job(Path(), person, photograph, seed).name for photograph in range(n_photographs)]
        for person in range(n_people)
    ]
    identities = [sample_identity(_identity_seed(seed, person)) for person in range(n_people)]
    distances = [
        (names[a][0], names[b][0], identity_distance(identities[a], identities[b]))
        for a, b in combinations(range(n_people), 2)
    ]
    conditions = [
        (
            f"{UPRIGHT}/{names[person][0]}",
            f"{_FEATURE_FOLDER}/{_Job(Path(), person, 0, seed, feature).name}",
            f"other {feature}",
        )
        for feature in FEATURES
        for person in range(n_changed)
    ]
    conditions += [
        (
            f"{UPRIGHT}/{names[person][0]}",
            f"{UPRIGHT}/{names[person][1]}",
            "same person, other view",
        )
        for person in range(n_changed)
    ]
    conditions += [
        (
            f"{UPRIGHT}/{names[person][0]}",
            f"{UPRIGHT}/{names[(person + 1) % n_people][0]}",
            _OTHER_PERSON,
        )
        for person in range(n_changed)
    ]
    people = {person_names[0].split("/")[0]: person_names for person_names in names}
    stimuli.write_tables(people, distances, conditions, seed)


def _renderer_digest() -> str:
    """Digest the renderer's source, so that stimuli of an older one are not taken for its own."""
    digest = hashlib.sha256()
    for source in sorted(Path(facebench.stimuli.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
