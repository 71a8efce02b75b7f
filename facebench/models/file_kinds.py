"""The kind of a weights file, recognised by its content."""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from pathlib import Path

from facebench.errors import MissingWeightsError, WeightsError
from facebench.utils.files import why_missing
from facebench.utils.suggestions import did_you_mean_file

__all__ = [
    "EXPORTED",
    "ONNX",
    "TORCHSCRIPT",
    "foreign_kind",
    "is_checkpoint",
    "is_index",
    "is_part",
    "is_safetensors",
    "parts_of_index",
    "read_network",
    "weight_map",
]

ONNX = "ONNX"
TORCHSCRIPT = "a TorchScript archive"
EXPORTED = "a network of torch.export"
# Which model reads them.
_READERS = {ONNX: "onnx", TORCHSCRIPT: "torchscript", EXPORTED: "torch-export"}
_HEAD = 1024
_ARCHIVE = "Unpack it, and give the path of the file within"
# Zip archives of torch.save and pickles; other kinds are told before.
_CHECKPOINTS = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_CHECKPOINT = (
    "a checkpoint: weights without their network",
    "Export the network itself, or load the checkpoint into its architecture",
)
_PART = re.compile(r"-\d{5}-of-\d{5}\.")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer, which stands for the weights",
        "Fetch them with `git lfs pull`",
    ),
    (_HDF5, "an HDF5 file, as Keras writes", "Convert it to a state dict"),
    (b"\x93NUMPY", "a NumPy array", "Convert it to a state dict"),
    (b"MATLAB 5.0", "a MATLAB file", "Convert it to a state dict"),
    (b"GGUF", "a GGUF file", "Convert it to a state dict"),
    (b"lmgg", "a GGML file", "Convert it to a state dict"),
    (b"\x1f\x8b", "a gzip archive", _ARCHIVE),
    (b"BZh", "a bzip2 archive", _ARCHIVE),
    (b"\xfd7zXZ", "an xz archive", _ARCHIVE),
    (b"\x5d\x00\x00", "an LZMA archive", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", _ARCHIVE),
    (b"7z\xbc\xaf", "a 7z archive", _ARCHIVE),
    (b"Rar!", "a RAR archive", _ARCHIVE),
    (b"%PDF", "a PDF", "Download the weights themselves"),
    (b"\x89PNG", "a PNG picture", "Give the path of the weights"),
    (b"\xff\xd8\xff", "a JPEG picture", "Give the path of the weights"),
)


def is_safetensors(path: Path) -> bool:
    """Tell a safetensors file by its content: the length of a JSON header, and the header."""
    with path.open("rb") as file:
        head = file.read(16)
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and 0 < length <= path.stat().st_size - 8


def is_index(path: Path) -> bool:
    """Recognise the list of the files that hold a network's weights together, by its name."""
    return path.name.endswith(".index.json")


def is_part(path: Path) -> bool:
    """Recognise one of several files that hold a network's weights together, by its name."""
    return _PART.search(path.name) is not None


def weight_map(path: Path) -> dict[str, str]:
    """Read from an index which tensor is in which file beside it.

    Raises
    ------
    WeightsError
        If it is no such index.
    """
    try:
        found = dict(json.loads(path.read_bytes())["weight_map"].items())
    except (ValueError, LookupError, TypeError, AttributeError):
        found = {}
    names = found.values()
    if not found or any(not isinstance(name, str) or Path(name).name != name for name in names):
        msg = (
            f"The weights file {path} is no index of several files: it needs a 'weight_map' of "
            "tensors to names of files beside it, as transformers writes it."
        )
        raise WeightsError(msg)
    return found


def parts_of_index(path: Path) -> list[Path]:
    """List the files that an index names, beside it; raises as `weight_map`."""
    return [path.parent / name for name in sorted(set(weight_map(path).values()))]


def is_checkpoint(path: Path) -> bool:
    """Recognise a file of torch.save by how it begins, not by its name."""
    with path.open("rb") as file:
        return file.read(4).startswith(_CHECKPOINTS)


def foreign_kind(path: Path) -> tuple[str, str] | None:
    """Say what a file is that holds no state dict, and what to do.

    Returns
    -------
    tuple of (str, str) or None
        None if it may hold one.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "empty", "Download it again"
    if not any(head):
        return "zero bytes, as a download that was broken off leaves them", "Download it again"
    if head[512:520] == _HDF5:
        # What stands before it is the user's.
        head = head[512:]
    for beginning, what, advice in _BEGINNINGS:
        if head.startswith(beginning):
            return what, advice
    if head[4:8] == b"TFL3":
        return "a TensorFlow Lite network", "Export its state dict in the framework it is from"
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head[257:262] == b"ustar" or tarfile.is_tarfile(path):
        return _kind_of_tar(path)
    text = _kind_of_text(head)
    if text is not None:
        return text
    if _is_onnx(head, path):
        return f"{ONNX}, a whole network, not its weights alone", _use(ONNX)
    return None


def _use(kind: str) -> str:
    return f"Use it with 'model: {_READERS[kind]}'"


def read_network(path: Path, kind: str) -> bytes:
    """Read a file that holds a whole network.

    Parameters
    ----------
    path : Path
        The file.
    kind : {ONNX, TORCHSCRIPT, EXPORTED}
        What it is expected to be.

    Raises
    ------
    MissingWeightsError
        If there is no such file.
    WeightsError
        If it is something else; the message says what.
    """
    if not path.is_file():
        msg = (
            f"The weights file {path} {why_missing(path)}. Give 'weights' the path of "
            f"the network's file.{did_you_mean_file(path)}"
        )
        raise MissingWeightsError(msg)
    try:
        found = foreign_kind(path)
        content = path.read_bytes()
        if found is None and (is_safetensors(path) or content[:2] in _CHECKPOINTS):
            found = _CHECKPOINT
    except OSError as error:
        msg = f"The weights file {path} cannot be read: {error.strerror or error}."
        raise WeightsError(msg) from error
    if found is None or not found[0].startswith(kind):
        what, advice = found or ("none that is known", "Give the path of the network's file")
        name = {ONNX: "an ONNX network"}.get(kind, kind)
        msg = f"The weights file {path} is not {name}: it is {what}. {advice}."
        raise WeightsError(msg)
    return content


def _kind_of_zip(path: Path) -> tuple[str, str] | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            # torch.load compares no checksums; torch.save can be told to write none, zeros then.
            checked = any(record.CRC for record in archive.infolist())
            damaged = archive.testzip() if checked else None
            # Without its end, an archive passes for the last one that it holds.
            is_inner = min((record.header_offset for record in archive.infolist()), default=0) > 0
    except Exception:
        # The reader raises many kinds: NotImplementedError, RuntimeError, zlib.error …
        return "a damaged or incomplete zip archive", "Download it again"
    if is_inner:
        return "a damaged or incomplete zip archive", "Download it again"
    if damaged is not None:
        return f"damaged, the checksum of {damaged!r:.100} in it is wrong", "Download it again"
    ends = {name.rpartition("/")[2] for name in names}
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in ends or any(name.startswith("code/") for name in inner):
        return (
            f"{TORCHSCRIPT}: a whole network, not its weights alone",
            _use(TORCHSCRIPT),
        )
    if ".data/extern_modules" in inner:
        return "a torch.package, which holds code", "Save the state_dict() of its network"
    if (
        any("archive_format" in name for name in names)
        or "serialized_exported_program.json" in ends
    ):
        return f"{EXPORTED}, not its weights alone", _use(EXPORTED)
    if "data.pkl" in ends:
        return None
    if names and all(name.endswith(".npy") for name in names):
        return "an archive of NumPy arrays (.npz)", "Convert it to a state dict"
    if "model.weights.h5" in ends:
        return "a Keras network", "Convert it to a state dict"
    return f"a zip archive (of {', '.join(names[:3]) or 'nothing'})", _ARCHIVE


def _kind_of_tar(path: Path) -> tuple[str, str]:
    try:
        with tarfile.open(path) as archive:
            names = {Path(member.name).name for member in archive}
    except (tarfile.TarError, OSError, ValueError, EOFError):
        return "a damaged or incomplete tar archive", "Download it again"
    if {"storages", "tensors", "pickle"} <= names:
        return (
            "a tar archive as PyTorch wrote before 0.1.12",
            "Load it with a PyTorch of then, and save it again",
        )
    return f"a tar archive (of {', '.join(sorted(names)[:3]) or 'nothing'})", _ARCHIVE


def _is_onnx(head: bytes, path: Path) -> bool:
    """Tell ONNX: field 1 of the protocol buffer is its version, then texts follow."""
    is_protobuf = head[:1] == b"\x08" and 0 < head[1] < 0x40 and len(head) > 3 and head[2] & 7 == 2
    return is_protobuf or (path.suffix == ".onnx" and not head.startswith(b"\x80"))


def _kind_of_text(head: bytes) -> tuple[str, str] | None:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        # A text may be cut within a character.
        text = start.decode("utf-8", errors="strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError:
        return None
    if any(ord(sign) < 32 and sign not in "\t\n\r\f" for sign in text) or not text:
        return None
    low = text.lower()
    if low.startswith("<") and ("<html" in low or "<!doctype html" in low or "<head" in low):
        return (
            "an HTML page: the site answered with a page (a login, a warning, a quota)",
            "Download the weights in a browser",
        )
    if low.startswith("<"):
        return "an XML file", "Download the weights themselves"
    if low.startswith(("{", "[")):
        return "a JSON file", "Give the path of the weights that it describes"
    return f"a text that begins {text[:30]!r}", "Give the path of the weights"
