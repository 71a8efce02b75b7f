"""A first experiment for a folder of faces."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from facebench.data.folder import list_images
from facebench.data.identity import person_of
from facebench.data.pairs import find_images, pairs_from_folder
from facebench.errors import InputError, MissingImageError
from facebench.utils.files import atomic_path, write_csv

__all__ = ["Starter", "quoted", "relative_to", "write_starter"]

_TEMPLATE = """\
# An experiment for facebench. Run it with `facebench run {file}`; run it again to continue it.
# Paths are relative to this file. Every setting: docs/configuration.md, or `facebench schema`.

name: {name}
images: {images}          # image names in pairs files are relative to this folder
distance: euclidean       # of tasks that name no other: see `facebench metrics`
# batch_size: 32          # images per forward pass
# device: auto            # 'cpu', 'cuda:0', 'mps'
# seed: 0                 # of all that is drawn at random
# output: runs            # results go to runs/NAME/TIME-ID
# report: true            # end with a report.html
# plots: true             # let tasks draw pictures too

models:                   # by name; see `facebench models`
  dlib-resnet:
    model: dlib-resnet    # its weights came with pip
    align: true           # find and cut the face; false takes images as they are
    # layers: ["layer5.*", fc]   # names, patterns or 'all'; see `facebench layers dlib-resnet`

  # An untrained control, and all 39 layers of it:
  # vgg16-untrained:
  #   model: vgg16
  #   pretrained: false
  #   layers: all

tasks:                    # by name; see `facebench tasks`
  same-person:
    task: verification    # accuracy of 10 folds, AUC, EER, d' and TAR at FAR, with intervals
    pairs: {pairs}
    true_label: same      # the column that says whether two images show one person
    # folds: 10
    # far: [0.1, 0.01]
"""


@dataclass(frozen=True)
class Starter:
    """What was written.

    Attributes
    ----------
    experiment, pairs : Path
        The files.
    n_genuine, n_impostor : int
        How many pairs of each kind.
    n_people : int
        How many people are in them.
    """

    experiment: Path
    pairs: Path
    n_genuine: int
    n_impostor: int
    n_people: int


def write_starter(
    faces: Path, experiment: Path, *, most_genuine: int = 1000, seed: int = 0, replace: bool = False
) -> Starter:
    """Write an experiment and its pairs file.

    Parameters
    ----------
    faces : Path
        A folder of ``NAME/*.jpg``.
    experiment : Path
        The YAML file to write; the pairs file goes beside it.
    most_genuine : int, default 1000
        Pairs of one person, at most; as many impostor pairs, if the images give them.
    seed : int, default 0
        Seed of the pairs that are drawn.
    replace : bool, default False
        Whether files that are there already are replaced.

    Returns
    -------
    Starter

    Raises
    ------
    InputError
        If a file is there already, or the folder holds no pairs.
    """
    pairs = experiment.with_name(f"{experiment.stem}_pairs.csv")
    for path in (experiment, pairs):
        if path.exists() and not replace:
            msg = f"{path} is there already. Choose another --output, or --force to replace it."
            raise InputError(msg)
    genuine, impostor = _numbers(faces, most_genuine)
    table = pairs_from_folder(faces, genuine, impostor, seed)
    # Links that lead out of the folder are refused by a run: say so now.
    find_images(table, faces, task=experiment.stem)
    experiment.parent.mkdir(parents=True, exist_ok=True)
    write_csv(table, pairs)
    text = _TEMPLATE.format(
        file=experiment.name,
        name=quoted(experiment.stem),
        images=quoted(relative_to(faces, experiment.parent)),
        pairs=quoted(pairs.name),
    )
    with atomic_path(experiment) as temporary:
        temporary.write_text(text, encoding="utf-8")
    people = {person_of(name) for side in ("img1", "img2") for name in table[side]}
    return Starter(experiment, pairs, genuine, impostor, len(people))


def _numbers(faces: Path, most: int) -> tuple[int, int]:
    """Count the pairs there are to draw from: of one person, and of two."""
    try:
        people = Counter(
            person_of(path.as_posix()) for path in list_images(faces, people=True).images
        )
    except MissingImageError:
        people = Counter()
    total = people.total()
    genuine = sum(n * (n - 1) // 2 for n in people.values())
    impostor = total * (total - 1) // 2 - genuine
    if not genuine or not impostor:
        msg = (
            f"The folder {faces} must hold a folder of images per person, NAME/*.jpg: two people "
            f"or more, and one with two images. Found {len(people)} people with {total} images."
        )
        raise InputError(msg)
    n_genuine = min(genuine, most)
    return n_genuine, min(impostor, n_genuine)


def relative_to(path: Path, folder: Path) -> str:
    """Write a path relative to the folder of an experiment, where it is on the same drive."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        # On another drive.
        return path.resolve().as_posix()


def quoted(text: str) -> str:
    """Write a text as YAML that means nothing but itself."""
    return json.dumps(text.replace("$", "$$"), ensure_ascii=False)
