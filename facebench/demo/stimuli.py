"""What the demo's two sources of faces share: versions of a face, pairs, and the folder of both.

A source gives one aligned chip per photograph. From the chips come the versions upside-down and
thatcherised, and the tables of pairs. Aligning before turning matters: no detector finds faces that
are upside-down.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from facebench.data.identity import IDENTITY_COLUMNS
from facebench.stimuli import invert
from facebench.utils.files import atomic_path, write_csv
from facebench.utils.processes import end_with_parent
from facebench.utils.progress import Progress

__all__ = [
    "CHIP_SIZE",
    "TABLES",
    "DemoStimuli",
    "in_parallel",
    "reuse_or_make",
    "write_png",
    "write_versions",
]

CHIP_SIZE = 150
# Raised when other tables are written: stimuli of an earlier version are then made again.
TABLES = 2
UPRIGHT, INVERTED = "upright", "inverted"
THATCHERISED, THATCHERISED_INVERTED = "thatcherised", "thatcherised-inverted"
_MANIFEST = "stimuli.json"
Item = TypeVar("Item")
Made = TypeVar("Made")
Pixels = NDArray[np.uint8]
Pair = tuple[str, str]


@dataclass(frozen=True)
class DemoStimuli:
    """Images and pair tables, ready for tasks.

    Attributes
    ----------
    label : str
        What the faces are, for task names.
    images_path : Path
        The folder that image names are relative to.
    distance_name : str
        What the given distances are.
    has_ratings : bool
        Whether simulated raters judged the pairs of ``distances``.
    left_out : tuple of str
        Photographs in which no face was found.
    """

    label: str
    images_path: Path
    distance_name: str
    has_ratings: bool = False
    left_out: tuple[str, ...] = ()

    @property
    def same_upright(self) -> Path:
        """Pairs of upright faces with ``same``, 1 or 0."""
        return self._table("same_upright")

    @property
    def same_inverted(self) -> Path:
        """The same pairs upside-down."""
        return self._table("same_inverted")

    @property
    def inversion(self) -> Path:
        """Both of these, with their ``condition``."""
        return self._table("inversion")

    @property
    def distances(self) -> Path:
        """Pairs of different people with their given ``distance``."""
        return self._table("distances")

    @property
    def conditions(self) -> Path:
        """Pairs with their ``condition``."""
        return self._table("conditions")

    @property
    def thatcher(self) -> Path:
        """Faces and their thatcherised versions, with their ``orientation``."""
        return self._table("thatcher")

    @property
    def ratings(self) -> Path:
        """The pairs of ``distances``, rated from 1 to 7; larger is less alike."""
        return self._table("ratings")

    def _table(self, name: str) -> Path:
        return self.images_path / f"{name}.csv"

    def write_tables(
        self,
        people: Mapping[str, Sequence[str]],
        distances: Iterable[tuple[str, str, float]],
        conditions: Iterable[tuple[str, str, str]],
        seed: int,
    ) -> None:
        """Write all tables but that of ratings.

        Parameters
        ----------
        people : mapping of str to sequence of str
            Each person's photographs, named without folder.
        distances : iterable of (name, name, float)
            Pairs of photographs with their given distance.
        conditions : iterable of (path, path, str)
            Pairs of images with their condition.
        seed : int
            Seed of the choice of different-person pairs.
        """
        same = _same_and_different(people, seed)
        both: list[tuple[Any, ...]] = []
        for orientation, path in ((UPRIGHT, self.same_upright), (INVERTED, self.same_inverted)):
            rows = [(f"{orientation}/{a}", f"{orientation}/{b}", label) for a, b, label in same]
            _write_table(path, rows, "same")
            both += [(*row, orientation) for row in rows]
        _write_table(self.inversion, both, "same", "condition")
        upright = [(f"{UPRIGHT}/{a}", f"{UPRIGHT}/{b}", distance) for a, b, distance in distances]
        _write_table(self.distances, upright, "distance")
        _write_table(self.conditions, list(conditions), "condition")
        thatcher = [
            (f"{normal}/{names[0]}", f"{turned}/{names[0]}", normal, person, person)
            for normal, turned in (
                (UPRIGHT, THATCHERISED),
                (INVERTED, THATCHERISED_INVERTED),
            )
            for person, names in people.items()
        ]
        _write_table(self.thatcher, thatcher, "orientation", *IDENTITY_COLUMNS)


def write_versions(folder: Path, name: str, chip: Pixels, thatcherised: Pixels | None) -> None:
    """Write a chip, and its thatcherised version if there is one, upright and inverted."""
    write_png(folder / UPRIGHT / name, chip)
    write_png(folder / INVERTED / name, invert(chip))
    if thatcherised is not None:
        write_png(folder / THATCHERISED / name, thatcherised)
        write_png(folder / THATCHERISED_INVERTED / name, invert(thatcherised))


def write_png(path: Path, pixels: Pixels) -> None:
    """Write an image, making its folder."""
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", compress_level=1)


def in_parallel(
    title: str, unit: str, function: Callable[[Item], Made], items: Sequence[Item]
) -> list[Made]:
    """Apply a function to every item, on all cores, in order, showing progress."""
    made = []
    with (
        Progress(title, len(items), unit) as progress,
        ProcessPoolExecutor(initializer=end_with_parent) as pool,
    ):
        for result in pool.map(function, items):
            made.append(result)
            progress.advance(1)
    return made


@contextmanager
def reuse_or_make(folder: Path, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Tell whether stimuli of these very settings lie in a folder, and remember them once made.

    Parameters
    ----------
    folder : Path
        The stimuli's folder.
    settings : dict
        Everything that determines them, as JSON values.

    Yields
    ------
    dict
        With 'ready' (bool) and 'left_out' (list of str). The block makes what is not ready; what it
        puts there is given again the next time.
    """
    manifest = folder / _MANIFEST
    state: dict[str, Any] = {"ready": False, "left_out": []}
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))
        if found["settings"] == settings:
            state = {"ready": True, "left_out": found["left_out"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if not state["ready"]:
        # A half-made set must never pass for a whole one.
        manifest.unlink(missing_ok=True)
    yield state
    if not state["ready"]:
        content = {"settings": settings, "left_out": state["left_out"]}
        with atomic_path(manifest) as temporary:
            temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _same_and_different(
    people: Mapping[str, Sequence[str]], seed: int
) -> list[tuple[str, str, int]]:
    """Pair all photographs of a person, and as many photographs of different people."""
    same = [pair for names in people.values() for pair in combinations(names, 2)]
    rng = np.random.default_rng(seed)
    owner = {name: person for person, names in people.items() for name in names}
    everyone = list(owner)
    n_possible = len(everyone) * (len(everyone) - 1) // 2 - len(same)
    different: dict[Pair, None] = {}
    while len(different) < min(len(same), n_possible):
        a, b = sorted(int(i) for i in rng.choice(len(everyone), 2, replace=False))
        if owner[everyone[a]] != owner[everyone[b]]:
            different[everyone[a], everyone[b]] = None
    return [(*pair, 1) for pair in same] + [(*pair, 0) for pair in different]


def _write_table(path: Path, rows: Sequence[tuple[Any, ...]], *columns: str) -> None:
    write_csv(pd.DataFrame(rows, columns=["img1", "img2", *columns]), path)
