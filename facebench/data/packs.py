"""InsightFace ``.bin`` packs: many images and the labels of their pairs in one pickle.

A pack is read by an unpickler that admits bytes, arrays of bytes (as ``cv2.imencode`` gives them),
lists, tuples, booleans and nothing else, so that no pack can run code. An image in a pack has a
path like any other, ``lfw.bin/000001.jpg``; its bytes are read from the pack when they are needed,
and nothing is unpacked to disk. No file stays open, so processes may fork and threads may read at
the same time.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
from pathlib import Path
from typing import Any, NamedTuple

from typing_extensions import override

from facebench.errors import ImageError, MissingImageError, MissingPairsFileError, PairsError
from facebench.types import StrPath
from facebench.utils.files import FileState

__all__ = [
    "Pack",
    "is_pack",
    "member_bytes",
    "member_name",
    "open_pack",
    "read_member",
    "split_member",
]

SUFFIX = ".bin"
# Between two images a pickle holds a few bytes: opcode, length, memo, frame.
_GAP = 64


class _Span(NamedTuple):
    """Where the file holds an image as it is."""

    start: int
    size: int


class Pack(NamedTuple):
    """What is in a pack.

    Attributes
    ----------
    members : dict of str to (span or bytes)
        By name, where the image is in the file, or the image itself where the pickle spells it
        another way.
    same : list of bool
        For each two images in order, whether they show one person.
    """

    members: dict[str, _Span | bytes]
    same: list[bool]


class _Spelling:
    """How protocols below 3 spell bytes: a function of text. Without attributes to tamper with."""

    __slots__ = ()

    def __call__(self, text: str = "", encoding: str = "") -> bytes:
        if not isinstance(text, str) or (text and encoding != "latin1"):
            msg = "bytes are spelled in an unknown way"
            raise pickle.UnpicklingError(msg)
        return text.encode("latin1")


class _Byte:
    """Stands for ``numpy.dtype('uint8')``; other types are refused."""

    __slots__ = ()

    def __call__(self, name: object, *_: object) -> _Byte:
        if name not in ("u1", b"u1"):
            msg = f"it holds an array of {name!r:.20}, not of bytes"
            raise pickle.UnpicklingError(msg)
        return self

    def __setstate__(self, state: object) -> None:
        """Take no notice: a byte has no order and no fields."""


class _Array:
    """Stands for an array of bytes, as NumPy's ``_reconstruct`` and ``_frombuffer`` make it."""

    __slots__ = ("content",)

    def __init__(self) -> None:
        self.content = b""

    def __call__(self, content: object, *rest: object) -> _Array:
        made = _Array()
        if isinstance(content, bytes | bytearray):
            # From a buffer: type, shape, order.
            made.__setstate__((1, *reversed(rest[:2]), False, bytes(content)))
        return made

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, _, content = state
        is_row = isinstance(content, bytes) and max(shape) == len(content)
        if not isinstance(kind, _Byte) or not is_row:
            msg = f"it holds an array of shape {shape!r:.60}, not the bytes of an image file"
            raise pickle.UnpicklingError(msg)
        self.content = content


_MODULES_OF_ARRAYS = {
    f"numpy.{core}.{module}" for core in ("core", "_core") for module in ("multiarray", "numeric")
}


class _BytesOnly(pickle._Unpickler):
    """An unpickler that finds no class and no function but the spelling of bytes and their arrays.

    Written in Python: that in C takes as much memory as the largest number a pack claims.
    """

    @override
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (
            ("_codecs", "encode"),
            ("__builtin__", "bytes"),
            ("builtins", "bytes"),
        ):
            return _Spelling()
        if (module, name) == ("numpy", "dtype"):
            return _Byte()
        if (module, name) == ("numpy", "ndarray") or (
            module in _MODULES_OF_ARRAYS and name in ("_reconstruct", "_frombuffer")
        ):
            return _Array()
        msg = f"it asks for {module}.{name}"
        raise pickle.UnpicklingError(msg)


def is_pack(path: StrPath) -> bool:
    """Tell whether a path is a file that is called a pack."""
    # Asked of every image: a path is taken apart only if it may be one.
    if SUFFIX not in os.fspath(path).lower():
        return False
    return Path(path).suffix.lower() == SUFFIX and Path(path).is_file()


def member_name(position: int) -> str:
    """Name an image of a pack by its place.

    Examples
    --------
    >>> member_name(0)
    '000001.jpg'
    """
    return f"{position + 1:06d}.jpg"


def split_member(path: StrPath) -> tuple[Path, str] | None:
    """Part a path into a pack and the name of an image in it; None if it leads into no pack.

    Examples
    --------
    >>> split_member("images/000001.jpg") is None
    True
    """
    if SUFFIX not in os.fspath(path).lower():
        return None
    whole = Path(path)
    return (whole.parent, whole.name) if is_pack(whole.parent) else None


_opened: dict[Path, tuple[FileState, Pack]] = {}


def open_pack(path: StrPath) -> Pack:
    """Read what is in a pack; a pack that has not changed since is read once.

    Raises
    ------
    MissingPairsFileError
        If there is no such file.
    PairsError
        If it is not a pickle, holds anything but bytes, lists and booleans, or does not hold two
        images per label.
    """
    pack_path = Path(path)
    try:
        state = FileState.of(pack_path.stat())
    except OSError as error:
        msg = f"The pack {pack_path} does not exist (looked in {Path.cwd()})."
        raise MissingPairsFileError(msg) from error
    known = _opened.get(pack_path)
    if known is None or known[0] != state:
        known = (state, _read(pack_path))
        _opened[pack_path] = known
    return known[1]


def _is_cut_short(path: Path) -> bool:
    """Tell whether a file begins as a pickle does, and does not end as one."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        is_pickle = file.read(1) == pickle.PROTO
        file.seek(-1, os.SEEK_END)
        return is_pickle and file.read() != pickle.STOP
    return False


def _read(path: Path) -> Pack:
    try:
        with (
            path.open("rb") as file,
            # However much a damaged pack claims to hold, no more is read than is there.
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
        ):
            # Python 2 knew bytes and text as one.
            content = _BytesOnly(whole, encoding="bytes").load()
    except Exception as error:
        # An unpickler raises exceptions of many kinds for a damaged or foreign file.
        reason = f"{error!s:.200}".strip().rstrip(".") or type(error).__name__
        if _is_cut_short(path):
            reason = "it is cut short, copy or download it again"
        msg = (
            f"The pack {path} cannot be read: {reason}. A pack is a pickle of a list of image "
            "bytes and a list of true/false, and nothing else is admitted."
        )
        raise PairsError(msg) from error
    images, same = _checked(content, path)
    return Pack(
        {member_name(place): found for place, found in enumerate(_located(images, path))}, same
    )


def _checked(content: Any, path: Path) -> tuple[list[bytes], list[bool]]:
    if not (
        isinstance(content, list | tuple)
        and len(content) == 2
        and all(isinstance(part, list | tuple) for part in content)
    ):
        msg = (
            f"The pack {path} must hold two lists, image bytes and labels. "
            f"Got {type(content).__name__}"
            f"{f' of {len(content)}' if isinstance(content, list | tuple) else ''} instead."
        )
        raise PairsError(msg)
    images, same = content
    images = [image.content if isinstance(image, _Array) else image for image in images]
    for place, image in enumerate(images):
        if not isinstance(image, bytes):
            msg = (
                f"The pack {path} must hold images as bytes. "
                f"Image {place + 1} is a {type(image).__name__}."
            )
            raise PairsError(msg)
    for place, label in enumerate(same):
        if not isinstance(label, int) or label not in (0, 1):
            # Numbers and lists may be too long, or too deep, to be shown.
            got = (
                repr(label) if isinstance(label, int) and abs(label) < 1e9 else type(label).__name__
            )
            msg = f"The pack {path} must label pairs true or false. Label {place + 1} is {got}."
            raise PairsError(msg)
    if len(images) != 2 * len(same) or not same:
        msg = (
            f"The pack {path} must hold two images per label, and at least one label. "
            f"Got {len(images)} images and {len(same)} labels."
        )
        raise PairsError(msg)
    return images, [bool(label) for label in same]


def _located(images: list[bytes], path: Path) -> list[_Span | bytes]:
    """Find the images in the file, so that they need not stay in memory."""
    found: list[_Span | bytes] = []
    place = 0
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        for image in images:
            start = content.find(image, place, place + len(image) + _GAP)
            # Found twice in the list, it is once in the file; or its bytes are spelled as text.
            if not image or start < 0:
                found.append(image)
                continue
            found.append(_Span(start, len(image)))
            place = start + len(image)
    return found


def member_bytes(path: StrPath) -> bytes:
    """Read one image of a pack.

    Parameters
    ----------
    path : str or Path
        ``lfw.bin/000001.jpg``: the pack, then a name in it.

    Raises
    ------
    MissingImageError
        If the path leads to no image of a pack.
    ImageError
        If the pack was changed or damaged meanwhile.
    """
    parts = split_member(path)
    if parts is None:
        msg = f"There is no image {path} in a pack."
        raise MissingImageError(msg)
    return read_member(*parts)


def read_member(pack: Path, name: str) -> bytes:
    """Read one image of a pack of any name; see `member_bytes`."""
    try:
        member = open_pack(pack).members.get(name)
    except PairsError as error:
        # It was sound when the table of its images was read.
        raise ImageError(str(error)) from error
    if member is None:
        msg = f"There is no image {name} in the pack {pack}."
        raise MissingImageError(msg)
    if isinstance(member, bytes):
        return member
    with pack.open("rb") as file:
        file.seek(member.start)
        content = file.read(member.size)
        state = FileState.of(os.fstat(file.fileno()))
    if state != _opened[pack][0] or len(content) != member.size:
        msg = f"The pack {pack} changed while it was read."
        raise ImageError(msg)
    return content
