"""A folder of photographs cut to aligned faces."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import logging
import multiprocessing
import signal
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facebench.data.images import image_bytes, list_images, open_image
from facebench.errors import ImageError, InputError, StoreError
from facebench.faces.aligner import FaceAligner, KeptFaces, LocatedFace
from facebench.faces.contact_sheets import contact_sheet
from facebench.faces.detection import Detector, DlibHog, Pixels
from facebench.faces.templates import Template, template_named
from facebench.types import StrPath
from facebench.utils.files import atomic_path, one_writer, write_bytes
from facebench.utils.processes import end_with_parent
from facebench.utils.progress import Progress

__all__ = ["AlignedFolder", "align_folder"]

_log = logging.getLogger(__name__)
_TABLE, _RECORD, _JOURNAL, _SHEET = "chips.csv", "alignment.json", "alignment.jsonl", "no_face.png"
# A process takes a second to start.
_FEWEST_FOR_WORKERS = 32
# A group of images: at most so many, and so many bytes of files, for all are decoded at once.
_AT_ONCE = 16
_BYTES_AT_ONCE = 2_000_000
_ON_SHEET = 96
# PNG's filter that gives the difference from the row above.
_UP = 2


@dataclass(frozen=True)
class AlignedFolder:
    """What was cut.

    Attributes
    ----------
    written : int
        Chips that are there now.
    no_face : tuple of str
        Images in which no face was found, relative to their folder.
    bad : dict of str to str
        Images that cannot be read, and why.
    resumed : int
        Images that an earlier call had done already.
    strays : tuple of str
        PNG files of the output that are of no image of the folder, such as chips of images that
        were removed since.
    """

    written: int
    no_face: tuple[str, ...]
    bad: dict[str, str]
    resumed: int = 0
    strays: tuple[str, ...] = ()


class _Job(NamedTuple):
    source: Path
    target: Path
    # What the journal says of it: digest, whether a face was found, whether a chip was written.
    known: tuple[str, bool, bool] | None


class _Done(NamedTuple):
    digest: str
    face: bool = False
    box: Sequence[int] | None = None
    written: bool = False
    reason: str = ""
    is_new: bool = True


def align_folder(
    folder: StrPath,
    output: StrPath,
    *,
    template: str | Template = "dlib150",
    size: int | None = None,
    padding: float | None = None,
    detector: str | Detector = "dlib-hog",
    which_face: str = "nearest-centre",
    keep_all: bool = False,
    num_workers: int | None = None,
    kept: KeptFaces | None = None,
) -> AlignedFolder:
    """Cut the face out of every image, upright and scaled, as PNG.

    The chips are those that models with the same ``align`` see. Called again, it goes on where it
    was interrupted, and cuts only images that are new or have changed.

    Parameters
    ----------
    folder : str or Path
        Images at any depth.
    output : str or Path
        The same tree of chips, and:

        - ``chips.csv``: image, source, face (1 where one was found);
        - ``alignment.json``: how they were cut, and counts;
        - ``alignment.jsonl``: a line for every image, with its digest and the box of its face;
        - ``no_face.png``: the images in which no face was found.
    template : str or Template, default 'dlib150'
        One of `facebench.faces.templates.TEMPLATES`.
    size, padding : int, float, optional
        Of 'dlib150': other than 150 and 0.25.
    detector, which_face : str
        See `facebench.faces.aligner.FaceAligner`.
    keep_all : bool, default False
        Also cut images in which no face is found, around their centre.
    num_workers : int, optional
        Processes; None takes one per core, 0 works in this one.
    kept : KeptFaces, optional
        Where found faces are kept, such as an embedding store.

    Raises
    ------
    MissingImageError
        If the folder is missing or holds no images.
    InputError
        If `output` lies inside of `folder`, holds chips that were cut in another way, or a name is
        unknown.
    MissingWeightsError, WeightsError
        If a file of the detector is missing, or another network's.
    """
    folder, output = Path(folder), Path(output)
    aligner = FaceAligner(_sized(template, size, padding), detector, which_face)
    listed = list_images(folder)
    images = listed.images
    if listed.passed_over:
        _log.info("%s: %s", folder, listed)
    if output.resolve().is_relative_to(folder.resolve()):
        msg = f"The output {output} must lie outside of {folder}: its chips are images too."
        raise InputError(msg)
    sources = [path.relative_to(folder).as_posix() for path in images]
    names = _names([Path(source) for source in sources])
    with one_writer(output):
        known = _known(output, aligner)
        jobs = [
            _Job(path, output / name, known.get(source))
            for path, source, name in zip(images, sources, names, strict=True)
        ]
        cutter = _Cutter(aligner, kept, keep_all=keep_all)
        done = _all_cut(output, jobs, sources, cutter, num_workers)
        _write_table(output, names, sources, done)
        no_face = tuple(s for s, one in zip(sources, done, strict=True) if _lacks_face(one))
        bad = {s: one.reason for s, one in zip(sources, done, strict=True) if one.reason}
        written = sum(one.written for one in done)
        (output / _SHEET).unlink(missing_ok=True)
        if no_face:
            sheet = output / _SHEET
            contact_sheet(folder, ["."], no_face, sheet, at_most=_ON_SHEET, captions=True)
        counts = {"images": len(images), "no_face": len(no_face), "bad_images": len(bad)}
        record = {**aligner.settings(), "keep_all": keep_all, **counts}
        with atomic_path(output / _RECORD) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        there = {path.relative_to(output).as_posix() for path in output.rglob("*.png")}
        strays = tuple(sorted(there - {*names, _SHEET}))
    resumed = sum(not one.is_new for one in done)
    return AlignedFolder(written, no_face, bad, resumed, strays)


def _sized(template: str | Template, size: int | None, padding: float | None) -> Template:
    found = template_named(template)
    given = {"size": size, "margin": padding}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if changes and found.kind != "dlib":
        msg = f"The size and padding of the template {found.name} are fixed: leave them out."
        raise InputError(msg)
    return replace(found, **changes)


def _lacks_face(done: _Done) -> bool:
    return not done.face and not done.reason


def _known(output: Path, aligner: FaceAligner) -> dict[str, tuple[str, bool, bool]]:
    """Read what an earlier call has done, and begin a journal where there is none to go on with.

    Raises
    ------
    InputError
        If there are chips that were cut in another way.
    """
    journal = output / _JOURNAL
    key = json.loads(json.dumps(aligner.key))
    lines = list(_lines(journal))
    if lines and lines[0].get("key") == key:
        return {
            line["source"]: (line["digest"], line["face"], line["written"])
            for line in lines[1:]
            if {"source", "digest", "face", "written"} <= line.keys()
        }
    if any(line.get("written") for line in lines):
        msg = (
            f"{output} holds faces that were cut in another way ({lines[0].get('how')}; now "
            f"{aligner.settings()}). Give another output, or remove it."
        )
        raise InputError(msg)
    with atomic_path(journal) as temporary:
        first = json.dumps({"key": key, "how": aligner.settings()})
        temporary.write_text(first + "\n", encoding="utf-8")
    return {}


def _lines(journal: Path) -> Iterable[dict[str, Any]]:
    """Read a journal, whose last line may be half written."""
    if not journal.is_file():
        return
    with journal.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found


def _all_cut(
    output: Path, jobs: list[_Job], sources: list[str], cutter: _Cutter, num_workers: int | None
) -> list[_Done]:
    """Cut all images, and write down at once what is done."""
    done: list[_Done] = []
    with Progress("Aligning", len(jobs)) as progress, (output / _JOURNAL).open("ab") as journal:
        # What was cut off in the middle of a line must not spoil the next one.
        journal.write(b"\n")

        def take(results: Iterable[list[_Done]]) -> None:
            for group in results:
                for result in group:
                    source = sources[len(done)]
                    done.append(result)
                    if result.is_new:
                        line = {"source": source, **result._asdict()}
                        del line["is_new"]
                        journal.write(json.dumps(line).encode() + b"\n")
                journal.flush()
                progress.advance(len(group))

        groups = _in_groups(jobs)
        if num_workers == 0 or len(jobs) < _FEWEST_FOR_WORKERS:
            take(map(cutter, groups))
        else:
            if multiprocessing.get_start_method() == "fork":
                cutter.load()
            with ProcessPoolExecutor(num_workers, initializer=_begin, initargs=(cutter,)) as pool:
                take(pool.map(_cut_group, groups))
    return done


def _in_groups(jobs: Sequence[_Job]) -> list[list[_Job]]:
    groups: list[list[_Job]] = []
    room = 0
    for job in jobs:
        try:
            size = job.source.stat().st_size
        except OSError:
            size = 0
        if not groups or len(groups[-1]) == _AT_ONCE or size > room:
            groups.append([])
            room = _BYTES_AT_ONCE
        groups[-1].append(job)
        room -= size
    return groups


def _write_table(output: Path, names: list[str], sources: list[str], done: list[_Done]) -> None:
    with (
        atomic_path(output / _TABLE) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("image", "source", "face"))
        for name, source, one in zip(names, sources, done, strict=True):
            if one.written:
                writer.writerow((name, source, int(one.face)))


def _names(sources: list[Path]) -> list[str]:
    """Name the chips; a.jpg and a.png of one person stay two, and so does an a.jpg.png."""
    names = [source.with_suffix(".png").as_posix() for source in sources]
    while True:
        counts = Counter(names)
        if len(counts) == len(names):
            return names
        names = [
            f"{source.as_posix()}.png" if counts[name] > 1 else name
            for name, source in zip(names, sources, strict=True)
        ]


@dataclass
class _Work:
    """An image on its way to a chip; `done` is set when nothing is left to do."""

    job: _Job
    digest: str = ""
    image: Pixels = field(init=False)
    located: LocatedFace = field(init=False)
    chip: Pixels | None = None
    png: bytes = b""
    done: _Done | None = None


class _Cutter:
    """Cuts groups of images; what was found in a group is kept in one transaction."""

    def __init__(self, aligner: FaceAligner, kept: KeptFaces | None, *, keep_all: bool) -> None:
        self._aligner = aligner
        self._keep_all = keep_all
        self._kept = None if kept is None else _KeptInGroups(kept)
        aligner.kept = self._kept

    def load(self) -> None:
        """Read dlib's files before processes are forked, which have them then; it takes a second.

        Other detectors have threads, which a fork does not copy.
        """
        if isinstance(self._aligner.detector, DlibHog):
            kept, self._aligner.kept = self._aligner.kept, None
            self._aligner(np.zeros((80, 80, 3), np.uint8))
            self._aligner.kept = kept

    def __call__(self, jobs: Sequence[_Job]) -> list[_Done]:
        """Cut the faces of some images, unless that is done; the order is kept.

        Each step is done for all images before the next: in turns, each step would displace the
        code and the tables of the others from the processor's cache.
        """
        works = [_Work(job) for job in jobs]
        for step in (self._open, self._locate, self._cut, self._encode, self._write):
            for work in works:
                if work.done is None:
                    try:
                        step(work)
                    except ImageError as error:
                        work.done = _Done("", reason=str(error))
        if self._kept is not None:
            self._kept.flush()
        done = [work.done for work in works if work.done is not None]
        for job, one in zip(jobs, done, strict=True):
            if job.known is not None and job.known[2] and not one.written:
                job.target.unlink(missing_ok=True)
        return done

    def _open(self, work: _Work) -> None:
        job = work.job
        before, face, was_written = job.known or ("", False, False)
        content = image_bytes(job.source)
        work.digest = hashlib.sha256(content).hexdigest()[:32]
        as_wanted = was_written == (face or self._keep_all)
        if work.digest == before and as_wanted and was_written == job.target.is_file():
            work.done = _Done(work.digest, face, written=was_written, is_new=False)
        else:
            work.image = np.asarray(open_image(job.source, content))

    def _locate(self, work: _Work) -> None:
        work.located = self._aligner.locate(work.image, str(work.job.source))

    def _cut(self, work: _Work) -> None:
        if work.located.found or self._keep_all:
            work.chip = self._aligner.cut(work.image, work.located)

    def _encode(self, work: _Work) -> None:
        if work.chip is not None:
            work.png = _png(work.chip)

    def _write(self, work: _Work) -> None:
        if work.png:
            write_bytes(work.job.target, work.png)
        found, box = work.located.found, [*map(int, work.located.box)]
        work.done = _Done(work.digest, bool(found), box, bool(work.png))


class _KeptInGroups:
    """Faces that are written to where they are kept when a group of images is done."""

    def __init__(self, kept: KeptFaces) -> None:
        self._kept = kept
        self._new: dict[str, Any] = {}

    def recall(self, key: str) -> Any:
        """Give what was kept, now or before."""
        return self._new[key] if key in self._new else self._kept.recall(key)

    def remember(self, key: str, value: Any) -> None:
        """Keep what is written by `flush`."""
        self._new[key] = value

    def remember_all(self, found: Mapping[str, Any]) -> None:
        """Keep several."""
        self._new.update(found)

    def flush(self) -> None:
        """Write what is new, in one transaction."""
        if self._new:
            with contextlib.suppress(StoreError):
                self._kept.remember_all(self._new)
            self._new.clear()


_cutter: _Cutter | None = None


def _begin(cutter: _Cutter) -> None:
    global _cutter
    _cutter = cutter
    # Ctrl-C is the main process's: it ends the workers when their groups are done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def _cut_group(jobs: Sequence[_Job]) -> list[_Done]:
    return [] if _cutter is None else _cutter(jobs)


def _png(pixels: Pixels) -> bytes:
    """Write an RGB image as PNG, several times as fast as Pillow and hardly larger.

    Pillow tries all filters on each row; here a row is what it differs by from the one above, and
    values are coded without a search for repetitions, of which photographs have none.
    """
    height, width = pixels.shape[:2]
    flat = pixels.reshape(height, -1)
    rows = np.full((height, 1 + 3 * width), _UP, np.uint8)
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    packer = zlib.compressobj(1, strategy=zlib.Z_HUFFMAN_ONLY)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT": packer.compress(rows.tobytes()) + packer.flush(),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in parts.items()
    )
