"""What a manager is given: checked, with a sentence for what cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from facebench.errors import DuplicateNameError, InputError, UnknownNameError
from facebench.types import StrPath
from facebench.utils.sharing import make_folder
from facebench.utils.suggestions import did_you_mean

__all__ = ["add_members", "at_least", "export_folder", "named", "one_of"]

T = TypeVar("T")


def add_members(items: Any, kind: Any, known: dict[str, Any], sibling: Any = None) -> None:
    """Put models or tasks, one or several, among those known by name."""
    kinds = (kind,) if sibling is None else (kind, sibling)
    for item in [items] if isinstance(items, kinds) else _as_list(items, kind):
        if not isinstance(item, kinds):
            msg = (
                f"MultiModelTaskManager needs instances of {kind.__name__}. Got {item!r}, "
                f"a {type(item).__name__}."
            )
            raise InputError(msg)
        if item.name in known:
            what = kind.__name__.removeprefix("Base").lower()
            msg = (
                f"Two {what}s are named {item.name!r}. Give each a different name: results are "
                "kept and exported by name."
            )
            raise DuplicateNameError(msg)
        known[item.name] = item


def _as_list(items: Any, kind: Any) -> list[Any]:
    try:
        return list(items)
    except TypeError:
        msg = f"MultiModelTaskManager needs a {kind.__name__} or a list of them. Got {items!r}."
        raise InputError(msg) from None


def at_least(parameter: str, value: int, least: int) -> int:
    """Take a whole number that is large enough."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        what = f"a whole number of at least {least}"
        msg = f"The {parameter!r} parameter must be {what}. Got {value!r}."
        raise InputError(msg)
    return int(value)


def one_of(parameter: str, value: T, choices: tuple[str | None, ...]) -> T:
    """Take one of some words."""
    if value not in choices:
        listed = " or ".join(map(repr, choices))
        msg = f"The {parameter!r} parameter must be {listed}. Got {value!r}."
        raise InputError(msg)
    return value


def named(known: Mapping[str, T], name: str, what: str) -> T:
    """Find a model or task by name."""
    if name in known:
        return known[name]
    hint = did_you_mean(name, known)
    msg = f"There is no {what} {name!r}. The {what}s are: {', '.join(known) or 'none'}.{hint}"
    raise UnknownNameError(msg)


def export_folder(export_path: StrPath | None) -> Path:
    """Make the folder to export to; None is the current one."""
    folder = Path.cwd() if export_path is None else Path(export_path)
    try:
        make_folder(folder)
    except OSError as error:
        msg = f"The export_path {folder} must be a folder that can be written to: {error}."
        raise InputError(msg) from error
    return folder
