"""Reading YAML safely, with the place of every key and value.

The language is YAML's own subset that means what it looks like: ``true`` and ``false`` are the only
truth values, so that a model may be named ``no`` or ``on``; dates stay text; duplicate keys and
tags are refused. Aliases and merge keys work, within bounds: a file that unfolds to more than it
should is refused before it takes memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from facebench.errors import ConfigError
from facebench.experiment.locations import Located, Place

__all__ = ["read_yaml", "read_yaml_text"]

_LARGEST_FILE = 1_000_000
_DEEPEST = 30
_MOST_VALUES = 50_000
_MERGE = "tag:yaml.org,2002:merge"
_TAG = "tag:yaml.org,2002:"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """SafeLoader whose plain scalars follow YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


def read_yaml(path: Path, substitute: Callable[[str], str] | None = None) -> Located:
    """Read a YAML file.

    Parameters
    ----------
    path : Path
        The file.
    substitute : callable, optional
        Applied to every text that is a value, such as to fill in environment variables; a plain
        scalar is read again afterwards, so that it may become a number.

    Raises
    ------
    ConfigError
        If there is no such file, or it is not YAML of the kind described above.
    """
    try:
        # Reading a pipe without a writer would wait for ever.
        with open(path, "rb", opener=_at_once) as file:
            # A device may have no end, and does not tell its size.
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            msg = f"{path} is larger than a configuration can be ({_LARGEST_FILE:,} bytes)."
            raise ConfigError(msg)
        text = content.decode("utf-8-sig")
    except FileNotFoundError as error:
        msg = f"The configuration {path} does not exist. `facebench init FACES` writes one."
        raise ConfigError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path} must be a text file in UTF-8. Byte {error.start + 1} is not."
        raise ConfigError(msg) from error
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        msg = f"The configuration {path} cannot be read: {error}."
        raise ConfigError(msg) from error
    return read_yaml_text(text, str(path), path.resolve().parent, substitute)


def _at_once(path: str, flags: int) -> int:
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if hasattr(os, "O_NONBLOCK"):
        os.set_blocking(handle, True)
    return handle


def read_yaml_text(
    text: str,
    source: str,
    folder: Path,
    substitute: Callable[[str], str] | None = None,
    *,
    has_lines: bool = True,
) -> Located:
    """Read YAML from a text.

    Parameters
    ----------
    text : str
        The YAML.
    source : str
        What to call it in messages.
    folder : Path
        What relative paths in it are relative to.
    substitute : callable, optional
        See `read_yaml`.
    has_lines : bool, default True
        Whether lines and columns mean anything to its reader.

    Raises
    ------
    ConfigError
        See `read_yaml`.
    """

    def place(mark: Any) -> Place:
        if mark is None or not has_lines:
            return Place(source, 0, 0, folder)
        return Place(source, mark.line + 1, mark.column + 1, folder)

    try:
        _check_size(text, place)
        node = yaml.compose(text, _Loader)
    except ConfigError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = place(error.problem_mark or error.context_mark)
        about = f" {error.context}," if error.context else ""
        hint = " Indent with spaces, not tabs." if "'\\t'" in (error.problem or "") else ""
        msg = f"{mark}: Invalid YAML:{about} {error.problem}.{hint}"
        raise ConfigError(msg) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # Escapes and directives that PyYAML itself stumbles over end here too.
        msg = f"{source}: Invalid YAML: {str(error).splitlines()[0]}."
        raise ConfigError(msg) from error
    if node is None:
        return Located(None, place(None))
    return _Converter(place, substitute).convert(node)


def _check_size(text: str, place: Callable[[Any], Place]) -> None:
    """Look at the events alone, which takes no recursion, before anything is built of them."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, _Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            msg = f"{place(event.start_mark)}: This is nested more than {_DEEPEST} levels deep."
            raise ConfigError(msg)
        if count > _MOST_VALUES:
            msg = f"{place(event.start_mark)}: There are more than {_MOST_VALUES:,} values."
            raise ConfigError(msg)


class _Converter:
    """Turns nodes into located values, counting what aliases unfold to."""

    def __init__(
        self, place: Callable[[Any], Place], substitute: Callable[[str], str] | None
    ) -> None:
        self._place = place
        self._substitute = substitute
        self._resolve = _Loader("").resolve
        self._count = 0
        self._open: list[Any] = []

    def convert(self, node: Any) -> Located:
        place = self._place(node.start_mark)
        self._count += 1
        if self._count > _MOST_VALUES:
            msg = f"{place}: With its aliases the file unfolds to over {_MOST_VALUES:,} values."
            raise ConfigError(msg)
        if any(node is other for other in self._open):
            msg = f"{place}: This alias is inside the node it refers to."
            raise ConfigError(msg)
        if isinstance(node, yaml.ScalarNode):
            value, text = self._scalar(node, place)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return Located(value, place, written=text if is_number else "")
        if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            raise ConfigError(_tag_refused(place, node.tag))
        self._open.append(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                return Located([self.convert(item) for item in node.value], place)
            return self._mapping(node, place)
        finally:
            self._open.pop()

    def _mapping(self, node: Any, place: Place) -> Located:
        own: dict[str, Located] = {}
        keys: dict[str, Place] = {}
        merged: list[Located] = []
        for key_node, value_node in node.value:
            key_place = self._place(key_node.start_mark)
            if key_node.tag == _MERGE:
                merged += self._merged(value_node)
                continue
            key = self._key(key_node, key_place)
            if key in own:
                msg = (
                    f"{key_place}: The key {key!r} is here twice, first at {keys[key]}. "
                    "Keep one of them."
                )
                raise ConfigError(msg)
            keys[key] = key_place
            own[key] = self.convert(value_node)
        for other in merged:
            for key, item in other.value.items():
                if key not in own:
                    own[key], keys[key] = item, other.keys[key]
        return Located(own, place, keys)

    def _merged(self, node: Any) -> Iterator[Located]:
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            found = self.convert(item)
            if not found.is_mapping:
                msg = f"{found.place}: The merge key << takes mappings only."
                raise ConfigError(msg)
            yield found

    def _key(self, node: Any, place: Place) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            msg = f"{place}: A key must be a name."
            raise ConfigError(msg)
        if node.tag.removeprefix(_TAG) not in ("str", "int", "float", "bool", "null"):
            raise ConfigError(_tag_refused(place, node.tag))
        _refuse_control(node.value, place)
        return str(node.value)

    def _scalar(self, node: Any, place: Place) -> tuple[Any, str]:
        """Give what a scalar means, and its text."""
        text, tag = node.value, node.tag
        if self._substitute is not None and "$" in text:
            try:
                text = self._substitute(text)
            except ConfigError as error:
                msg = f"{place}: {error}"
                raise ConfigError(msg) from error
            if node.style is None and node.tag == f"{_TAG}str":
                tag = self._resolve(yaml.ScalarNode, text, (True, False))
        _refuse_control(text, place)
        kind = tag.removeprefix(_TAG)
        try:
            return _SCALARS[kind](text), text
        except KeyError:
            raise ConfigError(_tag_refused(place, tag)) from None
        except (ValueError, OverflowError):
            msg = f"{place}: {text[:40]!r} is not a valid {kind}."
            raise ConfigError(msg) from None


def _refuse_control(text: str, place: Place) -> None:
    found = _CONTROL.search(text)
    if found:
        msg = f"{place}: The character {found[0]!r} cannot be part of a name or a text."
        raise ConfigError(msg)


def _tag_refused(place: Place, tag: str) -> str:
    shown = tag.removeprefix(_TAG)
    return (
        f"{place}: The tag {shown!r} is not understood: a configuration holds text, numbers, "
        "true, false, null, lists and mappings."
    )


def _as_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _as_int(text: str) -> int:
    return int(text, 0) if text.lower().startswith(("0x", "0o")) else int(text)


def _as_float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda _text: None,
    "bool": _as_bool,
    "int": _as_int,
    "float": _as_float,
    # A plain << that is a value is just text.
    "merge": str,
}
