"""Reading the tensors of a pickle without running anything that it names.

A pickle names classes and functions, and says what to call them with. Here no name is looked up:
each becomes a class of our own that keeps what it is given and does nothing. The exceptions are a
few plain containers and what tensors and arrays are made of, which this module makes itself.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
import torch
from typing_extensions import override

__all__ = ["Inert", "read_inertly"]

# Of torch.serialization: how files begin that torch.save wrote before 1.6.
_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_ZIP = b"PK\x03\x04"
# Nothing here is ever called; but who names these in a file of weights means harm.
_HARMFUL = frozenset(
    {
        *("os", "posix", "nt", "posixpath", "ntpath", "sys", "subprocess", "shutil", "socket"),
        *("runpy", "importlib", "imp", "pkgutil", "ctypes", "_ctypes", "code", "codeop", "pty"),
        *("webbrowser", "http", "urllib", "ftplib", "smtplib", "multiprocessing", "signal"),
        *("pickle", "_pickle", "cPickle", "marshal", "dill", "cloudpickle", "pdb", "bdb", "pip"),
        *("commands", "popen2", "asyncio", "timeit", "profile", "cProfile", "doctest"),
    }
)
_HARMFUL_BUILTINS = frozenset(
    {"eval", "exec", "execfile", "compile", "open", "__import__", "breakpoint", "input", "globals"}
)
_BUILTINS = ("builtins", "__builtin__")
_DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("float16", "float32", "float64", "bfloat16", "complex64", "complex128", "bool"),
        *("uint8", "int8", "int16", "int32", "int64", "float8_e4m3fn", "float8_e5m2"),
    )
}
_OF_STORAGE = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
    "Untyped": "uint8",
}  # fmt: skip
_NUMBERS = "biufc"
_NOTHING = torch.empty(0, dtype=torch.uint8)
Storages = Callable[[str, torch.dtype, int], torch.Tensor]


class Inert:
    """Stands for an object of a class that the file names: keeps what it was given.

    Attributes
    ----------
    state : object
        What the file would have set.
    items : dict
        Entries, if it was a mapping.
    """

    state: dict[Any, Any]
    items: dict[Any, Any]

    def __new__(cls, *_args: Any, **_named: Any) -> Inert:
        """Take any arguments; pickles also make objects without a call of ``__init__``."""
        made = super().__new__(cls)
        made.state, made.items = {}, {}
        return made

    def __init__(self, *_args: Any, **_named: Any) -> None:
        """Take any arguments."""

    def __call__(self, *_args: Any, **_named: Any) -> Inert:
        """Be called in place of a function or method."""
        return Inert()

    def __setstate__(self, state: Any) -> None:
        # Of a class with slots it is a pair: attributes, and slots.
        parts = state if isinstance(state, tuple) else (state,)
        found = [part for part in parts if isinstance(part, Mapping)]
        self.state = {key: value for part in found for key, value in part.items()}

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, _item: Any) -> None:
        """Take an entry of a list."""

    extend = add = append


class _Dtype(Inert):
    """A dtype of NumPy."""

    code = ""
    order = "="

    def __init__(self, code: Any = "", *_args: Any) -> None:
        self.code = code if isinstance(code, str) else ""

    @override
    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
        self.order = order if order in ("<", ">") else "="

    def real(self) -> np.dtype[Any] | None:
        """Give the dtype, if it is of numbers."""
        kind = np.dtype(f"{self.order}{self.code.lstrip('<>=|')}") if self.code else None
        return kind if kind is not None and kind.kind in _NUMBERS else None


class _Array(Inert):
    """An array of NumPy, which becomes a tensor where it is used as one."""

    tensor: torch.Tensor | None = None

    @override
    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 5:
            _, shape, dtype, is_fortran, raw = state
            self.fill(raw, dtype, shape, "F" if is_fortran else "C")

    def fill(self, raw: Any, dtype: Any, shape: Any, order: Any) -> None:
        """Take the numbers."""
        kind = dtype.real() if isinstance(dtype, _Dtype) else None
        # Python 2 wrote bytes as text.
        content = raw.encode("latin1") if isinstance(raw, str) else raw
        if kind is None or not isinstance(content, bytes | bytearray) or order not in ("C", "F"):
            return
        values = np.frombuffer(content, kind).reshape(shape, order=order)
        # torch has no other byte order, and needs writable memory.
        native = np.ascontiguousarray(values, dtype=kind.newbyteorder("=")).reshape(values.shape)
        self.tensor = torch.from_numpy(native.copy())


class _Call:
    """A function of this module, without attributes that a pickle could set."""

    __slots__ = ()
    made: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return type(self).made(*args)


def _calling(function: Callable[..., Any]) -> _Call:
    kind = type(function.__name__, (_Call,), {"__slots__": (), "made": staticmethod(function)})
    made: _Call = kind()
    return made


def _tensor(flat: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
    """Make a tensor of a storage, as torch._utils._rebuild_tensor_v2 and _v3 do."""
    if not isinstance(flat, torch.Tensor):
        return Inert()
    kind = next((part for part in rest if isinstance(part, torch.dtype)), None)
    if rest and isinstance(rest[-1], Mapping) and len(rest) > 2 and any(rest[-1].values()):
        # Conjugate or negative bit: numbers that are not those in the file.
        return Inert()
    values = flat if kind is None else flat.view(kind)
    needed = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    if min((*size, *stride, offset, 0)) < 0 or (0 not in size and needed > values.numel()):
        _damaged("a tensor reaches beyond the numbers in the file")
    return values.as_strided(tuple(size), tuple(stride), offset)


def _of_type(function: Any, _kind: Any, args: Any, *_state: Any) -> Any:
    return function(*args) if isinstance(function, _Call) else Inert()


def _array(*_args: Any) -> _Array:
    return _Array()


def _array_of_buffer(raw: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    made = _Array()
    made.fill(raw, dtype, shape, order)
    return made


def _encoded(text: Any, encoding: Any = "latin1") -> Any:
    return text.encode("latin1") if isinstance(text, str) and encoding == "latin1" else b""


def _instance(kind: Any, *_args: Any) -> Any:
    return kind() if isinstance(kind, type) and issubclass(kind, Inert) else Inert()


def _attribute(*_args: Any) -> type[Inert]:
    return type("attribute", (Inert,), {})


def _first(tensor: Any, *_rest: Any) -> Any:
    return tensor


def _storage_of_bytes(content: Any) -> Any:
    """Read what torch.storage._load_from_bytes would: a storage pickled by itself."""
    if not isinstance(content, bytes):
        return Inert()
    return _read_legacy(io.BytesIO(content), len(content))


_KNOWN: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch.Size": tuple,
    **{f"torch.{name}": kind for name, kind in _DTYPES.items()},
    **{f"{home}.{kind.__name__}": kind for home in _BUILTINS for kind in (set, frozenset)},
    **{f"{home}.getattr": _calling(_attribute) for home in _BUILTINS},
    **{
        f"torch._utils.{name}": _calling(_tensor)
        for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")
    },
    **{
        f"torch._utils.{name}": _calling(_first)
        for name in ("_rebuild_parameter", "_rebuild_parameter_with_state")
    },
    "torch._tensor._rebuild_from_type_v2": _calling(_of_type),
    "torch.storage._load_from_bytes": _calling(_storage_of_bytes),
    "_codecs.encode": _calling(_encoded),
    "copyreg._reconstructor": _calling(_instance),
    "copy_reg._reconstructor": _calling(_instance),
    "numpy.dtype": _Dtype,
    **{
        f"numpy.{core}.{name}": _calling(made)
        for core in ("core", "_core")
        for name, made in (
            ("multiarray._reconstruct", _array),
            ("numeric._frombuffer", _array_of_buffer),
        )
    },
}


class _Unpickler(pickle.Unpickler):
    """Reads a pickle; all that it names is looked up here and nowhere else."""

    def __init__(self, file: BinaryIO, storages: Storages) -> None:
        # What Python 2 wrote as text may be bytes; other texts are not concerned.
        super().__init__(file, encoding="latin1")
        self._storages = storages
        self._classes: dict[str, Any] = {}

    @override
    def find_class(self, module: str, name: str, /) -> Any:
        """Give something inert, or our own maker of tensors, for a name."""
        full = f"{module}.{name}"
        is_builtin = module in _BUILTINS and name in _HARMFUL_BUILTINS
        if module.partition(".")[0] in _HARMFUL or is_builtin:
            msg = f"GLOBAL {full}"
            raise pickle.UnpicklingError(msg)
        if full in _KNOWN:
            known = _KNOWN[full]
            # A class of ours could be given attributes: each file gets its own.
            is_ours = isinstance(known, type) and issubclass(known, Inert)
            if not is_ours:
                return known
            return self._classes.setdefault(full, type(name, (known,), {}))
        return self._classes.setdefault(full, type(str(name), (Inert,), {"origin": full}))

    @override
    def persistent_load(self, saved: Any, /) -> Any:
        """Give the numbers of a storage as a flat tensor; of a module's source, the module."""
        if isinstance(saved, str):
            _damaged("it was saved with pickle_protocol=0, which PyTorch cannot load")
        told = list(saved) if isinstance(saved, tuple) else []
        parts: list[Any] = [part.decode("ascii") if type(part) is bytes else part for part in told]
        if len(parts) > 1 and parts[0] == "module":
            return parts[1]
        if len(parts) < 5 or parts[0] != "storage":
            _damaged("a reference to numbers is not as torch writes it")
        named, key, length, view = parts[1], parts[2], parts[4], parts[5:]
        of = getattr(named, "__name__", "").removesuffix("Storage")
        if of not in _OF_STORAGE or not isinstance(length, int) or length < 0:
            # Quantised numbers and the like: no weights.
            return Inert()
        flat = self._storages(str(key), _DTYPES[_OF_STORAGE[of]], length)
        if view and view[0] is not None:
            _, offset, size = view[0]
            flat = flat[offset : offset + size]
        return flat


def _damaged(what: str) -> NoReturn:
    msg = f"the file is damaged: {what}"
    raise pickle.UnpicklingError(msg)


def read_inertly(path: Path) -> Any:
    """Read what a file of torch.save, or another pickle, holds.

    Returns
    -------
    object
        Containers, numbers, texts and tensors; `Inert` objects in place of all others. Arrays of
        numbers are tensors.

    Raises
    ------
    pickle.UnpicklingError
        If it is damaged, or names what can only mean harm.
    Exception
        Any other exception that a damaged pickle leads to.
    """
    with path.open("rb") as file:
        size = path.stat().st_size
        if file.read(4) == _ZIP:
            return _read_zip(path)
        file.seek(0)
        first = _Unpickler(file, _no_storages).load()
        file.seek(0)
        if first == _MAGIC:
            return _read_legacy(file, size)
    return _with_tensors(first)


def _no_storages(_key: str, _dtype: torch.dtype, _length: int) -> torch.Tensor:
    _damaged("it refers to numbers that it does not hold")


def _read_zip(path: Path) -> Any:
    # Its annotations leave out most of what it has.
    reader: Any = torch._C.PyTorchFileReader(str(path))
    if reader.has_record("byteorder") and reader.get_record("byteorder") != b"little":
        _damaged("its numbers are in another byte order")
    storages: dict[str, torch.Tensor] = {}

    def storage(key: str, dtype: torch.dtype, length: int) -> torch.Tensor:
        if key not in storages:
            content = bytearray(reader.get_record(f"data/{key}"))
            if length * dtype.itemsize > len(content):
                _damaged("it holds fewer numbers than it says")
            flat = torch.frombuffer(content, dtype=torch.uint8) if content else _NOTHING
            storages[key] = flat
        return storages[key][: length * dtype.itemsize].view(dtype)

    content = io.BytesIO(reader.get_record("data.pkl"))
    return _with_tensors(_Unpickler(content, storage).load())


def _read_legacy(file: BinaryIO, size: int) -> Any:
    """Read a file of torch.save before 1.6: the numbers follow the pickle, in an order it tells."""
    storages: dict[str, torch.Tensor] = {}

    def storage(key: str, dtype: torch.dtype, length: int) -> torch.Tensor:
        if length * dtype.itemsize > size:
            _damaged("it holds fewer numbers than it says")
        if key not in storages:
            storages[key] = torch.empty(length, dtype=dtype)
        return storages[key].view(dtype)

    def plain() -> Any:
        return _Unpickler(file, _no_storages).load()

    if plain() != _MAGIC or plain() != _LEGACY_PROTOCOL:
        _damaged("it does not begin as torch writes it")
    plain()
    content = _Unpickler(file, storage).load()
    for key in plain():
        flat = storages[str(key)]
        (length,) = struct.unpack("<q", file.read(8))
        numbers = file.read(flat.numel() * flat.element_size())
        if length != flat.numel() or len(numbers) != flat.numel() * flat.element_size():
            _damaged("it holds fewer numbers than it says")
        if numbers:
            flat.view(torch.uint8).copy_(torch.frombuffer(bytearray(numbers), dtype=torch.uint8))
    return _with_tensors(content)


def _with_tensors(content: Any) -> Any:
    """Put tensors in the place of arrays, in mappings and lists at any depth."""
    pending, met = [content], set[int]()
    while pending:
        part = pending.pop()
        # A file may hold a container in itself, or a million times.
        if id(part) in met:
            continue
        met.add(id(part))
        inner = part.items if isinstance(part, Inert) else part
        if isinstance(inner, dict | list):
            places = list(inner.items()) if isinstance(inner, dict) else list(enumerate(inner))
            for place, value in places:
                if isinstance(value, _Array) and value.tensor is not None:
                    inner[place] = value.tensor
                else:
                    pending.append(value)
    return content
