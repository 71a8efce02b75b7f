"""Effects between groups of people: pairs within each group, and the task that compares them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.pairs import pairs_from_folder
from facebench.errors import InputError
from facebench.experiment.starters.blocks import TaskBlock, quoted, yaml_list
from facebench.experiment.starters.effects import GROUP_EFFECTS
from facebench.experiment.starters.face_folder import FaceFolder
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GroupPairs", "pairs_of_groups"]


@dataclass(frozen=True)
class GroupPairs:
    """Pairs within groups.

    Attributes
    ----------
    table : DataFrame
        The pairs; `condition` is the group.
    tasks : list of TaskBlock
        A task for each effect.
    taken : list of str
        What was taken.
    """

    table: pd.DataFrame
    tasks: list[TaskBlock]
    taken: list[str]


def pairs_of_groups(
    found: FaceFolder,
    effects: Sequence[str],
    groups: Path | None,
    own: str | None,
    table_name: str,
    *,
    most_genuine: int,
    seed: int,
) -> GroupPairs:
    """Pair the images of people within their groups.

    Parameters
    ----------
    found : FaceFolder
        The images.
    effects : sequence of str
        'other-race', 'familiarity' or both.
    groups : Path or None
        A table of two columns, person and group, or a JSON mapping of them.
    own : str or None
        The group that is compared with all others; None where the groups are called as the effect
        has them (own and other).
    table_name : str
        What the table of pairs will be called.
    most_genuine, seed : int
        Of each group, see `pairs_from_folder`.

    Raises
    ------
    InputError
        If groups are not named, or one of them has no pairs of both kinds.
    """
    import pandas as pd

    if groups is None:
        msg = (
            f"The effect {effects[0]!r} compares groups of people: name them by --groups FILE, a "
            "table of two columns, person and group, with the persons as the folders have them."
        )
        raise InputError(msg)
    group_of = _read(groups, found)
    members: dict[str, list[str]] = {}
    for who in found.people:
        if who in group_of:
            members.setdefault(group_of[who], []).append(who)
    usable, small = _usable(members, found)
    # A group that was named must do; others are left out.
    kept = {who: m for who, m in members.items() if who in usable or who == own}
    tasks = [_task(effect, kept, own, groups, table_name, found) for effect in effects]
    parts = []
    for group, people in kept.items():
        sizes = [found.people[who] for who in people]
        genuine = sum(n * (n - 1) // 2 for n in sizes)
        impostor = sum(sizes) * (sum(sizes) - 1) // 2 - genuine
        if not genuine or not impostor:
            msg = (
                f"The group {group!r} of {groups} has {len(people)} people with {sum(sizes)} "
                "images: it needs two people or more, and one with two images."
            )
            raise InputError(msg)
        n = min(genuine, most_genuine)
        part = pairs_from_folder(
            found.path, n, min(impostor, n), seed, identity=found.rule, people=set(people)
        )
        parts.append(part.assign(condition=group))
    counts = ", ".join(f"{group} ({len(people)})" for group, people in kept.items())
    n_without = len(found.people) - sum(map(len, members.values()))
    taken = [f"People by group: {counts}."]
    if small:
        taken.append(
            f"Groups without pairs of one person and of two are left out: {listed(small)}."
        )
    if n_without:
        taken.append(f"{n_without} people have no group in {groups} and are in no pair of it.")
    return GroupPairs(pd.concat(parts, ignore_index=True), tasks, taken)


def _usable(members: dict[str, list[str]], found: FaceFolder) -> tuple[list[str], list[str]]:
    """Part groups that have pairs of both kinds from those that do not."""
    usable = [
        group
        for group, people in members.items()
        if len(people) > 1 and any(found.people[who] > 1 for who in people)
    ]
    return usable, [group for group in members if group not in usable]


def _task(
    effect: str,
    members: dict[str, list[str]],
    own: str | None,
    groups: Path,
    table_name: str,
    found: FaceFolder,
) -> TaskBlock:
    usual = GROUP_EFFECTS[effect]
    if own is None and {*usual} <= {*members}:
        one, others = usual[0], [usual[1]]
    elif own is None or own not in members:
        hint = did_you_mean(own, members) if own else ""
        said = f" There is no group {own!r}.{hint}" if own else ""
        msg = (
            f"{groups} has the groups {listed(members)}.{said} Say which is the {usual[0]} one, "
            f"compared with all others, by --own GROUP."
        )
        raise InputError(msg)
    else:
        one, others = own, [name for name in members if name != own]
    if not others:
        msg = (
            f"An effect compares two groups or more. Of those in {groups} only {one!r} has pairs "
            "of one person and of two, which take two people, and one with two images."
        )
        raise InputError(msg)
    other = quoted(others[0]) if len(others) == 1 else yaml_list(others)
    return TaskBlock(
        effect,
        f"{effect}-effect",
        {
            "pairs": quoted(table_name),
            "contrast": f"[{quoted(one)}, {other}]",
            "identity": "[identity1, identity2]",
        },
        {"contrast": "AUC of the first - AUC of the others"},
    )


def _read(file: Path, found: FaceFolder) -> dict[str, str]:
    """Read who is in which group."""
    if not file.is_file():
        msg = f"The groups {file} do not exist. Expected a table of two columns: person, group."
        raise InputError(msg)
    if file.suffix.lower() == ".json":
        try:
            content = json.loads(file.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            msg = f"The groups {file} are not JSON: {error!s:.200}."
            raise InputError(msg) from error
        if not isinstance(content, dict):
            msg = f"The groups {file} must be a mapping of persons to groups."
            raise InputError(msg)
        rows = [(str(who), str(group)) for who, group in content.items()]
    else:
        rows = _rows(file, found)
    group_of: dict[str, str] = {}
    for who, group in rows:
        if group and group_of.setdefault(who, group) != group:
            msg = f"{file} has two groups for {who!r}, {group_of[who]!r} and {group!r}. Keep one."
            raise InputError(msg)
    unknown = [who for who in found.people if who not in group_of]
    if len(unknown) == len(found.people):
        msg = (
            f"None of the {len(unknown)} people of {found.path} has a group in {file}: persons "
            f"are called like {unknown[0]!r} there, and {next(iter(group_of), 'none')!r} here."
        )
        raise InputError(msg)
    return group_of


def _rows(file: Path, found: FaceFolder) -> list[tuple[str, str]]:
    from facebench.data.tables import csv_rows

    lines = [row.cells for row in csv_rows(file)]
    header, body = lines[0], lines[1:]
    people = {*found.people}
    hits = [
        sum(len(row) > place and row[place] in people for row in body)
        for place in range(len(header))
    ]
    person = max(range(len(header)), key=hits.__getitem__)
    others = [place for place in range(len(header)) if place != person]
    named = [p for p in others if header[p].casefold() in ("group", "race", "ethnicity")]
    if len(others) != 1 and len(named) != 1:
        msg = (
            f"{file} has the columns {listed(header)}. Two were expected: person and group "
            "(or more, one of them called 'group')."
        )
        raise InputError(msg)
    group = named[0] if len(named) == 1 else others[0]
    return [(row[person], row[group]) for row in body if len(row) > max(person, group)]
