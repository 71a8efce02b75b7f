"""A package's public names, listed in its stub (`__init__.pyi`) and imported when first used."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["lazy_names", "missing_packages_named"]

_FIRST_PARTY = {"facebench", "facesBenchmarkUtils", "models", "tasks"}


def lazy_names(
    package: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make a package's ``__getattr__``, ``__dir__`` and ``__all__`` from its stub.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    file : str
        Its ``__file__``; the stub, which type checkers and editors read, lies beside it.
    """
    homes, names = {}, []
    for node in ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            homes.update({alias.name: node.module for alias in node.names})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    names = sorted([*homes, *names])

    def load(name: str) -> Any:
        if name not in homes:
            msg = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(msg)
        with missing_packages_named():
            value = getattr(importlib.import_module(str(homes[name])), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: list(names), names


@contextmanager
def missing_packages_named() -> Iterator[None]:
    """Say of a package that is not installed how it is installed.

    Raises
    ------
    ModuleNotFoundError
        With the install line, in place of Python's own.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if error.name is None or missing in _FIRST_PARTY:
            raise
        msg = (
            f"facebench needs the package {missing!r}, which this Python ({sys.executable}) does "
            "not have. Install all it needs from the folder of pyproject.toml: "
            "python -m pip install -e ."
        )
        raise ModuleNotFoundError(msg, name=error.name) from None
