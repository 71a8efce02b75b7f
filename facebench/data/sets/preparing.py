"""From an unpacked data set to tables of pairs: finding its files, reading and checking them."""

from __future__ import annotations

import fnmatch
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from facebench.data.folder import list_images
from facebench.data.identity import IDENTITY_COLUMNS, contradictions
from facebench.data.pairs.agedb import read_agedb_pairs
from facebench.data.pairs.bfw import read_bfw_pairs
from facebench.data.pairs.calfw import folds_in_order, read_calfw_pairs
from facebench.data.pairs.cfp import read_cfp_pairs
from facebench.data.pairs.finding import missing_images, with_suffixes_there
from facebench.data.pairs.insightface import pairs_of_pack
from facebench.data.pairs.lfw import read_lfw_pairs
from facebench.data.pairs.table import PAIR_COLUMNS, SHOWN, as_path, shown
from facebench.data.sets.catalogue import FACE_SETS, FaceSet, Format, PairList
from facebench.errors import InputError, MissingImageError, MissingPairsFileError, UnknownNameError
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PreparedList", "PreparedSet", "find_face_set", "prepare_face_set"]

_DEPTH = 4
# Images by which the folder of a list is recognised.
_SAMPLE = 50
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".rar", ".7z")
_NO_DATA = ("__MACOSX",)


@dataclass(frozen=True)
class PreparedList:
    """One list of pairs, read and checked.

    Attributes
    ----------
    official : PairList
        What it should be.
    images : Path
        The folder its names are relative to, or a pack.
    pairs : DataFrame
        img1, img2, same; fold where the protocol has folds; identity1 and identity2, group1 and
        group2 where they are known.
    """

    official: PairList
    images: Path
    pairs: pd.DataFrame


@dataclass(frozen=True)
class PreparedSet:
    """A data set as it was found.

    Attributes
    ----------
    face_set : FaceSet
        What it should be.
    lists : list of PreparedList
        Its pairs.
    remarks : list of str
        In what it differs from the official set.
    """

    face_set: FaceSet
    lists: list[PreparedList]
    remarks: list[str]


def find_face_set(name: str) -> FaceSet:
    """Look a data set up by its name.

    Parameters
    ----------
    name : str
        As in `FACE_SETS`.

    Raises
    ------
    UnknownNameError
        If there is none; the message names the closest.

    Examples
    --------
    >>> find_face_set("calfw").title
    'Cross-Age LFW'
    """
    if name not in FACE_SETS:
        begun = [known for known in FACE_SETS if name and known.startswith(name)]
        hint = f" Did you mean {' or '.join(begun)}?" if begun else did_you_mean(name, FACE_SETS)
        msg = f"Unknown data set {name!r}. Available: {', '.join(FACE_SETS)}.{hint}"
        raise UnknownNameError(msg)
    return FACE_SETS[name]


def prepare_face_set(name: str, root: StrPath, images: StrPath | None = None) -> PreparedSet:
    """Find a data set's files below a folder, read its pairs, and check that every image is there.

    Parameters
    ----------
    name : str
        As in `FACE_SETS`.
    root : str or Path
        The folder its archives were unpacked into; files are found up to four folders below.
    images : str or Path, optional
        The folder of the images. None looks for it below `root`.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    MissingPairsFileError
        If `root` or a list is not there.
    MissingImageError
        If images are missing: they are counted, and the people of whom all are.
    PairsError
        If a list is of another form than the official one.
    InputError
        If a list, or the images, are there more than once in different copies.
    """
    face_set = find_face_set(name)
    folder = as_path(root, "root")
    if not folder.is_dir():
        msg = f"The folder {folder} {_not_a_folder(folder)}."
        raise MissingPairsFileError(msg)
    if images is not None and not as_path(images, "images").is_dir():
        msg = f"The images folder {images} {_not_a_folder(Path(images))}."
        raise MissingImageError(msg)
    tree = dict(_folders(folder))
    remarks: list[str] = []
    read = [
        (official, path, _read(official, path, remarks))
        for official, path in _lists(face_set, folder, tree)
    ]
    for official, path, pairs in read:
        _check_numbers(official, path, pairs, remarks)
    if all(official.format == "pack" for official, _, _ in read):
        found = [PreparedList(official, path, pairs) for official, path, pairs in read]
        return PreparedSet(face_set, found, remarks)
    names = [name for _, _, pairs in read for side in PAIR_COLUMNS for name in pairs[side]]
    where = _images_folder(names, folder, tree) if images is None else Path(images)
    lists = [
        PreparedList(official, where, _with_images(official, pairs, where, folder, remarks))
        for official, _, pairs in read
    ]
    _check_images(face_set, where, remarks)
    return PreparedSet(face_set, lists, remarks)


def _not_a_folder(path: Path) -> str:
    return "is a file" if path.exists() else f"does not exist (looked in {Path.cwd()})"


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Go through a folder and those below it, to some depth, in order."""
    for path, folders, files in os.walk(root, followlinks=True):
        here = Path(path)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name not in _NO_DATA
        )
        yield here, [*folders, *sorted(name for name in files if not name.startswith("."))]
        if len(here.relative_to(root).parts) >= _DEPTH:
            folders.clear()


def _lists(
    face_set: FaceSet, root: Path, tree: dict[Path, list[str]]
) -> list[tuple[PairList, Path]]:
    found = {}
    for official in face_set.lists:
        pattern = official.file.casefold()
        paths = [
            folder / name
            for folder, names in tree.items()
            for name in names
            if fnmatch.fnmatchcase(name.casefold(), pattern) and (folder / name).is_file()
        ]
        if len(paths) > 1 and len({path.read_bytes() for path in paths}) > 1:
            msg = (
                f"{official.file} exists {len(paths)} times below {root}, with different "
                f"content: {', '.join(map(str, paths[:SHOWN]))}. Give a --root with one of them."
            )
            raise InputError(msg)
        if paths:
            found[official] = paths[0]
    missing = [official.file for official in face_set.lists if official not in found]
    if not found or (missing and face_set.needs_all):
        some = "" if face_set.needs_all else "one of "
        msg = (
            f"{face_set.title} needs {some}{', '.join(missing)} below {root}, at most {_DEPTH} "
            f"folders deep.{_archives(tree)}{_packs(tree)} `facebench data show "
            f"{face_set.name}` says what the unpacked archives look like, and where to ask "
            "for them."
        )
        raise MissingPairsFileError(msg)
    return list(found.items())


def _packs(tree: dict[Path, list[str]]) -> str:
    packs = [name for names in tree.values() for name in names if name.endswith(".bin")]
    return f" Of packs ({packs[0]}) the data set is called 'packs'." if packs else ""


def _archives(tree: dict[Path, list[str]]) -> str:
    """Name archives that lie there, packed."""
    packed = [name for names in tree.values() for name in names if name.lower().endswith(_ARCHIVES)]
    return (
        f" Archives lie there, to be unpacked first: {', '.join(packed[:SHOWN])}." if packed else ""
    )


def _read(official: PairList, path: Path, remarks: list[str]) -> pd.DataFrame:
    if official.format == "bfw":
        return read_bfw_pairs(path)
    if official.format == "pack":
        return _pack(official, path, remarks)
    if official.format == "agedb":
        pairs = read_agedb_pairs(path)
    elif official.format == "calfw":
        pairs = read_calfw_pairs(path)
    elif official.format == "cfp":
        pairs = read_cfp_pairs(path.parent, "FP")
    else:
        pairs = read_lfw_pairs(path)
    if official.group:
        for side in PAIR_COLUMNS:
            pairs[side] = official.group + "/" + pairs[side]
    if not official.folds:
        pairs = pairs.drop(columns="fold")
    elif pairs["fold"].nunique() == 1:
        pairs["fold"] = folds_in_order(pairs["same"].tolist(), official.folds)
        remarks.append(
            f"{path.name} does not consist of {official.folds} blocks of genuine then impostor "
            "pairs: the pairs of each class were distributed over the folds in their order."
        )
    if official.format == "agedb":
        _name_people_of_agedb(pairs)
    else:
        for column, side in zip(IDENTITY_COLUMNS, PAIR_COLUMNS, strict=True):
            pairs[column] = [_person(official.format, PurePosixPath(name)) for name in pairs[side]]
    wrong = contradictions(pairs["identity1"], pairs["identity2"], pairs["same"])
    if wrong.size:
        first = pairs.iloc[int(wrong[0])]
        remarks.append(
            f"{wrong.size} pairs of {path.name} have labels that their images' names contradict, "
            f"first {first['img1']} and {first['img2']}, labelled {first['same']}."
        )
    if official.group:
        pairs = pairs.assign(group1=official.group, group2=official.group)
    return pairs


def _pack(official: PairList, path: Path, remarks: list[str]) -> pd.DataFrame:
    pairs = pairs_of_pack(path)
    same = pairs["same"].tolist()
    blocks = [place * official.folds // len(same) + 1 for place in range(len(same))]
    pairs["fold"] = blocks
    if (pairs.groupby("fold")["same"].nunique() < 2).any():
        pairs["fold"] = folds_in_order(same, official.folds)
        remarks.append(
            f"Consecutive folds of {path.name} would hold one class only: the pairs of each class "
            "were distributed over the folds in their order."
        )
    return pairs


def _person(kind: Format, name: PurePosixPath) -> str:
    """Name the person in an image, as the files of a set are called."""
    if kind == "calfw":
        return name.stem.rpartition("_")[0] or name.stem
    if kind == "cfp":
        # Images/001/frontal/01.jpg
        return name.parent.parent.name
    return name.parent.as_posix()


def _name_people_of_agedb(pairs: pd.DataFrame) -> None:
    """Name the people of AgeDB by the part of the images' names that the labels agree with.

    The protocol's names begin with the person, those of the whole set (1_Name_35_m.jpg) with the
    image's number.
    """
    found = []
    for place in (0, 1):
        first, second = (
            np.array([[*PurePosixPath(name).stem.split("_"), ""][place] for name in pairs[side]])
            for side in PAIR_COLUMNS
        )
        wrong = contradictions(first, second, pairs["same"]).size
        found.append((wrong, place, (first, second)))
    *_, best = min(found, key=lambda item: item[:2])
    for column, people in zip(IDENTITY_COLUMNS, best, strict=True):
        pairs[column] = people


def _check_numbers(official: PairList, path: Path, pairs: pd.DataFrame, remarks: list[str]) -> None:
    counted = Counter(pairs["same"])
    folds = pairs["fold"].nunique() if "fold" in pairs else 0
    as_published = official.genuine is None or (counted[1], counted[0]) == (
        official.genuine,
        official.impostor,
    )
    if as_published and folds == official.folds:
        return
    found = f"{counted[1]:,} genuine and {counted[0]:,} impostor pairs"
    remarks.append(
        f"{path.name} has {found}{f' in {folds} folds' if folds else ''}; the official one has "
        f"{official.counts}. Results cannot be compared with published ones."
    )


def _images_folder(names: Sequence[str], root: Path, tree: dict[Path, list[str]]) -> Path:
    """Find the folder that a list's names are relative to."""
    step = max(1, len(names) // _SAMPLE)
    sample = [PurePosixPath(name) for name in names[::step]]
    hits: dict[Path, int] = {}
    for folder, entries in tree.items():
        known = {Path(entry).stem for entry in entries} | set(entries)
        count = sum(
            (folder / name.parent).is_dir() if len(name.parts) > 1 else True
            for name in sample
            if (name.parts[0] if len(name.parts) > 1 else name.stem) in known
        )
        if count:
            hits[folder] = count
    most = max(hits.values(), default=0)
    candidates = [folder for folder, count in hits.items() if 2 * count > most]
    if not candidates:
        msg = (
            f"No folder below {root}, at most {_DEPTH} folders deep, holds the images: looked for "
            f"{sample[0]} and the like.{_archives(tree)} Unpack the images below it, or give "
            "their folder with --images."
        )
        raise MissingImageError(msg)
    if len(candidates) > 1:
        msg = (
            f"{len(candidates)} folders below {root} hold images of these names: "
            f"{shown(map(str, candidates[:SHOWN]), len(candidates))}. Choose one with --images."
        )
        raise InputError(msg)
    return candidates[0]


def _with_images(
    official: PairList, pairs: pd.DataFrame, folder: Path, root: Path, remarks: list[str]
) -> pd.DataFrame:
    """Give the pairs with the names that the files have, all of which are there."""
    found = with_suffixes_there(pairs, folder)
    changed = sum(int((found[side] != pairs[side]).sum()) for side in PAIR_COLUMNS)
    if changed:
        example = next(
            f"{ours} for {theirs}"
            for side in PAIR_COLUMNS
            for theirs, ours in zip(pairs[side], found[side], strict=True)
            if theirs != ours
        )
        remarks.append(
            f"Images have another suffix than the official ones: {changed:,} names of "
            f"{official.name} were adapted ({example})."
        )
    person_of = {
        name: person
        for side, column in zip(PAIR_COLUMNS, IDENTITY_COLUMNS, strict=True)
        for name, person in zip(found[side], found[column], strict=True)
    }
    missing = missing_images(list(person_of), folder, task=official.name)
    if missing:
        there = {person for name, person in person_of.items() if name not in set(missing)}
        gone = sorted({str(person_of[name]) for name in missing} - set(map(str, there)))
        people = (
            f" Of {len(gone):,} of {len(set(person_of.values())):,} people all are missing: "
            f"{shown(gone[:SHOWN], len(gone))}."
            if gone
            else ""
        )
        packed = _archives(dict(_folders(root)))
        msg = (
            f"{len(missing):,} of {len(person_of):,} images of {official.name} are missing in "
            f"{folder}: {shown(missing[:SHOWN], len(missing))}.{people} The archive seems to be "
            f"unpacked in part.{packed} Unpack it again, or copy what is missing; nothing was "
            "written."
        )
        raise MissingImageError(msg)
    return found


def _check_images(face_set: FaceSet, folder: Path, remarks: list[str]) -> None:
    n_images = len(list_images(folder).images)
    if face_set.images is not None and n_images != face_set.images:
        remarks.append(
            f"{folder} holds {n_images:,} images; the official set has {face_set.images:,}. All "
            "that the pairs name are there."
        )
