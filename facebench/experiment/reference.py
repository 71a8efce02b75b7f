"""What a registered model or task takes: for `facebench tasks NAME` and the JSON schema.

Everything is read from the class: its signature, and the numpydoc docstrings of it and of the
classes it is derived from.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from docstring_parser import Docstring, DocstringStyle, parse

import facebench
from facebench.experiment.arguments import (
    SHORT_NAMES,
    alignment_parameters,
    hints_of,
    parameters_of,
)
from facebench.experiment.wrappers import MODEL_OPTIONS, TASK_OPTIONS

__all__ = ["Argument", "Reference", "reference_of"]

_ELSEWHERE = re.compile(r"(?:See|As for|As in|As) `(\w+)(?:\.(\w+))?`[.:]?\s*")
# What the YAML's key says already.
_GIVEN_BY_THE_ENTRY = ("name",)
# For the snippet: values by key, where the key alone does not suggest one.
_VALUES = {
    "images": "faces",
    "images_path": "faces",
    "network": "my_net.py:MyNet",
    "weights": "weights.pth",
}


@dataclass(frozen=True)
class Argument:
    """One key that an entry of the YAML file may have.

    Attributes
    ----------
    key : str
        As written in YAML, short where there is a short name.
    parameter : str
        As in Python.
    type : str
        The kind of value, as the docstring has it.
    default : str
        As Python writes it; '' where the argument must be given.
    meaning : str
        What the docstring says of it.
    hint : object
        The type at run time; None where it cannot be known.
    """

    key: str
    parameter: str
    type: str
    default: str
    meaning: str
    hint: Any = None

    @property
    def is_required(self) -> bool:
        """Whether it must be given."""
        return not self.default


@dataclass(frozen=True)
class Reference:
    """What a model or task is, and what it takes.

    Attributes
    ----------
    name : str
        Its registered name.
    cls : str
        Its class.
    question : str
        What it asks, or is.
    columns : dict of str to str
        Of a task of pairs: the columns of its table, each with the argument that names another.
    arguments : list of Argument
        Required ones first.
    snippet : str
        A YAML entry with everything that is required.
    people : list of str
        What people do, where that is published.
    sources : str
        Publications.
    takes_any : bool
        Whether its constructor takes further arguments of any name.
    """

    name: str
    cls: str
    question: str
    columns: dict[str, str]
    arguments: list[Argument]
    snippet: str
    people: list[str]
    sources: str
    takes_any: bool


def reference_of(name: str, cls: type, section: str) -> Reference:
    """Describe a registered model or task.

    Parameters
    ----------
    name : str
        Its registered name.
    cls : type
        Its class.
    section : {'models', 'tasks'}
        The section of the YAML file.
    """
    parsed = _parsed(cls)
    arguments = list(_arguments(cls))
    arguments.sort(key=lambda argument: not argument.is_required)
    return Reference(
        name=name,
        cls=f"{cls.__module__}:{cls.__qualname__}",
        question=" ".join((parsed.short_description or "").split()),
        columns=_columns(cls, arguments) if section == "tasks" else {},
        arguments=arguments,
        snippet=_snippet(name, section, arguments),
        people=[_reference(*known) for known in getattr(cls, "human_references", ())],
        sources="\n".join(meta.description or "" for meta in parsed.meta if _is_source(meta.args)),
        takes_any=any(item.kind is item.VAR_KEYWORD for item in parameters_of(cls).values()),
    )


def _reference(what: str, value: float, source: str) -> str:
    return f"{what}{'' if math.isnan(value) else f' {value:g}'} ({source})"


def _is_source(kind: list[str]) -> bool:
    return bool(kind) and kind[0].lower() == "references"


def _arguments(cls: type) -> Iterator[Argument]:
    own = parameters_of(cls)
    hints = hints_of(cls)
    shorts = {long: short for short, long in SHORT_NAMES.items() if short not in own}
    documented = _documented(cls)
    aligning = alignment_parameters(cls)
    for name, parameter in {**own, **aligning}.items():
        if name in _GIVEN_BY_THE_ENTRY:
            continue
        kind, meaning = documented.get(name) or _of_method(cls, "set_alignment").get(name, ("", ""))
        yield Argument(
            key=shorts.get(name, name),
            parameter=name,
            type=_without_default(kind) or _written(parameter.annotation),
            default="" if parameter.default is parameter.empty else _shown(parameter.default),
            meaning=meaning,
            hint=hints.get(name),
        )
    for options in (MODEL_OPTIONS, TASK_OPTIONS):
        for key, method in options.items():
            if key not in own and hasattr(cls, method):
                kind, meaning = _of_method(cls, method).get(key, ("", ""))
                yield Argument(key, key, _without_default(kind), "None", meaning)


def _documented(cls: type) -> dict[str, tuple[str, str]]:
    """Find each parameter's type and meaning, in the class or where it sends the reader."""
    found: dict[str, tuple[str, str]] = {}
    for base in cls.__mro__[:-1]:
        for name, (kind, meaning) in _parameters_in(_parsed(base)).items():
            if name not in found:
                found[name] = kind, meaning
            elsewhere = _ELSEWHERE.match(meaning)
            other = getattr(facebench, elsewhere[1], None) if elsewhere else None
            if elsewhere is None or other is None or other is base or found[name][1] != meaning:
                continue
            method = elsewhere[2]
            there = _of_method(other, method) if method else _documented(other)
            its_kind, its_meaning = there.get(name, ("", ""))
            whole = f"{its_meaning} {meaning[elsewhere.end() :]}".strip()
            found[name] = kind or its_kind, whole
    return found


def _of_method(cls: type, method: str) -> dict[str, tuple[str, str]]:
    told: dict[str, tuple[str, str]] = {}
    for base in cls.__mro__:
        doc = inspect.cleandoc(getattr(vars(base).get(method), "__doc__", None) or "")
        told = {**_parameters_in(parse(doc, DocstringStyle.NUMPYDOC)), **told}
    if method == "set_score_norm":
        lines = [f"{name}: {meaning}" for name, (_, meaning) in told.items()]
        return {"score_norm": ("mapping", " ".join(lines))}
    return told


def _parameters_in(doc: Docstring) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for item in doc.params:
        if item.args[0] == "param":
            names = item.arg_name.split(", ")
            meaning = " ".join((item.description or "").replace("``", "`").split())
            elsewhere = _ELSEWHERE.match(meaning)
            if elsewhere and len(names) > 1:
                # What follows is about them together.
                meaning = elsewhere[0]
            found |= {name.lstrip("*"): (item.type_name or "", meaning) for name in names}
    return found


@cache
def _parsed(cls: type) -> Docstring:
    return parse(inspect.cleandoc(vars(cls).get("__doc__") or ""), DocstringStyle.NUMPYDOC)


def _without_default(kind: str) -> str:
    return re.sub(r",? *(?:default.*|optional)$", "", kind)


def _written(annotation: Any) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


def _shown(default: Any) -> str:
    name = getattr(default, "__name__", None)
    if callable(default) and name:
        return str(name)
    return repr(default)


def _columns(cls: type, arguments: list[Argument]) -> dict[str, str]:
    if not any(argument.parameter == "pairs_file_path" for argument in arguments):
        return {}
    columns = dict.fromkeys(("img1", "img2", *getattr(cls, "columns", ())), "")
    for argument in arguments:
        is_column = argument.parameter.endswith("_column") or argument.parameter == "true_label"
        if is_column and argument.default.startswith("'"):
            columns[argument.default.strip("'")] = argument.key
    return columns


def _example(argument: Argument) -> str:
    if argument.key == "file" and (suffix := re.search(r"\.[a-z]+", argument.meaning)):
        return f"values{suffix[0]}"
    if argument.key in _VALUES:
        return _VALUES[argument.key]
    choices = [choice for choice in get_args(argument.hint) if isinstance(choice, str)]
    if choices:
        return choices[0]
    return f"{argument.key}.csv" if "path" in argument.type.lower() else argument.key.upper()


def _snippet(name: str, section: str, arguments: list[Argument]) -> str:
    keys = {section.removesuffix("s"): name}
    keys |= {item.key: _example(item) for item in arguments if item.is_required}
    inside = ", ".join(f"{key}: {value}" for key, value in keys.items())
    return f"{section}:\n  my-{name}: {{{inside}}}"
