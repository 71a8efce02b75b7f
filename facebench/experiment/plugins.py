"""Classes that a configuration names by file or module instead of a registered name."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from facebench.errors import InputError
from facebench.experiment.registry import Registry
from facebench.experiment.targets import import_target
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["find_class", "find_function", "import_plugin", "is_file_target"]


def is_file_target(target: str) -> bool:
    """Tell whether a target is a Python file, with or without ``:Class`` behind it."""
    return target.partition(".py:")[0].endswith(".py") or ".py:" in target


def find_class(target: str, registry: Registry, bases: tuple[type, ...], folder: Path) -> type:
    """Find a model's or task's class.

    Parameters
    ----------
    target : str
        A registered name, ``module:Class``, ``file.py`` with one such class, or ``file.py:Class``.
    registry : Registry
        The names.
    bases : tuple of type
        What it must extend one of.
    folder : Path
        What a file's path is relative to; modules are looked for here too.

    Returns
    -------
    type

    Raises
    ------
    UnknownNameError
        If it is not a registered name; the message tells the closest.
    InputError
        If the file, module or class is missing, or is not such a class.
    """
    if is_file_target(target):
        found = _in_file(target, bases, folder, registry.kind)
    elif ":" in target:
        with _importable(folder):
            found = import_target(target, registry.kind)
    else:
        found = registry.get(target)
    names = " or ".join(base.__name__ for base in bases)
    if not (isinstance(found, type) and issubclass(found, bases)):
        msg = f"The {registry.kind} {target!r} must be a class that extends {names}. Got {found!r}."
        raise InputError(msg)
    if inspect.isabstract(found):
        left = listed(sorted(getattr(found, "__abstractmethods__", ())))
        msg = (
            f"The {registry.kind} {target!r} cannot be made: {found.__name__} does not say {left}."
        )
        raise InputError(msg)
    return found


def find_function(target: str, registry: Registry | None, folder: Path) -> Any:
    """Find a function: registered, ``module:function`` or ``file.py:function``.

    Parameters
    ----------
    target : str
        Which.
    registry : Registry or None
        The names, if there are any for such functions.
    folder : Path
        What a file's path is relative to.

    Returns
    -------
    callable
        A class, such as torch's ``CosineSimilarity``, is called without arguments.

    Raises
    ------
    UnknownNameError, InputError
        If there is none.
    """
    if is_file_target(target):
        path, _, name = target.rpartition(":")
        module = import_plugin(path or target, folder)
        if not path or not hasattr(module, name):
            msg = f"Name a function of the file: {path or target}:FUNCTION. Got {target!r}."
            raise InputError(msg)
        found = getattr(module, name)
    elif ":" in target or registry is None:
        with _importable(folder):
            found = import_target(target, "function")
    else:
        found = registry.get(target)
    if isinstance(found, type):
        found = found()
    if not callable(found):
        msg = f"{target!r} must be a function. Got {found!r}."
        raise InputError(msg)
    return found


def import_plugin(target: str, folder: Path) -> ModuleType:
    """Import a Python file or a module, such as one that registers names.

    Parameters
    ----------
    target : str
        ``file.py``, relative to `folder`, or a module's name.
    folder : Path
        The folder.

    Returns
    -------
    module

    Raises
    ------
    InputError
        If it cannot be imported.
    """
    with _importable(folder):
        if not target.endswith(".py"):
            try:
                return importlib.import_module(target)
            except Exception as error:
                msg = f"The plug-in {target!r} cannot be imported: {_reason(error)}."
                raise InputError(msg) from error
        path = (folder / Path(target).expanduser()).resolve()
        if not path.is_file():
            msg = f"The file {path} does not exist."
            raise InputError(msg)
        # A file that was changed since is another module.
        digest = hashlib.sha256(bytes(path) + path.read_bytes()).hexdigest()[:12]
        name = f"facebench_plugin_{path.stem}_{digest}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            msg = f"{path} cannot be imported: it is not a Python file."
            raise InputError(msg)
        module = importlib.util.module_from_spec(spec)
        # Known by name while it runs, as dataclasses and pickle need it.
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            msg = f"{path} cannot be imported: {_reason(error)}."
            raise InputError(msg) from error
        return module


def _in_file(target: str, bases: tuple[type, ...], folder: Path, kind: str) -> Any:
    path, _, name = target.rpartition(":") if ".py:" in target else (target, "", "")
    module = import_plugin(path, folder)
    own = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type)
        and issubclass(value, bases)
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    }
    if name:
        if not hasattr(module, name):
            msg = f"{path} has no class {name!r}.{did_you_mean(name, own)} It has: {listed(own)}."
            raise InputError(msg)
        return getattr(module, name)
    if len(own) != 1:
        msg = (
            f"{path} must define one {kind} to be named by its file. It has: {listed(own)}. "
            f"Name one as {path}:CLASS."
        )
        raise InputError(msg)
    return next(iter(own.values()))


def _reason(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    at = f" (line {line})" if line else ""
    return f"{type(error).__name__}: {str(error).rstrip('.')}{at}"


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a configuration's own folder be looked in for modules, while it is read."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
