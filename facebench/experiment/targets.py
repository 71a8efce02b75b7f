"""Importing what ``"module:Attribute"`` names, and reading its docstring without importing."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from facebench.errors import InputError
from facebench.utils.suggestions import did_you_mean

__all__ = ["docstring_of", "import_target"]


def import_target(target: str, kind: str = "object") -> Any:
    """Import ``"module:Attribute"``.

    Parameters
    ----------
    target : str
        Module and attribute, the latter with dots if it is nested.
    kind : str, default 'object'
        What it is, for messages.

    Returns
    -------
    object

    Raises
    ------
    InputError
        If the module cannot be imported or has no such attribute.
    """
    module_name, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:
        msg = (
            f"The {kind} {target!r} cannot be imported: {type(error).__name__}: {error}. "
            f"Is {module_name.partition('.')[0]!r} installed?"
        )
        raise InputError(msg) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            msg = f"{found.__name__} has no {part!r}.{did_you_mean(part, names)}"
            raise InputError(msg)
        found = getattr(found, part)
    return found


def docstring_of(target: str) -> str:
    """Read a docstring from a source file, without importing anything.

    Parameters
    ----------
    target : str
        ``"module:Attribute"``.

    Returns
    -------
    str
        Empty where it is not to be had without an import.
    """
    module_name, _, attribute = target.partition(":")
    source = _source_file(module_name)
    if source is None:
        return ""
    try:
        tree = ast.parse(source.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ""
    kinds = (ast.ClassDef, ast.FunctionDef)
    for node in tree.body:
        if isinstance(node, kinds) and node.name == attribute:
            return ast.get_docstring(node) or ""
    return ""


def _source_file(module_name: str) -> Path | None:
    # find_spec("a.b") would import a: only the top is asked for, the rest are files below it.
    top, *rest = module_name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin else None
    for folder in _folders(spec.submodule_search_locations):
        path = folder.joinpath(*rest)
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def _folders(locations: Iterable[str] | None) -> list[Path]:
    return [Path(location) for location in locations or ()]
