"""Classes that a configuration names by file or module instead of a registered name."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from facebench.errors import InputError
from facebench.experiment.registry import Registry
from facebench.utils.importing import (
    import_file,
    import_target,
    importable,
    is_file_target,
    split_target,
)
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["find_class", "find_function", "import_plugin"]


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
        with importable(folder):
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
        with importable(folder):
            found = import_target(target, "function")
    else:
        found = registry.get(target)
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:
            msg = (
                f"The class {target!r} cannot be made without arguments, as a function is: {error} "
                "Name a function, or a class that needs none."
            )
            raise InputError(msg) from error
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
    if target.endswith(".py"):
        return import_file(folder / Path(target).expanduser(), folder)
    with importable(folder):
        try:
            return importlib.import_module(target)
        except Exception as error:
            msg = f"The plug-in {target!r} cannot be imported: {type(error).__name__}: {error}."
            raise InputError(msg) from error


def _in_file(target: str, bases: tuple[type, ...], folder: Path, kind: str) -> Any:
    path, name = split_target(target)
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
