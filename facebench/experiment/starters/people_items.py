"""Trials of choices, triplets, orders and memory: the tasks that ask networks the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from facebench.errors import InputError
from facebench.experiment.starters.blocks import TaskBlock, quoted
from facebench.experiment.starters.trials import NONE, right_alternatives
from facebench.people.codes import plain_code
from facebench.people.trials import alternatives_in

if TYPE_CHECKING:
    import pandas as pd

    from facebench.people.names import ImageFinder

__all__ = ["ITEM_KINDS", "AskedOfItems", "ask_of_items"]

ITEM_KINDS = ("choice", "order", "old-new")
_TRIPLET = ["img1", "img2", "img3"]
_OLD = {"old", "1", "true", "studied", "target", "yes"}
_NEW = {"new", "0", "false", "unstudied", "lure", "foil", "no"}


@dataclass(frozen=True)
class AskedOfItems:
    """A task of what people saw.

    Attributes
    ----------
    task : TaskBlock or None
        None where something is unknown that it needs.
    tables : dict of str to DataFrame
        What it reads, by the ending of the file's name.
    taken, doubts : list of str
        What was taken; what is open.
    """

    task: TaskBlock | None
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def ask_of_items(
    table: pd.DataFrame,
    kind: str,
    description: str,
    *,
    photographs: ImageFinder,
    person: Callable[[str], str],
    faces: str,
    file_of: Callable[[str], str],
) -> AskedOfItems:
    """Give the task of trials that show a line-up, a triplet or one face at test.

    Parameters
    ----------
    table : DataFrame
        What trials show (``target`` and ``alt1`` …, or ``image``), and where known ``response``,
        ``correct`` and ``old``.
    kind : {'choice', 'order', 'old-new'}
        Of the trials.
    description : str
        The file that describes them, as the experiment names it.
    photographs : ImageFinder
        The photographs.
    person : callable
        Who is in an image; '' where that is unknown.
    faces : str
        The folder of the photographs, as the experiment names it.
    file_of : callable
        The name of a table by its ending.

    Raises
    ------
    InputError
        If trials show images that are not photographs.
    """
    sides = ["image"] if kind == "old-new" else ["target", *alternatives_in(table.columns)]
    named = _named(table, sides, photographs)
    said = {"images": quoted(faces), "people": quoted(description)}
    if kind == "order":
        block = TaskBlock(
            "people-orders", "ranking", said,
            {"task": "the order of alternatives beside people's", "people": "their trials"},
        )  # fmt: skip
        return AskedOfItems(block)
    if kind == "old-new":
        return _memory(table, named, said, file_of)
    if len(sides) == len(_TRIPLET) + 1 and (named["target"] == named["alt1"]).all():
        return _triplets(named[sides[1:]], said, file_of)
    right = right_alternatives(named[sides], photographs, person)
    return _line_ups(named[sides], right, said, file_of)


def _named(table: pd.DataFrame, sides: list[str], photographs: ImageFinder) -> pd.DataFrame:
    """Give the photographs that trials show their names in the folder."""
    named = {}
    for side in sides:
        found: dict[str, str] = {}
        for text in table[side].dropna().unique():
            if not text:
                continue
            one = photographs.find(str(text))
            if one is None:
                several = photographs.candidates(str(text))
                why = (
                    f"may be any of several photographs: {', '.join(several[:3])}. Name it with "
                    "its folder."
                    if several
                    else f"is not among the photographs.{photographs.hint(str(text))} `images` in "
                    "the description of the trials says how names follow."
                )
                msg = f"The image {str(text)!r} of the trials (column {side!r}) {why}"
                raise InputError(msg)
            found[text] = one
        named[side] = table[side].map(found)
    return table.assign(**named)


def _triplets(
    shown: pd.DataFrame, said: Mapping[str, str], file_of: Callable[[str], str]
) -> AskedOfItems:
    """Add the odd one out of three."""
    import pandas as pd

    different = sorted({tuple(sorted(row)) for row in shown.itertuples(index=False, name=None)})
    table = pd.DataFrame(different, columns=_TRIPLET)
    block = TaskBlock(
        "people-triplets",
        "odd-one-out",
        {"triplets_file_path": quoted(file_of("triplets")), **said},
        {"task": "the odd one of three, as people chose it", "people": "their choices"},
    )
    text = (
        f"{len(table)} triplets that people saw are in {file_of('triplets')}: none of the three "
        "images is called the target, and so the choice is taken for the odd one out."
    )
    doubt = (
        "If the choice is the image most like the first one, not the odd one out, leave the first "
        "one out of the alternatives in the description, and use the task 'matching'."
    )
    return AskedOfItems(block, {"triplets": table}, [text], [doubt])


def _line_ups(
    shown: pd.DataFrame,
    right: pd.Series[str] | None,
    said: Mapping[str, str],
    file_of: Callable[[str], str],
) -> AskedOfItems:
    """Add matching, with the answers that folders imply, else those that trials imply."""
    import pandas as pd

    comments = {"task": "which alternative shows the target's person", "people": "their trials"}
    name = "people-line-ups"
    if right is None or (right == "").any():
        doubt = (
            f"{name}: which alternative is right follows from `correct` in the trials, as folders "
            "do not say it of every line-up. A table with a column 'answer' says it too: "
            "docs/choice_and_memory.md."
        )
        return AskedOfItems(TaskBlock(name, "matching", said, comments), doubts=[doubt])
    answers = [NONE if place == NONE else shown.at[row, place] for row, place in right.items()]
    table = shown.assign(answer=answers)
    alternatives = alternatives_in(shown.columns)
    rows = table[["target", *alternatives]].itertuples(index=False, name=None)
    keys = pd.Series([(row[0], frozenset(row[1:])) for row in rows], index=table.index)
    different = table[~keys.duplicated()]
    different = different.reset_index(drop=True)
    absent = int((different["answer"] == NONE).sum())
    taken = (
        f"{len(different)} line-ups of {len(alternatives)} that people saw are in "
        f"{file_of('people')}; the right answer is the alternative in the target's folder"
        + (f", and {absent} are target-absent." if absent else ".")
    )
    block = TaskBlock(name, "matching", {"trials": quoted(file_of("people")), **said}, comments)
    return AskedOfItems(block, {"people": different}, [taken])


def _memory(
    table: pd.DataFrame,
    named: pd.DataFrame,
    said: Mapping[str, str],
    file_of: Callable[[str], str],
) -> AskedOfItems:
    """Add recognition memory, if trials say which items are old."""
    old = _old_items(table)
    if old is None or not {0, 1} <= {*old.dropna().astype(int)}:
        doubt = (
            "People are in no task yet, as nothing says which images are old: write the studied "
            "images and the test items into tables (docs/choice_and_memory.md), for the task "
            "'recognition-memory'."
        )
        return AskedOfItems(None, doubts=[doubt])
    items = named.assign(old=old).dropna(subset=["old"]).groupby("image", sort=False)["old"]
    contradictory = items.nunique()
    if (contradictory > 1).any():
        first = contradictory.index[contradictory > 1][0]
        doubt = (
            f"People are in no task yet: {int((contradictory > 1).sum())} images are old in some "
            f"trials and new in others, such as {first!r}. Several study lists need a column "
            "'list' (docs/choice_and_memory.md)."
        )
        return AskedOfItems(None, doubts=[doubt])
    test = items.first().astype(int).map({1: "old", 0: "new"}).reset_index()
    study = test.loc[test["old"] == "old", ["image"]].reset_index(drop=True)
    block = TaskBlock(
        "people-memory",
        "recognition-memory",
        {"study": quoted(file_of("study")), "test": quoted(file_of("test")), **said},
        {"task": "old or new, from distances to what was studied", "people": "their trials"},
    )
    taken = (
        f"{len(test)} test items, {len(study)} of them old, are in {file_of('test')}; "
        f"{file_of('study')} has the same images."
    )
    doubt = (
        f"The old items are taken as studied in the same image. If people studied other "
        f"photographs, name those in {file_of('study')}: a network recognises the same image "
        "without fail."
    )
    return AskedOfItems(block, {"study": study, "test": test}, [taken], [doubt])


def _old_items(table: pd.DataFrame) -> pd.Series[float] | None:
    """Tell which items are old, by a column that says it or by responses that were correct."""
    import pandas as pd

    def meaning(cells: pd.Series[str]) -> pd.Series[float] | None:
        codes = cells.map(lambda text: plain_code(str(text)))
        if not {*codes} <= _OLD | _NEW:
            return None
        return codes.isin(_OLD).astype(float)

    for name in ("old", "correct_response"):
        if name in table and (found := meaning(table[name])) is not None:
            return found
    if not {"correct", "response"} <= {*table.columns}:
        return None
    response = table["response"].dropna()
    said, right = meaning(response), meaning(table.loc[response.index, "correct"])
    if said is None or right is None:
        return None
    return pd.Series(said.where(right == 1, 1 - said)).reindex(table.index)
