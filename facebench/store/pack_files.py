"""Packs: immutable files of rows that machines share.

A pack is a safetensors file, so that other programs can read it too. Its tensors are ``images``
(digests, [N, 16]), ``notes`` and ``facts`` (JSON), ``seal``, and for each layer ``checksums.0`` and
``rows.0`` and so on; the metadata describe the layers. The seal is a digest of the header, the
header has a digest of every tensor but the rows, and a row has the checksum that it has in a store:
what is not as it was written is never used. Where a tensor lies follows from the numbers of images
and values, and a header that says otherwise is refused.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NamedTuple, Protocol, TypeVar

import numpy as np
import xxhash
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from facebench.errors import StoreError
from facebench.store.database import FULL
from facebench.store.layer_index import DIGEST_BYTES, as_digests
from facebench.store.rows import StoreDtype, checksums_of, encoded
from facebench.types import FloatArray
from facebench.utils.files import safe_name
from facebench.utils.sharing import make_folder, open_to_others, refusal

__all__ = [
    "OF_LAYERS",
    "SUFFIX",
    "PackError",
    "PackFile",
    "PackLayer",
    "check_packs_writable",
    "open_pack",
    "write_pack",
]

SUFFIX = ".safetensors"
_FORMAT = 1
# Larger numbers are damage, not the format of a newer version.
_BELIEVED = 1000
_MARK = "facebench_pack"
# As a header is spelled.
_BEGINNING = f'{{"__metadata__": {{"{_MARK}": '.encode()
# More is never written (such a header has some 20,000 layers), and a file that claims it would take
# the memory of whoever reads it.
_LONGEST_HEADER = 16 << 20
_MOST_IMAGES = 1 << 27
_LARGEST_PART = 1 << 30
_LONGEST_NOTE = 10_000
_WIDEST = 1 << 40
# Other facts are true of one machine, or of one image, and stay where they are.
OF_LAYERS = ("width ", "unsteady ")
_SEAL_BYTES = 16
_KINDS = {"float32": "F32", "float16": "F16"}
_BYTES = {"F32": 4, "F16": 2, "U64": 8, "U8": 1}
_AT_ONCE = 64 << 20
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY: int = getattr(os, "O_BINARY", 0)
# What a killed process left unfinished is removed when it is as old as this.
_LEFT_BEHIND = 24 * 3600.0
_UNFINISHED = re.compile(r"\.[0-9a-f]{32}\.part")
_DAMAGED = "it is damaged. Remove it; what it held is embedded again"
_TRUNCATED = "it is truncated. Copy it again, or remove it; what it held is then embedded again"
_NOT_OURS = "it is not a pack of facebench"


class PackError(Exception):
    """Why a file is not used as a pack: the end of a sentence."""


def _printable(text: str) -> str:
    """Refuse what would do something to a terminal."""
    if not text.isprintable():
        msg = "a name cannot be printed"
        raise ValueError(msg)
    return text


def _spelled(name: str) -> str:
    """Spell a name as a pack may hold it: what cannot be printed becomes an escape."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _cleaned(text: str) -> str:
    """Replace what would do something to a terminal; remarks are those of people's own models."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def _believable(facts: dict[str, Any]) -> dict[str, Any]:
    """Refuse facts that are none, and leave out all that do not belong to layers."""
    for key, value in facts.items():
        is_width = type(value) is int and 0 < value <= _WIDEST
        if (key.startswith("width ") and not is_width) or (
            key.startswith("unsteady ") and value not in ("chance", "batch")
        ):
            msg = f"{key} is {value!r}"
            raise ValueError(msg)
    return {key: value for key, value in facts.items() if key.startswith(OF_LAYERS)}


@dataclass(frozen=True)
class PackLayer:
    """One layer in a pack.

    Attributes
    ----------
    key : str
        What determines its rows, besides the image.
    dtype : {'float32', 'float16'}
        Of its rows.
    width : int
        Values per row.
    model, layer : str
        Names to show a person.
    details : dict
        What else a person may want to know, such as the digests of weights and preprocessing.
    """

    key: Annotated[str, AfterValidator(_printable)]
    dtype: StoreDtype
    width: Annotated[int, Field(ge=1, le=_WIDEST)]
    model: Annotated[str, AfterValidator(_printable)] = ""
    layer: Annotated[str, AfterValidator(_printable)] = ""
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Description:
    """What the metadata of a header say: all that determines the rest of it."""

    images: Annotated[int, Field(ge=1, le=_MOST_IMAGES)]
    layers: tuple[PackLayer, ...]
    notes_key: Annotated[str, AfterValidator(_printable)]
    notes: Annotated[int, Field(ge=0, le=_LARGEST_PART)]
    facts: Annotated[int, Field(ge=0, le=_LARGEST_PART)]
    digests: dict[str, str]


class _Span(NamedTuple):
    kind: str
    shape: list[int]
    begin: int
    end: int


T = TypeVar("T")
_described: TypeAdapter[_Description] = TypeAdapter(_Description)
_facts: TypeAdapter[dict[str, Any]] = TypeAdapter(
    Annotated[dict[str, Any], AfterValidator(_believable)]
)
_Note = Annotated[str, Field(max_length=_LONGEST_NOTE), AfterValidator(_cleaned)]
_notes: TypeAdapter[dict[int, tuple[str, ...]]] = TypeAdapter(dict[int, tuple[_Note, ...]])


class PackFile:
    """A pack whose header is sound; `open_pack` gives it.

    Attributes
    ----------
    path : Path
        The file.
    n_images : int
        How many images it has.
    layers : tuple of PackLayer
        Of each, it has a row of every image.
    notes_key : str
        What determines the remarks on the images; '' where it has none.
    """

    def __init__(self, path: Path, description: _Description) -> None:
        self.path = path
        self.n_images = description.images
        self.layers = description.layers
        self.notes_key = description.notes_key
        self._digests = description.digests
        header = _header(description)
        self._spans = _spans(description, len(header) + 8)

    def images(self) -> NDArray[np.uint64]:
        """Read the digests of the images, [N, 2]; no two are the same."""
        images = np.frombuffer(self._read("images"), dtype="<u8").reshape(-1, 2)
        in_order = images[np.lexsort(images.T)]
        if (in_order[1:] == in_order[:-1]).all(axis=1).any():
            msg = "it has two rows of one image"
            raise PackError(msg)
        return images

    def checksums(self, layer: int) -> NDArray[np.uint64]:
        """Read the checksums of a layer's rows."""
        return np.frombuffer(self._read(f"checksums.{layer}"), dtype="<u8")

    def begin(self, layer: int) -> int:
        """Say where a layer's rows begin."""
        return self._spans[f"rows.{layer}"].begin

    def notes(self) -> dict[int, tuple[str, ...]]:
        """Read the remarks on the images that have any, by place."""
        return self._parsed("notes", _notes)

    def facts(self) -> dict[str, Any]:
        """Read small values to remember."""
        facts = self._parsed("facts", _facts)
        for layer in self.layers:
            told = facts.get(f"width {layer.key}", layer.width)
            if told != layer.width:
                msg = f"rows of {layer.layer!r} have {layer.width} values, and it says {told}"
                raise PackError(msg)
        return facts

    def _parsed(self, name: str, kind: TypeAdapter[T]) -> T:
        try:
            return kind.validate_json(self._read(name))
        except ValidationError as error:
            raise PackError(_NOT_OURS) from error

    def _read(self, name: str) -> bytes:
        with _opened(self.path) as file:
            return _section(file, self._spans[name], self._digests.get(name))


def open_pack(path: Path) -> PackFile:
    """Read and check the header of a pack; rows are not looked at.

    Raises
    ------
    PackError
        If it is a link, no pack, damaged, or of a newer format.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= _LONGEST_HEADER:
            raise PackError(_TRUNCATED if size < 8 else _NOT_OURS)
        header = file.read(length)
        if len(header) < length:
            is_ours = header[: len(_BEGINNING)] == _BEGINNING[: len(header)]
            raise PackError(_TRUNCATED if is_ours else _NOT_OURS)
        description = _description(header)
        # Places are worked out, not read: what a header says of them must be the same.
        if _header(description) != header:
            raise PackError(_DAMAGED)
        spans = _spans(description, length + 8)
        end = max(span.end for span in spans.values())
        if size != end:
            raise PackError(_TRUNCATED if size < end else _DAMAGED)
        if _section(file, spans["seal"], None) != _seal(header):
            raise PackError(_DAMAGED)
    return PackFile(path, description)


def _description(header: bytes) -> _Description:
    try:
        metadata = json.loads(header)["__metadata__"]
        found = int(metadata[_MARK])
        text = metadata["description"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise PackError(_NOT_OURS) from error
    if _FORMAT < found < _BELIEVED:
        msg = (
            f"a newer facebench wrote it (format {found}; this one knows {_FORMAT}). Update "
            "facebench to use it"
        )
        raise PackError(msg)
    try:
        return _described.validate_json(text)
    except (ValidationError, ValueError, TypeError) as error:
        raise PackError(_DAMAGED) from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file, following no link and waiting for no pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_LINK | _BINARY)
    except OSError as error:
        msg = "it is a link, and links are not followed" if path.is_symlink() else _unread(error)
        raise PackError(msg) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        msg = "it is not a plain file"
        raise PackError(msg)
    with os.fdopen(descriptor, "rb") as file:
        try:
            yield file
        except OSError as error:
            raise PackError(_unread(error)) from error


def _unread(error: OSError) -> str:
    return f"it cannot be read ({error.strerror or error})"


def _section(file: BinaryIO, span: _Span, digest: str | None) -> bytes:
    file.seek(span.begin)
    data = file.read(span.end - span.begin)
    if len(data) != span.end - span.begin or (
        digest is not None and xxhash.xxh3_128_hexdigest(data) != digest
    ):
        raise PackError(_DAMAGED)
    return data


def _seal(header: bytes) -> bytes:
    return hashlib.blake2b(header, digest_size=_SEAL_BYTES).digest()


def _spans(description: _Description, begin: int) -> dict[str, _Span]:
    """Say where the tensors lie: the small ones first."""
    n_images = description.images
    shapes: dict[str, tuple[str, list[int]]] = {
        "seal": ("U8", [_SEAL_BYTES]),
        "images": ("U8", [n_images, DIGEST_BYTES]),
        "notes": ("U8", [description.notes]),
        "facts": ("U8", [description.facts]),
        **{f"checksums.{number}": ("U64", [n_images]) for number in range(len(description.layers))},
        **{
            f"rows.{number}": (_KINDS[layer.dtype], [n_images, layer.width])
            for number, layer in enumerate(description.layers)
        },
    }
    sizes = [math.prod(shape) * _BYTES[kind] for kind, shape in shapes.values()]
    ends = list(accumulate(sizes, initial=begin))
    return {
        name: _Span(kind, shape, start, end)
        for (name, (kind, shape)), start, end in zip(
            shapes.items(), ends[:-1], ends[1:], strict=True
        )
    }


def _header(description: _Description) -> bytes:
    """Spell a header: there is one way to do it."""
    text = json.dumps(asdict(description), sort_keys=True)
    header: dict[str, Any] = {"__metadata__": {_MARK: str(_FORMAT), "description": text}}
    for name, span in _spans(description, 0).items():
        offsets = [span.begin, span.end]
        header[name] = {"dtype": span.kind, "shape": span.shape, "data_offsets": offsets}
    spelled = json.dumps(header).encode()
    return spelled.ljust(-(-len(spelled) // 8) * 8)


class ReadRows(Protocol):
    """Gives rows of a layer, [n, D], in the order of the images' digests."""

    def __call__(self, layer: PackLayer, images: Sequence[bytes]) -> FloatArray: ...


def write_pack(
    folder: Path,
    layers: Sequence[PackLayer],
    images: Sequence[bytes],
    read: ReadRows,
    *,
    notes_key: str = "",
    notes: Sequence[Sequence[str]] = (),
    facts: Mapping[str, Any] | None = None,
) -> Path:
    """Write a pack, whole or not at all.

    Its name follows from its content: to write it twice changes nothing.

    Parameters
    ----------
    folder : Path
        Where packs are; it is made if need be.
    layers : sequence of PackLayer
        What to write; what cannot be printed of the names of models and layers becomes an escape.
    images : sequence of bytes
        Digests of the images, at least one, 16 bytes each.
    read : callable
        Gives the rows of a layer.
    notes_key : str
        What determines the remarks on the images; '' if there are none.
    notes : sequence of sequence of str
        The remarks on each image.
    facts : mapping, optional
        Small values to remember.

    Raises
    ------
    StoreError
        If it cannot be written: the disk is full, say.
    """
    digests = as_digests(images)
    remarks = {place: list(said) for place, said in enumerate(notes) if said}
    small = {
        "images": digests.tobytes(),
        "notes": json.dumps(remarks).encode(),
        "facts": json.dumps(dict(facts or {}), sort_keys=True).encode(),
    }
    description = _Description(
        len(images),
        tuple(
            replace(layer, model=_spelled(layer.model), layer=_spelled(layer.layer))
            for layer in layers
        ),
        notes_key,
        len(small["notes"]),
        len(small["facts"]),
        # As long as the digests that are known only when the rows were read.
        dict.fromkeys(
            [*small, *(f"checksums.{number}" for number in range(len(layers)))], "0" * 32
        ),
    )
    begin = len(_header(description)) + 8
    spans = _spans(description, begin)
    with _unfinished(folder) as unfinished:
        with unfinished.open("r+b") as file:
            for number, layer in enumerate(layers):
                file.seek(spans[f"rows.{number}"].begin)
                checksums = []
                step = max(1, _AT_ONCE // (4 * layer.width))
                for first in range(0, len(images), step):
                    rows = read(layer, images[first : first + step])
                    data = encoded(rows, layer.dtype, f"Layer {layer.layer!r}")
                    file.write(data.data)
                    checksums.append(checksums_of(data, digests[first : first + step], layer.key))
                small[f"checksums.{number}"] = np.concatenate(checksums).tobytes()
            description.digests.update(
                {name: xxhash.xxh3_128_hexdigest(content) for name, content in small.items()}
            )
            header = _header(description)
            small["seal"] = _seal(header)
            file.seek(0)
            file.write(struct.pack("<Q", len(header)) + header)
            for name, content in small.items():
                file.seek(spans[name].begin)
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        models = sorted({layer.model for layer in description.layers})
        name = safe_name(models[0] if models else "notes")
        path = folder / f"{name}.{small['seal'].hex()}{SUFFIX}"
        open_to_others(unfinished)
        unfinished.replace(path)
    return path


def check_packs_writable(folder: Path) -> None:
    """Refuse a folder that takes no packs, before anything is computed for them.

    Raises
    ------
    StoreError
        Saying why.
    """
    with _unfinished(folder):
        pass


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Give a new file that is removed if it is not renamed."""
    path = folder / f".{uuid.uuid4().hex}.part"
    try:
        try:
            make_folder(folder)
            path.touch(exist_ok=False)
            _sweep(folder, path.lstat().st_mtime)
            yield path
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in FULL:
            why = "the disk is full"
        elif isinstance(error, PermissionError):
            why = refusal(folder)
        else:
            why = str(error.strerror or error)
        msg = (
            f"Packs cannot be written to {folder}: {why}. What was embedded is in the embedding "
            "store; the same command publishes it when the folder can be written to."
        )
        raise StoreError(msg) from error


def _sweep(folder: Path, now: float) -> None:
    """Remove what killed processes have left; times are those of the folder's own machine."""
    with suppress(OSError):
        for path in folder.iterdir():
            if _UNFINISHED.fullmatch(path.name):
                with suppress(OSError):
                    if now - path.lstat().st_mtime > _LEFT_BEHIND:
                        path.unlink()
