"""Which photographs are used, and what is known about the faces in them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facebench.data.folder import list_images
from facebench.data.identity import person_by
from facebench.errors import MissingImageError, StimulusError
from facebench.faces.pictures import Field
from facebench.stimuli.geometry import face_width, head_yaw
from facebench.stimuli.manifests import set_aside
from facebench.utils.files import safe_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """One photograph: where it is, its name among the stimuli, and who it shows."""

    path: Path
    relative: str
    name: str
    identity: str


@dataclass(frozen=True)
class PreparedFace:
    """A usable photograph.

    Attributes
    ----------
    source : Source
    landmarks : ndarray [68, 2]
        In pixels of its upright stimulus.
    skin : ndarray [k, 3]
        Tones of its skin in some places, see `facebench.stimuli.skin_tone`.
    sharpness : float
        The share of fine detail in its contrast, as a logarithm.
    """

    source: Source
    landmarks: Field
    skin: Field
    sharpness: float

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

    @property
    def yaw(self) -> float:
        """By how many degrees the head is turned, see `head_yaw`."""
        return head_yaw(self.landmarks)


def find_sources(
    folder: Path,
    *,
    n_people: int | None,
    n_images: int | None,
    min_images: int,
    seed: int,
    identity: str | None = None,
) -> list[Source]:
    """List the photographs of a folder, or draw some people and some photographs of each."""
    if not folder.is_dir():
        msg = f"The images folder {folder} does not exist (looked in {Path.cwd()})."
        raise MissingImageError(msg)
    people: dict[str, list[Source]] = {}
    aside = set_aside(folder)
    try:
        listed = list_images(folder)
    except MissingImageError as error:
        msg = f"The 'images_path' must hold images. {error}"
        raise StimulusError(msg) from None
    if listed.passed_over:
        _log.info("%s: %s", folder, listed)
    name_person = person_by(identity)
    for path in listed.images:
        relative = path.relative_to(folder)
        if relative.parts[0] not in aside:
            parts = [safe_name(part) for part in relative.parts]
            # The suffix stays in the name: a.jpg and a.png are two photographs.
            name = "/".join(parts) + ".png"
            who = safe_name(name_person(relative.as_posix()) or path.stem)
            source = Source(path, relative.as_posix(), name, who)
            people.setdefault(who, []).append(source)
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
