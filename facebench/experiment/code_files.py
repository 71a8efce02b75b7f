"""What a user's Python file depends on, read off its text: nothing is imported.

A text of the code may be the name of a file, or a part of one: of a folder, all files count; of
'w{k}.pt' and the like, all files that could be meant.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["code_content", "module_file"]

_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
# Settings of facebench itself, no network's.
_OWN_VARIABLES = "FACEBENCH_"
_WRITING = {f"{mode}{kind}" for mode in "awx" for kind in ("", "b", "t")}
_READING = ("read", "load", "imread", "from", "genfrom", "get_data", "inferencesession", "memmap")
_IMPORTING = {"import_module", "__import__"}
_LONGEST_NAME = 255
# What is filled in as code runs: by an f-string (as "*" already), by % and by format.
_FILLED_IN = re.compile(r"%\d*[sdi]|\{[^{}]*\}")
_PATTERN = re.compile(r"[^\s*]*\*[^\s]*\.\w{1,12}")
_SUFFIX = re.compile(r"\.\w{1,12}")
# Files of these are written by runs, or are images, which count anyway.
_NOT_READ = {
    *(".py", ".csv", ".yaml", ".yml", ".md", ".log", ".html", ".parquet"),
    *(".jpg", ".jpeg", ".png", ".svg", ".pdf"),
}


def code_content(path: Path, folder: Path, of_folder: Callable[[Path], str]) -> list[Any]:
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
    of_folder : callable
        Digests a folder.

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
        places = [file.parent, folder, Path.cwd()]
        if _leads_up(nodes):
            places.append(file.parent.parent)
        found[file] += [_variables(nodes), _named_files(nodes, places, of_folder)]
    return sorted(found.values())


def module_file(name: str, folder: Path) -> Path | None:
    """Find a module that is not installed, where it would be imported from.

    Parameters
    ----------
    name : str
        As in an import: 'package.module'.
    folder : Path
        Where to look first.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    return next(reversed(list(_module_files(name, [folder, *_own_places()]))), None)


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
    if not _names(nodes).isdisjoint(_IMPORTING):
        for text in _texts(nodes):
            yield from _module_files(text, places)


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


def _names(nodes: list[ast.AST]) -> set[str]:
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.name for node in nodes if isinstance(node, ast.alias)}


def _leads_up(nodes: list[ast.AST]) -> bool:
    """Tell of code whether it names the folder above its own."""
    return any(
        isinstance(node, ast.Attribute)
        and (
            node.attr == "parents"
            or (node.attr == "parent" and getattr(node.value, "attr", "") == "parent")
        )
        for node in nodes
    )


def _variables(nodes: list[ast.AST]) -> list[tuple[str, str | None]]:
    if _names(nodes).isdisjoint(_ENVIRONMENT):
        return []
    return [
        (text, os.environ.get(text))
        for text in _texts(nodes)
        if text.isidentifier() and not text.startswith(_OWN_VARIABLES)
    ]


def _named_files(
    nodes: list[ast.AST], places: list[Path], of_folder: Callable[[Path], str]
) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if _only_writes(nodes):
        return found
    for text in _texts(nodes):
        for place in places:
            path = place / text
            try:
                if path.is_file():
                    found.append((text, _digest(path)))
                    break
                if path.is_dir() and _is_below(text):
                    found.append((text, of_folder(path)))
                    break
            except (OSError, ValueError):
                continue
    for pattern in _patterns(nodes):
        for place in places:
            files = sorted(path for path in place.glob(pattern) if path.is_file())
            found += [(path.name, _digest(path)) for path in files]
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_below(text: str) -> bool:
    """Tell whether a folder's name leads down: '.' and '/' hold what has nothing to do with it."""
    return not Path(text).is_absolute() and bool(parts := Path(text).parts) and ".." not in parts


def _patterns(nodes: list[ast.AST]) -> list[str]:
    """Give patterns of the names of files that are put together as code runs."""
    texts = _texts(nodes)
    found = {f"*{text}" for text in texts if _SUFFIX.fullmatch(text) and text not in _NOT_READ}
    joined = [
        "".join(
            str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values
        ).removeprefix("*/")
        for node in nodes
        if isinstance(node, ast.JoinedStr)
    ]
    found |= {
        pattern
        for text in (*joined, *(_FILLED_IN.sub("*", text) for text in texts))
        if (pattern := re.sub(r"\*+", "*", text)) and _is_pattern(pattern)
    }
    return sorted(found)


def _is_pattern(text: str) -> bool:
    is_one = _PATTERN.fullmatch(text) is not None and _is_below(text)
    return is_one and Path(text).suffix not in _NOT_READ


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
