"""Folders of rendered faces, with the true distances between the people they show."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from facebench.errors import StimulusError
from facebench.faces.pictures import Picture
from facebench.stimuli.condition_set import LeftOut, read_left_out, write_left_out
from facebench.stimuli.manifests import is_complete, read_manifest, write_manifest
from facebench.stimuli.pair_tables import write_csv
from facebench.stimuli.rendered.camera import render_face, require_size
from facebench.stimuli.rendered.parameters import (
    FEATURES,
    Identity,
    View,
    identity_distance,
    require_seed,
    require_trait,
)
from facebench.stimuli.rendered.sampling import (
    change_feature,
    change_trait,
    sample_identity,
    sample_view,
)
from facebench.stimuli.workers import in_order, processes, write_png
from facebench.types import StrPath
from facebench.utils.files import write_bytes

__all__ = ["RenderedSet", "make_rendered_faces"]

_CHANGED = "changed"
_COLUMNS = ("img1", "img2", "same", "condition", "true_distance", "identity1", "identity2")
_IDENTITY_STEP, _VIEW_STEP = 1_000_003, 1_009
_IMAGES_PER_JOB = 8
_LEAST_SEEN = 8  # grey levels; the sensor noise of a view is the same in both pictures


@dataclass(frozen=True)
class RenderedSet:
    """The faces that `make_rendered_faces` drew.

    Attributes
    ----------
    images_path : Path
        The folder that image names in the tables are relative to. It holds ``NAME/*.png``, as
        `make_conditions` takes them; changed faces are in ``changed/``, which it leaves aside.
    root : Path
        The same folder.
    tables : dict of str to Path
        ``distances`` and, if anything was changed, ``critical-features``.
    parameters : Path
        Identity, view and landmarks of every image, as JSON.
    left_out : tuple of LeftOut
        Changes that cannot be seen in a face (another place of a mole that is not there), also in
        ``left_out.csv``. They are in no table.
    """

    images_path: Path
    root: Path
    tables: dict[str, Path]
    parameters: Path
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class _Picture:
    """One picture to draw."""

    name: str
    owner: str
    condition: str
    identity: Identity
    view: View


@dataclass(frozen=True)
class _Job:
    """The pictures of one person: the renderer keeps what does not change between views."""

    root: Path
    pictures: tuple[_Picture, ...]
    size: int


def make_rendered_faces(
    out: StrPath,
    *,
    n_people: int = 30,
    n_images: int = 3,
    changes: Sequence[str] = (),
    amount: float = 2.0,
    size: int = 250,
    seed: int = 0,
    workers: int | None = None,
) -> RenderedSet:
    """Draw people whose true distances are known, and changes of single parameters.

    The true distance of two images is the Euclidean distance of the identities they show, in
    standard deviations of the population (see `identity_distance`): 0 for two views of a person.
    A changed face is seen exactly as the person's first image, so that nothing else differs.

    Parameters
    ----------
    out : str or Path
        Where to; a new folder, or one that holds these very faces.
    n_people, n_images : int
        How many people, and views of each.
    changes : sequence of str
        What to change in every person: names of single parameters (`TRAIT_NAMES`, such as
        ``nose_width``, moved by `amount`) or of features (`FEATURES`, exchanged for clearly
        different ones).
    amount : float
        By how many standard deviations a single parameter moves, away from the nearer end of its
        range.
    size : int
        Side of the images in pixels, 48 … 1024.
    seed : int
        The same seed gives the same images.
    workers : int, optional
        See `make_conditions`.

    Returns
    -------
    RenderedSet

    Raises
    ------
    StimulusError
        If a parameter cannot be used, a change is visible in no identity, or `out` holds
        something else.

    Notes
    -----
    The tables have the columns ``img1``, ``img2``, ``same``, ``condition``, ``true_distance``,
    ``identity1`` and ``identity2``:

    - ``distances.csv``: the first images of every two people (condition ``other person``), and the
      first two images of each (``same person``).
    - ``critical-features.csv``: the first image of each person and its changed version, with the
      name of the change as condition. A change that does not show (no pixel differs by 8 grey
      levels) is left out: the distance of what is seen is not that of the parameters.

    References
    ----------
    Abudarham, N., & Yovel, G. (2016). Reverse engineering the face space: discovering the critical
    features for face identification. Journal of Vision, 16(3), 40.
    """
    root = Path(out)
    _check(n_people, n_images, changes, seed)
    require_size(size)
    settings: dict[str, Any] = {
        "source": "facebench rendered faces",
        "renderer": _renderer_digest(),
        "people": n_people,
        "images": n_images,
        "changes": list(changes),
        "amount": amount,
        "size": size,
        "seed": seed,
    }
    # Drawn before anything is written: what cannot be changed is told at once.
    people = [_pictures(number, n_images, changes, amount, seed) for number in range(n_people)]
    if not is_complete(root, settings):
        jobs = [_Job(root, tuple(pictures), size) for pictures in people]
        with processes(workers, n_people * _IMAGES_PER_JOB) as pool:
            records = in_order(pool, "Rendering faces", _draw, jobs)
        content = json.dumps([record for drawn in records for record in drawn], indent=1)
        write_bytes(root / "parameters.json", content.encode())
        unseen = _unseen(people, records)
        tables = {"distances": _distances(people)}
        if changes:
            tables["critical-features"] = [
                _row(pictures[0], changed)
                for name in changes
                for pictures in people
                for changed in pictures
                if changed.condition == name and changed not in unseen
            ]
        for name, rows in tables.items():
            write_csv(root / f"{name}.csv", _COLUMNS, rows)
        write_left_out(root, [_left_out(changed) for changed in unseen])
        done = {"settings": settings, "tables": sorted(tables), "set_aside": [_CHANGED]}
        write_manifest(root, {"complete": True, **done})
    names = read_manifest(root)["tables"]
    return RenderedSet(
        images_path=root,
        root=root,
        tables={name: root / f"{name}.csv" for name in names},
        parameters=root / "parameters.json",
        left_out=read_left_out(root),
    )


def _unseen(
    people: Sequence[Sequence[_Picture]], records: Sequence[Sequence[dict[str, Any]]]
) -> list[_Picture]:
    """Return the changed pictures that look like the first ones; refuse invisible changes."""
    changed = [
        (picture, record["most_changed"] < _LEAST_SEEN)
        for pictures, drawn in zip(people, records, strict=True)
        for picture, record in zip(pictures, drawn, strict=True)
        if picture.condition
    ]
    for name in dict.fromkeys(picture.condition for picture, _ in changed):
        if all(is_unseen for picture, is_unseen in changed if picture.condition == name):
            msg = (
                f"The change {name!r} can be seen in none of {len(people)} people. Draw more "
                "people, change something else, or give another folder and 'seed'."
            )
            raise StimulusError(msg)
    return [picture for picture, is_unseen in changed if is_unseen]


def _left_out(changed: _Picture) -> LeftOut:
    return LeftOut(changed.name, changed.condition, "The change cannot be seen in this face.")


def _check(n_people: Any, n_images: Any, changes: Sequence[str], seed: Any) -> None:
    for name, value in (("n_people", n_people), ("n_images", n_images)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            msg = f"The {name!r} of rendered faces must be a positive whole number. Got {value!r}."
            raise StimulusError(msg)
    require_seed("rendered faces", "seed", seed)
    if len(set(changes)) != len(changes):
        msg = f"The 'changes' must name each change once. Got {', '.join(changes)}."
        raise StimulusError(msg)
    for name in changes:
        if name not in FEATURES:
            require_trait(name)


def _pictures(
    number: int, n_images: int, changes: Sequence[str], amount: float, seed: int
) -> list[_Picture]:
    own_seed = seed * _IDENTITY_STEP + number
    owner, identity = f"person_{number + 1:03d}", sample_identity(own_seed)
    views = [sample_view(own_seed * _VIEW_STEP + k) for k in range(n_images)]
    pictures = [
        _Picture(f"{owner}/{owner}_{k + 1:04d}.png", owner, "", identity, view)
        for k, view in enumerate(views)
    ]
    for name in changes:
        if name in FEATURES:
            other = change_feature(identity, name, own_seed)
        else:
            other = change_trait(identity, name, amount)
        pictures.append(_Picture(f"{_CHANGED}/{name}/{owner}.png", owner, name, other, views[0]))
    return pictures


def _draw(job: _Job) -> list[dict[str, Any]]:
    """Draw the pictures of one person; runs in a worker process."""
    records: list[dict[str, Any]] = []
    first: Picture | None = None
    for picture in job.pictures:
        face = render_face(picture.identity, picture.view, size=job.size)
        first = face.image if first is None else first
        difference = np.abs(face.image.astype(int) - first)
        write_png(job.root / picture.name, face.image)
        records.append(
            {
                "image": picture.name,
                "changed": picture.condition or None,
                "most_changed": int(difference.max()) if picture.condition else None,
                "identity": picture.identity.to_dict(),
                "view": picture.view.to_dict(),
                "landmarks": {
                    part: points.round(2).tolist() for part, points in face.landmarks.items()
                },
            }
        )
    return records


def _distances(people: Sequence[Sequence[_Picture]]) -> list[tuple[str | int | float, ...]]:
    rows = [_row(a[0], replace(b[0], condition="other person")) for a, b in combinations(people, 2)]
    for pictures in people:
        views = [picture for picture in pictures if not picture.condition]
        if len(views) > 1:
            rows.append(_row(views[0], replace(views[1], condition="same person")))
    return rows


def _row(first: _Picture, second: _Picture) -> tuple[str | int | float, ...]:
    return (
        first.name,
        second.name,
        int(first.owner == second.owner),
        second.condition,
        round(identity_distance(first.identity, second.identity), 6),
        first.owner,
        second.owner,
    )


def _renderer_digest() -> str:
    """Digest the renderer's source, so that faces of an older one are not taken for its own."""
    whole = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        whole.update(source.read_bytes())
    return whole.hexdigest()[:16]
