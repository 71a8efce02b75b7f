"""The tables of pairs that belong to conditions; `make_conditions` describes their columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from facebench.data.made_stimuli import UPRIGHT
from facebench.stimuli.catalogue import CONDITIONS, Condition
from facebench.stimuli.closed_groups import closed_groups, pairs_of_two
from facebench.stimuli.series import level_of, series_of, steps_of
from facebench.stimuli.sources import PreparedFace, own_seed
from facebench.utils.files import write_bytes

_COLUMNS = ("img1", "img2", "same", "condition", "identity1", "identity2")
_WITH_LEVEL = (*_COLUMNS, "level")
_HALF = 0.5
Row = tuple[str | int | float, ...]
Tables = dict[str, tuple[tuple[str, ...], list[Row]]]
_Pair = tuple[int, int, int]


def build_tables(
    conditions: Sequence[Condition],
    faces: Sequence[PreparedFace],
    made: Mapping[str, set[str]],
    donors: Sequence[Sequence[int]],
    *,
    n_pairs: int | None,
    seed: int,
) -> Tables:
    """Return header and rows of every table, by name.

    Parameters
    ----------
    conditions : sequence of Condition
    faces : sequence of PreparedFace
    made : dict of str to set of str
        For each label, the names of the images that could be made.
    donors : sequence of sequence of int
        For each face, the positions of those that lend their parts to it.
    n_pairs : int or None
        At most so many pairs of one person, and as many of two.
    seed : int
    """
    tables: Tables = {}
    by_design: dict[str, list[Condition]] = {}
    for condition in conditions:
        by_design.setdefault(CONDITIONS[condition.kind].design, []).append(condition)
    for condition in by_design.get("verification", []):
        usable = [face for face in faces if face.name in made[condition.label]]
        standard = _standard(condition, by_design["verification"])
        usable = [face for face in usable if face.name in made[standard]]
        pairs = verification_pairs(usable, n_pairs, seed)
        _add(tables, condition.label, _verification(usable, pairs, [standard, condition.label]))
    if len(by_design.get("verification", [])) > 1:
        labels = [condition.label for condition in by_design["verification"]]
        usable = [face for face in faces if all(face.name in made[label] for label in labels)]
        pairs = verification_pairs(usable, n_pairs, seed)
        _add(tables, "verification", _verification(usable, pairs, [UPRIGHT, *labels]))
    inverted = [c.label for c in by_design.get("verification", []) if c.kind == "inverted"]
    for condition in by_design.get("thatcher", []):
        names = made[condition.label] & made[inverted[0]]
        usable = [face for face in faces if face.name in names]
        _add(tables, condition.label, _thatcher(usable, condition, inverted[0]))
        pairs = verification_pairs(usable, n_pairs, seed)
        rows = _factorial(usable, pairs, condition, inverted[0])
        name, columns = f"{condition.label}-factorial", (*_COLUMNS, "orientation", "thatcherised")
        if rows:
            tables[name] = (columns, rows)
    for condition in by_design.get("composite", []):
        _add(
            tables,
            condition.label,
            _composite(faces, donors, made[condition.label], condition, seed),
        )
    features = by_design.get("feature", [])
    for condition in features:
        _add(tables, condition.label, _feature(faces, made[condition.label], condition))
    if len(features) > 1:
        rows = [row for c in features for row in _feature(faces, made[c.label], c)]
        pairs = verification_pairs(faces, n_pairs, seed)
        baseline = {1: "same person", 0: "other person"}
        rows += [_row(faces, (a, b, same), UPRIGHT, baseline[same]) for a, b, same in pairs]
        _add(tables, "critical-features", rows)
    for condition in by_design.get("morph", []):
        rows = _morphs(faces, donors, made, [condition])
        tables[condition.label] = (_WITH_LEVEL, rows)
    for condition in by_design.get("average", []):
        usable = [face for face in faces if face.name in made[condition.label]]
        pairs = verification_pairs(usable, n_pairs, seed)
        _add(tables, condition.label, _averages(usable, pairs, condition))
    for name, series in series_of(conditions).items():
        design = CONDITIONS[series[0].kind].design
        # All levels show the same faces: one that could not be made at one of them is in none.
        everywhere = set[str].intersection(*(made[c.label] for c in series))
        same = dict.fromkeys((c.label for c in series), everywhere)
        if design == "morph":
            rows = _morphs(faces, donors, same, series)
        elif design == "feature":
            rows = [(*row, level_of(c)) for c in series for row in _feature(faces, everywhere, c)]
        else:
            usable = [face for face in faces if face.name in everywhere]
            pairs = verification_pairs(usable, n_pairs, seed)
            rows = [
                (*_row(faces=usable, pair=pair, folder=label, condition=label), step)
                for step, label in steps_of(series)
                for pair in pairs
            ]
        if rows:
            tables[name] = (_WITH_LEVEL, rows)
    return tables


def _standard(condition: Condition, conditions: Sequence[Condition]) -> str:
    """Return the label of what a condition is compared with: upright faces, or a baseline."""
    kind = CONDITIONS[condition.kind]
    if kind.baseline is None or condition.level == kind.baseline:
        return UPRIGHT
    parameters = {**condition.parameters, kind.level: kind.baseline}
    return next(
        other.label
        for other in conditions
        if other.kind == condition.kind and other.parameters == parameters
    )


def _morphs(
    faces: Sequence[PreparedFace],
    donors: Sequence[Sequence[int]],
    made: Mapping[str, set[str]],
    series: Sequence[Condition],
) -> list[Row]:
    """Pair each face with its morphs; they show whoever has the larger share, at 0.5 the face."""
    return [
        (
            f"{UPRIGHT}/{face.name}",
            f"{condition.label}/{face.name}",
            int(level_of(condition) <= _HALF),
            condition.label,
            face.identity,
            face.identity if level_of(condition) <= _HALF else faces[lent[0]].identity,
            level_of(condition),
        )
        for condition in series
        for face, lent in zip(faces, donors, strict=True)
        if face.name in made[condition.label]
    ]


def _averages(
    faces: Sequence[PreparedFace], pairs: Sequence[_Pair], condition: Condition
) -> list[Row]:
    """Pair photographs with photographs, and with averages that do not contain them."""
    (folder,) = condition.folders
    seen: set[int] = set()
    chosen = []
    for a, b, same in pairs:
        # The average without photograph a is one image for every b.
        if not same or a not in seen:
            chosen.append((a, b, same))
        if same:
            seen.add(a)
    rows = [_row(faces, pair, UPRIGHT, UPRIGHT) for pair in chosen]
    for a, b, same in chosen:
        shown = faces[a] if same else faces[b]
        images = (f"{UPRIGHT}/{faces[a].name}", f"{folder}/{shown.name}")
        rows.append((*images, same, condition.label, faces[a].identity, shown.identity))
    return rows


def verification_pairs(
    faces: Sequence[PreparedFace], n_pairs: int | None, seed: int
) -> list[_Pair]:
    """Pair the photographs of each person, and as many photographs of two people.

    Pairs of two people stay within small groups of people, see `closed_groups`.

    Returns
    -------
    list of (int, int, int)
        Two positions in `faces`, and 1 for one person or 0 for two.
    """
    people: dict[str, list[int]] = {}
    for index, face in enumerate(faces):
        people.setdefault(face.identity, []).append(index)
    same = [pair for images in people.values() for pair in combinations(images, 2)]
    rng = np.random.default_rng(own_seed(seed, "pairs"))
    if n_pairs is not None and len(same) > n_pairs:
        kept = sorted(rng.permutation(len(same))[:n_pairs].tolist())
        same = [same[i] for i in kept]
    # Without pairs of one person, one pair of two people for each image.
    wanted = len(same) or min(len(faces), n_pairs or len(faces))
    identities = [face.identity for face in faces]
    different = pairs_of_two(identities, wanted, rng) if len(people) > 1 else []
    return [(a, b, 1) for a, b in same] + [(a, b, 0) for a, b in different]


def _row(faces: Sequence[PreparedFace], pair: _Pair, folder: str, condition: str) -> Row:
    a, b, same = pair
    images = (f"{folder}/{faces[a].name}", f"{folder}/{faces[b].name}")
    return (*images, same, condition, faces[a].identity, faces[b].identity)


def _verification(
    faces: Sequence[PreparedFace], pairs: Sequence[_Pair], labels: Sequence[str]
) -> list[Row]:
    return [_row(faces, pair, label, label) for label in labels for pair in pairs]


def _thatcher(faces: Sequence[PreparedFace], condition: Condition, inverted: str) -> list[Row]:
    return [
        (f"{normal}/{face.name}", f"{turned}/{face.name}", 1, orientation, *(face.identity,) * 2)
        for orientation, normal, turned in (
            (UPRIGHT, UPRIGHT, condition.label),
            ("inverted", inverted, f"{condition.label}-inverted"),
        )
        for face in faces
    ]


def _factorial(
    faces: Sequence[PreparedFace], pairs: Sequence[_Pair], condition: Condition, inverted: str
) -> list[Row]:
    cells = (
        (UPRIGHT, UPRIGHT, "no"),
        (inverted, "inverted", "no"),
        (condition.label, UPRIGHT, "yes"),
        (f"{condition.label}-inverted", "inverted", "yes"),
    )
    return [
        (*_row(faces, pair, folder, folder), orientation, turned)
        for folder, orientation, turned in cells
        for pair in pairs
    ]


def _composite(
    faces: Sequence[PreparedFace],
    donors: Sequence[Sequence[int]],
    made: set[str],
    condition: Condition,
    seed: int,
) -> list[Row]:
    """One upper half with two lower halves, and two upper halves with two lower halves."""
    usable = [i for i, face in enumerate(faces) if face.name in made]
    rng = np.random.default_rng(own_seed(seed, "composites"))
    groups = [
        [usable[place] for images in group for place in images]
        for group in closed_groups([faces[i].identity for i in usable], rng)
    ]
    two = _two_uppers(faces, donors, groups, rng)
    if len(two) < len(usable) / 2:
        # Groups too small for four people in a pair.
        two = _two_uppers(faces, donors, [usable], rng)
    pairs = [(i, i, 1) for i in usable] + two
    return [
        (
            f"{condition.label}-{alignment}-1/{faces[a].name}",
            f"{condition.label}-{alignment}-2/{faces[b].name}",
            same,
            alignment,
            faces[a].identity,
            faces[b].identity,
        )
        for alignment in ("aligned", "misaligned")
        for a, b, same in pairs
    ]


def _two_uppers(
    faces: Sequence[PreparedFace],
    donors: Sequence[Sequence[int]],
    groups: Sequence[Sequence[int]],
    rng: np.random.Generator,
) -> list[_Pair]:
    """Pair each face with another one of its group, if halves of four people can be had."""
    pairs: list[_Pair] = []
    for group in groups:
        times = dict.fromkeys(group, 0)
        for i in sorted(group):
            first = {faces[i].identity, faces[donors[i][0]].identity}
            fitting = [
                k
                for k in rng.permutation(group).tolist()
                if not first & {faces[k].identity, faces[donors[k][1]].identity}
            ]
            if fitting:
                # The least used one.
                k = min(fitting, key=times.__getitem__)
                times[k] += 1
                pairs.append((i, k, 0))
    return sorted(pairs)


def _feature(faces: Sequence[PreparedFace], made: set[str], condition: Condition) -> list[Row]:
    label = condition.label
    return [
        (f"{UPRIGHT}/{face.name}", f"{label}/{face.name}", 1, label, *(face.identity,) * 2)
        for face in faces
        if face.name in made
    ]


def _add(tables: Tables, name: str, rows: list[Row]) -> None:
    if rows:
        tables[name] = (_COLUMNS, rows)


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[str | int | float]]
) -> None:
    """Write a table with the same bytes on every system."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    # A file name need not be valid text.
    write_bytes(path, text.getvalue().encode("utf-8", "backslashreplace"))
