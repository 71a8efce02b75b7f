"""Checkpoints of one network as a series: an entry of `models` becomes one for each file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from glob import glob
from pathlib import Path

from facebench.errors import ConfigError
from facebench.experiment.locations import Located, Place
from facebench.utils.suggestions import did_you_mean, did_you_mean_file, listed

__all__ = ["expand_series"]

_SERIES, _X = "series", "{x}"
_KEYS = ("files", "x", "label", "log")
_NUMBER = re.compile(r"(?P<digits>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<times>[kKmM](?![A-Za-z]))?")
_TIMES = {"k": 1e3, "m": 1e6}
# These models read a file of another kind than weights.
_RECORDED = ("embeddings", "scores", "EmbeddingsModel", "ScoresModel")
_CHECKPOINT, _PLACE = "Checkpoint", "Place in the list"


def expand_series(root: Located) -> None:
    """Put an entry for each checkpoint in the place of every entry with ``series``.

    Parameters
    ----------
    root : Located
        The configuration; its models are changed. The new entries are called
        ``<name>-<checkpoint>`` and say ``series: {of: <name>, x: <number> …}``.

    Raises
    ------
    ConfigError
        If no file matches, a number cannot be read, or two checkpoints have one number.
    """
    models = root.value.get("models")
    if models is None or not models.is_mapping:
        return
    entries: dict[str, Located] = {}
    keys: dict[str, Place] = {}
    for name, entry in models.value.items():
        _refuse_shorthand(name, entry)
        own = {name: entry}
        if entry.is_mapping and _SERIES in entry.value:
            series = entry.value[_SERIES]
            # What is a point of a series already stays.
            if not (series.is_mapping and "of" in series.value):
                own = _expanded(name, entry, series)
        taken = next((one for one in own if one in entries), None)
        if taken is not None:
            msg = f"{entry.place}: Two models are named {taken!r}. Rename one of them."
            raise ConfigError(msg)
        entries |= own
        keys |= dict.fromkeys(own, models.keys.get(name, entry.place))
    models.value, models.keys = entries, keys


def _refuse_shorthand(name: str, entry: Located) -> None:
    """Refuse ``models: {series: ckpt_*.pth}``, which would be a model of the file's name."""
    kind = entry.value.get("model") if entry.is_mapping else None
    if name == _SERIES and kind is not None and "*" in str(kind.value):
        raise ConfigError(_without_architecture(kind.place, name, str(kind.value)))


def _without_architecture(where: Place, name: str, files: str) -> str:
    return (
        f"{where}: The series {name!r} needs its architecture: "
        f"NAME: {{model: vgg16, series: {files}}}. `facebench models` lists what there is."
    )


def _expanded(name: str, entry: Located, series: Located) -> dict[str, Located]:
    where = series.place
    asked = dict(series.value) if series.is_mapping else {"files": series}
    unknown = next((key for key in asked if key not in _KEYS), None)
    if unknown is not None or "files" not in asked:
        hint = did_you_mean(unknown, _KEYS) if unknown else ""
        msg = (
            f"{where}: 'series' of {name!r} takes a pattern such as ckpt_*.pth, a list of files or "
            f"a mapping with 'files' and any of {listed(_KEYS[1:])}. Got {series.plain()!r:.200}."
            f"{hint}"
        )
        raise ConfigError(msg)
    kind = entry.value.get("model")
    if kind is None:
        raise ConfigError(_without_architecture(where, name, "…"))
    argument = "file" if str(kind.value) in _RECORDED else "weights"
    for other in (argument, "weights_path", "seeds"):
        if other in entry.value:
            msg = (
                f"{entry.value[other].place}: The series {name!r} gives each model its "
                f"{argument!r}. Leave out {other!r}."
            )
            raise ConfigError(msg)
    files, marker = _files(name, asked["files"])
    label, log = (asked[key].value if key in asked else None for key in ("label", "log"))
    if not isinstance(log, bool | None) or not isinstance(label, str | None):
        msg = f"{where}: Of 'series', 'label' must be a text and 'log' true or false."
        raise ConfigError(msg)
    if "x" in asked:
        values = _given(name, asked["x"], files)
    else:
        values, guessed = _read(name, where, files, marker, ordered=_is_list(asked["files"]))
        label = label or guessed
    twice = {value: path for path, value in zip(files, values, strict=True)}
    if len(twice) < len(files):
        path, value = next(
            (path, value) for path, value in zip(files, values, strict=True) if twice[value] != path
        )
        msg = (
            f"{where}: Two checkpoints of the series {name!r} have the number {value:g}: "
            f"{path.name} and {twice[value].name}. Narrow the pattern, or give 'x'."
        )
        raise ConfigError(msg)
    order = sorted(range(len(files)), key=lambda at: values[at])
    names = _short_names(files)
    found = {}
    for at in order:
        point = {"of": name, "x": values[at], "label": label or _CHECKPOINT, "log": bool(log)}
        own = {key: item for key, item in entry.value.items() if key != _SERIES}
        own[argument] = Located(str(files[at]), where)
        own[_SERIES] = Located({key: Located(one, where) for key, one in point.items()}, where)
        found[f"{name}-{names[at]}"] = Located(
            own, entry.place, {**entry.keys, argument: where, _SERIES: where}
        )
    return found


def _is_list(files: Located) -> bool:
    return isinstance(files.value, list)


def _files(name: str, given: Located) -> tuple[list[Path], str]:
    """Find the files of a pattern, or a list; and the pattern that says where the number is."""
    items = given.value if isinstance(given.value, list) else [given]
    found: list[Path] = []
    marker = ""
    for item in items:
        pattern = item.value
        if not isinstance(pattern, str) or not pattern.strip():
            msg = (
                f"{item.place}: 'series' of {name!r} takes a pattern such as ckpt_*.pth, or a list "
                f"of files. Got {item.plain()!r:.200}."
            )
            raise ConfigError(msg)
        folder = item.place.folder
        plain = folder / Path(pattern).expanduser()
        if _X in pattern:
            marker = str(plain)
        wanted = str(Path(pattern).expanduser()).replace(_X, "*")
        # Brackets in a name that is there are not a pattern.
        matches = [plain] if plain.is_file() else glob(wanted, root_dir=folder, recursive=True)  # noqa: PTH207
        files = [folder / path for path in matches if (folder / path).is_file()]
        if not files:
            msg = (
                f"{item.place}: No file matches {pattern!r}, the series {name!r} (looked in "
                f"{plain.parent}).{did_you_mean_file(plain)}"
            )
            raise ConfigError(msg)
        found += sorted(files, key=_natural)
    repeated = next((path for path in found if found.count(path) > 1), None)
    if repeated is not None:
        msg = f"{given.place}: The series {name!r} names {repeated.name} twice."
        raise ConfigError(msg)
    return found, marker


def _natural(path: Path) -> list[tuple[float, str]]:
    """Sort 2 before 10."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(float(part), "") if part.isdecimal() else (-1.0, part) for part in parts]


def _given(name: str, x: Located, files: list[Path]) -> list[float]:
    """Take the numbers that the file gives, for files in their natural order."""
    values = x.plain()
    is_fit = isinstance(values, list) and len(values) == len(files)
    numbers = (
        [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if is_fit
        else []
    )
    if len(numbers) < len(files):
        shown = ", ".join(path.name for path in files[:5]) + (", …" if len(files) > 5 else "")
        msg = (
            f"{x.place}: 'x' of the series {name!r} must be a list of {len(files)} numbers, one "
            f"for each of its files ({shown}). Got {values!r:.200}."
        )
        raise ConfigError(msg)
    return [float(value) for value in numbers]


def _read(
    name: str, where: Place, files: list[Path], marker: str, *, ordered: bool
) -> tuple[list[float], str]:
    """Read the numbers in the names, and what to call them."""
    stems = _stems(files)
    if marker:
        parts = [
            re.escape(part).replace(r"\*", ".*").replace(r"\?", ".") for part in marker.split(_X)
        ]
        pattern = re.compile(f"({_NUMBER.pattern})".join([parts[0], ".*".join(parts[1:])]))
        matches = [pattern.fullmatch(str(path)) for path in files]
        bad = next((path for path, one in zip(files, matches, strict=True) if one is None), None)
        if bad is not None:
            msg = f"{where}: {bad.name} of the series {name!r} has no number where {_X} stands."
            raise ConfigError(msg)
        return [_number(one) for one in matches if one is not None], _CHECKPOINT
    every = [list(_NUMBER.finditer(stem)) for stem in stems]
    counts = [len(found) for found in every]
    usual = max(set(counts), key=counts.count)
    if ordered and (min(counts) != max(counts) or not usual):
        return [float(at) for at in range(1, len(files) + 1)], _PLACE
    odd = next(
        (path for path, n in zip(files, counts, strict=True) if n != usual or not usual), None
    )
    if odd is not None:
        msg = (
            f"{where}: The number of {odd.name} in the series {name!r} cannot be read. Mark its "
            f"place as {_X}, such as ckpt_{_X}.pth, narrow the pattern, or give 'x', a number per "
            "file."
        )
        raise ConfigError(msg)
    columns = [[_number(found[at]) for found in every] for at in range(usual)]
    varying = [column for column in columns if len(set(column)) > 1] or columns[-1:]
    if len(varying) > 1:
        msg = (
            f"{where}: The names of the series {name!r} have several numbers that differ, as "
            f"{files[0].name} and {files[-1].name}. Mark the place of the one that counts as {_X}, "
            f"such as ckpt_{_X}_*.pth, or give 'x', a number per file."
        )
        raise ConfigError(msg)
    return varying[0], _CHECKPOINT


def _number(found: re.Match[str]) -> float:
    return float(found["digits"]) * _TIMES.get((found["times"] or "").lower(), 1.0)


def _stems(files: Sequence[Path]) -> list[str]:
    """Give what differs between paths: what is below their common folder, without suffix."""
    folder = Path(os.path.commonpath([path.parent for path in files]))
    relative = [path.relative_to(folder) for path in files]
    return [
        (one if one.suffix[1:].isdigit() else one.with_suffix("")).as_posix() for one in relative
    ]


def _short_names(files: Sequence[Path]) -> list[str]:
    """Name checkpoints by their files; where these have one name, by their folders too."""
    stems = _stems(files)
    last = [stem.rpartition("/")[2] for stem in stems]
    return last if len(set(last)) == len(last) else [stem.replace("/", "-") for stem in stems]
