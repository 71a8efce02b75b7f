"""What was set differently in two runs: the changes, and apart from them what follows from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from facebench.results.reader import Run
from facebench.results.report.provenance_view import flat

__all__ = ["CHANGED", "changed_settings", "changes_in_words", "renamed_models"]

CHANGED, _TECHNICAL, _FOLLOWS = "changed", "technical", "follows"

_PARTS = (
    "config",
    "seeds",
    "models",
    "tasks",
    "data",
    "versions",
    "code",
    "machine",
    "provenance",
)
_STEP = " › "
_CONFIG, _MODELS, _TASKS = "config › settings", "models", "tasks"
_RECORDS = "provenance › models"
# What differs between any two runs says nothing of their results. Settings are looked at by name.
_NOISE = re.compile(r"seconds|timing|memory|hits|misses|forwards|n_images_per|elapsed|path|started")
# Settings of an experiment that its numbers do not depend on.
_WITHOUT_EFFECT = frozenset(
    {
        "name", "output", "cache", "report", "plots", "figures", "layer_choice", "device",
        "batch_size", "num_workers", "max_memory", "export_embeddings", "export_pairs",
        "packs",
    }
)  # fmt: skip
_OTHER_PARTS = ("versions", "code", "machine", "config › digest", "config › file")
# Of a task of a script, what its numbers depend on.
_OF_TASKS = frozenset(
    {
        "type", "distance", "correlation", "label_column", "condition_column", "group_column",
        "identity", "rating_columns", "rates_similarity", "normalized",
    }
)  # fmt: skip
# What a record has that is not known before the network is loaded.
_DIGESTS = {
    "weights_digest": "weights",
    "settings_digest": "settings",
    "preprocessing_digest": "preprocessing",
    "file_digest": "contents of the file",
}
_CAUSES = ("alignment", "precision", "accelerate", "wrappers")
_OF_WEIGHTS = re.compile(
    r"weight|checkpoint|model|version|pretrained|seed|series|file|path|url|arch"
)
_WITHOUT_LAYERS = frozenset({"layers"})
_LONGEST = 60


def renamed_models(a: Run, b: Run) -> dict[str, str]:
    """Find models that two runs call differently, though all that is known of them is the same.

    Returns
    -------
    dict of str to str
        Name in a → name in b. Only of models whose weights, settings and preprocessing are known,
        and of which each run has one.
    """
    one, other = _identities(a), _identities(b)
    return {
        name: other[identity]
        for identity, name in one.items()
        if identity in other
        and name != other[identity]
        and name not in b.models
        and other[identity] not in a.models
    }


def _identities(run: Run) -> dict[tuple[str, ...], str]:
    """Give models by what determines their embeddings; none that the run has twice."""
    found: dict[tuple[str, ...], list[str]] = {}
    for model in run.models:
        record = _at(run.manifest, "provenance", "models", model)
        if isinstance(record, Mapping):
            parts = ("weights_digest", "settings_digest", "preprocessing_digest", "precision")
            identity = tuple(str(record.get(part) or "") for part in parts)
            identity += (str(record.get("accelerate") or "none"),)
            identity += (str((record.get("decoder") or {}).get("decoder", "pillow")),)
            if all(identity[:3]):
                found.setdefault(identity, []).append(model)
    return {identity: names[0] for identity, names in found.items() if len(names) == 1}


def changed_settings(a: Run, b: Run, renamed: Mapping[str, str]) -> pd.DataFrame:
    """List what two runs were set differently in.

    Parameters
    ----------
    a, b : Run
        The runs, the earlier one first.
    renamed : mapping of str to str
        See `renamed_models`.

    Returns
    -------
    DataFrame
        setting, a, b ('–' where a run has none), and kind: 'changed' of what was set, or found, to
        differ; 'technical' of versions, machines, places and speed; 'follows' of what follows from
        the changes, such as digests and counts.
    """
    one, other = (_flattened(run) for run in (a, b))
    back = {new: old for old, new in renamed.items()}
    other = {_old_name(name, back): value for name, value in other.items()}
    differing = {
        name: (one.get(name, "–"), other.get(name, "–"))
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    }
    kinds = _Kinds(one, other, differing)
    rows = [(name, *values, kinds.of(name)) for name, values in differing.items()]
    return pd.DataFrame(rows, columns=["setting", "a", "b", "kind"])


def _flattened(run: Run) -> dict[str, str]:
    return {
        name: value
        for part in _PARTS
        for name, value in flat(run.manifest.get(part) or {}, part)
        if value != "null" and (name.startswith(_CONFIG) or not _NOISE.search(name))
    }


def _old_name(setting: str, back: Mapping[str, str]) -> str:
    """Give a setting of a renamed model the model's old name."""
    for part in (_MODELS, f"{_CONFIG} › models", _RECORDS, "remarks"):
        rest = setting.removeprefix(f"{part}{_STEP}")
        if rest != setting:
            model, step, what = rest.partition(_STEP)
            return f"{part}{_STEP}{back.get(model, model)}{step}{what}"
    return setting


class _Kinds:
    """Tells changes from what follows from them."""

    def __init__(
        self,
        one: Mapping[str, str],
        other: Mapping[str, str],
        differing: Mapping[str, tuple[str, str]],
    ) -> None:
        self._differing = differing
        self._has_config = any(name.startswith(_CONFIG) for name in (*one, *other))
        self._one, self._other = one, other

    def of(self, name: str) -> str:
        """Give the kind of a setting that differs."""
        part = name.partition(_STEP)[0]
        if name.startswith(_OTHER_PARTS):
            return _TECHNICAL
        if name.startswith(_CONFIG + _STEP):
            own = name.removeprefix(_CONFIG + _STEP)
            return _TECHNICAL if own.partition(_STEP)[0] in _WITHOUT_EFFECT else CHANGED
        if part == "config":
            return CHANGED
        if part == "seeds":
            return _FOLLOWS if f"{_CONFIG}{_STEP}seed" in self._differing else CHANGED
        if name.startswith(_RECORDS + _STEP):
            return self._of_record(*_split(name, _RECORDS))
        if part == "provenance":
            return _FOLLOWS
        subject, what = _split(name, part)
        if part == _MODELS:
            return _FOLLOWS if self._has_config else CHANGED
        if part == _TASKS:
            told = what.partition(_STEP)[0] in _OF_TASKS and not self._has_config
            return CHANGED if told else _FOLLOWS
        return self._of_data(subject, what) if part == "data" else _FOLLOWS

    def _both_have(self, part: str, subject: str) -> bool:
        start = f"{part}{_STEP}{subject}{_STEP}"
        sides = (self._one, self._other)
        return all(any(name.startswith(start) for name in side) for side in sides)

    def _changes_of(self, part: str, subject: str) -> set[str]:
        """Name the settings of a model or task that differ."""
        start = f"{_CONFIG}{_STEP}{part}{_STEP}{subject}{_STEP}"
        return {name.removeprefix(start) for name in self._differing if name.startswith(start)}

    def _of_record(self, model: str, what: str) -> str:
        if not self._both_have(_RECORDS, model):
            return _FOLLOWS
        changes = self._changes_of("models", model) - _WITHOUT_LAYERS
        if what == "weights_digest":
            return _FOLLOWS if any(map(_OF_WEIGHTS.search, changes)) else CHANGED
        first = what.partition(_STEP)[0]
        if first in _DIGESTS or first in _CAUSES:
            shared = f"{_CONFIG}{_STEP}{first}" in self._differing
            return _FOLLOWS if changes or shared else CHANGED
        return _TECHNICAL if first in ("device", "file") else _FOLLOWS

    def _of_data(self, task: str, what: str) -> str:
        if not self._both_have("data", task):
            return _FOLLOWS
        changes = self._changes_of("tasks", task)
        if what == "pairs_digest":
            return _FOLLOWS if "pairs" in changes else CHANGED
        if what == f"images{_STEP}digest":
            explained = (
                f"data{_STEP}{task}{_STEP}pairs_digest" in self._differing
                or "images" in changes
                or f"{_CONFIG}{_STEP}images" in self._differing
            )
            return _FOLLOWS if explained else CHANGED
        return _FOLLOWS


def _split(name: str, part: str) -> tuple[str, str]:
    subject, _, what = name.removeprefix(part + _STEP).partition(_STEP)
    return subject, what


def changes_in_words(
    a: Run, b: Run, settings: pd.DataFrame, renamed: Mapping[str, str]
) -> list[str]:
    """Say what was changed from one run to another, a short sentence each.

    Parameters
    ----------
    a, b : Run
        The runs, the earlier one first.
    settings : DataFrame
        See `changed_settings`.
    renamed : mapping of str to str
        See `renamed_models`.

    Returns
    -------
    list of str
        Such as 'dlib: align: false → true' and 'model vgg16 removed'; models and tasks that one run
        does not have are named once, without their settings.
    """
    said = [
        f"model {old} renamed {new} (same weights and settings)" for old, new in renamed.items()
    ]
    gone: dict[str, set[str]] = {}
    for part, what in (("models", "model"), ("tasks", "task")):
        ours, theirs = (_named(run, part) for run in (a, b))
        if part == "models":
            ours, theirs = ours - renamed.keys(), theirs - set(renamed.values())
        gone[part] = ours ^ theirs
        said += [f"{what} {name} removed" for name in sorted(ours - theirs)]
        said += [f"{what} {name} added" for name in sorted(theirs - ours)]
    for row in settings[settings["kind"] == CHANGED].itertuples():
        words = _words(str(row.setting), str(row.a), str(row.b), gone)
        said += [words] if words else []
    return list(dict.fromkeys(said))


def _named(run: Run, part: str) -> set[str]:
    """Name the models or tasks of a run, those without results too."""
    config = _at(run.manifest, "config", "settings", part)
    return {*run.manifest[part], *(config if isinstance(config, Mapping) else ())}


def _words(setting: str, a: str, b: str, gone: Mapping[str, set[str]]) -> str:
    own = setting.removeprefix(_CONFIG + _STEP).removeprefix("config" + _STEP)
    if own.startswith(("models" + _STEP, "tasks" + _STEP, "data" + _STEP, _RECORDS + _STEP)):
        part = _RECORDS if own.startswith(_RECORDS) else own.partition(_STEP)[0]
        subject, what = _split(own, part)
        if subject in gone["tasks" if part in ("tasks", "data") else "models"]:
            return ""
        if part == "data":
            kind = "images" if what.startswith("images") else "table of pairs"
            return f"{subject}: contents of the {kind} changed ({a[:8]} → {b[:8]})"
        if what in _DIGESTS:
            return f"{subject}: {_DIGESTS[what]} changed ({a[:8]} → {b[:8]})"
        # What a model calls itself says it all.
        own = subject if what == "shown" else f"{subject}: {what}"
    return f"{own.replace(_STEP, ' ')}: {_brief(a, b)}"


def _brief(a: str, b: str) -> str:
    """Write a change; of files, their names where these differ."""
    names = [value.rpartition("/")[2] if value.startswith("/") else value for value in (a, b)]
    shown = names if names[0] != names[1] else [a, b]
    unset = ["not set" if value == "–" else value for value in shown]
    return " → ".join(
        value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…" for value in unset
    )


def _at(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
