"""What a Python object computes, as text that differs where the object does.

Functions count by their bytecode as loaded (so that comments do not matter and an edited file does
not pass for what runs), together with their defaults, closures, attributes and the module-level
names they use, and so on for helper functions and modules. Objects count by their class and
attributes. Installed packages count by their version. Where code is kept does not count: a module
may move, and a script and a plug-in file are alike. Code of facebench counts by the
`outputs_version` that it declares, and like a user's where it declares none. What cannot be looked
into raises `Unidentified`.
"""

from __future__ import annotations

import collections
import dis
import enum
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import logging
import os
import re
import sys
import sysconfig
import types
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np

__all__ = [
    "Identifier",
    "Unidentified",
    "declared_fingerprint",
    "is_installed",
    "local_imports",
    "names_used",
    "package_version",
    "replaced_in",
]

_SIMPLE = (
    *(type(None), type(...), type(NotImplemented), bool, int, float, complex, str, bytes),
    *(range, slice, PurePath),
)
# Containers of exactly these types have no code of their own.
_PLAIN = (list, tuple, set, frozenset, dict, types.MappingProxyType, collections.OrderedDict)
# They follow from the rest of a class: its slots or fields.
_DESCRIPTORS = (
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    type(vars(collections.namedtuple("_", "x"))["x"]),
)
# These keep their promises within a minor version.
_BY_MINOR = {"PIL", "numpy", "scipy", "torch", "torchvision", "transformers"}
_ORIGIN = {"_name_or_path", "name_or_path", "transformers_version"}
_TORCH_CONSTANTS = {"device", "dtype", "finfo", "iinfo", "layout", "memory_format", "qscheme"}
# Packages whose functions have the names of their places, but for second names of some.
_NAMED_ONCE = {"torch", "torchvision", "PIL"}
_ALIASES = {
    *("logsigmoid", "get_image_num_channels", "to_grayscale", "elastic_transform"),
    *("hflip", "vflip"),
}  # fmt: skip
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
        self._modules: dict[tuple[int, frozenset[str]], int] = {}
        # Keeps the objects alive, whose ids would be given to others otherwise.
        self._alive: list[Any] = []

    def describe(self, value: Any) -> Any:
        """Give nested lists of texts that tell this value from others.

        Raises
        ------
        Unidentified
            If it, or something it uses, cannot be looked into.
        """
        if isinstance(value, _SIMPLE) and _is_exact(value):
            return [type(value).__name__, repr(value)]
        # Whether equal constants are one object differs between compiling and loading code.
        if type(value) is tuple:
            return self._sequence(value)
        if type(value) is frozenset:
            return self._set(value)
        if id(value) in self._met:
            return ["again", self._met[id(value)]]
        self._met[id(value)] = len(self._alive)
        self._alive.append(value)
        declared = declared_fingerprint(value)
        if declared is not None:
            return ["declared", declared]
        try:
            return self._describe_new(value)
        except Unidentified:
            # Where it is met again, it is as unknown.
            del self._met[id(value)]
            raise

    def _describe_new(self, value: Any) -> Any:
        if value is os.environ:
            msg = "it holds the environment"
            raise Unidentified(msg)
        if isinstance(value, enum.Enum):
            return ["enum", self.describe(type(value)), value.name]
        if isinstance(value, (*_PLAIN, *_SIMPLE)) and not _is_exact(value):
            return self._derived(value)
        for kinds, describe in _KINDS:
            if isinstance(value, kinds):
                return describe(self, value)
        if hasattr(value, "detach") and hasattr(value, "cpu"):
            return self._tensor(value.detach().cpu())
        if type(value).__module__ == "torch" and type(value).__name__ in _TORCH_CONSTANTS:
            return [type(value).__name__, repr(value)]
        if callable(getattr(value, "to_dict", None)):
            return [self.describe(type(value)), self._settings(value)]
        return self._object(value)

    def _settings(self, value: Any) -> str:
        """Describe a transformers processor or configuration."""
        return json.dumps(_without_origin(value.to_dict()), sort_keys=True, default=repr)

    def _derived(self, value: Any) -> Any:
        """Describe an instance of a class that extends a builtin one."""
        base = next(kind for kind in (*_PLAIN, *_SIMPLE) if isinstance(value, kind))
        if issubclass(base, dict | types.MappingProxyType):
            content = self._mapping(value)
        elif issubclass(base, set | frozenset):
            content = self._set(value)
        elif issubclass(base, list | tuple):
            content = self._sequence(value)
        else:
            content = vars(base)["__repr__"](value)
        own = {
            **getattr(value, "__dict__", {}),
            "default_factory": getattr(value, "default_factory", None),
        }
        return ["derived", self.describe(type(value)), content, self._mapping(own)]

    def _tensor(self, value: Any) -> Any:
        if value.is_quantized:
            return ["quantized", str(value.dtype), *_quantization(value, self)]
        if value.layout != _torch().strided:
            return ["tensor", str(value.layout), self._tensor(value.to_dense())]
        value = value.resolve_conj().resolve_neg()
        # numpy lacks some of torch's types: the bytes have to do.
        data = value.contiguous().reshape(-1).view(_torch().uint8).numpy()
        order = [] if value.is_contiguous() else [list(value.stride())]
        digest = hashlib.sha256(data).hexdigest()
        return ["tensor", str(value.dtype), list(value.shape), digest, *order]

    def _unknown(self, value: Any) -> Any:
        kind = type(value)
        msg = f"a {kind.__module__}.{kind.__qualname__} cannot be looked into"
        raise Unidentified(msg)

    def _subclass_of_array(self, value: np.ndarray[Any, Any]) -> Any:
        """Describe an array whose class may calculate in another way, such as a masked one."""
        kind = self.describe(type(value))
        if isinstance(value, np.ma.MaskedArray):
            parts = (np.asarray(value.data), np.ma.getmaskarray(value), value.fill_value)
            return ["masked", kind, *map(self.describe, parts)]
        is_numpys = type(value).__module__.partition(".")[0] == "numpy"
        own = {} if is_numpys else getattr(value, "__dict__", {})
        return ["array of", kind, self._array(np.asarray(value)), self._mapping(own)]

    def _array(self, value: np.ndarray[Any, Any]) -> Any:
        if type(value) is not np.ndarray:
            return self._subclass_of_array(value)
        data = np.ascontiguousarray(value)
        if data.dtype.hasobject:
            return ["array", self.describe(data.tolist())]
        return [
            "array",
            str(data.dtype),
            list(data.shape),
            hashlib.sha256(data.tobytes()).hexdigest(),
            # Code may go through the values in the order of the memory.
            *([] if value.flags.c_contiguous else [list(value.strides)]),
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
        module = sys.modules.get(home)
        if module is not None and not is_installed(module):
            msg = f"the compiled {home}.{value.__name__} cannot be looked into"
            raise Unidentified(msg)
        return ["builtin", package_version(home), value.__qualname__]

    def _module(self, value: types.ModuleType) -> Any:
        if is_installed(value):
            return ["module", value.__name__, package_version(value.__name__)]
        if isinstance(getattr(value, "__file__", None), str) and not hasattr(value, "__path__"):
            own = [
                [name, self.describe(part)]
                for name, part in sorted(vars(value).items())
                if name not in _MODULE_PLUMBING
            ]
            return ["module", own]
        msg = f"it takes the module {value.__name__} as a whole"
        raise Unidentified(msg)

    def _used_of_module(self, value: types.ModuleType, names: set[str]) -> Any:
        """Describe what code of these names uses of a module that is not installed."""
        used = sorted((names & vars(value).keys()) - _MODULE_PLUMBING)
        if not used or names & _SEARCHING:
            return self.describe(value)
        parts = []
        for name in used:
            part = vars(value)[name]
            is_own = isinstance(part, types.ModuleType) and not is_installed(part)
            parts.append([name, self._used_of(part, names) if is_own else self.describe(part)])
        return ["of a module", parts]

    def _used_of(self, value: Any, names: set[str]) -> Any:
        if value is os.environ:
            # Which variables are read is a matter of its own, see `outside`.
            return "environment"
        if not isinstance(value, types.ModuleType) or is_installed(value):
            return self.describe(value)
        again = (id(value), frozenset(names & vars(value).keys()))
        if again in self._modules:
            return ["again", self._modules[again]]
        self._modules[again] = len(self._modules)
        return self._used_of_module(value, names)

    def _home(self, value: Any) -> Any | None:
        """Describe functions and classes of others by where they come from."""
        module = sys.modules.get(value.__module__ or "")
        if module is None or value.__module__ == "__main__":
            return None
        if is_ours(module.__name__):
            return _declared_versions(value)
        if is_installed(module):
            return ["installed", package_version(module.__name__), value.__qualname__]
        return None

    def _function(self, value: types.FunctionType) -> Any:
        home = self._home(value)
        # A lambda or local function of an installed package may close over anything.
        if home is not None and not value.__closure__:
            return home
        # What is decorated need not be a function: torch.compile decorates modules.
        code = getattr(inspect.unwrap(value), "__code__", value.__code__)
        names = names_used(code)
        used = sorted(_globals_used(code) & value.__globals__.keys())
        own = {key: part for key, part in vars(value).items() if key != "__wrapped__"}
        return [
            "function",
            home or [value.__qualname__.rpartition(".")[2]],
            self._code(code),
            self.describe(value.__defaults__),
            self.describe(value.__kwdefaults__),
            [self._cell(cell) for cell in value.__closure__ or ()],
            []
            if home
            else [[name, self._used_of(value.__globals__[name], names)] for name in used],
            [] if home else self._imported(value, code, names),
            self._mapping(own),
            [self.describe(value.__wrapped__)] if hasattr(value, "__wrapped__") else [],
        ]

    def _imported(self, function: types.FunctionType, code: types.CodeType, names: set[str]) -> Any:
        """Describe what a function imports while it runs."""
        package = str(function.__globals__.get("__package__") or "")
        described = []
        for name, level in sorted(local_imports(code)):
            top = name.partition(".")[0]
            if level == 0 and _is_findable(top) and is_installed_name(top):
                described.append([name, package_version(top)])
                continue
            try:
                module = importlib.import_module("." * level + name, package or None)
            except ImportError:
                described.append([name, "missing"])
                continue
            described.append([name, self._used_of(module, names)])
        return described

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
            if name not in _CLASS_PLUMBING and not isinstance(part, _DESCRIPTORS)
        ]
        metaclass = type(value)
        is_known = metaclass is type or is_installed(sys.modules[metaclass.__module__])
        return [
            "class",
            value.__name__,
            body,
            [self.describe(base) for base in value.__bases__],
            *([] if is_known else [self.describe(metaclass)]),
        ]

    def _object(self, value: Any) -> Any:
        kind = type(value)
        slots = [
            name
            for base in kind.__mro__
            for name in _as_names(vars(base).get("__slots__", ()))
            if hasattr(value, name) and name not in ("__dict__", "__weakref__")
        ]
        if (not hasattr(value, "__dict__") and not slots) or any(map(_is_compiled, kind.__mro__)):
            self._unknown(value)
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
    (np.ndarray, Identifier._array),
    (np.generic, lambda self, value: self._array(np.asarray(value))),
    (np.dtype, lambda self, value: ["dtype", str(value)]),
    (list, Identifier._sequence),
    (set, Identifier._set),
    (dict | types.MappingProxyType, Identifier._mapping),
    (functools.partial, Identifier._partial),
    (types.MethodType, Identifier._method),
    (functools._lru_cache_wrapper, Identifier._wrapper),
    (staticmethod | classmethod, Identifier._inner),
    (functools.cached_property, lambda self, value: ["cached", self.describe(value.func)]),
    (property, Identifier._property),
    (types.FunctionType, Identifier._function),
    (
        types.BuiltinFunctionType | types.MethodDescriptorType | types.WrapperDescriptorType,
        Identifier._builtin,
    ),
    (type, Identifier._class),
    (types.ModuleType, Identifier._module),
    (logging.Logger, lambda _self, _value: ["logger"]),
    (re.Pattern, lambda self, value: ["pattern", self.describe(value.pattern), value.flags]),
    (types.GenericAlias | types.UnionType, lambda self, value: ["alias", repr(value)]),
)
_CLASS_PLUMBING = {
    "__abstractmethods__", "__annotations__", "__dict__", "__doc__", "__firstlineno__",
    "__module__", "__parameters__", "__slotnames__", "__static_attributes__", "__weakref__",
    "_abc_impl",
}  # fmt: skip


_MODULE_PLUMBING = {
    "__annotations__", "__builtins__", "__cached__", "__doc__", "__file__", "__loader__",
    "__name__", "__package__", "__spec__",
}  # fmt: skip
# Code with these may use any name of a module.
_SEARCHING = {"getattr", "vars", "__dict__"}


def declared_fingerprint(value: Any) -> str | None:
    """Give the fingerprint that an object or its very class declares; a subclass is other code."""
    if isinstance(value, type):
        return None
    if "fingerprint" not in {**vars(type(value)), **getattr(value, "__dict__", {})}:
        return None
    declared = getattr(value, "fingerprint", None)
    return declared if isinstance(declared, str) else None


def replaced_in(places: Iterable[Any], identifier: Identifier) -> list[Any]:
    """Describe functions of installed modules and classes that others have put into them.

    Parameters
    ----------
    places : iterable of modules and classes
        Where to look; those that are not installed describe themselves.
    identifier : Identifier
        What describes them.

    Raises
    ------
    Unidentified
        If such a function cannot be looked into.
    """
    found = {}
    for place in places:
        home = place.__name__ if isinstance(place, types.ModuleType) else place.__module__
        if is_ours(home) or not _is_installed_module(home):
            continue
        for name, part in vars(place).items():
            function = part.__func__ if isinstance(part, staticmethod | classmethod) else part
            if _is_strange(function, home) or (
                home.partition(".")[0] in _NAMED_ONCE and _is_of_another_name(place, name, function)
            ):
                owner = "" if isinstance(place, types.ModuleType) else place.__qualname__
                found[f"{home} {owner} {name}"] = function
    return [[name, identifier.describe(found[name])] for name in sorted(found)]


def _is_strange(function: Any, home: str) -> bool:
    """Tell whether a callable is not of an installed package, or was made for this place."""
    if isinstance(function, functools.partial):
        # Packages make classes of others so.
        return not isinstance(function.func, type)
    if not isinstance(function, types.FunctionType):
        return isinstance(function, _torch().nn.Module)
    origin = function.__module__ or home
    return origin != home and not is_ours(origin) and not _is_installed_module(origin)


def _is_of_another_name(place: Any, name: str, function: Any) -> bool:
    """Tell whether a function of a library stands where another one of it should stand."""
    kinds = (types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType)
    if not isinstance(function, kinds) or "__" in name or name in _ALIASES:
        return False
    own, within = function.__name__, function.__qualname__.rpartition(".")[0]
    if own == "_forward_unimplemented":
        return False
    if isinstance(place, type) and isinstance(function, types.FunctionType):
        return own != name or ("<locals>" not in within and within != place.__qualname__)
    return own.lstrip("_") != name and not name.startswith("_")


def _is_installed_module(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and is_installed(module)


def _without_origin(settings: Any) -> Any:
    """Leave out of a configuration, and those in it, where it was read and by which version."""
    if not isinstance(settings, dict):
        return settings
    return {key: _without_origin(value) for key, value in settings.items() if key not in _ORIGIN}


def names_used(code: types.CodeType) -> set[str]:
    """Give the names of globals and attributes that a code object uses, nested ones too."""
    names = set(code.co_names)
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            names |= names_used(part)
    return names


def _globals_used(code: types.CodeType) -> set[str]:
    names = {
        step.argval
        for step in dis.get_instructions(code)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    }
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            names |= _globals_used(part)
    return names


def local_imports(code: types.CodeType) -> set[tuple[str, int]]:
    """Give the modules that code imports while it runs, and how many packages up they are."""
    found: set[tuple[str, int]] = set()
    constants: list[Any] = []
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_CONST" or step.opname.startswith("LOAD_SMALL_INT"):
            constants.append(step.argval)
        elif step.opname == "IMPORT_NAME":
            level = constants[-2] if len(constants) > 1 else 0
            found.add((step.argval, level if isinstance(level, int) else 0))
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            found |= local_imports(part)
    return found


@functools.cache
def package_version(module: str) -> str:
    """Give a module's package and the version of it that matters."""
    top = module.partition(".")[0]
    version = getattr(sys.modules.get(top), "__version__", None)
    if version is None:
        version = _metadata_version(top)
    if top in _BY_MINOR:
        version = ".".join(str(version).split(".")[:2])
    return f"{top} {version}"


def _metadata_version(top: str) -> str:
    """Give the version of a package that says none, by the name it is imported by or installed."""
    if top not in sys.stdlib_module_names:
        for name in (top, *importlib.metadata.packages_distributions().get(top, ())):
            try:
                return importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return ".".join(map(str, sys.version_info[:2]))


def is_installed(module: types.ModuleType) -> bool:
    """Tell whether a module is of a package whose version stands for its code."""
    if is_ours(module.__name__):
        return False
    file = getattr(module, "__file__", None)
    if file is None:
        # Built into the interpreter, a folder without __init__, or a notebook and the like.
        top = module.__name__.partition(".")[0]
        return top in sys.builtin_module_names or (top != "__main__" and is_installed_name(top))
    return _is_installed_file(file, module.__name__)


@functools.cache
def _is_installed_file(file: str, name: str) -> bool:
    path = Path(file).resolve()
    if not _PACKAGES.isdisjoint(path.parts) or str(path).startswith(_INSTALLED):
        return True
    # Packages may be installed into any folder (pip --target); not so what is developed in place.
    folder = path.parents[name.count(".") + (path.name == "__init__.py")]
    top = name.partition(".")[0]
    return any(_lists(record, top) for record in folder.glob("*.dist-info/RECORD"))


def _lists(record: Path, top: str) -> bool:
    with record.open(encoding="utf-8", errors="replace") as lines:
        return any(line.startswith((f"{top}/", f"{top}.")) for line in lines)


def is_installed_name(top: str) -> bool:
    """Tell of a top-level module whether it is installed, without importing it."""
    if is_ours(top):
        return False
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    if spec.origin in ("built-in", "frozen"):
        return True
    if spec.origin is None:
        places = list(spec.submodule_search_locations or ())
        return bool(places) and all(
            _is_installed_file(str(Path(place) / "__init__.py"), top) for place in places
        )
    return _is_installed_file(spec.origin, top)


def _is_findable(top: str) -> bool:
    try:
        return importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        return False


def is_ours(module: str) -> bool:
    return module.partition(".")[0] == "facebench"


def _declared_versions(value: Any) -> Any | None:
    """Give the versions that stand for a function or class of facebench and those it extends."""
    if not isinstance(vars(value).get("outputs_version"), str):
        return None
    parts = value.__mro__ if isinstance(value, type) else (value,)
    return ["facebench", [vars(part)["outputs_version"] for part in parts if _has_version(part)]]


def _has_version(part: Any) -> bool:
    return is_ours(part.__module__ or "") and "outputs_version" in vars(part)


def _is_exact(value: Any) -> bool:
    """Tell whether a value's type has no code but Python's own."""
    kind = type(value)
    return kind in (*_PLAIN, *_SIMPLE) or kind.__module__ in ("pathlib", "pathlib._local")


def _is_compiled(kind: type) -> bool:
    """Tell whether a class is made in C, so that its instances may hold hidden state."""
    if kind in (object, types.SimpleNamespace):
        return False
    if type(kind).__name__ == "pybind11_type":
        return True
    new = vars(kind).get("__new__")
    return isinstance(new, types.BuiltinFunctionType) and new.__self__ is kind


def _torch() -> Any:
    # A tensor can only have been made if torch is loaded already.
    return sys.modules["torch"]


def _quantization(value: Any, identifier: Identifier) -> list[Any]:
    """Describe a quantized tensor: its whole numbers, and what they stand for."""
    torch = _torch()
    if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        scale: list[Any] = [value.q_scale(), value.q_zero_point()]
    else:
        scale = [
            value.q_per_channel_scales(),
            value.q_per_channel_zero_points(),
            value.q_per_channel_axis(),
        ]
    return [str(value.qscheme()), *map(identifier.describe, [*scale, value.int_repr()])]


def _as_names(slots: str | Iterable[str]) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)
