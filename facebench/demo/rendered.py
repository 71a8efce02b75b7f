"""Rendered people as the demo's faces: whose parameters, and so whose true distances, are known."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import facebench.stimuli
from facebench.demo.stimuli import (
    CHIP_SIZE,
    TABLES,
    UPRIGHT,
    DemoStimuli,
    in_parallel,
    reuse_or_make,
    write_png,
    write_versions,
)
from facebench.stimuli import (
    FEATURES,
    Identity,
    RenderedFace,
    View,
    aligned_chip,
    change_feature,
    identity_distance,
    render_face,
    sample_identity,
    sample_view,
    thatcherise,
)
from facebench.stimuli.pair_tables import write_csv
from facebench.types import StrPath
from facebench.utils.files import atomic_path
from facebench.utils.files import write_csv as write_table

__all__ = ["prepare_rendered_faces"]

_IMAGE_SIZE = 250
_PHOTOGRAPHS, _FEATURE_FOLDER = "photographs", "feature-changes"
_RATERS = 8


@dataclass(frozen=True)
class _Person:
    """One person to draw, as plain numbers for a worker process.

    All pictures of a person are one job: the renderer keeps what does not change between views.
    """

    folder: Path
    number: int
    n_photographs: int
    with_changes: bool
    seed: int

    @property
    def label(self) -> str:
        return f"person_{self.number + 1:02d}"

    @property
    def own_seed(self) -> int:
        return self.seed * 1_000_003 + self.number

    @property
    def photographs(self) -> list[str]:
        return [f"{self.label}/{self.label}_{i + 1:04d}.png" for i in range(self.n_photographs)]

    def changed(self, feature: str) -> str:
        return f"{self.label}/{self.label}_{feature}.png"


def prepare_rendered_faces(
    folder: StrPath,
    *,
    n_people: int = 30,
    n_photographs: int = 3,
    n_changed: int = 8,
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
        ``distances`` holds the distance in identity parameters; ``true_distances.csv`` has it in
        the column ``true_distance``, also for each feature changed alone. ``ratings`` holds the
        ratings of eight simulated raters, who see that distance with noise.
    """
    root = Path(folder)
    stimuli = DemoStimuli("Rendered faces", root, "identity parameters", has_ratings=True)
    settings = {
        "source": "facebench rendered faces",
        "renderer": _renderer_digest(),
        "people": n_people,
        "photographs": n_photographs,
        "changed": n_changed,
        "seed": seed,
        "tables": TABLES,
    }
    with reuse_or_make(root, settings) as state:
        if not state["ready"]:
            people = [
                _Person(root, number, n_photographs, number < n_changed, seed)
                for number in range(n_people)
            ]
            records = in_parallel("Rendering faces", "people", _draw, people)
            _write_parameters(root, [record for drawn in records for record in drawn])
            _write_tables(stimuli, people, seed)
    return stimuli


def _draw(person: _Person) -> list[dict[str, Any]]:
    """Render a person and write all versions; runs in a worker process."""
    identity = sample_identity(person.own_seed)
    records = []
    for number, name in enumerate(person.photographs):
        face = render_face(identity, _view(person, number), size=_IMAGE_SIZE)
        write_png(person.folder / _PHOTOGRAPHS / name, face.image)
        # One thatcherised picture a person.
        turned = _chip(face, thatcherise(face.image, _regions(face))) if number == 0 else None
        write_versions(person.folder, name, _chip(face, face.image), turned)
        records.append(_record(f"{_PHOTOGRAPHS}/{name}", None, face))
    for feature in FEATURES if person.with_changes else ():
        face = render_face(_changed(person, feature), _view(person, 0), size=_IMAGE_SIZE)
        name = f"{_FEATURE_FOLDER}/{person.changed(feature)}"
        write_png(person.folder / name, _chip(face, face.image))
        records.append(_record(name, feature, face))
    return records


def _changed(person: _Person, feature: str) -> Identity:
    return change_feature(sample_identity(person.own_seed), feature, seed=person.own_seed)


def _view(person: _Person, number: int) -> View:
    return sample_view(person.own_seed * 1_009 + number)


def _regions(face: RenderedFace) -> list[Any]:
    return [face.landmarks[part] for part in ("left_eye", "right_eye", "mouth")]


def _chip(face: RenderedFace, image: Any) -> Any:
    return aligned_chip(image, face.landmarks["five_points"], size=CHIP_SIZE)


def _record(name: str, changed: str | None, face: RenderedFace) -> dict[str, Any]:
    return {
        "image": name,
        "changed": changed,
        "identity": face.identity.to_dict(),
        "view": face.view.to_dict(),
        "landmarks": {part: points.round(2).tolist() for part, points in face.landmarks.items()},
    }


def _write_parameters(root: Path, records: list[dict[str, Any]]) -> None:
    with atomic_path(root / "parameters.json") as temporary:
        temporary.write_text(json.dumps(records), encoding="utf-8")


def _write_tables(stimuli: DemoStimuli, people: list[_Person], seed: int) -> None:
    identities = [sample_identity(person.own_seed) for person in people]
    distances = [
        (people[a].photographs[0], people[b].photographs[0], identity_distance(*pair))
        for (a, b), pair in zip(
            combinations(range(len(people)), 2), combinations(identities, 2), strict=True
        )
    ]
    changed = [person for person in people if person.with_changes]
    neighbours = [people[(person.number + 1) % len(people)] for person in changed]
    others = {
        f"other {feature}": [f"{_FEATURE_FOLDER}/{person.changed(feature)}" for person in changed]
        for feature in FEATURES
    }
    true_distances = [
        (
            f"{UPRIGHT}/{person.photographs[0]}",
            f"{_FEATURE_FOLDER}/{person.changed(feature)}",
            f"other {feature}",
            identity_distance(sample_identity(person.own_seed), _changed(person, feature)),
        )
        for feature in FEATURES
        for person in changed
    ]
    true_distances += [
        (f"{UPRIGHT}/{a}", f"{UPRIGHT}/{b}", "other person", distance)
        for a, b, distance in distances
    ]
    columns = ("img1", "img2", "condition", "true_distance")
    write_csv(stimuli.images_path / "true_distances.csv", columns, true_distances)
    others["same person, other view"] = [f"{UPRIGHT}/{p.photographs[1]}" for p in changed]
    others["other person"] = [f"{UPRIGHT}/{p.photographs[0]}" for p in neighbours]
    conditions = [
        (f"{UPRIGHT}/{person.photographs[0]}", other, condition)
        for condition, names in others.items()
        for person, other in zip(changed, names, strict=True)
    ]
    stimuli.write_tables(
        {person.label: person.photographs for person in people}, distances, conditions, seed
    )
    _write_ratings(stimuli, distances, seed)


def _write_ratings(
    stimuli: DemoStimuli, distances: list[tuple[str, str, float]], seed: int
) -> None:
    """Write what simulated raters say of the true distances: on a scale of seven, with noise."""
    rng = np.random.default_rng(seed)
    true = np.array([distance for _, _, distance in distances])
    standard = (true - true.mean()) / max(float(true.std()), 1e-9)
    table = pd.DataFrame(
        [(f"{UPRIGHT}/{a}", f"{UPRIGHT}/{b}") for a, b, _ in distances], columns=["img1", "img2"]
    )
    for rater in range(1, _RATERS + 1):
        seen = standard + rng.normal(size=len(standard))
        table[f"rater_{rater}"] = np.clip(np.rint(4 + seen), 1, 7).astype(int)
    write_table(table, stimuli.ratings)


def _renderer_digest() -> str:
    """Digest the renderer's source, so that stimuli of an older one are not taken for its own."""
    digest = hashlib.sha256()
    for source in sorted(Path(facebench.stimuli.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
