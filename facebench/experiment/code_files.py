"""What a user's Python file depends on, read off its text: nothing is imported."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["code_content"]

_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
# Settings of facebench itself, no network's.
_OWN_VARIABLES = "FACEBENCH_"
_WRITING = {f"{mode}{kind}" for mode in "awx" for kind in ("", "b", "t")}
_READING = ("read", "load", "imread", "from", "genfrom", "get_data", "inferencesession", "memmap")
_LONGEST_NAME = 255


def code_content(path: Path, folder: Path) -> list[Any]:
    """Digest a Python file, the user's modules that it imports, and what these name.

    Files count by their content where a text of the code is their name; environment variables by
    their value where the code reads the environment and a text is their name. Installed packages
    do not count.

    Parameters
    ----------
    path : Path
        The file.
    folder : Path
        The folder of the experiment, where modules are looked for too.

    Returns
    -------
    list
        For JSON; without the places of the files.
    """
    pending = [path.resolve()]
    found: dict[Path, list[Any]] = {}
    while pending:
        file = pending.pop()
        if file in found:
            continue
        source = file.read_bytes()
        found[file] = [file.name, hashlib.sha256(source).hexdigest()]
        try:
            nodes = list(ast.walk(ast.parse(source)))
        except (SyntaxError, ValueError):
            # The import reports it.
            continue
        pending += _imported(nodes, file, folder)
        found[file] += [_variables(nodes), _named_files(nodes, [file.parent, folder, Path.cwd()])]
    return sorted(found.values())


def _imported(nodes: list[ast.AST], file: Path, folder: Path) -> Iterator[Path]:
    places = [folder, file.parent, *_own_places()]
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module_files(alias.name, places)
        elif isinstance(node, ast.ImportFrom):
            beside = [file.parents[node.level - 1]] if 0 < node.level <= len(file.parents) else None
            for alias in node.names:
                name = f"{node.module}.{alias.name}" if node.module else alias.name
                yield from _module_files(name, beside or places)


def _own_places() -> list[Path]:
    """Give the folders that modules are imported from and that no package is installed in."""
    places = [Path(entry or ".") for entry in sys.path]
    return [
        place
        for place in places
        if place.is_dir()
        and not place.is_relative_to(sys.base_prefix)
        and not place.is_relative_to(sys.prefix)
        and next(place.glob("*.dist-info"), None) is None
    ]


def _module_files(name: str, places: list[Path]) -> Iterator[Path]:
    """Find the files of a module and of the packages that hold it."""
    parts = name.split(".")
    if parts[0] == "facebench" or parts[0] in sys.stdlib_module_names:
        return
    for place in places:
        stem = place
        for part in parts:
            stem = stem / part
            for file in (stem / "__init__.py", stem.with_name(f"{part}.py")):
                if file.is_file():
                    yield file.resolve()


def _texts(nodes: list[ast.AST]) -> list[str]:
    return sorted(
        {
            node.value
            for node in nodes
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and 0 < len(node.value) <= _LONGEST_NAME
        }
    )


def _variables(nodes: list[ast.AST]) -> list[tuple[str, str | None]]:
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.name for node in nodes if isinstance(node, ast.alias)}
    if names.isdisjoint(_ENVIRONMENT):
        return []
    return [
        (text, os.environ.get(text))
        for text in _texts(nodes)
        if text.isidentifier() and not text.startswith(_OWN_VARIABLES)
    ]


def _named_files(nodes: list[ast.AST], places: list[Path]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if _only_writes(nodes):
        return found
    for text in _texts(nodes):
        for place in places:
            try:
                path = place / text
                if path.is_file():
                    with path.open("rb") as file:
                        found.append((text, hashlib.file_digest(file, "sha256").hexdigest()))
                    break
            except (OSError, ValueError):
                continue
    return found


def _only_writes(nodes: list[ast.AST]) -> bool:
    """Tell of code that opens files whether it opens all of them to write, and reads no others."""
    opened = []
    for node in nodes:
        if isinstance(node, ast.Call):
            name = str(getattr(node.func, "attr", getattr(node.func, "id", "")))
            if name.lower().startswith(_READING):
                return False
            if name == "open":
                opened.append(node)
    return bool(opened) and all(
        any(isinstance(part, ast.Constant) and part.value in _WRITING for part in node.args)
        for node in opened
    )
