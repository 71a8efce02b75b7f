"""The description of trials: where their files are, and what columns and codes mean."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from facebench.errors import ConfigError
from facebench.people.cells import is_number
from facebench.people.trials import (
    ALTERNATIVES,
    OPTIONAL,
    PARTICIPANT,
    RESPONSE,
    TrialKind,
    alternatives_in,
)
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean

__all__ = [
    "FILL_IN",
    "MISSING",
    "CatchTrials",
    "ColumnSource",
    "Exclusions",
    "ImageNaming",
    "JoinedTable",
    "RowChoice",
    "TrialsDescription",
    "WideColumns",
    "load_description",
]

# What programs write for "no response".
MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "undefined", "#N/A")
# What stands in a first description for what must be filled in.
FILL_IN = "FILL-IN"
_SHOWN_COLUMNS = ("img1", "img2", "target", "image")
# Names that `columns` may map beside conditions.
MEANINGS = (
    *(PARTICIPANT, *_SHOWN_COLUMNS, "alternatives", RESPONSE, "ranks", "correct_response"),
    *OPTIONAL,
)


def _as_list(value: Any) -> Any:
    if isinstance(value, bool):
        # A code that YAML took for a truth value.
        return [str(value).lower()]
    return value if isinstance(value, list) or value is None else [value]


_Texts = Annotated[list[str], BeforeValidator(_as_list)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, populate_by_name=True)


class ColumnSource(_Checked):
    """Where the cells of a column come from; a plain text is the name of a column."""

    column: str | None = Field(None, description="A column of the file; a number counts from 1.")
    value: str | None = Field(None, description="The same text in every row.")
    file: str | None = Field(
        None, description="A regular expression; what its group finds in the name of the file."
    )
    part: str | None = Field(
        None, alias="json", description="Key or place (from 0) in a cell that holds JSON."
    )
    pattern: str | None = Field(
        None, description="A regular expression; what its group finds in the cell."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnSource:
        given = [name for name in ("column", "value", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            msg = "name one of 'column', 'value' and 'file'"
            raise ValueError(msg)
        return self


def _as_source(value: Any) -> Any:
    if isinstance(value, Mapping | ColumnSource):
        return value
    # The whole name of the file, without its suffix.
    return {"file": r"(.*)\.[^.]*"} if str(value) == "file" else {"column": value}


_Source = Annotated[ColumnSource, BeforeValidator(_as_source)]
_Sources = Annotated[list[_Source], BeforeValidator(_as_list)]


class RowChoice(_Checked):
    """Which cells of a column make a row count."""

    is_: _Texts | None = Field(None, alias="is", description="Any of these texts.")
    not_: _Texts | None = Field(None, alias="not", description="None of these texts.")
    filled: bool | None = Field(None, description="Whether there is a text at all.")


def _as_choice(value: Any) -> Any:
    return value if isinstance(value, Mapping | RowChoice) else {"is": value}


_Rows = dict[str, Annotated[RowChoice, BeforeValidator(_as_choice)]]


class WideColumns(_Checked):
    """Columns that each hold one trial, to be turned into rows."""

    columns: str = Field(
        min_length=1,
        description="A regular expression for their whole names. Named groups become columns; a "
        "group 'measure' says what a cell is (a rating, an RT).",
    )


class JoinedTable(_Checked):
    """A second table whose columns are added to the trials by columns that both have."""

    file: Path
    on: _Texts = Field(min_length=1)


class ImageNaming(_Checked):
    """How names of images follow from what the trials hold."""

    strip: str = Field("", description="What names begin with and is left out.")
    pattern: str = Field(
        "", description="A name with '{}' where the cell goes, such as 'face_{:03d}.jpg'."
    )
    names: str = Field(
        "", description="The list that numbers count in: a text file, or a variable of a .mat file."
    )
    first: int = Field(1, description="The number of the first name in that list.")


class CatchTrials(_Checked):
    """Trials with an obvious answer."""

    rows: _Rows = Field(min_length=1, description="Which trials they are.")
    accuracy: float = Field(ge=0, le=1, description="Minimum accuracy in them.")


def _as_bound(value: Any) -> Any:
    # A description is read as text, see `_read`.
    return None if value in ("null", "~", "") else value


_Bound = Annotated[float | None, BeforeValidator(_as_bound)]


class Exclusions(_Checked):
    """Which trials and which participants are left out."""

    rt: tuple[_Bound, _Bound] | None = Field(
        None, description="Minimum and maximum RT in seconds; trials outside are left out."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Exclusions:
        if self.rt is not None and None not in self.rt and not self.rt[0] < self.rt[1]:  # type: ignore[operator]
            msg = f"have the minimum RT first under 'rt', not {list(self.rt)}"
            raise ValueError(msg)
        return self

    rt_sd: float | None = Field(
        None, gt=0, description="Trials more SDs than this from the participant's mean RT."
    )
    missing: float | None = Field(
        None, ge=0, le=1, description="Participants with a larger proportion of missing responses."
    )
    accuracy: float | None = Field(
        None, ge=0, le=1, description="Participants with a lower accuracy."
    )
    trials: int | None = Field(None, ge=1, description="Participants with fewer trials.")
    catch: CatchTrials | None = Field(
        None, description="Participants that fail catch trials. Catch trials are not analysed."
    )
    participants: Annotated[list[str] | None, BeforeValidator(_as_list)] = Field(
        None, description="Participants by name."
    )


def _as_conditions(value: Any) -> Any:
    if value is None or isinstance(value, Mapping):
        return value
    names = value if isinstance(value, list) else [value]
    return {str(name): name for name in names}


# 'respnse' is a misspelt 'response', 'target_race' is not.
_MISSPELT = 0.8


class TrialsDescription(_Checked):
    """All that the description of a table of trials may say."""

    trials: _Texts = Field(
        min_length=1, description="Files, folders or globs, relative to the description."
    )
    kind: TrialKind
    columns: dict[str, _Sources] = Field(
        default_factory=dict,
        description="By meaning (participant, img1, response, …), columns of the files. Several "
        "are joined by '-'. Other names are conditions.",
    )
    conditions: Annotated[dict[str, _Sources] | None, BeforeValidator(_as_conditions)] = Field(
        None, description="Columns that are conditions; default: all without another meaning."
    )
    response: dict[str, _Texts] | None = Field(
        None, description="Codes of responses, such as {same: '1', different: '0'}."
    )
    correct: dict[str, _Texts] | None = Field(
        None, description="Codes in the column `correct`: {right: …, wrong: …}. Default: 1 and 0."
    )
    missing: _Texts = Field(list(MISSING), description="What stands for no response.")
    rt_unit: str | None = Field(None, pattern="^(s|ms)$", description="Unit of RT, 's' or 'ms'.")
    rows: _Rows = Field(default_factory=dict, description="Which rows of the files are trials.")
    wide: WideColumns | None = None
    join: Annotated[list[JoinedTable], BeforeValidator(_as_list)] = Field(default_factory=list)
    images: ImageNaming = Field(default_factory=lambda: ImageNaming.model_validate({}))
    exclude: Exclusions = Field(default_factory=lambda: Exclusions.model_validate({}))
    header: bool = Field(True, description="Whether the first row names the columns.")
    skip_lines: int = Field(0, ge=0, description="Lines before the header.")
    separator: str | None = Field(
        None, pattern="^(space|tab|comma|semicolon|[,;\t|])$", description="Default: found."
    )
    sheet: str | None = Field(None, description="Of Excel files. Default: the first.")
    variable: str | None = Field(None, description="The struct of .mat files that holds trials.")
    participants: str = Field(
        "rows",
        pattern="^(rows|columns)$",
        description="Of matrices of participants × trials in .mat files: which are participants.",
    )

    @model_validator(mode="after")
    def _known_meanings(self) -> TrialsDescription:
        for name in self.columns:
            if name in MEANINGS or name.removeprefix(ALTERNATIVES).isdecimal():
                continue
            near = difflib.get_close_matches(name, MEANINGS, n=1, cutoff=_MISSPELT)
            if near:
                msg = (
                    f"not have {name!r} under 'columns': did you mean {near[0]!r}? A condition of "
                    "that name goes under 'conditions'"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _known_codes(self) -> TrialsDescription:
        for meaning in self.response or {}:
            if not self._is_meaning(meaning):
                known = ", ".join(map(repr, self.response_meanings))
                msg = (
                    f"have under 'response' the keys {known} for trials of kind {self.kind!r}, "
                    f"not {meaning!r}"
                )
                raise ValueError(msg)
        for meaning in self.correct or {}:
            if meaning not in ("right", "wrong"):
                msg = f"have under 'correct' the keys 'right' and 'wrong', not {meaning!r}"
                raise ValueError(msg)
        return self

    def _is_meaning(self, meaning: str) -> bool:
        if self.kind == "rating":
            return is_number(meaning)
        if self.kind in ("choice", "order"):
            return meaning == "none" or bool(alternatives_in([meaning]))
        return meaning in self.response_meanings

    @property
    def response_meanings(self) -> tuple[str, ...]:
        """What responses of this kind may mean, as `response` names it."""
        return {
            "same-different": ("same", "different"),
            "old-new": ("old", "new"),
            "rating": ("1", "2", "…"),
            "choice": ("alt1", "alt2", "…", "none"),
            "order": ("alt1", "alt2", "…"),
        }[self.kind]


def load_description(value: StrPath | Mapping[str, Any]) -> TrialsDescription:
    """Read and check a description of trials.

    Parameters
    ----------
    value : str, Path or mapping
        A YAML file, or what it would say.

    Returns
    -------
    TrialsDescription

    Raises
    ------
    ConfigError
        With a sentence for everything that is wrong.
    """
    if isinstance(value, Mapping):
        source, said = "The description of trials", dict(value)
    else:
        source = str(value)
        said = _read(Path(value))
    open_keys = list(_to_fill_in(said))
    if open_keys:
        msg = f"{source} still says {FILL_IN} at {', '.join(open_keys)}: fill it in."
        raise ConfigError(msg)
    try:
        return TrialsDescription.model_validate(said)
    except ValidationError as error:
        raise ConfigError(" ".join(_sentences(source, error))) from error


def _to_fill_in(value: Any, above: str = "") -> Iterator[str]:
    """Name the keys that were left open."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _to_fill_in(item, f"{above}.{key}" if above else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _to_fill_in(item, above)
    elif value == FILL_IN:
        yield above


def _read(path: Path) -> dict[str, Any]:
    """Read YAML whose every scalar is text: codes such as 'no' and '01' are as they are written."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8-sig")
        node = yaml.compose(text, yaml.BaseLoader)
        if not isinstance(node, yaml.MappingNode):
            msg = f"{path} must be a mapping that describes trials: trials, kind, columns, …"
            raise ConfigError(msg)
        _refuse_duplicates(path, node)
        said: dict[str, Any] = yaml.load(text, yaml.BaseLoader)
    except OSError as error:
        msg = f"The description of trials {path} cannot be read: {error.strerror or error}."
        raise ConfigError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path} must be a YAML file that describes trials, as text in UTF-8."
        raise ConfigError(msg) from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark is not None else ""
        msg = f"{path} is not valid YAML{place}: {getattr(error, 'problem', None) or error}."
        raise ConfigError(msg) from error
    # A key without a value says nothing.
    return {key: value for key, value in said.items() if value not in ("", "null", "~")}


def _refuse_duplicates(path: Path, node: Any) -> None:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(path, item)
    if isinstance(node, yaml.MappingNode):
        known: dict[str, int] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if key.value in known:
                msg = (
                    f"{path} has the key {key.value!r} twice, in lines {known[key.value]} and "
                    f"{line}. Keep one of them."
                )
                raise ConfigError(msg)
            known[key.value] = line
            _refuse_duplicates(path, item)


def _sentences(source: str, error: ValidationError) -> list[str]:
    sentences = []
    for problem in error.errors():
        keys = [str(part) for part in problem["loc"]]
        name = ".".join(keys) or "it"
        if problem["type"] == "extra_forbidden":
            known = _keys_at(keys[:-1])
            hint = did_you_mean(keys[-1], known) or (
                f" Known: {', '.join(known)}." if known else ""
            )
            sentences.append(f"{source} has an unknown key {name!r}.{hint}")
        elif problem["type"] == "missing":
            sentences.append(f"{source} must have the key {name!r}.")
        elif problem["type"] == "value_error":
            place = f" ({name})" if keys else ""
            sentences.append(f"{source}{place} must {problem['ctx']['error']}.")
        else:
            text = problem["msg"][:1].lower() + problem["msg"][1:]
            sentences.append(
                f"{source} has a wrong value at {name!r}: {text}. Got {problem['input']!r:.80}."
            )
    return sentences


_MODELS: dict[str, type[BaseModel]] = {
    "wide": WideColumns,
    "join": JoinedTable,
    "images": ImageNaming,
    "exclude": Exclusions,
    "catch": CatchTrials,
    "columns": ColumnSource,
    "conditions": ColumnSource,
    "rows": RowChoice,
}


def _keys_at(keys: list[str]) -> list[str]:
    """List the keys that may be at a place in the description."""
    model = next((_MODELS[key] for key in reversed(keys) if key in _MODELS), TrialsDescription)
    return [field.alias or name for name, field in model.model_fields.items()]
