"""Trials of people beside networks: which pairs they show, and which tasks ask people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from facebench.data.made_stimuli import UPRIGHT
from facebench.errors import InputError
from facebench.experiment.starters.blocks import TaskBlock, quoted
from facebench.experiment.starters.people_items import ITEM_KINDS, ask_of_items
from facebench.experiment.starters.ratings import polarity_of_pairs
from facebench.people.names import ImageFinder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AskedPeople", "ShownPairs", "ask_people"]

_CONDITION = "condition"
_SIDES = ("img1", "img2")
_SIMILARITY = {
    "task": "correlation with people's ratings, up to the noise ceiling",
    "rating": "what larger ratings mean",
}


@dataclass(frozen=True)
class ShownPairs:
    """What trials show.

    Attributes
    ----------
    table : DataFrame
        ``img1``, ``img2`` and, where known, ``condition`` and ``response`` of every trial, as the
        trials have them.
    kind : str
        'same-different', 'rating', or '' where that is unknown yet.
    """

    table: pd.DataFrame
    kind: str


@dataclass(frozen=True)
class AskedPeople:
    """Tasks with people.

    Attributes
    ----------
    tasks : list of TaskBlock
        All tasks.
    table : DataFrame or None
        Pairs that only the trials show.
    taken, doubts : list of str
        What was taken; what is open.
    pattern : str
        How names of stimuli follow from those of the trials, as `images.pattern` has it.
    tables : dict of str to DataFrame
        Other tables that tasks read, by the ending of their name.
    """

    tasks: list[TaskBlock]
    table: pd.DataFrame | None = None
    taken: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    pattern: str = ""
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)


def ask_people(
    shown: ShownPairs,
    description: str,
    tasks: list[TaskBlock],
    *,
    faces: Iterable[str],
    stimuli: Mapping[str, pd.DataFrame],
    person: Callable[[str], str],
    images: Mapping[str, str],
    own_table: str,
    file_of: Callable[[str], str] = "{}.csv".format,
) -> AskedPeople:
    """Let the tasks ask people whose pairs the trials show, or add a task of these pairs.

    Parameters
    ----------
    shown : ShownPairs
        The trials.
    description : str
        The file that describes them, as the experiment names it.
    tasks : list of TaskBlock
        The tasks so far.
    faces : iterable of str
        The photographs.
    stimuli : mapping of str to DataFrame
        The pairs of each task on stimuli, by its name.
    person : callable
        Who is in an image; '' where that is unknown.
    images : mapping of str to str
        The folders of 'faces' and 'stimuli', as the experiment names them.
    own_table : str
        What a table of the trials' pairs would be called.
    file_of : callable
        What other tables are called, by their ending.

    Raises
    ------
    InputError
        If the trials show images that are neither photographs nor stimuli.
    """
    photographs = ImageFinder(faces)
    if shown.kind in ITEM_KINDS:
        found = ask_of_items(
            shown.table, shown.kind, description,
            photographs=photographs, person=person, faces=images["faces"], file_of=file_of,
        )  # fmt: skip
        added = [] if found.task is None else [found.task]
        return AskedPeople(
            [*tasks, *added], tables=found.tables, taken=found.taken, doubts=found.doubts
        )
    made = {name for table in stimuli.values() for side in _SIDES for name in table[side]}
    names = list(dict.fromkeys([*shown.table["img1"], *shown.table["img2"]]))
    are_photographs = all(photographs.candidates(name) for name in names)
    conditions = _conditions_of(shown.table)
    if are_photographs and len(conditions) < 2:
        return _of_photographs(shown, description, tasks, photographs, person, images, own_table)
    pattern = ""
    table = shown.table
    if are_photographs:
        pattern = "{}.png"
        table = table.assign(**{side: table[side] + ".png" for side in _SIDES})
    stimulus = _StimulusFinder(made, conditions)
    table, unknown = stimulus.named(table)
    if unknown:
        what = (
            f"of {', '.join(conditions)} among the stimuli"
            if are_photographs
            else "neither among the photographs nor among the stimuli"
        )
        hint = (photographs if not are_photographs else ImageFinder(made)).hint(unknown[0])
        msg = (
            f"{len(unknown)} images of the trials are {what}, such as {unknown[0]!r}.{hint} If "
            "people saw manipulated faces, add --effects with what was done to them; else "
            "`images` in the description of the trials says how names follow."
        )
        raise InputError(msg)
    asked = _of_stimuli(shown, table, description, tasks, stimuli)
    if asked is None:
        asked = _of_own_pairs(shown, table, description, tasks, person, images, own_table)
    return replace(asked, pattern=pattern)


def _conditions_of(table: pd.DataFrame) -> list[str]:
    return [*table[_CONDITION].dropna().unique()] if _CONDITION in table else []


class _StimulusFinder:
    """Finds the stimuli that trials show, within their condition where they name one."""

    def __init__(self, made: set[str], conditions: list[str]) -> None:
        self._whole = ImageFinder(sorted(made))
        self._parts = {
            name: ImageFinder(sorted(one for one in made if one.startswith(f"{name}/")))
            for name in conditions
        }

    def named(self, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """Give the table with the names of stimuli, and the names that are none."""
        conditions = table[_CONDITION] if _CONDITION in table else [None] * len(table)
        unknown: dict[str, None] = {}
        columns = {}
        for side in _SIDES:
            found = []
            for name, condition in zip(table[side], conditions, strict=True):
                finder = self._parts.get(condition, self._whole)
                one = finder.find(name) or self._whole.find(name)
                if one is None:
                    unknown[name] = None
                found.append(one)
            columns[side] = found
        return table.assign(**columns), list(unknown)


def _keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    return [
        (one, other) if one < other else (other, one)
        for one, other in zip(table["img1"], table["img2"], strict=True)
    ]


def _of_stimuli(
    shown: ShownPairs,
    table: pd.DataFrame,
    description: str,
    tasks: list[TaskBlock],
    stimuli: Mapping[str, pd.DataFrame],
) -> AskedPeople | None:
    """Ask people in the tasks whose pairs in all conditions they saw; None if there is none."""
    seen = {*_keys(table)}
    asked: list[TaskBlock] = []
    covered: set[tuple[str, str]] = set()
    names = []
    for task in tasks:
        pairs = stimuli.get(task.name)
        if pairs is not None and task.task.endswith("effect"):
            keys = _keys(pairs)
            hit = pairs[[key in seen for key in keys]]
            if set(hit[_CONDITION]) == set(pairs[_CONDITION]):
                covered |= {*keys}
                names.append(task.name)
                asked.append(_with_people(task, description, _polarity(shown, table, pairs)))
                continue
        asked.append(task)
    if not names or len(seen - covered) > len(seen) / 2:
        return None
    doubts = []
    if seen - covered:
        doubts = [
            f"{len(seen - covered)} of the {len(seen)} pairs of the trials are in no task's table "
            "and are left out."
        ]
    taken = [f"People are measured in {', '.join(names)}: the trials show the same pairs."]
    if shown.kind == "rating" and shown.table["img1"].isin({*table["img1"]}).all():
        first = next(task for task in asked if task.name == names[0])
        asked.append(_similarity(first, description))
    return AskedPeople(asked, taken=taken, doubts=doubts)


def _similarity(effect: TaskBlock, description: str) -> TaskBlock:
    """Give the correlation with people's ratings of the pairs of an effect."""
    said = {key: effect.settings[key] for key in ("pairs", "images")}
    said |= {"rating": effect.settings["people_rating"], "people": quoted(description)}
    return TaskBlock("people-similarity", "similarity", said, _SIMILARITY)


def _polarity(shown: ShownPairs, table: pd.DataFrame, pairs: pd.DataFrame) -> str | None:
    """Say what larger ratings mean, where trials are ratings."""
    if shown.kind != "rating":
        return None
    same = dict(zip(_keys(pairs), pairs["same"], strict=True))
    rated = table.assign(
        rating=table["response"].astype(float), same=[same.get(key) for key in _keys(table)]
    )
    return polarity_of_pairs(rated.dropna(subset=["same"]), lambda _name: "")[0] or "distance"


def _with_people(task: TaskBlock, description: str, polarity: str | None) -> TaskBlock:
    said = {**task.settings, "people": quoted(description)}
    comments = {**task.comments, "people": "the trials of people who judged these pairs"}
    if polarity is not None:
        said["people_rating"] = polarity
        comments["people_rating"] = "what larger ratings mean"
    return replace(task, settings=said, comments=comments)


def _of_photographs(
    shown: ShownPairs,
    description: str,
    tasks: list[TaskBlock],
    photographs: ImageFinder,
    person: Callable[[str], str],
    images: Mapping[str, str],
    own_table: str,
) -> AskedPeople:
    """Add a task of the pairs of photographs that people saw."""
    several = [n for side in _SIDES for n in shown.table[side] if not photographs.find(n)]
    if several:
        found = photographs.candidates(several[0])
        msg = (
            f"The image {several[0]!r} of the trials may be any of several photographs: "
            f"{', '.join(found[:3])}. Name it with its folder."
        )
        raise InputError(msg)
    table = shown.table.assign(**{side: shown.table[side].map(photographs.find) for side in _SIDES})
    pairs = _pairs_of(table, person)
    said = {"pairs": quoted(own_table), "images": quoted(images["faces"])}
    taken = [f"{len(pairs)} pairs of photographs that people saw are in {own_table}."]
    if shown.kind == "rating":
        rated = table.assign(rating=table["response"].astype(float))
        kind, why = polarity_of_pairs(rated, person)
        doubts = []
        if kind is None:
            kind, why = "distance", "nothing says it"
            doubts = [
                "Nothing in the trials says whether a larger rating means less or more alike: less "
                "alike was taken ('rating: distance' of people-similarity). Change it if need be."
            ]
        taken.append(f"Ratings of people: '{kind}' ({why}).")
        block = TaskBlock(
            "people-similarity",
            "similarity",
            {**said, "rating": kind, "people": quoted(description)},
            _SIMILARITY,
        )
        return AskedPeople([*tasks, block], pairs[["img1", "img2"]], taken, doubts)
    _refuse_unknown(pairs, person)
    block = TaskBlock(
        "people-same-person",
        "verification",
        {**said, "true_label": "same", "identity": "[identity1, identity2]",
         "people": quoted(description)},
        {"task": "the pairs that people saw", "people": "their trials"},
    )  # fmt: skip
    return AskedPeople([*tasks, block], pairs, taken)


def _of_own_pairs(
    shown: ShownPairs,
    table: pd.DataFrame,
    description: str,
    tasks: list[TaskBlock],
    person: Callable[[str], str],
    images: Mapping[str, str],
    own_table: str,
) -> AskedPeople:
    """Add the effect on pairs of stimuli that are in no table but the trials."""
    folders = {name.partition("/")[0] for side in _SIDES for name in table[side]}
    own = [task for task in tasks if task.task in ("effect", "inversion-effect")]
    label = next(iter(folders - {UPRIGHT}), "")
    contrast = {"inversion-effect": f'["{UPRIGHT}", "inverted"]'}
    fitting = [
        task
        for task in own
        if label in (contrast.get(task.task) or task.settings.get("contrast", ""))
    ]
    one_folder = [
        name.partition("/")[0] == other.partition("/")[0]
        for name, other in zip(table["img1"], table["img2"], strict=True)
    ]
    if folders != {UPRIGHT, label} or not fitting or not all(one_folder):
        msg = (
            f"The trials show stimuli of {', '.join(sorted(folders))}, but no task's table has "
            "their pairs in all of its conditions. Write the pairs that people saw into a table "
            "(img1, img2, same, condition) and name it in the experiment."
        )
        raise InputError(msg)
    pairs = _pairs_of(table, person)
    pairs[_CONDITION] = [name.partition("/")[0] for name in pairs["img1"]]
    _refuse_unknown(pairs, person)
    task = fitting[0]
    said = {**task.settings, "pairs": quoted(own_table)}
    polarity = None
    if shown.kind == "rating":
        rated = table.assign(rating=table["response"].astype(float))
        polarity = polarity_of_pairs(rated, person)[0] or "distance"
    asked = _with_people(
        replace(task, name=f"{task.name}-people", settings=said), description, polarity
    )
    taken = [f"{len(pairs)} pairs of stimuli that people saw are in {own_table}."]
    return AskedPeople([*tasks, asked], pairs, taken)


def _pairs_of(table: pd.DataFrame, person: Callable[[str], str]) -> pd.DataFrame:
    """Give each pair of the trials once, with who is in its images."""
    import pandas as pd

    keys = pd.Series(_keys(table), index=table.index)
    pairs = table.loc[~keys.duplicated(), [*_SIDES]].reset_index(drop=True)
    who = [pairs[side].map(person) for side in _SIDES]
    return pairs.assign(same=(who[0] == who[1]).astype(int), identity1=who[0], identity2=who[1])


def _refuse_unknown(pairs: pd.DataFrame, person: Callable[[str], str]) -> None:
    unknown = [name for side in _SIDES for name in pairs[side] if not person(name)]
    if unknown:
        msg = (
            f"Nothing says who is in {len(unknown)} images that people saw, such as "
            f"{unknown[0]!r}. Add --identity, or sort them into folders NAME/*.jpg."
        )
        raise InputError(msg)
