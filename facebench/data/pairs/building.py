"""Lists of pairs made from a folder of images: NAME/*.jpg."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from facebench.data.folder import list_images
from facebench.data.identity import IDENTITY_COLUMNS, person_by
from facebench.data.pairs.table import as_path
from facebench.errors import PairsError
from facebench.types import StrPath

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["all_pairs", "pairs_from_folder"]

_log = logging.getLogger(__name__)
_COLUMNS = ["img1", "img2", "same", *IDENTITY_COLUMNS]
# Random draws per wanted pair before the pairs that are left are listed instead.
_TRIES = 20


def pairs_from_folder(
    root: StrPath,
    genuine: int | None = None,
    impostor: int | None = None,
    seed: int = 0,
    *,
    identity: str | None = None,
    people: Collection[str] | None = None,
) -> pd.DataFrame:
    """Build a list of pairs from folders of images, one folder per person.

    No pair occurs twice, in either order, and none is of an image with itself. People take turns:
    genuine pairs are dealt out person by person, and an impostor pair is of two people drawn with
    equal chance, so that the most photographed do not dominate.

    Parameters
    ----------
    root : str or Path
        A folder of ``NAME/*.jpg`` (or png, bmp, gif, tif, webp).
    genuine : int, optional
        Number of genuine pairs; None for all there are.
    impostor : int, optional
        Number of impostor pairs; None for as many as genuine ones.
    seed : int, default 0
        The same folder, numbers and seed give the same list.
    identity : str, optional
        For a flat folder, whose images lie in it directly: 'name' takes what stands before the
        number at the end of a file's name as the person (ann_1.jpg), anything else is a regular
        expression whose first group is the person. Default: the folder of the image.
    people : collection of str, optional
        Only these people. Default: all.

    Returns
    -------
    DataFrame
        img1 and img2 (``NAME/file.jpg``, or ``file.jpg`` of a flat folder), same (1 or 0),
        identity1 and identity2; genuine pairs first. Written with ``to_csv(path, index=False)`` it
        is a pairs file.

    Raises
    ------
    MissingImageError
        If the folder is missing or holds no such images.
    PairsError
        If there are fewer pairs of a class than asked for, or a name does not tell its person.
    """
    by_person = _by_person(_images_in(root, flat=identity is not None), identity, root)
    if people is not None:
        by_person = {who: images for who, images in by_person.items() if who in people}
    generator = np.random.default_rng(seed)
    matched = _genuine(by_person, genuine, generator, root)
    mismatched = _impostor(by_person, len(matched) if impostor is None else impostor, generator)
    person = {name: who for who, names in by_person.items() for name in names}
    return _table(matched + mismatched, person)


def all_pairs(images: StrPath | Sequence[str], *, identity: str | None = None) -> pd.DataFrame:
    """List every pair of different images, genuine and impostor.

    Parameters
    ----------
    images : str, Path or sequence of str
        A folder of ``NAME/*.jpg``, or such names.
    identity : str, optional
        See `pairs_from_folder`.

    Returns
    -------
    DataFrame
        Columns as in `pairs_from_folder`; n (n - 1) / 2 rows in the order of the (sorted) images.

    Raises
    ------
    MissingImageError
        If the folder is missing or holds no such images.
    PairsError
        If an image is in no folder, so that its identity is unknown.

    Examples
    --------
    >>> all_pairs(["ann/1.jpg", "ann/2.jpg", "bea/1.jpg"])["same"].tolist()
    [1, 0, 0]
    """
    import pandas as pd

    if isinstance(images, Sequence) and not isinstance(images, str):
        listed = list(dict.fromkeys(images))
    else:
        listed = _images_in(images, flat=identity is not None)
    names = np.array(listed)
    people = np.array([*map(person_by(identity), listed)], dtype=np.str_)
    if (people == "").any():
        name = listed[int((people == "").argmax())]
        msg = f"Images must be named NAME/file, which tells who they show. Got {name!r}."
        raise PairsError(msg)
    first, second = np.triu_indices(len(names), k=1)
    return pd.DataFrame(
        {
            "img1": names[first],
            "img2": names[second],
            "same": (people[first] == people[second]).astype(int),
            "identity1": people[first],
            "identity2": people[second],
        }
    )


def _images_in(root: StrPath, *, flat: bool = False) -> list[str]:
    folder = as_path(root, "root")
    listed = list_images(folder, people=not flat)
    if listed.passed_over:
        _log.info("%s: %s", root, listed)
    return [path.relative_to(folder).as_posix() for path in listed.images]


def _by_person(names: Sequence[str], rule: str | None, root: StrPath) -> dict[str, list[str]]:
    people: dict[str, list[str]] = {}
    name_person = person_by(rule)
    for name in names:
        who = name_person(name)
        if not who:
            msg = f"The identity rule {rule!r} finds no person in {name!r} in {root}."
            raise PairsError(msg)
        people.setdefault(who, []).append(name)
    return people


def _check_number(parameter: str, wanted: int, found: int) -> None:
    if not 0 <= wanted <= found:
        msg = f"The {parameter!r} parameter must be 0 … {found}, all the images give. Got {wanted}."
        raise PairsError(msg)


def _genuine(
    by_person: dict[str, list[str]],
    wanted: int | None,
    generator: np.random.Generator,
    root: StrPath,
) -> list[tuple[str, str]]:
    hands = []
    for images in by_person.values():
        pairs = list(combinations(images, 2))
        hands.append([pairs[place] for place in generator.permutation(len(pairs))])
    total = sum(map(len, hands))
    if total == 0:
        msg = f"No person in {root} has two images, so there are no genuine pairs."
        raise PairsError(msg)
    number = total if wanted is None else wanted
    _check_number("genuine", number, total)
    turns = [hands[place] for place in generator.permutation(len(hands))]
    dealt: list[tuple[str, str]] = []
    turn = 0
    while len(dealt) < number:
        dealt += [hand[turn] for hand in turns if turn < len(hand)]
        turn += 1
    return dealt[:number]


def _impostor(
    by_person: dict[str, list[str]], wanted: int, generator: np.random.Generator
) -> list[tuple[str, str]]:
    people = list(by_person)
    sizes = [len(images) for images in by_person.values()]
    total = (sum(sizes) ** 2 - sum(size**2 for size in sizes)) // 2
    _check_number("impostor", wanted, total)
    drawn: dict[tuple[str, str], None] = {}
    tries = _TRIES * wanted if len(people) > 1 else 0
    while len(drawn) < wanted and tries > 0:
        tries -= 1
        one, other = sorted(generator.choice(len(people), size=2, replace=False))
        first, second = (by_person[people[place]] for place in (one, other))
        pair = first[generator.integers(len(first))], second[generator.integers(len(second))]
        drawn.setdefault(pair)
    if len(drawn) < wanted:
        # Nearly all there are: the rest is listed, and drawn from the list.
        left = [
            pair
            for one, other in combinations(people, 2)
            for pair in ((a, b) for a in by_person[one] for b in by_person[other])
            if pair not in drawn
        ]
        for place in generator.permutation(len(left))[: wanted - len(drawn)]:
            drawn.setdefault(left[place])
    return list(drawn)


def _table(pairs: list[tuple[str, str]], person: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    people = [(person[first], person[second]) for first, second in pairs]
    rows = [
        (*pair, int(one == other), one, other)
        for pair, (one, other) in zip(pairs, people, strict=True)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
