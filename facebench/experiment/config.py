"""The configuration of an experiment: what a YAML file may say, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from facebench.errors import ConfigError
from facebench.experiment.locations import Located, Place
from facebench.experiment.schema import DEVICES, ExperimentSettings
from facebench.experiment.sources import NAMED, gather
from facebench.experiment.training_series import expand_series
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean, listed

__all__ = ["Config", "load_config"]

# What pydantic found, in words of this house.
_EXPECTED = {
    "bool_parsing": "be true or false",
    "bool_type": "be true or false",
    "dict_type": "be a mapping",
    "int_from_float": "be a whole number",
    "int_parsing": "be a whole number",
    "int_type": "be a whole number",
    "list_type": "be a list",
    "model_type": "be a mapping",
    "path_type": "be a path",
    "string_type": "be a text",
    "too_short": "name at least one",
}


@dataclass(frozen=True)
class Config:
    """A checked configuration that still knows where everything was written.

    Attributes
    ----------
    settings : ExperimentSettings
        What it says; paths are absolute.
    source : Located
        The same with places.
    path : Path
        The file.
    """

    settings: ExperimentSettings
    source: Located
    path: Path

    def located(self, *keys: str) -> Located | None:
        """Find a value with its place.

        Parameters
        ----------
        *keys : str
            The way to it, such as ``"tasks", "lfw", "pairs"``.
        """
        here: Located | None = self.source
        for key in keys:
            here = here.value.get(key) if here is not None and here.is_mapping else None
        return here

    def problem(self, keys: Sequence[str | int], sentence: str) -> str:
        """Write a sentence about a key behind the place of that key.

        Parameters
        ----------
        keys : sequence of str or int
            The way to the key; what is not there is as good as its parent.
        sentence : str
            What is wrong.

        Returns
        -------
        str
            ``file:line:column: sentence``.
        """
        return f"{_place_of(self.source, keys)}: {sentence}"


def load_config(path: StrPath, overrides: Sequence[str] = ()) -> Config:
    """Read and check a configuration; nothing heavy is imported, no class is made.

    Parameters
    ----------
    path : str or Path
        The YAML file.
    overrides : sequence of str
        As ``tasks.lfw.folds=5``.

    Raises
    ------
    ConfigError
        With a sentence for everything that is wrong: file, line, key, what was expected, and the
        closest valid name.
    """
    file = Path(path)
    source = gather(file, overrides)
    expand_series(source)
    for key in ("images", "output", "cache", "packs"):
        _make_absolute(source.value.get(key))
    if "output" not in source.value:
        place = Place(str(file), 0, 0, file.resolve().parent)
        source.value["output"] = Located(str(place.folder / "runs"), place)
        source.keys["output"] = place
    try:
        settings = ExperimentSettings.model_validate(source.plain())
    except ValidationError as error:
        raise ConfigError(*_sentences(source, error)) from error
    if not settings.name.strip():
        settings.name = file.stem
    return Config(settings, source, file)


def _make_absolute(item: Located | None) -> None:
    if item is not None and isinstance(item.value, str) and item.value:
        item.value = str(item.place.folder / Path(item.value).expanduser())


def _place_of(source: Located, keys: Sequence[str | int]) -> Place:
    here, place = source, source.place
    for key in keys:
        if here.is_mapping and key in here.value:
            place = here.keys.get(str(key), here.value[key].place)
            here = here.value[key]
        elif isinstance(here.value, list) and isinstance(key, int) and key < len(here.value):
            here = here.value[key]
            place = here.place
    return place


def _sentences(source: Located, error: ValidationError) -> Iterable[str]:
    """Turn pydantic's findings into sentences with places, one for each value."""
    found: dict[tuple[str, str], list[str]] = {}
    for problem in error.errors(include_url=False, include_context=True):
        keys = _known_keys(source, problem["loc"])
        where = str(_place_of(source, problem["loc"]))
        dotted = ".".join(map(str, keys)) or "The configuration"
        sentence = _sentence(dotted, problem) + _other_entry(source, problem)
        found.setdefault((where, dotted), []).append(sentence)
    for (where, _), sentences in found.items():
        # A value that may be of several kinds has a complaint for each: the first is the one meant.
        yield f"{where}: {sentences[0]}"


def _known_keys(source: Located, loc: Sequence[str | int]) -> list[str | int]:
    """Leave out what pydantic adds to the way, such as the kind of a union it tried."""
    here: Located | None = source
    keys: list[str | int] = []
    for key in loc:
        if here is not None and here.is_mapping:
            keys.append(key)
            here = here.value.get(key)
        elif here is not None and isinstance(here.value, list) and isinstance(key, int):
            keys.append(key)
            here = here.value[key] if key < len(here.value) else None
    return keys


def _other_entry(source: Located, problem: Mapping[str, Any]) -> str:
    """Hint at the entry that was meant, where an override made one of a misspelt name."""
    section, name, *_ = (*map(str, problem["loc"]), "", "")
    if problem["type"] != "missing" or section not in NAMED or not name:
        return ""
    return did_you_mean(name, [other for other in source.value[section].value if other != name])


def _sentence(dotted: str, problem: Mapping[str, Any]) -> str:
    kind, got = problem["type"], problem["input"]
    key = str(problem["loc"][-1]) if problem["loc"] else ""
    if kind == "extra_forbidden":
        known = [*ExperimentSettings.model_fields, "include"]
        return f"Unknown setting {key!r}.{did_you_mean(key, known)} Settings: {listed(known)}."
    if kind == "missing":
        if key in NAMED:
            return f"The configuration lacks {key!r}: name at least one."
        return f"{dotted.rpartition('.')[0]} lacks {key!r}, which states its kind."
    said = problem["msg"].removeprefix("Input should ").removeprefix("Value error, ")
    expected = _EXPECTED.get(kind, said)
    hint = ""
    if kind == "literal_error":
        hint = did_you_mean(str(got), re.findall(r"'(\w+)'", problem["ctx"]["expected"]))
    if key == "device":
        hint = did_you_mean(str(got).partition(":")[0], DEVICES)
    return f"{dotted} must {expected}. Got {_shown(got)}.{hint}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"a mapping ({listed(map(str, value))})" if value else "an empty mapping"
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}…"
