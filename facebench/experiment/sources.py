"""Where a configuration comes from: a file, what it includes, the environment, overrides."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facebench.errors import ConfigError
from facebench.experiment.locations import Located, Place
from facebench.experiment.yaml_reader import read_yaml, read_yaml_text

__all__ = ["NAMED", "gather", "read_arguments", "variables_filled_in"]

# The sections whose entries have names, and the key that says what an entry is.
NAMED = {"models": "model", "tasks": "task"}
_INCLUDE = "include"
_MOST_INCLUDED = 50
_VARIABLE = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{[^}]*\}?")


def gather(
    path: Path, overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Located:
    """Read a configuration with all that it includes, then override values.

    Parameters
    ----------
    path : Path
        The file.
    overrides : sequence of str
        As ``tasks.lfw.folds=5``: a path of keys and a value in YAML. Relative paths in values are
        relative to the current folder, as on any command line.
    environment : mapping of str to str, optional
        Variables; None takes the process's own.

    Returns
    -------
    Located
        A mapping whose models and tasks are mappings by name, each with 'model' or 'task'.

    Raises
    ------
    ConfigError
        If a file, an include, a variable or an override is not as it should be.
    """
    known = os.environ if environment is None else environment

    def substitute(text: str) -> str:
        return variables_filled_in(text, known)

    root = _read(path, substitute, [])
    for override in overrides:
        _override(root, override, substitute)
        _name_entries(root)
    return root


def read_arguments(overrides: Sequence[str]) -> dict[str, Located]:
    """Read arguments from a command line, as ``align=false``.

    Parameters
    ----------
    overrides : sequence of str
        The arguments; relative paths are relative to the current folder.

    Raises
    ------
    ConfigError
        If one is not written so.
    """
    root = Located({}, Place("--set", 0, 0, Path.cwd()))
    for override in overrides:
        _override(root, override, None)
    found: dict[str, Located] = root.value
    return found


def variables_filled_in(text: str, environment: Mapping[str, str]) -> str:
    """Fill ``${NAME}`` and ``${NAME:-default}`` in; ``$$`` is a dollar sign.

    Examples
    --------
    >>> variables_filled_in("${DATA:-faces}/lfw costs 1$$", {})
    'faces/lfw costs 1$'
    """

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        if found[1] is None:
            msg = (
                f"{found[0]!r} is not a variable: write ${{NAME}} or ${{NAME:-default}}, "
                "or $$ for $."
            )
            raise ConfigError(msg)
        if found[1] in environment:
            return environment[found[1]]
        if found[2] is None:
            msg = (
                f"The environment variable {found[1]} is not set. Set it, or give a default: "
                f"${{{found[1]}:-…}}."
            )
            raise ConfigError(msg)
        return found[2]

    return _VARIABLE.sub(value, text)


def _read(path: Path, substitute: Any, above: list[Path]) -> Located:
    root = read_yaml(path, substitute)
    if not root.is_mapping:
        where = root.place if root.value is not None else path
        msg = (
            f"{where}: A configuration is a mapping with 'models' and 'tasks'. "
            f"Got {_kind_of(root.value)}. `facebench init FACES` writes one to begin with."
        )
        raise ConfigError(msg)
    _name_entries(root)
    included = root.value.pop(_INCLUDE, None)
    if included is None:
        return root
    result: Located | None = None
    opened = [*above, path.resolve()]
    for item in included.value if isinstance(included.value, list) else [included]:
        if not isinstance(item.value, str) or not item.value:
            msg = f"{item.place}: 'include' takes a file or a list of files. Got {item.plain()!r}."
            raise ConfigError(msg)
        target = path.parent / item.value
        if target.resolve() in opened or len(opened) > _MOST_INCLUDED:
            msg = f"{item.place}: {item.value} includes itself, at the end of a circle of files."
            raise ConfigError(msg)
        if target.exists() and not target.is_file():
            # A pipe would be waited for without end.
            msg = f"{item.place}: {item.value} cannot be included: it is not a file."
            raise ConfigError(msg)
        try:
            found = _read(target, substitute, opened)
        except ConfigError as error:
            if target.is_file():
                raise
            msg = f"{item.place}: The included file {target} cannot be read."
            raise ConfigError(msg) from error
        result = found if result is None else _merged(result, found)
    return root if result is None else _merged(result, root)


def _merged(below: Located, above: Located) -> Located:
    """Lay one mapping over another; mappings in both are merged, all else is replaced."""
    if not (below.is_mapping and above.is_mapping):
        return above
    value, keys = dict(below.value), dict(below.keys)
    for key, item in above.value.items():
        value[key] = _merged(value[key], item) if key in value else item
        keys[key] = above.keys[key]
    return Located(value, above.place, keys)


def _name_entries(root: Located) -> None:
    """Bring models and tasks into one form: a mapping by name, each entry a mapping."""
    for section, kind in NAMED.items():
        found = root.value.get(section)
        if found is None or found.value is None:
            continue
        if isinstance(found.value, str):
            found = Located([found], found.place)
        if isinstance(found.value, list):
            found = _named_list(found, section, kind)
        if found.is_mapping:
            for name, entry in found.value.items():
                if isinstance(entry.value, str):
                    found.value[name] = Located({kind: entry}, entry.place, {kind: entry.place})
        root.value[section] = found


def _named_list(items: Located, section: str, kind: str) -> Located:
    named: dict[str, Located] = {}
    keys: dict[str, Place] = {}
    for item in items.value:
        name: Any = None
        if isinstance(item.value, str):
            # A file is called by its own name, without what makes it one.
            name, entry = (
                item.value.partition(".py")[0] if ".py" in item.value else item.value,
                item,
            )
        elif item.is_mapping:
            named_by = item.value.get("name", item.value.get(kind))
            name = named_by.value if named_by is not None else None
            entry = Located(
                {key: value for key, value in item.value.items() if key != "name"},
                item.place,
                item.keys,
            )
        if not isinstance(name, str) or not name.strip():
            msg = (
                f"{item.place}: An entry of {section!r} is a name or a mapping with {kind!r}. "
                f"Got {_kind_of(item.value)}."
            )
            raise ConfigError(msg)
        if name in named:
            msg = (
                f"{item.place}: Two {section} are named {name!r}, the first at {keys[name]}. "
                "Give each a different 'name'."
            )
            raise ConfigError(msg)
        named[name], keys[name] = entry, item.place
    return Located(named, items.place, keys)


def _override(root: Located, override: str, substitute: Any) -> None:
    path, equals, text = override.partition("=")
    source = f"--set {override}"
    if not equals or not path.strip(". "):
        msg = f"{source}: An override is written KEY.KEY=VALUE, such as tasks.lfw.folds=5."
        raise ConfigError(msg)
    value = read_yaml_text(text, source, Path.cwd(), substitute, has_lines=False)
    parts = path.strip().split(".")
    here = root
    while True:
        key, parts = _next_key(here, parts)
        if isinstance(here.value, list):
            here = _list_item(here, key, parts, value, source)
            if not parts:
                return
            continue
        if not here.is_mapping:
            msg = f"{source}: {key!r} cannot be set inside of {_kind_of(here.value)}."
            raise ConfigError(msg)
        if not key:
            msg = f"{source}: A key is empty. Write KEY.KEY=VALUE, such as tasks.lfw.folds=5."
            raise ConfigError(msg)
        if not parts:
            here.value[key] = value
            here.keys[key] = value.place
            return
        if key not in here.value or here.value[key].value is None:
            here.value[key] = Located({}, value.place)
            here.keys[key] = value.place
        here = here.value[key]


def _next_key(here: Located, parts: list[str]) -> tuple[str, list[str]]:
    """Take the next key off a path; names may hold dots, so the longest that exists wins."""
    if here.is_mapping:
        for length in range(len(parts), 1, -1):
            key = ".".join(parts[:length])
            if key in here.value:
                return key, parts[length:]
    return parts[0], parts[1:]


def _list_item(here: Located, key: str, parts: list[str], value: Located, source: str) -> Located:
    if not key.isdecimal() or int(key) >= len(here.value):
        msg = (
            f"{source}: {key!r} is not a position in a list of {len(here.value)}; "
            "the first is 0. Or set the whole list: KEY=[a, b]."
        )
        raise ConfigError(msg)
    if not parts:
        here.value[int(key)] = value
    found: Located = here.value[int(key)]
    return found


def _kind_of(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return repr(value)
