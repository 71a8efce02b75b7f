"""Is the data what it seems? Duplicates, leaks of identity, labels that contradict something."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations
from operator import or_
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.data.identity import contradictions, people_of_pairs, person_of
from facebench.data.image_names import ImageName
from facebench.data.images import image_bytes, image_exists, open_image, unknown_colours
from facebench.data.made_stimuli import MadeFolder, MadeStimuli
from facebench.data.pairs import (
    ImagePaths,
    find_image_list,
    find_images,
    missing_images,
    numbered_images,
    row_numbers,
)
from facebench.errors import ImageError, InputError, MissingImageError
from facebench.metrics.labels import as_labels
from facebench.types import IntArray

if TYPE_CHECKING:
    from facebench.tasks.base import BaseTask
    from facebench.tasks.embedding import EmbeddingTask

__all__ = ["DataHealth", "check_pairs", "health_report"]

COLUMNS = ["Task Name", "Finding", "Image 1", "Image 2", "Rows", "Value", "Detail"]
# Bits of 64 by which perceptual hashes of nearly the same picture differ at most. Of a million
# pairs of different photographs of faces about one is as near as 6.
NEAR = 4
# A score is out of place if it is this many robust standard deviations from its own class (the
# modified z score of B. Iglewicz and D. C. Hoaglin, "How to detect and handle outliers", 1993) ...
_FAR_OUT = 3.5
# ... which a normal distribution's median absolute deviation times this is one of.
_MAD = 1.4826
_HASH_BITS = 64
# Images that a thread looks at in one go.
_AT_ONCE = 32
# So many are told one by one.
_MOST_NEAR = 1000


class _DataFinding(NamedTuple):
    kind: str
    image1: str
    image2: str
    rows: list[int]
    value: float
    detail: str


@dataclass(frozen=True, eq=False)
class DataHealth:
    """What was found about some data.

    Attributes
    ----------
    findings : DataFrame
        A row per finding: Task Name, Finding, Image 1, Image 2, Rows (of the pairs file, from 1),
        Value (bits of difference, or a distance) and Detail.
    n_pairs, n_images : int
        What was looked at; n_images counts different files.
    """

    findings: pd.DataFrame
    n_pairs: int
    n_images: int

    @override
    def __repr__(self) -> str:
        found = ", ".join(f"{count} {kind}" for kind, count in self.counts().items())
        return f"DataHealth({self.n_pairs} pairs, {self.n_images} images: {found or 'no findings'})"

    def counts(self) -> dict[str, int]:
        """Count the findings of each kind, the commonest first."""
        return {str(kind): int(n) for kind, n in self.findings["Finding"].value_counts().items()}

    def to_frame(self) -> pd.DataFrame:
        """Give the findings as a table.

        Returns
        -------
        DataFrame
            See the class; empty with all columns where nothing was found.
        """
        return self.findings.copy()


@dataclass
class _Images:
    """Images by file, each read once however many tasks use it."""

    decode: bool = True
    # Whether all must be there, or names alone will do.
    needed: bool = True
    digest_of: Callable[[Path], str | None] = field(default_factory=lambda: _digest_of)
    # By task, as far as they have been found.
    files: Mapping[str, ImagePaths | list[Path]] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)
    hashes: dict[Path, int | None] = field(default_factory=dict)
    doubts: dict[Path, str] = field(default_factory=dict)
    # Of faces that images of the tasks were made from, but that no task names.
    originals: dict[Path, int | None] = field(default_factory=dict)

    def look_of(self, path: Path, original: Path) -> int | None:
        """Give the hash of the face that a stimulus was made from; of the stimulus if it has none.

        What changes a face in a condition, such as a blur, makes different faces alike.
        """
        if original in self.hashes:
            found = self.hashes[original]
        else:
            if original not in self.originals:
                self.originals[original] = _look_at(original, decode=True)[1]
            found = self.originals[original]
        return self.hashes[path] if found is None else found

    def found(self, task: str, pairs: pd.DataFrame) -> ImagePaths | None:
        """Give the files of a task's pairs, if they have been found and can all be read.

        None too where files are not called what the pairs call them: they may be of other pairs.
        """
        files = self.files.get(task)
        if not isinstance(files, ImagePaths):
            return None
        numbers, names = numbered_images(pairs)
        is_theirs = np.array_equal(numbers, np.concatenate(files.numbers)) and all(
            str(path).endswith(name) and self.digest_of(path) is not None
            for path, name in zip(files.different, names, strict=True)
        )
        return files if is_theirs else None

    def read(self, paths: Iterable[Path]) -> None:
        new = [
            path
            for path in dict.fromkeys(paths)
            if path not in self.digests and (self.needed or image_exists(path))
        ]
        parts = [new[start : start + _AT_ONCE] for start in range(0, len(new), _AT_ONCE)]
        with ThreadPoolExecutor() as threads:
            # Decoding leaves Python's lock, so threads share the work.
            run: Callable[..., Iterator[Any]] = threads.map if self.decode else map
            for part, looks in zip(parts, run(self._look_at_all, parts), strict=True):
                for path, (digest, look, doubt) in zip(part, looks, strict=True):
                    self.digests[path], self.hashes[path], self.doubts[path] = digest, look, doubt

    def _look_at_all(self, paths: Sequence[Path]) -> list[tuple[str, int | None, str]]:
        return [_look_at(path, self.decode, self.digest_of) for path in paths]


def _digest_of(path: Path) -> str | None:
    try:
        return hashlib.sha256(image_bytes(path)).hexdigest()
    except ImageError:
        return None


def _look_at(
    path: Path, decode: bool, digest_of: Callable[[Path], str | None] = _digest_of
) -> tuple[str, int | None, str]:
    """Return an image's digest, its hash (None where there is none), and doubts of its colours."""
    digest = digest_of(path)
    if digest is None:
        return str(path), None, ""
    if not decode:
        return digest, 0, ""
    import imagehash

    try:
        bits = imagehash.phash(open_image(path)).hash.ravel()
    except ImageError:
        return digest, None, ""
    return digest, int.from_bytes(np.packbits(bits).tobytes(), "big"), unknown_colours(path)


def check_pairs(
    pairs_df: pd.DataFrame,
    image_paths: ImagePaths,
    labels: Any = None,
    distances: Any = None,
    *,
    near: int = NEAR,
) -> DataHealth:
    """Look for problems in pairs and their images.

    - 'image with itself', 'repeated pair' (in either order), 'contradicting labels' of one pair;
    - 'identical images' under two names, and 'near duplicates' by perceptual hash (the first
      1,000, and how many more), but for manipulated stimuli of one set; Detail says where their
      folders are different people's (see `facebench.data.identity`), Rows where they make up a
      pair;
    - 'unreadable image'; 'unknown colours', which are taken for sRGB (Detail says why);
    - with labels and images in folders of people: 'label against folder';
    - with labels and distances: 'one person under two names?', an impostor pair, and 'two people
      under one name?', a genuine pair, whose distance is more than 3.5 robust standard deviations
      away from its own class and nearer to the median of the other class than to that of its own.

    Parameters
    ----------
    pairs_df : DataFrame
        The pairs: img1 and img2.
    image_paths : ImagePaths
        Their files, see `facebench.data.pairs.find_images`.
    labels : array-like, shape [N], optional
        1 genuine, 0 impostor.
    distances : array-like, shape [N], optional
        Of one network, the best there is; NaN where it failed.
    near : int, default 4
        Bits of 64 by which near duplicates differ at most.

    Returns
    -------
    DataHealth

    Raises
    ------
    InputError
        If lengths differ.
    LabelError
        If a label is none.
    """
    return _check("", pairs_df, image_paths, labels, distances, near, _Images())


def health_report(
    tasks: BaseTask | EmbeddingTask | Iterable[BaseTask | EmbeddingTask],
    distances: Mapping[str, Any] | None = None,
    *,
    near: int = NEAR,
    decode: bool = True,
    images_needed: bool = True,
    digest_of: Callable[[Path], str | None] | None = None,
    files: Mapping[str, ImagePaths | list[Path]] = MappingProxyType({}),
) -> DataHealth:
    """Look at the data of some tasks, each image once; see `check_pairs`.

    Each 'missing image' is a finding too; the pairs it is in are left out of all else.

    Parameters
    ----------
    tasks : BaseTask or EmbeddingTask, or list of them
        Labels are those of a task's ``true_label``.
    distances : mapping of str to array-like, optional
        By task name, the distances of its pairs.
    near : int, default 4
        See `check_pairs`.
    decode : bool, default True
        False does not decode images, which takes most of the time: near duplicates and damaged
        images are not found then.
    images_needed : bool, default True
        False where no network needs the images, only files of embeddings or scores: those that are
        not there are not a finding, and are checked as names.
    digest_of : callable, optional
        Gives the digest of an image's file, None where it cannot be read, where a caller knows them
        already. None reads every file.
    files : mapping of str to ImagePaths or list of Path, optional
        By task name, the files of its images, where a caller has found them already. They are
        looked for anew if one of them cannot be read any more.

    Returns
    -------
    DataHealth
        The findings of all tasks.

    Raises
    ------
    MissingImageError
        If a folder of images is missing.
    """
    listed = list(tasks) if isinstance(tasks, Iterable) else [tasks]
    images = _Images(decode, images_needed, digest_of or _digest_of, files)
    parts = []
    for task in listed:
        if hasattr(task, "pairs_df"):
            parts.append(_of_pairs(task, (distances or {}).get(task.name), near, images))
        else:
            missing: list[str] = []
            if images_needed:
                missing = missing_images(task.images, task.images_path, task=task.name)
            there = [name for name in task.images if name not in set(missing)]
            paths = (
                find_image_list(there, task.images_path, task=task.name)
                if images_needed
                else _by_name(task, there)
            )
            images.read(paths)
            names = dict(zip(paths, there, strict=True))
            findings = [*_missing(missing, {}), *_duplicates(names, images, near, None)]
            parts.append(DataHealth(_table(task.name, findings), 0, len(names)))
    tables = [part.findings for part in parts if len(part.findings)]
    return DataHealth(
        pd.concat(tables, ignore_index=True) if tables else _table("", []),
        sum(part.n_pairs for part in parts),
        len(images.digests),
    )


def _of_pairs(task: Any, given: Any, near: int, images: _Images) -> DataHealth:
    pairs = task.measured_pairs
    numbers = np.array(row_numbers(pairs), dtype=np.intp)
    labels = pairs.get(getattr(task, "true_label", None))
    conditions = _conditions_of(task, pairs)
    try:
        found = (
            images.found(task.name, pairs) or find_images(pairs, task.images_path, task=task.name)
            if images.needed
            else _paths_by_name(task, pairs)
        )
    except MissingImageError:
        names = [*pairs["img1"], *pairs["img2"]]
        missing = missing_images(names, task.images_path, task=task.name)
    else:
        return _check(task.name, pairs, found, labels, given, near, images, numbers, conditions)
    lost = (pairs["img1"].isin(missing) | pairs["img2"].isin(missing)).to_numpy()
    rows: dict[str, list[int]] = {}
    for row in np.flatnonzero(lost).tolist():
        for name in {pairs["img1"].iloc[row], pairs["img2"].iloc[row]}.intersection(missing):
            rows.setdefault(name, []).append(int(numbers[row]))
    findings = _table(task.name, list(_missing(missing, rows)))
    if lost.all():
        return DataHealth(findings, len(pairs), 0)
    there = pairs[~lost]
    others = _check(
        task.name,
        there,
        find_images(there, task.images_path, task=task.name),
        None if labels is None else labels[~lost],
        None if given is None else np.asarray(given)[~lost],
        near,
        images,
        numbers[~lost],
        conditions,
    )
    together = pd.concat([findings, others.findings]) if len(others.findings) else findings
    return DataHealth(together, len(pairs), others.n_images)


def _conditions_of(task: Any, pairs: pd.DataFrame) -> frozenset[str]:
    """Name the conditions of a task."""
    names = getattr(task, "conditions", ())
    column = getattr(task, "condition_column", None)
    in_column = pairs[column].astype(str) if column in pairs else ()
    listed = names if isinstance(names, list | tuple) else ()
    return frozenset(map(str, (*listed, *in_column)))


def _by_name(task: Any, names: Iterable[str]) -> list[Path]:
    """Give where images would be."""
    listed = list(names)
    known = ImageName.all_of(task.images_path, listed)
    paths = {name: image.path for name, image in known.items()}
    return [paths[name] for name in listed]


def _paths_by_name(task: Any, pairs: pd.DataFrame) -> ImagePaths:
    numbers, names = numbered_images(pairs)
    return ImagePaths.of(numbers, _by_name(task, names))


def _missing(names: Sequence[str], rows: Mapping[str, list[int]]) -> Iterator[_DataFinding]:
    for name in names:
        yield _DataFinding("missing image", name, "", rows.get(name, []), float("nan"), "")


def _check(
    task: str,
    pairs: pd.DataFrame,
    paths: ImagePaths,
    labels: Any,
    distances: Any,
    near: int,
    images: _Images,
    numbers: NDArray[np.intp] | None = None,
    conditions: frozenset[str] = frozenset(),
) -> DataHealth:
    genuine = None if labels is None else as_labels(labels).astype(bool)
    scores = None if distances is None else np.asarray(distances, dtype=np.float64)
    for what, values in (("labels", genuine), ("distances", scores), ("paths", paths.img1)):
        if values is not None and len(values) != len(pairs):
            msg = f"Got {len(values)} {what} for {len(pairs)} pairs."
            raise InputError(msg)
    images.read(paths.different)
    numbered, spellings = numbered_images(pairs)
    # Of several spellings of a file, the last one.
    last = np.zeros(len(paths.different), dtype=np.intp)
    last[np.concatenate(paths.numbers)] = numbered
    names = {
        path: spellings[place] for path, place in zip(paths.different, last.tolist(), strict=True)
    }
    together = _RowsByPair.of(paths)
    wrong = None if genuine is None else _against_folders(pairs, genuine)
    findings = [
        *_pairs_twice(pairs, together, genuine),
        *_duplicates(
            names,
            images,
            near,
            together,
            wrong is not None or genuine is None,
            _Versions.of(conditions, together.different() if labels is None else ()),
        ),
    ]
    if genuine is not None:
        findings += wrong or []
        if scores is not None:
            findings += _out_of_place(pairs, paths, genuine, scores)
    return DataHealth(_table(task, findings, numbers), len(pairs), len(names))


def _table(
    task: str, findings: Sequence[_DataFinding], numbers: NDArray[np.intp] | None = None
) -> pd.DataFrame:
    rows = [
        (
            task,
            found.kind,
            found.image1,
            found.image2,
            " ".join(str((row if numbers is None else numbers[row]) + 1) for row in found.rows),
            found.value,
            found.detail,
        )
        for found in findings
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True, eq=False)
class _RowsByPair:
    """Which rows compare which two images, in either order.

    Attributes
    ----------
    numbers : dict of Path to int
        The images.
    order : int array, shape [N]
        The rows, sorted by what they compare.
    keys : int array, shape [N]
        What they compare, in that order: both numbers as one.
    """

    numbers: dict[Path, int]
    order: IntArray
    keys: IntArray

    @classmethod
    def of(cls, paths: ImagePaths) -> _RowsByPair:
        numbers = {path: number for number, path in enumerate(paths.different)}
        sides = [side.astype(np.int64) for side in paths.numbers]
        keys = np.minimum(*sides) * len(numbers) + np.maximum(*sides)
        order = np.argsort(keys, kind="stable")
        return cls(numbers, order, keys[order])

    def rows_of(self, one: Path, other: Path) -> list[int]:
        """Give the rows that compare two images."""
        low, high = sorted((self.numbers[one], self.numbers[other]))
        key = low * len(self.numbers) + high
        first, last = np.searchsorted(self.keys, key), np.searchsorted(self.keys, key, "right")
        return [int(row) for row in self.order[first:last]]

    def odd(self) -> Iterator[tuple[list[int], bool]]:
        """Give the rows of every pair that is given twice or more, or is an image with itself.

        In the order of their first rows; the flag says whether it is an image with itself.
        """
        starts = np.flatnonzero(np.diff(self.keys, prepend=-1))
        sizes = np.diff(starts, append=self.keys.size)
        low, high = np.divmod(self.keys[starts], max(1, len(self.numbers)))
        odd = np.flatnonzero((sizes > 1) | (low == high))
        for group in odd[np.argsort(self.order[starts[odd]], kind="stable")].tolist():
            rows = self.order[starts[group] : starts[group] + sizes[group]]
            yield rows.tolist(), bool(low[group] == high[group])

    def different(self) -> Iterator[tuple[Path, ...]]:
        """Give the two images of every different pair; one where it is compared with itself."""
        images = list(self.numbers)
        low, high = np.divmod(np.unique(self.keys), max(1, len(images)))
        for one, other in zip(low.tolist(), high.tolist(), strict=True):
            yield (images[one],) if one == other else (images[one], images[other])


def _pairs_twice(
    pairs: pd.DataFrame, together: _RowsByPair, genuine: NDArray[np.bool_] | None
) -> Iterator[_DataFinding]:
    nothing = float("nan")
    odd = list(together.odd())
    named = _names_in(pairs, [rows[0] for rows, _ in odd])
    for (rows, with_itself), (one, other) in zip(odd, named, strict=True):
        if with_itself:
            yield _DataFinding("image with itself", one, other, rows, 0.0, "")
        if len(rows) > 1:
            labelled = set() if genuine is None else set(genuine[rows].tolist())
            kind = "contradicting labels" if len(labelled) > 1 else "repeated pair"
            yield _DataFinding(kind, one, other, rows, nothing, f"{len(rows)} times")


def _names_in(pairs: pd.DataFrame, rows: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Give the names of both images of some rows."""
    first, second = (pairs[column].iloc[rows].tolist() for column in ("img1", "img2"))
    return zip(first, second, strict=True)


@dataclass(frozen=True)
class _Versions:
    """Tells images of one photograph in two conditions, which are alike by design.

    Attributes
    ----------
    conditions : frozenset of str
        The task's conditions.
    folders : frozenset of frozenset of str
        Folders that hold a face and a version of it, where all pairs are of such.
    """

    conditions: frozenset[str] = frozenset()
    folders: frozenset[frozenset[str]] = frozenset()

    @classmethod
    def of(cls, conditions: frozenset[str], pairs: Iterable[tuple[Path, ...]]) -> _Versions:
        """Find the folders in which pairs without labels compare a face with its version."""
        found = set()
        for pair in pairs:
            two = _differing_folders(*pair) if len(pair) == 2 else None
            if two is not None:
                found.add(two)
            # Pairs of different people differ in more folders than there are conditions.
            if two is None or len(found) > len(conditions):
                return cls(conditions)
        return cls(conditions, frozenset(found))

    def are_one(self, one: Path, other: Path) -> bool:
        """Tell whether paths differ in one folder only, and that is the condition."""
        differing = _differing_folders(one, other)
        if differing is None:
            return False
        return differing <= self.conditions or differing in self.folders


def _differing_folders(one: Path, other: Path) -> frozenset[str] | None:
    """Give the one folder in which two paths differ, as either names it; None if that is not so."""
    if one.stem != other.stem or len(one.parts) != len(other.parts):
        return None
    folders = zip(one.parts[:-1], other.parts[:-1], strict=True)
    differing = [frozenset(pair) for pair in folders if pair[0] != pair[1]]
    return differing[0] if len(differing) == 1 else None


def _duplicates(
    names: Mapping[Path, str],
    images: _Images,
    near: int,
    together: _RowsByPair | None,
    folders_are_people: bool = True,
    versions: _Versions | None = None,
) -> Iterator[_DataFinding]:
    def found(kind: str, one: Path, other: Path, bits: float) -> _DataFinding:
        people = person_of(names[one]), person_of(names[other])
        leaks = folders_are_people and all(people) and people[0] != people[1]
        detail = "of different people" if leaks else ""
        rows = [] if together is None else together.rows_of(one, other)
        return _DataFinding(kind, names[one], names[other], rows, bits, detail)

    first_of: dict[str, Path] = {}
    for path in names:
        if path not in images.hashes:
            # Known by name only.
            continue
        if images.hashes[path] is None:
            yield _DataFinding("unreadable image", names[path], "", [], float("nan"), "")
        elif images.digests[path] in first_of:
            yield found("identical images", first_of[images.digests[path]], path, 0.0)
        else:
            first_of[images.digests[path]] = path
        if doubt := images.doubts[path]:
            yield _DataFinding("unknown colours", names[path], "", [], float("nan"), doubt)
    if not images.decode:
        return
    n_near = 0
    looks = _looks(list(first_of.values()), images)
    nearest: list[tuple[int, int]] = []
    for ones, others in _near_pairs(looks.hashes, near):
        # Manipulated stimuli of one set, whose originals are not there, are alike by design.
        by_design = (looks.sets[ones] == looks.sets[others]) & (looks.sets[ones] >= 0)
        by_design &= looks.manipulated[ones] | looks.manipulated[others]
        for pair in zip(ones[~by_design].tolist(), others[~by_design].tolist(), strict=True):
            if versions and versions.are_one(*(looks.paths[number] for number in pair)):
                continue
            n_near += 1
            nearest.append(pair)
        if len(nearest) > 2 * _MOST_NEAR:
            nearest = heapq.nsmallest(_MOST_NEAR, nearest)
    for one, other in heapq.nsmallest(_MOST_NEAR, nearest):
        bits = int(np.bitwise_count(looks.hashes[one] ^ looks.hashes[other]))
        yield found("near duplicates", looks.paths[one], looks.paths[other], float(bits))
    if n_near > _MOST_NEAR:
        detail = f"and {n_near - _MOST_NEAR} more"
        yield _DataFinding("near duplicates", "", "", [], float("nan"), detail)


def _near_pairs(hashes: NDArray[np.uint64], near: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Find all pairs of hashes that differ in few bits, each once, without comparing all with all.

    Of near + 2 parts of the bits, two that differ in `near` bits have two or more in common: they
    are neighbours when the hashes are sorted by these parts (multi-index hashing; M. Norouzi,
    A. Punjani and D. J. Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012).

    Parameters
    ----------
    hashes : array of uint64, shape [N]
        The hashes.
    near : int
        Bits by which they differ at most.

    Yields
    ------
    one, other : int array
        Numbers of both of some pairs; one < other.
    """
    n_parts = min(near + 2, _HASH_BITS)
    bits = np.arange(_HASH_BITS, dtype=np.uint64)
    parts = [
        np.bitwise_or.reduce(np.uint64(1) << part) for part in np.array_split(bits, max(1, n_parts))
    ]
    for common in combinations(range(n_parts), max(0, n_parts - near)):
        keys = hashes & reduce(or_, (parts[part] for part in common), np.uint64(0))
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        places = np.arange(hashes.size)
        for step in range(1, hashes.size):
            places = places[places + step < hashes.size]
            places = places[keys[places] == keys[places + step]]
            if not places.size:
                break
            one, other = order[places], order[places + step]
            differing = hashes[one] ^ hashes[other]
            chosen = np.bitwise_count(differing) <= near
            # A pair with more in common is counted in the first parts that it has in common.
            for part in set(range(common[-1] if common else 0)) - set(common):
                chosen &= differing & parts[part] != 0
            yield one[chosen], other[chosen]


class _Looks(NamedTuple):
    """Images to be held against each other, and what they look like.

    Attributes
    ----------
    paths : list of Path
        One of each photograph.
    hashes : array, shape [N]
        Of the photograph, where an image is made from one that is there.
    sets : array, shape [N]
        The set of made stimuli that each is in; -1: none.
    manipulated : array, shape [N]
        Whether it is changed, and the photograph is not there.
    """

    paths: list[Path]
    hashes: NDArray[np.uint64]
    sets: NDArray[np.intp]
    manipulated: NDArray[np.bool_]


def _looks(paths: Sequence[Path], images: _Images) -> _Looks:
    """Look at the photograph behind made stimuli, once; at other images themselves."""
    stimuli = MadeStimuli()
    numbers: dict[MadeFolder | None, int] = {None: -1}
    known = {path.absolute() for path in paths}
    rows: dict[Path, tuple[Path, int | None, int, bool]] = {}
    for path in paths:
        whole = path.absolute()
        folder = stimuli.folder_of(whole)
        original = None if folder is None else folder.original_of(whole)
        if original is not None and original in known:
            # It is looked at itself.
            continue
        look = images.hashes[path] if original is None else images.look_of(path, original)
        number = numbers.setdefault(folder, len(numbers) - 1)
        changed = folder is not None and original is None and folder.is_manipulated(whole)
        rows.setdefault(original or whole, (path, look, number, changed))
    kept = list(rows.values())
    return _Looks(
        [row[0] for row in kept],
        np.array([row[1] for row in kept], dtype=np.uint64),
        np.array([row[2] for row in kept], dtype=np.intp),
        np.array([row[3] for row in kept], dtype=bool),
    )


def _against_folders(pairs: pd.DataFrame, genuine: NDArray[np.bool_]) -> list[_DataFinding] | None:
    """Find labels that contradict the folders, or None where folders hold no people."""
    people = people_of_pairs(pairs)
    if people is None or np.unique(np.concatenate(people)).size < 2:
        return None
    wrong = contradictions(*people, genuine)
    # Few are wrong labels. Many are folders of something else, of frontal and profile views, say.
    if wrong.size > len(pairs) / 2:
        return None
    findings = []
    for row, names in zip(wrong.tolist(), _names_in(pairs, wrong.tolist()), strict=True):
        detail = f"labelled {'same' if genuine[row] else 'different'}"
        findings.append(_DataFinding("label against folder", *names, [row], float("nan"), detail))
    return findings


def _out_of_place(
    pairs: pd.DataFrame,
    paths: ImagePaths,
    genuine: NDArray[np.bool_],
    distances: NDArray[np.float64],
) -> Iterator[_DataFinding]:
    usable = np.isfinite(distances)
    if not (usable & genuine).any() or not (usable & ~genuine).any():
        return
    same, different = (float(np.median(distances[usable & of])) for of in (genuine, ~genuine))
    detail = f"median genuine {same:.4g}, impostor {different:.4g}"
    for of_class, sign, kind, middle, others in (
        (~genuine, -1.0, "one person under two names?", different, same),
        (genuine, 1.0, "two people under one name?", same, different),
    ):
        spread = _MAD * np.median(np.abs(distances[usable & of_class] - middle))
        beyond = sign * (distances - middle) > _FAR_OUT * spread
        beyond &= (sign * (distances - (middle + others) / 2) > 0) & usable & of_class
        # Classes the wrong way round tell nothing.
        beyond &= sign * (others - middle) > 0
        rows = np.flatnonzero(beyond & (np.subtract(*paths.numbers) != 0))
        rows = rows[np.argsort(-sign * distances[rows], kind="stable")]
        for row, names in zip(rows.tolist(), _names_in(pairs, rows.tolist()), strict=True):
            yield _DataFinding(kind, *names, [row], float(distances[row]), detail)
