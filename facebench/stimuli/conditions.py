"""From a folder of photographs to the stimuli and pairs of an experiment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from facebench.data.made_stimuli import UPRIGHT
from facebench.errors import StimulusError
from facebench.faces import WhichFace
from facebench.faces.detection import check_which_face
from facebench.stimuli.catalogue import CONDITIONS, Condition
from facebench.stimuli.condition_set import ConditionSet, LeftOut, load_set, write_set
from facebench.stimuli.donors import choose_donors
from facebench.stimuli.manifests import is_complete
from facebench.stimuli.resolving import resolve
from facebench.stimuli.sources import PreparedFace, digest, find_sources
from facebench.stimuli.whole_set import averages_of, luminance_table, read_set
from facebench.stimuli.workers import MakeJob, PrepareJob, in_order, make, prepare, processes
from facebench.types import StrPath

__all__ = ["make_conditions"]


def make_conditions(
    images_path: StrPath,
    out: StrPath,
    conditions: str | Condition | Iterable[str | Condition] = ("inverted", "thatcherised"),
    *,
    seed: int = 0,
    n_people: int | None = None,
    n_images: int | None = None,
    min_images: int = 1,
    align: bool = True,
    size: int = 150,
    padding: float = 0.25,
    which_face: WhichFace = "nearest-centre",
    max_yaw: float | None = None,
    n_pairs: int | None = None,
    workers: int | None = None,
    identity: str | None = None,
) -> ConditionSet:
    """Make stimuli of a folder of photographs, and the pairs that show an effect.

    In each photograph the face is found, with 68 landmarks. Photographs that
    cannot be read or show no face are listed in ``left_out.csv`` and in the result, not guessed.
    Everything follows from the photographs, the seed and the parameters: the same ones give the
    same bytes, with any number of workers. A run that was interrupted resumes where it stopped.

    Parameters
    ----------
    images_path : str or Path
        A folder of images per person, ``NAME/*.jpg``. Images directly in it count as one of each
        person.
    out : str or Path
        The folder to write to; outside of `images_path`.
    conditions : name, Condition, or several of them
        What to make: names in `facebench.stimuli.CONDITIONS`, those with a number for their level
        (``rotated_30``), or `Condition` objects with other parameters. The upright faces are always
        made.
    seed : int
        Of all that is drawn: people, pairs, donors, noise.
    n_people, n_images : int, optional
        Draw at most so many people, and photographs of each.
    min_images : int
        Take only people with so many photographs; 2 for pairs of one person.
    align : bool
        Cut the faces out as dlib's ``get_face_chip`` does (True), or keep the whole photographs
        (False), for images that are aligned already.
    size, padding : int, float
        Side of the aligned faces in pixels, and their margin. dlib's network takes 150 and 0.25.
    which_face : {'nearest-centre', 'most-certain', 'largest'}
        Of several faces in a photograph: the one nearest its centre, the one the detector is most
        certain of, or the largest.
    max_yaw : float, optional
        By how many degrees heads may be turned where a face must be seen from the front; others are
        listed in ``left_out.csv``. By default 40 for thatcherised faces, masks and sunglasses, and
        30 for parts, composites, morphs, averages, caricatures, and changes of features and
        spacing. The estimate is `head_yaw`.
    n_pairs : int, optional
        At most so many pairs of one person (and as many of two) in each table.
    workers : int, optional
        Processes; 1 does all in this one. By default one per core for many images. A script that
        starts processes must call this below ``if __name__ == "__main__":``.
    identity : str, optional
        Who is in a photograph of a flat folder: 'name' takes what stands before the number at the
        end of the file's name (ann_1.jpg), anything else is a regular expression whose first group
        is the person. By default the last folder says it.

    Returns
    -------
    ConditionSet

    Raises
    ------
    UnknownNameError
        If there is no such condition.
    InputError
        If `which_face` is another name.
    StimulusError
        If a parameter cannot be used, there are no images or too few people, no photograph serves
        a condition, or `out` holds something else.
    MissingImageError
        If `images_path` is not a folder.

    Notes
    -----
    `out` then holds a folder per condition (``upright``, and for each label one or several), tables
    of pairs, ``contact-sheets/LABEL.png``, ``images.csv`` (where each image comes from, the width
    of its face in pixels, the turn of its head in degrees, who lent parts to it), ``left_out.csv``,
    and ``manifest.json`` with all parameters, levels and targets, a digest of the photographs, and
    versions. Tasks read there how the images are aligned: models that align faces by default take
    them as they are.

    All tables have the columns ``img1``, ``img2``, ``same`` (1 for one person), ``condition``,
    ``identity1`` and ``identity2``:

    - Conditions that keep the face whole or show a part of it (inverted, negated, grey, filtered,
      pixelated, noise, scrambled, eyes-only …): ``LABEL.csv`` holds all pairs of photographs of
      one person and as many of two, once with both images ``upright`` and once with both in the
      condition. Pairs of two stay within groups of two to four people (larger ones where these
      hold too few), so that groups are independent and `EffectTask` can exchange them. With several
      such conditions, ``verification.csv`` holds the same pairs in all.
    - Thatcherised: ``LABEL.csv`` pairs each face (img1) with its thatcherised version (img2), as
      ``upright`` and, both turned over, as ``inverted``. With the mean distances of these two
      conditions, the index of the Thatcher effect is (upright - inverted) / (upright + inverted).
      ``LABEL-factorial.csv`` holds pairs of one person and of two in the four cells of
      ``orientation`` × ``thatcherised`` (two more columns).
    - Composite: ``LABEL.csv`` pairs composites whose lower halves come from different people,
      ``aligned`` and ``misaligned``. ``same`` says whether the upper halves are the same image;
      identities are those of the upper halves. People take aligned ones for different.
    - Changes of features or spacing: ``LABEL.csv`` pairs each face (img1) with its changed version
      (img2); the condition is the label. With several, ``critical-features.csv`` holds them all,
      with the conditions ``same person`` (two photographs) and ``other person`` to compare with.
    - Morphs: ``LABEL.csv`` pairs each face (img1) with its morph (img2), with the ``level``; `same`
      and `identity2` are those of whoever has the larger share.
    - Averages: ``LABEL.csv`` pairs photographs with photographs (``upright``), and with averages
      that do not contain them.
    - Of conditions of one kind at several levels, ``KIND-series.csv`` holds the same pairs at each,
      with the column ``level``.

    References
    ----------
    Yin, R. K. (1969). Looking at upside-down faces. Journal of Experimental Psychology, 81(1),
    141-145. Further ones stand with the functions that make each manipulation.
    """
    source, target = Path(images_path), Path(out)
    _check_numbers(seed, n_people, n_images, min_images, size, n_pairs, workers)
    _check_range("padding", padding, 4)
    check_which_face(which_face)
    if max_yaw is not None:
        _check_range("max_yaw", max_yaw, 90)
    resolved = resolve(conditions)
    if target.resolve().is_relative_to(source.resolve()):
        msg = f"The 'out' folder must lie outside of images_path, {source}. Got {target} instead."
        raise StimulusError(msg)
    sources = find_sources(
        source, n_people=n_people, n_images=n_images, min_images=min_images, seed=seed,
        identity=identity,
    )  # fmt: skip
    chip = (size, padding) if align else None
    settings: dict[str, Any] = {
        "source": {"images": len(sources), "sha256": digest(sources)},
        "conditions": [
            {"label": c.label, "kind": c.kind, "parameters": dict(c.parameters)} for c in resolved
        ],
        "seed": seed,
        "people": n_people,
        "images": n_images,
        "min_images": min_images,
        "chip": {"size": size, "padding": padding} if align else None,
        "which_face": which_face,
        "max_yaw": max_yaw,
        "pairs": n_pairs,
        # Stimuli that were made before there was a rule are still the same.
        **({} if identity is None else {"identity": identity}),
    }
    if is_complete(target, settings):
        return load_set(target)
    with processes(workers, len(sources)) as pool:
        jobs = [PrepareJob(item, target, chip, which_face) for item in sources]
        prepared = in_order(pool, "Finding faces", prepare, jobs)
        faces = [face for face in prepared if isinstance(face, PreparedFace)]
        left_out = [
            LeftOut(item.relative, "", reason)
            for item, reason in zip(sources, prepared, strict=True)
            if isinstance(reason, str)
        ]
        donors = _donors(resolved, faces, seed, max_yaw)
        apply = partial(in_order, pool)
        whole = read_set(resolved, faces, target, seed, max_yaw, apply)
        makes = [
            MakeJob(
                target, face, tuple(faces[i] for i in lent), tuple(resolved), seed, max_yaw,
                tuple(faces[i] for i in others), whole.shape, whole.targets,
            )
            for face, lent, others in zip(faces, donors, whole.others, strict=True)
        ]  # fmt: skip
        failures = in_order(pool, "Making conditions", make, makes)
        made, left_out = _sorted_out(resolved, faces, failures, left_out)
        members, failed = averages_of(resolved, faces, whole, target, max_yaw, apply)
        left_out += [LeftOut(name, name.split("/")[0], reason) for name, reason in failed]
        matched = luminance_table(resolved, faces, made, whole, target, apply)
    write_set(
        target, settings, resolved, faces, donors, made, left_out,
        whole=whole, averages=members, luminance=matched,
    )  # fmt: skip
    return load_set(target)


def _sorted_out(
    conditions: Sequence[Condition],
    faces: Sequence[PreparedFace],
    failures: Sequence[dict[str, str]],
    left_out: list[LeftOut],
) -> tuple[dict[str, set[str]], list[LeftOut]]:
    """Return the names of what was made, by label, and what was left out."""
    made = {UPRIGHT: {face.name for face in faces}}
    for condition in conditions:
        label = condition.label
        failed = [
            (face, why[label]) for face, why in zip(faces, failures, strict=True) if label in why
        ]
        left_out = [
            *left_out,
            *(LeftOut(face.source.relative, label, reason) for face, reason in failed),
        ]
        made[label] = made[UPRIGHT] - {face.name for face, _ in failed}
        if not made[label]:
            msg = (
                f"The condition {label!r} could be made of none of {len(faces)} faces. The first: "
                f"{failed[0][1]}"
            )
            raise StimulusError(msg)
    return made, left_out


def _check_numbers(
    seed: Any, n_people: Any, n_images: Any, min_images: Any, size: Any, n_pairs: Any, workers: Any
) -> None:  # fmt: skip
    least = {
        "seed": (seed, 0), "n_people": (n_people, 1), "n_images": (n_images, 1),
        "min_images": (min_images, 1), "size": (size, 2), "n_pairs": (n_pairs, 1),
        "workers": (workers, 1),
    }  # fmt: skip
    optional = {"n_people", "n_images", "n_pairs", "workers"}
    for name, (value, smallest) in least.items():
        if value is None and name in optional:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
            msg = (
                f"The {name!r} parameter of make_conditions must be a whole number from {smallest} "
                f"on. Got {value!r} instead."
            )
            raise StimulusError(msg)


def _check_range(name: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        msg = f"The {name!r} of make_conditions must be from 0 to {most}. Got {value!r} instead."
        raise StimulusError(msg)


def _donors(
    conditions: Sequence[Condition],
    faces: Sequence[PreparedFace],
    seed: int,
    max_yaw: float | None,
) -> list[list[int]]:
    if not faces:
        msg = (
            "In none of the photographs was a face found. "
            "The detector needs upright faces, seen from the front."
        )
        raise StimulusError(msg)
    wanted = max(CONDITIONS[condition.kind].donors for condition in conditions)
    if not wanted:
        return [[] for _ in faces]
    borrowing = [c for c in conditions if CONDITIONS[c.kind].donors]
    limit = max(c.max_yaw for c in borrowing) if max_yaw is None else max_yaw
    n_people = len({face.identity for face in faces if abs(face.yaw) <= limit})
    if n_people <= wanted:
        label = max(borrowing, key=lambda c: CONDITIONS[c.kind].donors).label
        msg = (
            f"The condition {label!r} needs faces of {wanted + 1} or more people. Found {n_people}"
            f" who are turned by at most {limit:g} degrees."
        )
        raise StimulusError(msg)
    return choose_donors(faces, wanted, seed, limit)
