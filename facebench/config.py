"""The configuration of an experiment: what a YAML file may say, checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from facebench.config_sources import NAMED, gather
from facebench.errors import ConfigError
from facebench.names import did_you_mean, listed
from facebench.registry import METRICS, MODELS, TASKS
from facebench.types import StrPath
from facebench.yaml_reading import Located, Place

__all__ = ["Config", "ModelEntry", "Settings", "TaskEntry", "json_schema", "load_config"]

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
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


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str | int) and not isinstance(value, bool) else value


def _as_bytes(value: Any) -> Any:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None and isinstance(value, str):
        msg = "be a size such as '4 GB'"
        raise ValueError(msg)
    return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()]) if found else value


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, allow_inf_nan=False)


class ModelEntry(_Checked):
    """One model; further keys are arguments of its class."""

    model_config = ConfigDict(extra="allow")
    model: str = Field(
        min_length=1,
        description="A registered name (`facebench models`), 'module:Class', or a .py file.",
    )
    layers: Annotated[list[str] | None, BeforeValidator(_as_list)] = Field(
        None, description="Names, globs such as 'features.*', or 'all'. Default: the output."
    )
    seeds: Annotated[list[int] | None, BeforeValidator(_as_list)] = Field(
        None,
        min_length=1,
        description="A copy of the model for each of these seeds: untrained controls.",
    )


class TaskEntry(_Checked):
    """One task; further keys are arguments of its class."""

    model_config = ConfigDict(extra="allow")
    task: str = Field(
        min_length=1,
        description="A registered name (`facebench tasks`), 'module:Class', or a .py file.",
    )


class Settings(_Checked):
    """All that a configuration may say."""

    name: str = Field("", description="Name of the experiment. Default: the file's.")
    images: Path | None = Field(
        None, description="The folder image names are relative to, where a task names no other."
    )
    distance: str | None = Field(
        None, description="Distance of tasks that name no other (`facebench metrics`)."
    )
    models: dict[str, ModelEntry] = Field(min_length=1, description="The models, by name.")
    tasks: dict[str, TaskEntry] = Field(min_length=1, description="The tasks, by name.")
    device: str = Field("auto", description="'auto', 'cpu', 'cuda:0', 'mps'.")
    batch_size: int = Field(32, ge=1, description="Images per forward pass.")
    num_workers: int | None = Field(
        None, ge=0, description="Processes that decode images. Default: one per core."
    )
    on_bad_image: Literal["stop", "skip"] = Field(
        "stop", description="Whether an unreadable image ends the run or costs its pairs only."
    )
    cache: Path | Literal[False] | None = Field(
        None,
        description="Folder of the embedding store; false keeps none. Default: FACEBENCH_CACHE, "
        "or the user's cache folder.",
    )
    precision: Literal["float32", "float16", "bfloat16"] = Field(
        "float32", description="Other than float32 runs networks under autocast."
    )
    max_memory: Annotated[int | None, BeforeValidator(_as_bytes)] = Field(
        None, ge=2**20, description="Memory for embeddings, such as '4 GB'. Default: what is free."
    )
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of all that is drawn at random.")
    output: Path = Field(Path("runs"), description="Folder for the results of runs.")
    report: bool = Field(True, description="Whether a run ends with a report.html.")
    plugins: list[str] = Field(
        default_factory=list,
        description="Python files or modules to import first, such as ones that register names.",
    )


@dataclass(frozen=True)
class Config:
    """A checked configuration that still knows where everything was written.

    Attributes
    ----------
    settings : Settings
        What it says; paths are absolute.
    source : Located
        The same with places.
    path : Path
        The file.
    """

    settings: Settings
    source: Located
    path: Path

    def located(self, *keys: str) -> Located | None:
        """Find a value with its place.

        Parameters
        ----------
        *keys : str
            The way to it, such as ``"tasks", "lfw", "pairs"``.

        Returns
        -------
        Located or None
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

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        With a sentence for everything that is wrong: file, line, key, what was expected, and the
        closest valid name.
    """
    file = Path(path)
    source = gather(file, overrides)
    for key in ("images", "output", "cache"):
        _make_absolute(source.value.get(key))
    if "output" not in source.value:
        place = Place(str(file), 0, 0, file.resolve().parent)
        source.value["output"] = Located(str(place.folder / "runs"), place)
        source.keys["output"] = place
    try:
        settings = Settings.model_validate(source.plain())
    except ValidationError as error:
        raise ConfigError(*_sentences(source, error)) from error
    if not settings.name.strip():
        settings.name = file.stem
    return Config(settings, source, file)


def json_schema() -> dict[str, Any]:
    """Describe the file format for editors.

    Returns
    -------
    dict
        A JSON schema (draft 2020-12) of everything a file may say, with its short forms.
    """
    schema = Settings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A facebench experiment"
    # An included file may hold what this one lacks.
    schema.pop("required", None)
    properties = schema["properties"]
    text_or_list = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    properties["include"] = {
        "anyOf": text_or_list,
        "description": "Files to begin with; what this file says replaces what they say.",
    }
    properties["max_memory"]["anyOf"].insert(0, {"type": "string"})
    properties["distance"]["anyOf"].insert(0, {"enum": METRICS.names()})
    entries = {"models": ("ModelEntry", MODELS), "tasks": ("TaskEntry", TASKS)}
    for section, (definition, registry) in entries.items():
        entry = schema["$defs"][definition]
        kind = entry["properties"][NAMED[section]]
        described = kind.pop("description")
        entry["properties"][NAMED[section]] = {
            "anyOf": [{"enum": registry.names()}, kind],
            "description": described,
        }
        entry["properties"]["name"] = {"type": "string", "description": "In a list: its name."}
        either = [{"$ref": f"#/$defs/{definition}"}, {"type": "string"}]
        properties[section] = {
            "description": properties[section]["description"],
            "anyOf": [
                {"type": "object", "additionalProperties": {"anyOf": either}, "minProperties": 1},
                {"type": "array", "items": {"anyOf": either}, "minItems": 1},
            ],
        }
    for name in ("layers", "seeds"):
        field = schema["$defs"]["ModelEntry"]["properties"][name]
        field["anyOf"].insert(0, {"type": "string" if name == "layers" else "integer"})
    return schema


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
        found.setdefault((where, dotted), []).append(_sentence(dotted, problem))
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


def _sentence(dotted: str, problem: Mapping[str, Any]) -> str:
    kind, got = problem["type"], problem["input"]
    key = str(problem["loc"][-1]) if problem["loc"] else ""
    if kind == "extra_forbidden":
        known = [*Settings.model_fields, "include"]
        return f"There is no setting {key!r}.{did_you_mean(key, known)} Known are: {listed(known)}."
    if kind == "missing":
        if key in NAMED:
            return f"The configuration lacks {key!r}: name at least one."
        return f"{dotted.rpartition('.')[0]} lacks {key!r}, which says what it is."
    said = problem["msg"].removeprefix("Input should ").removeprefix("Value error, ")
    expected = _EXPECTED.get(kind, said)
    hint = ""
    if kind == "literal_error":
        hint = did_you_mean(str(got), re.findall(r"'(\w+)'", problem["ctx"]["expected"]))
    return f"{dotted} must {expected}. Got {_shown(got)}.{hint}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"a mapping ({listed(map(str, value))})" if value else "an empty mapping"
    text = repr(value)
    return text if len(text) < 80 else f"{text[:77]}…"
