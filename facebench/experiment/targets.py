"""Reading the docstring of what ``"module:Attribute"`` names, without importing it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path

__all__ = ["docstring_of"]


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
