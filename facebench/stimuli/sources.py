"""Which photographs are used, and which other faces lend their parts to each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np

from facebench.errors import MissingImageError, StimulusError
from facebench.files import safe_name
from facebench.stimuli.geometry import face_width
from facebench.stimuli.pictures import Field

_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
_CANDIDATES = 50  # so many random faces are compared to find the most similar donors
_DONOR_STREAM = 712


@dataclass(frozen=True)
class Source:
    """One photograph: where it is, its name among the stimuli, and who it shows."""

    path: Path
    relative: str
    name: str
    identity: str


@dataclass(frozen=True)
class PreparedFace:
    """A usable photograph: its landmarks among the stimuli and the colour of its skin."""

    source: Source
    landmarks: Field
    skin: tuple[float, float, float]

    @property
    def name(self) -> str:
        """Its file name among the stimuli."""
        return self.source.name

    @property
    def identity(self) -> str:
        """Who it shows."""
        return self.source.identity

    @property
    def width(self) -> float:
        """The width of the face in pixels."""
        return face_width(self.landmarks)


def find_sources(
    folder: Path, *, n_people: int | None, n_images: int | None, min_images: int, seed: int
) -> list[Source]:
    """List the photographs of a folder, or draw some people and some photographs of each."""
    if not folder.is_dir():
        msg = f"The images folder {folder} does not exist (looked in {Path.cwd()})."
        raise MissingImageError(msg)
    people: dict[str, list[Source]] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.suffix.lower() in _SUFFIXES and not hidden and path.is_file():
            parts = [safe_name(part) for part in relative.parts]
            # The suffix stays in the name: a.jpg and a.png are two photographs.
            name = "/".join(parts) + ".png"
            identity = parts[0] if len(parts) > 1 else safe_name(path.stem)
            source = Source(path, relative.as_posix(), name, identity)
            people.setdefault(identity, []).append(source)
    people = {who: images for who, images in people.items() if len(images) >= min_images}
    if not people:
        wanted = "images" if min_images == 1 else f"people with {min_images} or more images"
        msg = (
            f"The images folder {folder} must hold {wanted}, as NAME/*.jpg (or *.jpg, one of each "
            "person). Found none."
        )
        raise StimulusError(msg)
    rng = np.random.default_rng(seed)
    drawn = set(rng.permutation(len(people))[:n_people].tolist())
    chosen = []
    for index, images in enumerate(people.values()):
        if index in drawn:
            kept = sorted(rng.permutation(len(images))[:n_images].tolist())
            chosen += [images[i] for i in kept]
    return chosen


def digest(sources: Sequence[Source]) -> str:
    """Return the SHA-256 of the names and contents of photographs."""
    whole = hashlib.sha256()
    for source in sources:
        with source.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256")
        whole.update(source.relative.encode("utf-8", "surrogatepass") + b"\0" + content.digest())
    return whole.hexdigest()


def own_seed(seed: int, *parts: str) -> int:
    """Derive a seed for one image, independent of which others there are."""
    text = "/".join([str(seed), *parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])


def choose_donors(faces: Sequence[PreparedFace], count: int, seed: int) -> list[list[int]]:
    """Choose for each face the most similar faces of other people, all different people.

    Of 50 faces drawn at random, those are taken that are turned most alike and have the most
    similar skin, so that parts fit: the cost is the distance of the landmarks after the best
    similarity transform (root mean square, in face widths) plus the difference in skin colour
    (mean over channels, 0 … 1).

    Returns
    -------
    list of list of int
        Positions in `faces`; fewer than `count` where there are not enough people.
    """
    # As complex numbers about their mean, points are fitted by one product: turn and scale.
    shapes = np.array([face.landmarks @ (1, 1j) for face in faces])
    shapes -= shapes.mean(axis=1, keepdims=True)
    widths = np.array([face.width for face in faces])
    skins = np.array([face.skin for face in faces])
    donors = []
    for own, face in enumerate(faces):
        rng = np.random.default_rng([_DONOR_STREAM, own_seed(seed, face.name)])
        others = (i for i in rng.permutation(len(faces)) if faces[i].identity != face.identity)
        candidates = np.array(list(islice(others, _CANDIDATES)), dtype=np.intp)
        theirs = shapes[candidates]
        fitted = np.abs(theirs.conj() @ shapes[own]) ** 2 / (np.abs(theirs) ** 2).sum(axis=1)
        misfit = np.maximum((np.abs(shapes[own]) ** 2).sum() - fitted, 0)
        cost = np.sqrt(misfit / shapes.shape[1]) / widths[own]
        cost += np.abs(skins[candidates] - skins[own]).mean(axis=1) / 255
        chosen: list[int] = []
        # The rest follow, for the case that the candidates are of too few people.
        for index in chain(candidates[np.argsort(cost, kind="stable")], others):
            if len(chosen) == count:
                break
            if faces[index].identity not in {faces[k].identity for k in chosen}:
                chosen.append(int(index))
        donors.append(chosen)
    return donors
