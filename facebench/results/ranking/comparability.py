"""Which tasks of several runs may be ranked together: same data, measures, distance, statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from facebench.results.reader import Run
from facebench.results.report.provenance_view import flat

__all__ = ["TaskNames", "name_tasks", "statistics_of"]

_UNKNOWN = "unknown"
# What a task is given that its networks' numbers do not depend on, or that digests speak of.
_WITHOUT_EFFECT = frozenset({"task", "name", "pairs", "images", "references", "distance"})
_PEOPLE = "people"
# Runs of this schema that do not name their statistics are of the first version.
_FIRST_STATISTICS = 3
_FACTS = ("correlation", "label_column", "condition_column", "group_column", "identity")


class TaskNames(NamedTuple):
    """What the tasks of several runs are called, so that one name means one thing.

    Attributes
    ----------
    names : dict of (int, str) to str
        By run (its number) and its own name.
    notes : list of str
        A sentence for every task that has become several.
    """

    names: dict[tuple[int, str], str]
    notes: list[str]


def statistics_of(run: Run) -> str:
    """Say by which version of facebench's statistics a run was measured."""
    version = int(run.manifest["schema_version"])
    known = run.manifest.get("statistics_version", 1 if version == _FIRST_STATISTICS else None)
    return f"schema {version}" if known is None else str(known)


def name_tasks(runs: Sequence[Run], labels: Sequence[str]) -> TaskNames:
    """Name the tasks of runs: those that cannot be compared get different names."""
    described: dict[str, dict[int, dict[str, str]]] = {}
    for number, run in enumerate(runs):
        for task in run.tasks:
            described.setdefault(task, {})[number] = _described(run, task)
    names: dict[tuple[int, str], str] = {}
    notes = []
    for task, by_run in described.items():
        _without_images(by_run)
        groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for number, said in by_run.items():
            groups.setdefault(tuple(sorted(said.items())), []).append(number)
        if len(groups) == 1:
            names.update({(number, task): task for number in by_run})
            continue
        differences = _differing([dict(said) for said in groups], _files(runs, task, by_run))
        parts = []
        for differs, numbers in zip(differences, groups.values(), strict=True):
            names.update({(number, task): f"{task} ({differs})" for number in numbers})
            parts.append(f"{', '.join(labels[number] for number in numbers)} ({differs})")
        notes.append(
            f"Task {task!r} is not the same in all runs and is ranked apart: {'; '.join(parts)}."
        )
    return TaskNames(names, notes)


def _differing(groups: Sequence[Mapping[str, str]], files: Mapping[str, str]) -> list[str]:
    """Say of each of several descriptions what it differs in from the others."""
    keys = [
        key
        for key in dict.fromkeys(key for said in groups for key in said)
        if len({said.get(key) for said in groups}) > 1
    ]
    if "data" in keys and len({(said["data"], said["images"]) for said in groups}) == len(
        {said["data"] for said in groups}
    ):
        # Other pairs have other images.
        keys = [key for key in keys if key != "images"]
    return [
        ", ".join(
            f"{key} {files.get(said['data'], said['data'])}"
            if key == "data"
            else f"{key} {said.get(key) or 'not set'}"
            for key in keys
        )
        for said in groups
    ]


def _files(
    runs: Sequence[Run], task: str, by_run: Mapping[int, Mapping[str, str]]
) -> dict[str, str]:
    """Name data by their files, where no two are called alike."""
    names: dict[str, dict[str, None]] = {}
    for number, said in by_run.items():
        file = (runs[number].manifest["data"].get(task) or {}).get("pairs_file")
        names.setdefault(said["data"], {})[PurePath(str(file or said["data"])).name] = None
    known = [name for own in names.values() for name in own]
    return {
        data: next(iter(own))
        for data, own in names.items()
        if len(own) == 1 and known.count(next(iter(own))) == 1
    }


def _described(run: Run, task: str) -> dict[str, str]:
    """Say what the numbers of a task depend on."""
    facts = run.tasks[task]
    data = run.manifest["data"].get(task) or {}
    images = data.get("images") or {}
    missing = images.get("n_missing") and images.get("n_missing") == images.get("n_images")
    said = {
        "data": _short(data.get("pairs_digest") or _items(run, task)),
        # Of embeddings and scores that were computed elsewhere, images need not exist.
        "images": _UNKNOWN if missing else _short(images.get("digest")),
        "type": facts.type,
        "distance": (facts.distance or "none").removesuffix("_distances"),
        "statistics": statistics_of(run),
    }
    said["measures"] = ", ".join(
        f"{measure.name} ({measure.better or 'neither'} is better)"
        for measure in facts.measures
        if measure.headline
    )
    said |= {name.removesuffix("_column"): str(getattr(facts, name)) for name in _FACTS}
    said["ratings"] = ", ".join(facts.rating_columns) + (
        " (similarity)" if facts.rates_similarity else ""
    )
    settings = run.manifest["config"].get("settings")
    tasks = settings.get("tasks") if isinstance(settings, Mapping) else None
    own = tasks.get(task) if isinstance(tasks, Mapping) else None
    return said | _arguments(own)


def _items(run: Run, task: str) -> str | None:
    """Give the digest of what a task without a pairs file measured most models by."""
    digests = Counter(made.digest for (own, _, _), made in run.left_out.items() if own == task)
    return max(sorted(digests), key=digests.__getitem__, default=None)


def _arguments(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {}
    kept = {
        key: value
        for key, value in given.items()
        if value is not None and key not in _WITHOUT_EFFECT and not str(key).startswith(_PEOPLE)
    }
    # A file may lie elsewhere on another machine; digests say what is in it.
    return {
        name: value.rpartition("/")[2] if value.startswith("/") else value
        for name, value in flat(kept)
    }


def _without_images(by_run: Mapping[int, dict[str, str]]) -> None:
    """Take runs whose images are unknown for those of the others, if these agree."""
    for said in by_run.values():
        if said["images"] == _UNKNOWN:
            known = {
                other["images"] for other in by_run.values() if other["data"] == said["data"]
            } - {_UNKNOWN}
            if len(known) == 1 and said["data"] != _UNKNOWN:
                said["images"] = known.pop()


def _short(digest: Any) -> str:
    return str(digest)[:6] if digest else _UNKNOWN
