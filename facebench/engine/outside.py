"""What a model's code reads while it runs, besides the image: files, environment, network.

Code alone does not tell the content of what it reads. An environment variable of a constant name
counts by its value; anything else that is read raises `Unidentified`. What is read while a model is
built is in its weights and attributes already, and is not looked at here.

This is read off the bytecode of what may run: `_forward` and the like, and all that they name.
"""

from __future__ import annotations

import dis
import functools
import importlib
import inspect
import os
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from facebench.engine.code_identity import Unidentified, declared_fingerprint, is_installed
from facebench.models.base import BaseModel

__all__ = ["outside_of_function", "outside_of_model", "outside_of_network"]

# Where the engine comes in.
_RUN = ("_forward", "get_output", "read_layers", "preprocess", "_default_preprocess")
_READ_IMAGE = "preprocess_image"
# Functions and classes, of any package, that read what they are told to.
_READERS = {
    *("open", "load", "loadtxt", "genfromtxt", "fromfile", "memmap", "safe_open", "load_file"),
    *("imread", "read_image", "read_file", "decode_file", "load_rgb_image", "open_image"),
    *("image_bytes", "read_csv", "read_table", "read_json", "read_parquet", "read_pickle"),
    *("read_excel", "File", "ZipFile", "InferenceSession", "getline", "getlines", "get_data"),
    *("read_text", "read_binary", "read_bytes", "loadmat", "load_state_dict_from_url"),
    *("urlopen", "urlretrieve", "Popen", "check_output", "from_pretrained", "hf_hub_download"),
    *("files", "connect", "fdopen", "FileIO", "from_file", "truetype", "getOpenProfile"),
    *("VideoCapture", "FileStorage", "get_reader", "popen", "system"),
}  # fmt: skip
# Methods of objects that do not exist before the call: of paths, most likely.
_READING_METHODS = {"open", "read_text", "read_bytes", _READ_IMAGE}
_ASKING_METHODS = {"exists", "glob", "is_dir", "is_file", "iterdir", "lstat", "rglob", "stat"}
# These take what was opened elsewhere.
_GIVEN_FILES = {"json", "pickle", "_pickle", "yaml", "tomllib", "marshal", "plistlib"}
# Where every function and class reads, or asks the system.
_READING_MODULES = {
    *("subprocess", "fileinput", "configparser", "shelve", "mmap", "socket", "ctypes"),
    *("requests", "httpx", "urllib3", "aiohttp", "dbm", "tempfile"),
}
_OF_THE_SYSTEM = {"os", "posix", "nt", "genericpath", "posixpath", "ntpath", "glob"}
_ASKING = {
    *("stat", "lstat", "getsize", "getmtime", "getctime", "exists", "isfile"),
    *("isdir", "listdir", "scandir", "walk", "glob", "iglob", "readlink", "getcwd"),
}
# What is other in every run, in modules whose functions draw numbers or know the time.
_CLOCKS = {"time", "time_ns", "ctime", "localtime", "gmtime", "strftime", "now", "utcnow", "today"}
_DRAWING_MODULES = {"random", "secrets", "uuid", "numpy.random", "numpy.random.mtrand"}
_DRAWING = {
    *("rand", "rand_like", "randn", "randn_like", "randint", "randint_like", "randperm"),
    *("bernoulli", "multinomial", "normal", "poisson", "urandom"),
}
_DRAWING_METHODS = {
    *("bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_"),
    *("random_", "rsample", "uniform_"),
}
# Code that names these draws in training only, or the same numbers every time.
_STEADY = {"training", "manual_seed", "seed", "default_rng", "RandomState", "Random", "generator"}
# What finds any name of a program.
_LOOKING_UP = (globals, sys._getframe, inspect.currentframe, inspect.stack)
# Operators of torch's own; others may be registered by any package.
_OPERATORS = {"aten", "prim", "prims", "quantized", "torchvision", "image"}
_EVALUATING = {"exec", "eval", "__import__", "import_module"}
# What is opened so is not read.
_WRITING = {f"{mode}{kind}" for mode in "awx" for kind in ("", "b", "t")}
# Settings of facebench itself, no network's.
_OWN_VARIABLES = "FACEBENCH_"
_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}


def outside_of_function(function: Any) -> list[Any]:
    """Tell what a preprocessing function reads; the image comes to it decoded.

    Returns
    -------
    list
        Of environment variables, with their values.

    Raises
    ------
    Unidentified
        If it reads what cannot be told.
    """
    walk = _Walk()
    walk.add(function)
    return walk.found(n_images=0)


def outside_of_model(model: BaseModel) -> list[Any]:
    """Tell what a model's methods read, besides the image that `preprocess_image` opens.

    Raises
    ------
    Unidentified
        If they read what cannot be told.
    """
    kind = type(model)
    walk = _Walk()
    for name in _RUN:
        walk.add_method(kind, name, model)
    found = walk.found(n_images=0)
    walk = _Walk()
    walk.add_method(kind, _READ_IMAGE, model)
    return found + walk.found(n_images=1)


def outside_of_network(module: nn.Module) -> list[Any]:
    """Tell what a network's module reads in its forward pass.

    Raises
    ------
    Unidentified
        If it reads what cannot be told.
    """
    walk = _Walk()
    walk.add_method(type(module), "forward", module)
    for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values()):
        walk.add(hook)
    return walk.found(n_images=0)


@dataclass(frozen=True)
class _Step:
    """A value that code names: what it is, where that is known, and by which name."""

    value: Any
    name: str
    constant: str | None = None


class _Walk:
    """Goes through all functions that may run, each once."""

    def __init__(self) -> None:
        self._pending: list[tuple[types.FunctionType, type | None, Any]] = []
        self._seen: set[tuple[int, type | None]] = set()
        self._variables: set[str] = set()
        self._read: list[str] = []
        # What it asks the system for besides: whether a file exists, when it was changed.
        self._asked: list[str] = []
        # What gives something else each time: chance and the clock.
        self._changing: list[str] = []

    def found(self, n_images: int) -> list[Any]:
        while self._pending:
            self._look_into(*self._pending.pop())
        if self._changing:
            names = ", ".join(sorted(set(self._changing)))
            msg = f"it draws random numbers or asks for the time as it runs ({names})"
            raise Unidentified(msg)
        # Before an image is opened, one may ask whether it exists.
        read = self._read if n_images else self._read + self._asked
        if len(read) > n_images:
            msg = f"it reads more than the image ({', '.join(sorted(set(read)))})"
            raise Unidentified(msg)
        return [["environment", name, os.environ.get(name)] for name in sorted(self._variables)]

    def add(self, value: Any, owner: type | None = None, instance: Any = None) -> None:
        """Have a value looked into that may be called."""
        if isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self.add(part)
            return
        if isinstance(value, types.MethodType):
            self.add(value.__func__, type(value.__self__), value.__self__)
            return
        if isinstance(value, property):
            self.add(value.fget, owner, instance)
            return
        for inner in ("__func__", "__wrapped__", "func"):
            # Decorated: both what stands outside and what is called in the end.
            part = getattr(value, inner, None)
            if isinstance(part, types.FunctionType):
                self.add(part, owner, instance)
        if isinstance(value, list | tuple | dict):
            for part in value.values() if isinstance(value, dict) else value:
                if callable(part):
                    self.add(part)
            return
        if declared_fingerprint(value) is not None:
            return
        if isinstance(value, types.FunctionType):
            if (id(value), owner) not in self._seen and not _is_foreign(value):
                self._seen.add((id(value), owner))
                self._pending.append((value, owner, instance))
            return
        kind = value if isinstance(value, type) else type(value)
        if isinstance(value, nn.Module | BaseModel | types.ModuleType) or kind is BaseModel:
            # A network's modules are looked into one by one, and methods where they are named.
            return
        for base in kind.__mro__:
            if base is object or _is_foreign(base):
                continue
            for part in vars(base).values():
                if callable(part) or isinstance(part, property | staticmethod | classmethod):
                    self.add(part, kind, None if value is kind else value)
        if not isinstance(value, type) and (id(value), kind) not in self._seen:
            self._seen.add((id(value), kind))
            # Objects that hold others, such as a Compose of transforms.
            for part in getattr(value, "__dict__", {}).values():
                if not isinstance(part, type) and (callable(part) or isinstance(part, list)):
                    self.add(part)

    def add_method(self, kind: type, name: str, instance: Any) -> None:
        """Have a method looked into, and those of the classes above that it may call."""
        own = getattr(instance, "__dict__", {}).get(name)
        if own is not None:
            self.add(own)
        for base in kind.__mro__:
            if name in vars(base) and not _is_foreign(base):
                self.add(vars(base)[name], kind, instance)

    def _look_into(self, function: types.FunctionType, owner: type | None, instance: Any) -> None:
        for cell in function.__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:
                continue
            if isinstance(content, BaseModel | nn.Module):
                # A function made by a method, whose self it uses.
                owner, instance = owner or type(content), instance or content
            elif content is not owner:
                self.add(content)
        for part in (function.__defaults__ or (), tuple((function.__kwdefaults__ or {}).values())):
            self.add(part)
        for code in _codes(function.__code__):
            steps = list(_steps(code, function))
            if _STEADY.isdisjoint((*code.co_names, *code.co_varnames)):
                self._changing += [step.name for step in steps if _is_changing(step)]
            for place, step in enumerate(steps):
                self._take(step, steps[place + 1 : place + 3], owner, instance)

    def _take(self, step: _Step, following: list[_Step], owner: type | None, instance: Any) -> None:
        value, name = step.value, step.name
        if name in _EVALUATING:
            msg = f"it makes code as it runs ({name})"
            raise Unidentified(msg)
        if isinstance(value, torch._ops._OpNamespace) and name not in _OPERATORS:
            msg = f"it calls an operator of torch.ops.{name}"
            raise Unidentified(msg)
        if value is sys.modules or any(value is search for search in _LOOKING_UP):
            msg = f"it looks names up as it runs ({name})"
            raise Unidentified(msg)
        if value is os.environ or name in _ENVIRONMENT:
            self._take_variable(following)
        elif _asks_the_system(value, name):
            self._asked.append(name)
        elif _is_reader(value, name):
            if name != "open" or not any(part.constant in _WRITING for part in following):
                self._read.append(name)
        elif value is not None and not isinstance(value, types.ModuleType):
            self.add(value)
        elif owner is not None and value is None:
            self.add_method(owner, name, instance)
            held = getattr(instance, "__dict__", {}).get(name)
            if held is not None and callable(held):
                self.add(held)

    def _take_variable(self, following: list[_Step]) -> None:
        if following and following[0].name in ("get", "environ"):
            following = following[1:]
        if following and isinstance(following[0].constant, str):
            if not following[0].constant.startswith(_OWN_VARIABLES):
                self._variables.add(following[0].constant)
            return
        msg = "it reads the environment"
        raise Unidentified(msg)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _codes(part)


def _steps(code: types.CodeType, function: types.FunctionType) -> Iterator[_Step]:
    """Go through what code names, in order; the values of locals that are imports are known."""
    local: dict[str, Any] = {}
    last: Any = None
    steps = [step for step in dis.get_instructions(code) if step.opname not in _PASSING]
    for place, step in enumerate(steps):
        kind, name = step.opname, step.argval
        if kind in ("LOAD_GLOBAL", "LOAD_NAME"):
            last = function.__globals__.get(name, _builtin(name))
            yield _Step(last, name)
        elif kind in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"):
            is_open = isinstance(last, types.ModuleType | type)
            last = getattr(last, name, None) if is_open else None
            yield _Step(last, name)
        elif kind == "IMPORT_NAME":
            last = _imported(name, function)
            # Without 'as' and 'from', the name is that of the package at the top.
            local[name.partition(".")[0]] = _imported(name.partition(".")[0], function)
        elif kind.startswith("STORE_FAST") and isinstance(name, str):
            local[name] = last
        elif kind.startswith("LOAD_FAST") and isinstance(name, str):
            last = local.get(name)
        elif kind.startswith("LOAD_CONST"):
            is_whole = isinstance(name, str) and _is_argument(steps[place + 1 : place + 3])
            yield _Step(None, "", name if is_whole else None)
            last = None
        else:
            last = None


def _is_argument(following: list[dis.Instruction]) -> bool:
    """Tell of a constant whether it is an index or argument as it is, not a part of one."""
    kinds = [f"{step.opname} {step.argrepr}" for step in following]
    if kinds and kinds[0].startswith("LOAD_"):
        kinds = kinds[1:]
    return bool(kinds) and kinds[0].startswith(_TAKING)


# What may stand between a name and what is done with it.
_PASSING = {"CACHE", "PUSH_NULL", "PRECALL", "EXTENDED_ARG", "RESUME", "NOP"}
_TAKING = ("CALL", "KW_NAMES", "BINARY_SUBSCR", "BINARY_OP []", "CONTAINS_OP")


def _builtin(name: str) -> Any:
    return getattr(sys.modules["builtins"], name, None)


def _imported(name: str, function: types.FunctionType) -> Any:
    """Give a module that is loaded already, or of the user's own; others read nothing by name."""
    if name in sys.modules:
        return sys.modules[name]
    try:
        return importlib.import_module(name, function.__globals__.get("__package__"))
    except ImportError:
        return None


def _is_changing(step: _Step) -> bool:
    """Tell whether code takes what is other in every run."""
    value, name = step.value, step.name
    if value is None:
        return name in _DRAWING_METHODS
    if isinstance(value, types.ModuleType | types.FunctionType) and not _is_foreign(value):
        return False
    owner = getattr(value, "__self__", None)
    home = getattr(value, "__module__", None) or getattr(type(owner), "__module__", None)
    if home in ("time", "datetime") or isinstance(owner, type):
        known = owner if isinstance(owner, type) else value
        return known.__module__ in ("time", "datetime") and name in _CLOCKS
    if home in _DRAWING_MODULES and callable(value):
        return not isinstance(value, type)
    is_torchs = str(home).partition(".")[0] in ("torch", "os", "posix", "nt") or owner is torch
    return is_torchs and getattr(value, "__name__", name) in _DRAWING


def _asks_the_system(value: Any, name: str) -> bool:
    if value is None:
        return name in _ASKING_METHODS
    top = str(getattr(value, "__module__", None) or "").partition(".")[0]
    return top in _OF_THE_SYSTEM and getattr(value, "__name__", name) in _ASKING


def _is_reader(value: Any, name: str) -> bool:
    if value is None:
        return name in _READING_METHODS
    called = getattr(value, "__name__", name)
    if isinstance(value, types.ModuleType):
        return False
    module = str(getattr(value, "__module__", None) or "")
    top = module.partition(".")[0]
    if top in _READING_MODULES and callable(value):
        return True
    is_named_so = called in _READERS or (called.startswith("read_") and top != "facebench")
    if not is_named_so or top in _GIVEN_FILES:
        return False
    # A function of the user's own is looked into.
    return not isinstance(value, types.FunctionType | type) or _is_foreign(value)


def _is_foreign(value: Any) -> bool:
    """Tell whether code is of an installed package, or of facebench: not the user's."""
    name = str(getattr(value, "__module__", None) or "")
    module = None if name == "__main__" else sys.modules.get(name)
    if module is None:
        return False
    return module.__name__.partition(".")[0] == "facebench" or is_installed(module)
