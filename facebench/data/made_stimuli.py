"""What a folder of made stimuli says of its images: how they are aligned, which are manipulated.

`make_conditions` and `make_rendered_faces` leave a ``manifest.json`` in the folder they fill; it is
found from the path of any image below.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "FORMAT",
    "MANIFEST",
    "UPRIGHT",
    "MadeFolder",
    "MadeImages",
    "MadeStimuli",
    "made_images",
]

MANIFEST, FORMAT = "manifest.json", 1
# The folder of the faces that nothing was done to.
UPRIGHT = "upright"


@dataclass(frozen=True, eq=False)
class MadeFolder:
    """A folder of made stimuli.

    Attributes
    ----------
    path : Path
        The folder.
    are_conditions : bool
        Whether its images are conditions of photographs, all prepared alike, from
        `make_conditions`; else they are rendered faces.
    alignment : dict or None
        ``size``, ``padding`` and ``which_face`` of the aligned faces; None where whole photographs
        were kept.
    set_aside : frozenset of str
        Folders of manipulated faces, of rendered ones.
    """

    path: Path
    are_conditions: bool
    alignment: dict[str, Any] | None
    set_aside: frozenset[str]

    def is_manipulated(self, image: Path) -> bool:
        """Tell whether an image below is more than a face cut out or rendered."""
        top = image.relative_to(self.path).parts[0]
        return top != UPRIGHT if self.are_conditions else top in self.set_aside

    def original_of(self, image: Path) -> Path | None:
        """Give the face that nothing was done to, of which an image below is a condition.

        None where there is no such file, as of rendered faces.
        """
        first, *rest = image.relative_to(self.path).parts
        if not self.are_conditions or first == UPRIGHT:
            return None
        original = self.path.joinpath(UPRIGHT, *rest)
        return original if original.is_file() else None


class MadeStimuli:
    """Finds the folder of made stimuli that an image belongs to; each folder is read once."""

    def __init__(self) -> None:
        self._known: dict[Path, MadeFolder | None] = {}

    def folder_of(self, image: Path) -> MadeFolder | None:
        """Give the folder of made stimuli that an image is in, or None."""
        return self.above(image.parent)

    def above(self, folder: Path) -> MadeFolder | None:
        """Give the folder of made stimuli that a folder is, or is in."""
        if folder not in self._known:
            found = _read(folder)
            is_top = folder.parent == folder
            self._known[folder] = found if found or is_top else self.above(folder.parent)
        return self._known[folder]


def _read(folder: Path) -> MadeFolder | None:
    # A string, not a Path: a table may name images in thousands of folders.
    file = os.path.join(folder, MANIFEST)  # noqa: PTH118
    try:
        if not os.path.isfile(file):  # noqa: PTH113
            return None
        manifest = json.loads(Path(file).read_text(encoding="utf-8"))
        settings = manifest["settings"]
        if manifest["format"] != FORMAT or not manifest["versions"]["facebench"]:
            return None
        chip = settings.get("chip")
        # Until it became a parameter, the face nearest the centre was taken.
        which = {"which_face": settings.get("which_face", "nearest-centre")}
        return MadeFolder(
            folder,
            are_conditions="conditions" in settings,
            alignment=None if chip is None else {**chip, **which},
            set_aside=frozenset(map(str, manifest.get("set_aside", ()))),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # a file of that name that is none of ours


@dataclass(frozen=True)
class MadeImages:
    """How many of some images are conditions that `make_conditions` made, and how aligned.

    Attributes
    ----------
    n_made, n_images : int
        Made images, and all.
    folders : tuple of MadeFolder
        Where the made ones are.
    """

    n_made: int
    n_images: int
    folders: tuple[MadeFolder, ...]

    @property
    def are_all(self) -> bool:
        """Whether all images are made."""
        return 0 < self.n_made == self.n_images


def made_images(images: Iterable[Path], stimuli: MadeStimuli) -> MadeImages:
    """Count the images that are conditions of photographs, from `make_conditions`.

    Parameters
    ----------
    images : iterable of Path
        Image files.
    stimuli : MadeStimuli
        What is known of folders.
    """
    here, different = Path.cwd(), dict.fromkeys(images)
    # By folder: of 100,000 images, each would be taken apart.
    counts = Counter(os.path.dirname(os.path.join(here, image)) for image in different)  # noqa: PTH118, PTH120
    made: dict[Path, MadeFolder] = {}
    n_made = 0
    for folder, count in counts.items():
        found = stimuli.above(Path(folder))
        if found is not None and found.are_conditions:
            made[found.path] = found
            n_made += count
    return MadeImages(n_made, len(different), tuple(made.values()))
