"""From what a configuration says to the arguments of a class."""

from __future__ import annotations

import inspect
import os
import re
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Union

from pydantic import ConfigDict, TypeAdapter, ValidationError

from facebench.errors import FacebenchError
from facebench.experiment.locations import Located
from facebench.experiment.paths import LOCAL_DIR, named_file
from facebench.experiment.plugins import find_function
from facebench.experiment.registry import CORRELATIONS, METRICS, Registry
from facebench.utils.importing import CodeName
from facebench.utils.suggestions import did_you_mean, listed

__all__ = [
    "SHORT_NAMES",
    "ArgumentProblem",
    "alignment_parameters",
    "arguments_for",
    "hints_of",
    "is_plain",
    "parameters_of",
]

# Short names for parameters that documented classes spell out.
SHORT_NAMES = {
    "pairs": "pairs_file_path",
    "images": "images_path",
    "distance": "distance_metric",
    "correlation": "correlation_metric",
    "weights": "weights_path",
    "layers": "extract_layers",
}
_NAMED_FUNCTIONS: dict[str, Registry] = {
    "distance_metric": METRICS,
    "correlation_metric": CORRELATIONS,
}
_LENIENT = ConfigDict(coerce_numbers_to_str=True)
_VARIADIC = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
_LOCAL = ("./", "../", "~/")
_PLAIN = (bool, int, float, str, type(None))
_COLLECTIONS = (Iterable, Mapping, Sequence, dict, list, os.PathLike, tuple)
_LIST_TYPE = re.compile(r"\b(?:Iterable|Sequence|list)\[(\w+)\]")


class ArgumentProblem(Exception):  # noqa: N818
    """What is wrong with one argument; the caller, which knows the file, puts the place before it.

    Attributes
    ----------
    key : str
        The key that is wrong; empty if one is missing.
    """

    def __init__(self, sentence: str, key: str = "") -> None:
        super().__init__(sentence)
        self.key = key


def parameters_of(cls: type) -> dict[str, inspect.Parameter]:
    """List what a class takes.

    Returns
    -------
    dict of str to Parameter
        By name, without self. What ``**options`` hands on to the class above is there too.
    """
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        own = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
        found = {**{parameter.name: parameter for parameter in own}, **found}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own):
            return {name: item for name, item in found.items() if item.kind not in _VARIADIC}
    return found


def arguments_for(
    cls: type, given: Mapping[str, Located], defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Turn an entry's keys into keyword arguments.

    Parameters
    ----------
    cls : type
        The class.
    given : mapping of str to Located
        Keys as written, short names included.
    defaults : mapping of str to object
        Arguments for parameters that were not given, where the class has them.

    Returns
    -------
    arguments : dict
        Ready to call the class with.
    keys : dict of str to str
        The key that each argument was written as.

    Raises
    ------
    ArgumentProblem
        If a key is none of the class's, a value is of the wrong kind, or one is missing.
    """
    parameters = parameters_of(cls)
    hints = hints_of(cls)
    alignment = alignment_parameters(cls)
    if given.keys() & alignment.keys() and "align" not in given:
        key = next(key for key in given if key in alignment)
        sentence = (
            f"{key!r} applies to aligned faces only: give 'align' too, as true or a template."
        )
        raise ArgumentProblem(sentence, key)
    parameters |= alignment
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    arguments: dict[str, Any] = {}
    keys: dict[str, str] = {}
    for key, item in given.items():
        name = key if key in parameters else SHORT_NAMES.get(key, key)
        if name not in parameters and not takes_any:
            known = [_short(one, parameters) for one in parameters if one != "name"]
            sentence = (
                f"{cls.__name__} takes no {key!r}.{did_you_mean(key, [*known, *parameters])} "
                f"It takes: {listed(known)}."
            )
            raise ArgumentProblem(sentence, key)
        if name in arguments:
            sentence = f"{key!r} and {keys[name]!r} are the same argument. Keep one of them."
            raise ArgumentProblem(sentence, key)
        arguments[name] = _value(key, name, item, parameters.get(name), hints.get(name))
        keys[name] = key
    for name, value in defaults.items():
        if name in parameters and name not in arguments:
            arguments[name] = value
    for name, parameter in parameters.items():
        if parameter.kind in _VARIADIC:
            continue
        if parameter.default is parameter.empty and name not in arguments:
            msg = f"{cls.__name__} needs {_short(name, parameters)!r}."
            raise ArgumentProblem(msg)
    return arguments, keys


def alignment_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """List what `BaseModel.set_alignment` takes and a model's class does not.

    Parameters
    ----------
    cls : type
        The class of a model or task.

    Returns
    -------
    dict of str to Parameter
        By name; empty if the class has an ``align`` of its own.
    """
    own = parameters_of(cls)
    if not hasattr(cls, "set_alignment") or "align" in own:
        return {}
    found = inspect.signature(cls.set_alignment).parameters
    return {name: item for name, item in found.items() if name not in ("self", *own)}


def _short(name: str, parameters: Iterable[str]) -> str:
    shorts = [short for short, long in SHORT_NAMES.items() if long == name]
    # What is a parameter of its own is short for no other.
    return next((short for short in shorts if short not in parameters), name)


def _value(
    key: str, name: str, item: Located, parameter: inspect.Parameter | None, hint: Any
) -> Any:
    written = parameter.annotation if parameter is not None else ""
    annotation = written.__name__ if isinstance(written, type) else str(written)
    value, folder = item.plain(), item.place.folder
    # A plug-in may call something else so, and say of which type it is.
    is_trials = "PeopleSource" in annotation or "Trials" in annotation or hint is None
    if name == "people" and value is not None and is_trials:
        return _people(key, value, folder)
    if isinstance(value, str):
        is_file = name == "detector" and value.endswith(".onnx")
        is_own = name == "detector" and ":" in value and not is_file
        if (
            name in _NAMED_FUNCTIONS
            or is_own
            or "Callable" in annotation
            or "Function" in annotation
        ):
            try:
                return find_function(value, _NAMED_FUNCTIONS.get(name), folder)
            except FacebenchError as error:
                raise ArgumentProblem(str(error), key) from error
        if "CodeName" in annotation:
            return CodeName(value, folder)
        if value.startswith(LOCAL_DIR):
            return f"{LOCAL_DIR}{folder / Path(value.removeprefix(LOCAL_DIR)).expanduser()}"
        # 'facebook/dinov2-small' is a folder only where there is one.
        is_folder = "HubSource" in annotation and (folder / value).is_dir()
        if is_file or is_folder or "Path" in annotation or value.startswith(_LOCAL):
            return str(folder / Path(value).expanduser())
    if "Sources" in annotation:
        value = _with_files(value, folder)
    if hint is not None and is_plain(hint):
        try:
            read = TypeAdapter(hint, config=_LENIENT).validate_python(value)
        except ValidationError as error:
            expected = _choices(error) or _LIST_TYPE.sub(
                r"list of \1",
                annotation.replace("'", "").replace("None", "null").replace("StrPath", "path"),
            )
            sentence = f"{key!r} must be {expected}. Got {value!r}.{_near(value, hint)}"
            raise ArgumentProblem(sentence, key) from error
        return item.as_texts(read)
    return value


def _people(key: str, value: Any, folder: Path) -> Any:
    """Read the trials that an entry names by their description, or describes itself."""
    from facebench.people import people_of

    if not isinstance(value, str | dict):
        sentence = (
            f"{key!r} must be the YAML file that describes the trials of people, or what it would "
            f"say. Got {value!r}."
        )
        raise ArgumentProblem(sentence, key)
    try:
        if isinstance(value, str):
            return people_of(folder / Path(value).expanduser())
        return people_of(value, folder)
    except FacebenchError as error:
        raise ArgumentProblem(str(error), key) from error


def _with_files(value: Any, folder: Path) -> Any:
    """Give the files that a value names, at any depth, by their paths; columns stay names."""
    if isinstance(value, Mapping):
        return {key: _with_files(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_files(item, folder) for item in value]
    if isinstance(value, str):
        path, attribute = named_file(value, folder)
        return value if path is None or not path.is_file() else f"{path}{attribute}"
    return value


def _choices(error: ValidationError) -> str:
    """Give the texts of which a value must be one; '' where the type allows others too."""
    problems = error.errors()
    chosen = [problem for problem in problems if problem["type"] == "literal_error"]
    others = {problem["type"] for problem in problems} - {"literal_error", "none_required"}
    return chosen[0]["ctx"]["expected"] if len(chosen) == 1 and not others else ""


def _near(value: Any, hint: Any) -> str:
    choices = [str(choice) for choice in typing.get_args(hint) if isinstance(choice, str)]
    return did_you_mean(str(value), choices)


def hints_of(cls: type) -> dict[str, Any]:
    """Give the types of a class's parameters, as far as they can be known at run time."""
    hints: dict[str, Any] = {}
    for base in cls.__mro__[:-1]:
        if "__init__" in vars(base):
            function = inspect.unwrap(vars(base)["__init__"])
            for name, annotation in function.__annotations__.items():
                # Of names imported for type checkers only, the class checks its arguments itself.
                with suppress(Exception):
                    one = types.SimpleNamespace(__annotations__={name: annotation})
                    known = typing.get_type_hints(one, function.__globals__)
                    hints.setdefault(name, known[name])
    return hints


def is_plain(hint: Any) -> bool:
    """Tell whether a type is made of what YAML holds: text, numbers, truth values and lists."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return True
    if origin in (Union, types.UnionType, *_COLLECTIONS):
        return all(is_plain(part) for part in typing.get_args(hint) if part is not ...)
    return hint in _PLAIN
