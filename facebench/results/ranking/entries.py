"""The rows of a leaderboard: one per model, twins named by what they differ in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from facebench.results.reader import Run
from facebench.results.report.provenance_view import flat

__all__ = ["Key", "LeaderboardRow", "name_entries"]

# A run by its number, and the model's own name.
Key = tuple[int, str]

# What an experiment says for all its models and that moves their numbers.
_SHARED = ("precision", "accelerate", "on_no_face", "on_bad_image")
_LONGEST = 40
_MOST_DIFFERENCES = 3
_UNSET = "not set"


class LeaderboardRow(NamedTuple):
    """A row of a leaderboard.

    Attributes
    ----------
    label : str
        Its name, no two alike.
    differs : str
        What it differs in from others of its name or its weights; empty where there are none.
    """

    label: str
    differs: str


class _Model(NamedTuple):
    """What a run says of a model: in its experiment's file, and in its record."""

    said: dict[str, str]
    recorded: dict[str, str]

    @property
    def weights(self) -> str:
        return self.recorded.get("weights", "")

    @property
    def identity(self) -> tuple[tuple[str, str], ...]:
        """All of it; empty where the run does not know its weights."""
        if not (self.weights and self.recorded.get("settings")):
            return ()
        return (*self.said.items(), *self.recorded.items())


def name_entries(
    runs: Sequence[Run], labels: Sequence[str], measured: Mapping[Key, Iterable[str]]
) -> dict[Key, LeaderboardRow]:
    """Give every model of every run its row, no two models one name.

    A model that several runs have is one row where it is provably the same (weights, settings,
    preprocessing) and no two of the runs measured it by the same numbers.

    Parameters
    ----------
    runs : sequence of Run
        The runs.
    labels : sequence of str
        Their names, see `run_labels`.
    measured : mapping of (int, str) to iterable of str
        The models, and what was measured of each.

    Returns
    -------
    dict of (int, str) to LeaderboardRow
    """
    models = {key: _described(runs[key[0]], key[1]) for key in measured}
    rows: list[list[Key]] = []
    taken: list[set[str]] = []
    by_identity: dict[Any, list[int]] = defaultdict(list)
    for key, numbers in measured.items():
        own, identity = set(numbers), models[key].identity
        same = by_identity[key[1], identity] if identity else []
        place = next((place for place in same if not own & taken[place]), None)
        if place is None:
            same.append(len(rows))
            rows.append([key])
            taken.append(own)
        else:
            rows[place].append(key)
            taken[place] |= own
    names = [row[0][1] for row in rows]
    differs = _differences_of_twins([models[row[0]] for row in rows], names)
    counts = Counter(names)
    texts = [
        f"{name} ({said})" if said and counts[name] > 1 else name
        for name, said in zip(names, differs, strict=True)
    ]
    counts = Counter(texts)
    texts = [
        text
        if counts[text] == 1
        else f"{text} (run {', '.join(dict.fromkeys(labels[number] for number, _ in row))})"
        for text, row in zip(texts, rows, strict=True)
    ]
    return {
        key: LeaderboardRow(label, said)
        for row, label, said in zip(rows, _different(texts), differs, strict=True)
        for key in row
    }


def _different(texts: Sequence[str]) -> list[str]:
    """Add numbers to names that are still alike, such as those made to look like another's."""
    seen: set[str] = set()
    given = set(texts)
    found = []
    for text in texts:
        name, number = text, 2
        while name in seen or (name != text and name in given):
            name = f"{text} #{number}"
            number += 1
        seen.add(name)
        found.append(name)
    return found


def _described(run: Run, model: str) -> _Model:
    settings = run.manifest["config"].get("settings")
    said: dict[str, str] = {}
    if isinstance(settings, Mapping):
        models = settings.get("models")
        own = models.get(model) if isinstance(models, Mapping) else None
        if own is not None:
            shared = {name: settings.get(name) for name in _SHARED}
            given = own if isinstance(own, Mapping) else {"model": own}
            said = dict(flat(_plain(shared | dict(given))))
    known = run.manifest["provenance"].get("models")
    record = known.get(model) if isinstance(known, Mapping) else None
    recorded: dict[str, str] = {}
    if isinstance(record, Mapping):
        alignment = record.get("alignment")
        template = alignment.get("template") if isinstance(alignment, Mapping) else None
        recorded = {
            "weights": _short(record.get("weights_digest") or record.get("file_digest")),
            "alignment": str(template or "none"),
            "preprocessing": _short(record.get("preprocessing_digest")),
            "settings": _short(record.get("settings_digest")),
            "precision": str(record.get("precision") or ""),
            "accelerate": str(record.get("accelerate") or "none"),
        }
    return _Model(said, recorded)


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """Write lists as texts; what was not said is left out."""
    return {
        str(name): ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def _short(digest: Any) -> str:
    return str(digest or "")[:8]


def _differences_of_twins(models: Sequence[_Model], names: Sequence[str]) -> list[str]:
    """Say of each model what it differs in from those of its name, else those of its weights."""
    found = [""] * len(models)
    for keys in (names, [model.weights for model in models]):
        groups: dict[str, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            if key:
                groups[key].append(place)
        for places in groups.values():
            if len(places) > 1:
                said = _differences([models[place] for place in places])
                for place, text in zip(places, said, strict=True):
                    found[place] = found[place] or text
    return found


def _differences(models: Sequence[_Model]) -> list[str]:
    """Say what several models differ in; where the files say the same, what the records say."""
    # Of a model that a script made, nothing is said.
    usable = all(model.said for model in models)
    said = _differing([model.said for model in models]) if usable else [""] * len(models)
    groups: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(said):
        groups[text].append(place)
    for text, places in groups.items():
        recorded = _differing([models[place].recorded for place in places])
        for place, more in zip(places, recorded, strict=True):
            said[place] = "; ".join(part for part in (text, more) if part)
    return said


def _differing(descriptions: Sequence[Mapping[str, str]]) -> list[str]:
    keys = dict.fromkeys(key for each in descriptions for key in each)
    differing = [
        key for key in keys if len({each.get(key, _UNSET) or _UNSET for each in descriptions}) > 1
    ]
    shown = differing[:_MOST_DIFFERENCES]
    values = {key: _brief([each.get(key) or _UNSET for each in descriptions]) for key in shown}
    return [
        "; ".join(f"{key}: {values[key][place]}" for key in shown)
        for place in range(len(descriptions))
    ]


def _brief(values: Sequence[str]) -> list[str]:
    """Shorten values to what differs: the names of files, the ends of long texts."""
    names = [value.rstrip("/").rpartition("/")[2] for value in values]
    if len(set(names)) == len(set(values)):
        values = names
    shortened = [
        value if len(value) <= _LONGEST else f"…{value[1 - _LONGEST :]}" for value in values
    ]
    return shortened if len(set(shortened)) == len(set(values)) else list(values)
