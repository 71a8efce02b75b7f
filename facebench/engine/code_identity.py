"""What a Python object computes, as text that differs where the object does.

Functions count by their bytecode as loaded (so that comments do not matter and an edited file does
not pass for what runs), together with their defaults, closures and the module-level names they
use, and so on for helper functions. Objects count by their class and attributes. Installed
packages count by their version, facebench's own modules by their source. What cannot be looked
into raises `Unidentified`.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import importlib.metadata
import inspect
import json
import logging
import sys
import sysconfig
import types
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

__all__ = ["Identifier", "Unidentified", "names_used", "package_version"]

_SIMPLE = (type(None), bool, int, float, complex, str, bytes, PurePath, enum.Enum)
# These keep their promises within a minor version.
_BY_MINOR = {"PIL", "numpy", "scipy", "torch", "torchvision", "transformers"}
# Modules of facebench that take no part in any number.
_SILENT = {"facebench.columns", "facebench.errors", "facebench.types", "facebench"}
_PACKAGES = {"site-packages", "dist-packages"}
_INSTALLED = tuple(
    str(Path(sysconfig.get_path(kind)).resolve()) for kind in ("stdlib", "platstdlib")
)


class Unidentified(Exception):  # noqa: N818 - not an error: a finding, which callers report
    """An object whose workings cannot be told; its text says which."""


class Identifier:
    """Describes objects; one per description, since it numbers what it meets again."""

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        # Keeps the objects alive, whose ids would be given to others otherwise.
        self._alive: list[Any] = []

    def describe(self, value: Any) -> Any:
        """Give nested lists of texts that tell this value from others.

        Raises
        ------
        Unidentified
            If it, or something it uses, cannot be looked into.
        """
        if isinstance(value, _SIMPLE):
            return [type(value).__name__, repr(value)]
        # Whether equal constants are one object differs between compiling and loading code.
        if isinstance(value, tuple):
            return self._sequence(value)
        if isinstance(value, frozenset):
            return self._set(value)
        if id(value) in self._met:
            return ["again", self._met[id(value)]]
        self._met[id(value)] = len(self._met)
        self._alive.append(value)
        declared = None if isinstance(value, type) else getattr(value, "fingerprint", None)
        if isinstance(declared, str):
            return ["declared", declared]
        return self._describe_new(value)

    def _describe_new(self, value: Any) -> Any:
        for kinds, describe in _KINDS:
            if isinstance(value, kinds):
                return describe(self, value)
        if hasattr(value, "detach") and hasattr(value, "cpu"):
            return self._array(value.detach().cpu().numpy())
        if type(value).__module__ == "torch":
            return [type(value).__name__, repr(value)]
        if callable(getattr(value, "to_dict", None)):
            return [self.describe(type(value)), self._settings(value)]
        return self._object(value)

    def _settings(self, value: Any) -> str:
        """Describe a transformers processor or configuration."""
        settings = dict(value.to_dict())
        for key in ("_name_or_path", "name_or_path", "transformers_version"):
            settings.pop(key, None)
        return json.dumps(settings, sort_keys=True, default=repr)

    def _array(self, value: np.ndarray[Any, Any]) -> Any:
        data = np.ascontiguousarray(value)
        if data.dtype.hasobject:
            return ["array", self.describe(data.tolist())]
        return [
            "array",
            str(data.dtype),
            list(data.shape),
            hashlib.sha256(data.tobytes()).hexdigest(),
        ]

    def _sequence(self, value: Iterable[Any]) -> Any:
        return [type(value).__name__, *(self.describe(part) for part in value)]

    def _set(self, value: Iterable[Any]) -> Any:
        return ["set", *sorted(json.dumps(self.describe(part)) for part in value)]

    def _mapping(self, value: Mapping[Any, Any]) -> Any:
        parts = [[self.describe(key), self.describe(part)] for key, part in value.items()]
        return [type(value).__name__, *parts]

    def _partial(self, value: functools.partial[Any]) -> Any:
        return ["partial", *map(self.describe, (value.func, value.args, value.keywords))]

    def _method(self, value: types.MethodType) -> Any:
        return ["method", self.describe(value.__func__), self.describe(value.__self__)]

    def _wrapper(self, value: Any) -> Any:
        return [type(value).__name__, self.describe(inspect.unwrap(value))]

    def _inner(self, value: Any) -> Any:
        return [type(value).__name__, self.describe(value.__func__)]

    def _property(self, value: property) -> Any:
        return ["property", self.describe(value.fget), self.describe(value.fset)]

    def _builtin(self, value: Any) -> Any:
        owner = getattr(value, "__self__", None)
        if owner is not None and not isinstance(owner, types.ModuleType | type):
            return ["bound", value.__name__, self.describe(owner)]
        home = getattr(value, "__module__", None) or type(owner).__name__
        return ["builtin", package_version(home), value.__qualname__]

    def _logger(self, value: logging.Logger) -> Any:
        return ["logger", value.name]

    def _module(self, value: types.ModuleType) -> Any:
        if _is_installed(value):
            return ["module", value.__name__, package_version(value.__name__)]
        return ["module", value.__name__, _sources(value)]

    def _home(self, value: Any) -> Any | None:
        """Describe functions and classes of others by where they come from."""
        module = sys.modules.get(value.__module__ or "")
        if module is None:
            return None
        if _is_ours(module.__name__):
            return ["ours", module.__name__, value.__qualname__, _sources(module)]
        if _is_installed(module):
            return ["installed", package_version(module.__name__), value.__qualname__]
        return None

    def _function(self, value: types.FunctionType) -> Any:
        home = self._home(value)
        # A lambda or local function of an installed package may close over anything.
        if home is not None and not value.__closure__:
            return home
        code = inspect.unwrap(value).__code__ if hasattr(value, "__wrapped__") else value.__code__
        used = sorted(names_used(code) & value.__globals__.keys())
        return [
            "function",
            home or [value.__qualname__.rpartition(".")[2]],
            self._code(code),
            self.describe(value.__defaults__),
            self.describe(value.__kwdefaults__),
            [self._cell(cell) for cell in value.__closure__ or ()],
            [] if home else [[name, self.describe(value.__globals__[name])] for name in used],
            [self.describe(value.__wrapped__)] if hasattr(value, "__wrapped__") else [],
        ]

    def _cell(self, cell: types.CellType) -> Any:
        try:
            return self.describe(cell.cell_contents)
        except ValueError:
            return "empty"

    def _code(self, code: types.CodeType) -> Any:
        constants = [
            self._code(part) if isinstance(part, types.CodeType) else self.describe(part)
            for part in code.co_consts
        ]
        names = [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars]
        return [sys.version_info[:2], code.co_code.hex(), constants, names, code.co_flags]

    def _class(self, value: type) -> Any:
        home = self._home(value)
        if home is not None:
            return home
        body = [
            [name, self.describe(part)]
            for name, part in sorted(vars(value).items())
            if name not in _CLASS_PLUMBING
            and not isinstance(part, types.GetSetDescriptorType | types.MemberDescriptorType)
        ]
        return [
            "class",
            value.__qualname__,
            body,
            [self.describe(base) for base in value.__bases__],
        ]

    def _object(self, value: Any) -> Any:
        kind = type(value)
        slots = [
            name
            for base in kind.__mro__
            for name in _as_names(vars(base).get("__slots__", ()))
            if hasattr(value, name) and name not in ("__dict__", "__weakref__")
        ]
        if not hasattr(value, "__dict__") and not slots:
            msg = f"a {kind.__module__}.{kind.__qualname__} cannot be looked into"
            raise Unidentified(msg)
        attributes = {
            **getattr(value, "__dict__", {}),
            **{name: getattr(value, name) for name in slots},
        }
        return [
            "object",
            self.describe(kind),
            [[str(name), self.describe(part)] for name, part in sorted(attributes.items())],
        ]


_KINDS: tuple[tuple[Any, Any], ...] = (
    (np.ndarray | np.generic, lambda self, value: self._array(np.asarray(value))),
    (np.dtype, lambda self, value: ["dtype", str(value)]),
    (list, Identifier._sequence),
    (set, Identifier._set),
    (dict | types.MappingProxyType, Identifier._mapping),
    (functools.partial, Identifier._partial),
    (types.MethodType, Identifier._method),
    (functools._lru_cache_wrapper, Identifier._wrapper),
    (staticmethod | classmethod, Identifier._inner),
    (property, Identifier._property),
    (types.FunctionType, Identifier._function),
    (
        types.BuiltinFunctionType | types.MethodDescriptorType | types.WrapperDescriptorType,
        Identifier._builtin,
    ),
    (type, Identifier._class),
    (types.ModuleType, Identifier._module),
    (logging.Logger, Identifier._logger),
    (types.GenericAlias | types.UnionType, lambda self, value: ["alias", repr(value)]),
)
_CLASS_PLUMBING = {
    "__abstractmethods__", "__annotations__", "__dict__", "__doc__", "__firstlineno__",
    "__module__", "__parameters__", "__slotnames__", "__static_attributes__", "__weakref__",
    "_abc_impl",
}  # fmt: skip


def names_used(code: types.CodeType) -> set[str]:
    """Give the names of globals and attributes that a code object uses, nested ones too."""
    names = set(code.co_names)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            names |= names_used(part)
    return names


@functools.cache
def package_version(module: str) -> str:
    """Give a module's package and the version of it that matters."""
    top = module.partition(".")[0]
    version = getattr(sys.modules.get(top), "__version__", None)
    if version is None:
        try:
            version = importlib.metadata.version(top)
        except importlib.metadata.PackageNotFoundError:
            version = ".".join(map(str, sys.version_info[:2]))
    if top in _BY_MINOR:
        version = ".".join(str(version).split(".")[:2])
    return f"{top} {version}"


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "facebench"


def _is_installed(module: types.ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    if file is None:
        # Built into the interpreter, or a notebook and the like.
        return module.__name__ in sys.builtin_module_names
    path = Path(file).resolve()
    is_package = not _PACKAGES.isdisjoint(path.parts) or str(path).startswith(_INSTALLED)
    return is_package and not _is_ours(module.__name__)


def _sources(module: types.ModuleType) -> str:
    """Digest a module's source and those of what it takes from modules that are not installed."""
    pending, found = [module], {}
    while pending:
        module = pending.pop()
        name = module.__name__
        if name in found or name in _SILENT:
            continue
        file = getattr(module, "__file__", None)
        if file is None:
            msg = f"the module {name} has no source"
            raise Unidentified(msg)
        found[name] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for value in list(vars(module).values()):
            home = value if isinstance(value, types.ModuleType) else _module_of(value)
            if home is not None and not _is_installed(home) and hasattr(home, "__file__"):
                pending.append(home)
    return hashlib.sha256(json.dumps(sorted(found.items())).encode()).hexdigest()


def _module_of(value: Any) -> types.ModuleType | None:
    name = getattr(value, "__module__", None)
    return sys.modules.get(name) if isinstance(name, str) else None


def _as_names(slots: str | Iterable[str]) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)
