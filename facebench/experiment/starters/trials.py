"""A first description of trials: what their columns and codes can safely be taken for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.data.folder import IMAGE_SUFFIXES
from facebench.errors import InputError
from facebench.experiment.starters.blocks import quoted, relative_to
from facebench.people.cells import is_number
from facebench.people.codes import plain_code, usual_codes
from facebench.people.description import FILL_IN, MISSING
from facebench.people.files import find_files, read_file
from facebench.people.names import ImageFinder
from facebench.people.table_reader import plain_table
from facebench.people.trials import ROW, alternatives_in

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TrialsDraft", "draft_trials"]

# What columns are called, without capitals and signs. Only a whole name counts.
_CALLED = {
    "participant": "participant participantid participantprivateid ppt pptid pid prolificid "
    "prolificpid subject subjectid subj subjid sub workerid rater observer vp vpn",
    "response": "response responses resp answer answers judgement judgment key keypress keyresp "
    "keyrespkeys responsekey rating ratings similarity dissimilarity distance sliderresponse",
    "correct_response": "correctresponse correctanswer corrans correctkey cresp",
    "correct": "correct accuracy acc iscorrect corr keyrespcorr",
    "confidence": "confidence conf certainty",
    "rt": "rt rts rtms reactiontime reactiontimems responsetime latency keyresprt",
    "session": "session",
    "group": "group",
}
_MEANINGS = {name: meaning for meaning, names in _CALLED.items() for name in names.split()}
NONE = "none"
_PAIR = ("img1", "img2")
# An image that others are compared with is called so.
_TARGETS = {"target", "probe", "sample", "reference", "ref", "cue", "anchor", "standard", "x"}
# Images are named in a column if so many of its different texts are images.
_ALL = 0.95
_SIGNS = re.compile(r"[\W_]+")
_HALF = 0.5
_TRIPLET = 3
_MOST_LEVELS = 6
# Three numbers may be two keys and a time-out.
_FEWEST_RATINGS = 4
_RATERS = re.compile(r"rater[\W_]*\w+", re.IGNORECASE)
_HEAD = """\
# What the columns and codes of the trials mean: docs/people.md. Check it:
#   facebench people check {file}
"""


@dataclass(frozen=True)
class TrialsDraft:
    """A first description of trials.

    Attributes
    ----------
    text : str
        The YAML.
    doubts : list of str
        Columns that may be conditions.
    kind : str
        As of `Trials`, or '' where that is unknown.
    shown : DataFrame
        Columns of trials with an image, under the names of `Trials`, cells as they are.
    taken : list of str
        What was taken, and why.
    open : list of str
        What must be filled in, and where.
    """

    text: str
    doubts: list[str]
    kind: str
    shown: pd.DataFrame
    taken: list[str]
    open: list[str]


@dataclass(frozen=True)
class _Columns:
    """Which column has which meaning, in a table of texts."""

    table: pd.DataFrame
    named: dict[str, str]
    candidates: dict[str, list[str]]
    sides: tuple[str, ...] = _PAIR
    raters: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """What a description must name."""
        return ("participant", *self.sides, "response")

    @property
    def unused(self) -> list[str]:
        """Columns without a meaning."""
        used = {*self.named.values()}
        return [name for name in map(str, self.table.columns) if name not in used]

    def cells(self, meaning: str) -> pd.Series[str] | None:
        return self.table[self.named[meaning]] if meaning in self.named else None


def draft_trials(
    trials: Path,
    target: Path,
    *,
    images: Iterable[str],
    person: Callable[[str], str],
    conditions: Mapping[str, Sequence[str]],
) -> TrialsDraft:
    """Write a first description of trials.

    A column is taken for what it is called, if no other is called alike; for an image if its cells
    are names of images. A code is taken for what it says, or for what it must mean as trials say
    which responses were correct. All else is left open.

    Parameters
    ----------
    trials : Path
        A file of trials, or a folder of them.
    target : Path
        Where the description will be.
    images : iterable of str
        The images that trials may show.
    person : callable
        Who is in an image; '' where that is unknown.
    conditions : mapping of str to sequence of str
        The names that a column of conditions may hold, by what it is called in tables of pairs.

    Raises
    ------
    InputError
        If the trials cannot be read.
    """
    files = find_files([str(trials.absolute())], Path("/"))
    tables = [read_file(file, plain_table(file), []).table.drop(columns=ROW) for file in files]
    import pandas as pd

    table = pd.concat(tables, ignore_index=True).fillna("")
    finder = ImageFinder(images)
    raters = tuple(name for name in map(str, table.columns) if _RATERS.fullmatch(name))
    if len(raters) > 1 and not {"participant", "response"} & {*table.columns}:
        others = [name for name in table.columns if name not in raters]
        table = table.melt(others, raters, var_name="participant", value_name="response")
        columns = replace(_columns_of(table, finder, person, conditions, len(files)), raters=raters)
    else:
        columns = _columns_of(table, finder, person, conditions, len(files))
    taken = [
        "columns: "
        + ", ".join(
            f"{meaning} is {'the name of the file' if name == 'file' else repr(name)}"
            for meaning, name in columns.named.items()
        )
    ]
    left = [
        f"columns.{meaning}: {_which(columns.candidates.get(meaning, []))}"
        for meaning in columns.needed
        if meaning not in columns.named
    ]
    kind, codes, why, missing = _codes_of(columns, finder, person)
    taken += why
    left += missing
    if columns.table.empty:
        msg = f"There are no trials in {trials}."
        raise InputError(msg)
    text = _text(trials, target, columns, kind, codes)
    return TrialsDraft(text, _likely_conditions(columns), kind, _shown(columns), taken, left)


def _likely_conditions(columns: _Columns) -> list[str]:
    """Name unused columns that divide the trials of every participant alike."""
    who = columns.cells("participant") if columns.named.get("participant") != "file" else None
    if who is None:
        return []
    found = []
    for name in columns.unused:
        cells = columns.table[name]
        levels = [text for text in cells.unique() if text not in MISSING]
        if 1 < len(levels) <= _MOST_LEVELS and cells.groupby(who).nunique().min() > 1:
            found.append(f"{name!r} ({', '.join(levels)})")
    if not found:
        return []
    return [
        f"Trials of {' and '.join(found)} are measured together: if these are conditions that "
        "change what was seen, name them under `conditions`, or choose trials by `rows`."
    ]


def _shown(columns: _Columns) -> pd.DataFrame:
    """Give what trials show, under the names of `Trials`."""
    import pandas as pd

    table = pd.DataFrame(
        {name: columns.table[own] for name, own in columns.named.items() if own != "file"}
    )
    sides = [side for side in columns.sides if side in table]
    # A line-up may have fewer alternatives than others.
    first = [side for side in sides if side not in alternatives_in(sides)[1:]]
    missing = table[first].isin(MISSING).any(axis=1)
    if "response" in table:
        table["response"] = table["response"].mask(table["response"].isin(MISSING))
    return table[~missing].reset_index(drop=True)


def _which(candidates: Sequence[str]) -> str:
    return f"which of {', '.join(candidates)}?" if candidates else "which column is it?"


def _columns_of(
    table: pd.DataFrame,
    finder: ImageFinder,
    person: Callable[[str], str],
    conditions: Mapping[str, Sequence[str]],
    n_files: int,
) -> _Columns:
    candidates: dict[str, list[str]] = {}
    shown = []
    for name in map(str, table.columns):
        texts = [text for text in table[name].unique() if text not in MISSING]
        meaning = _MEANINGS.get(_SIGNS.sub("", name).casefold())
        if meaning is not None:
            candidates.setdefault(meaning, []).append(name)
        elif _are_images(texts, finder):
            shown.append(name)
        else:
            for column, known in conditions.items():
                if len(texts) > 1 and {*texts} <= {*known}:
                    candidates.setdefault(column, []).append(name)
    others = [
        name
        for name in map(str, table.columns)
        if name not in shown and _have_suffixes(table[name].unique())
    ]
    sides = _sides_of(shown) if len(shown) != 1 or not others else dict.fromkeys(_PAIR, "")
    if "target" in sides and len(shown) == _TRIPLET and not any(map(_is_target, shown)):
        # The odd one of three may be each of them, if none shows the person of the first.
        line_ups = table[[*sides.values()]].set_axis([*sides], axis=1)
        right = right_alternatives(line_ups, finder, person)
        if right is None or right.isin([*sides]).mean() < _HALF:
            sides = {"target": shown[0], **{f"alt{k}": name for k, name in enumerate(shown, 1)}}
    named = {}
    for meaning in ("participant", *sides, *_CALLED, *conditions):
        listed = candidates.get(meaning, [])
        exact = [name for name in listed if name == meaning]
        if meaning in sides:
            if sides[meaning]:
                named[meaning] = sides[meaning]
        elif exact or len(listed) == 1:
            named[meaning] = (exact or listed)[0]
    if "participant" not in named and "participant" not in candidates and n_files > 1:
        named["participant"] = "file"
    return _Columns(table, named, candidates, tuple(sides))


def _sides_of(shown: list[str]) -> dict[str, str]:
    """Say what each column of images shows; '' where that is unknown.

    Two are a pair and one a face at test. Of more, one may be called the target; else the first is.
    """
    if len(shown) == 1:
        return {"image": shown[0]}
    if len(shown) <= len(_PAIR):
        known = _PAIR if {*shown} == {*_PAIR} else shown
        return dict(zip(_PAIR, known or ("", ""), strict=True))
    targets = [name for name in shown if _is_target(name)]
    others = [name for name in shown if name not in targets]
    if len(targets) == 1:
        others = alternatives_in(others) if len(alternatives_in(others)) == len(others) else others
        return {"target": targets[0], **{f"alt{k}": name for k, name in enumerate(others, 1)}}
    return {"target": shown[0], **{f"alt{k}": name for k, name in enumerate(shown[1:], 1)}}


def _is_target(name: str) -> bool:
    return bool(_TARGETS & {*_SIGNS.split(name.casefold())})


def _are_images(texts: Sequence[str], finder: ImageFinder) -> bool:
    """Tell whether texts are names of images; numbers are codes, even beside ann/1.jpg."""
    if not texts or all(map(is_number, texts)):
        return False
    return sum(bool(finder.candidates(text)) for text in texts) >= _ALL * len(texts)


def _have_suffixes(texts: Iterable[str]) -> bool:
    """Tell whether texts look like images, known or not."""
    return any(text.casefold().endswith(tuple(IMAGE_SUFFIXES)) for text in texts)


_Codes = dict[str, list[str]]


def _codes_of(
    columns: _Columns, finder: ImageFinder, person: Callable[[str], str]
) -> tuple[str, _Codes | None, list[str], list[str]]:
    """Tell the kind of trials and what codes mean; what was taken, and what is left open."""
    cells = columns.cells("response")
    if cells is None:
        return "", None, [], ["kind: same-different or rating?", "response: {code: meaning}"]
    if "target" in columns.sides:
        return _codes_of_choices(columns, cells, finder, person)
    if columns.sides == ("image",):
        return _codes_of_memory(columns, cells)
    counts = Counter(text for text in cells if text not in MISSING)
    codes = {plain_code(text) for text in counts}
    said = ", ".join(f"{text!r} ({n:,} times)" for text, n in counts.most_common(6))
    if len(codes) >= _FEWEST_RATINGS and all(is_number(code) for code in codes):
        return "rating", None, [f"kind: rating, as responses are numbers: {said}"], []
    words = codes - {"0", "1"}
    truth = _truth(columns, finder, person)
    if codes and codes <= usual_codes("same-different") and words == codes:
        return "same-different", None, [f"kind: same-different, as responses are {said}"], []
    if len(codes) > 2 or not codes:
        return (
            "",
            None,
            [],
            ["kind: same-different or rating?", f"response: what do {said or 'codes'} mean?"],
        )
    inferred, evidence = _inferred(columns, cells, truth)
    if inferred is not None:
        return "same-different", inferred, [f"kind: same-different; {evidence}"], []
    if codes <= {"0", "1"}:
        right = _share_right(cells, truth)
        if right is None or right >= _HALF:
            beside = "" if right is None else f", by which {right:.0%} of responses are right"
            text = f"kind: same-different; 1 was taken for same and 0 for different{beside}"
            return "same-different", {"same": ["1"], "different": ["0"]}, [text], []
    first = next(iter(counts))
    right = _share_right(cells, truth, plain_code(first))
    if right is not None:
        said += f"; with {first!r} for same {right:.0%} of responses would be right"
    return (
        "same-different",
        {"same": [FILL_IN], "different": [FILL_IN]},
        ["kind: same-different, as there are two responses"],
        [f"response: which code means same, which different? Found: {said}"],
    )


def _codes_of_choices(
    columns: _Columns, cells: pd.Series[str], finder: ImageFinder, person: Callable[[str], str]
) -> tuple[str, _Codes | None, list[str], list[str]]:
    """Tell what was chosen: names, numbers from 1, or keys that trials say are right."""
    names = [side for side in columns.sides if side != "target"]
    counts = Counter(text for text in cells if text not in MISSING)
    said = ", ".join(f"{text!r} ({n:,} times)" for text, n in counts.most_common(6))
    if counts and all("|" in text for text in counts):
        return "order", None, ["kind: order, as responses are names joined by '|'"], []
    shown = columns.table[[columns.named[side] for side in columns.sides]].to_numpy()
    chosen = [
        text in row
        for text, row in zip(cells, shown.tolist(), strict=True)
        if text not in MISSING and text != NONE
    ]
    numbers = {str(k) for k in range(1, len(names) + 1)}
    kind = "kind: choice, as a trial shows several images"
    if chosen and all(chosen):
        return "choice", None, [f"{kind}; the response is the image that was chosen"], []
    codes = {plain_code(text) for text in counts}
    if codes <= {*numbers, NONE} and "1" in codes:
        text = f"{kind}; the response is the number of the alternative, from 1"
        return "choice", None, [text], []
    right = _right_places(columns, finder, person)
    told = columns.cells("correct")
    if right is not None and told is not None:
        correct = told.map(plain_code).isin(["1", "true", "correct", "right"])
        meant: dict[str, Counter[str]] = {}
        for text, place in zip(cells[correct], right[correct], strict=True):
            if text not in MISSING and place:
                meant.setdefault(place, Counter())[text] += 1
        used = [text for each in meant.values() for text in each]
        if meant and len(used) == len({*used}) and {*used} == {*counts}:
            evidence = "as 'correct' and who is in the images agree"
            found = {place: sorted(meant[place]) for place in [*names, NONE] if place in meant}
            return "choice", found, [f"{kind}; codes of responses were taken {evidence}"], []
    open_codes = {name: [FILL_IN] for name in names}
    left = [f"response: which code means which alternative? Found: {said or 'none'}"]
    return "choice", open_codes, [kind], left


def _right_places(
    columns: _Columns, finder: ImageFinder, person: Callable[[str], str]
) -> pd.Series[str] | None:
    """Name the alternative that shows the target's person; 'none' if none does, '' if unknown."""
    import pandas as pd

    table = pd.DataFrame({side: columns.table[columns.named[side]] for side in columns.sides})
    return right_alternatives(table, finder, person)


def right_alternatives(
    table: pd.DataFrame, finder: ImageFinder, person: Callable[[str], str]
) -> pd.Series[str] | None:
    """Name the alternative that shows the target's person.

    Parameters
    ----------
    table : DataFrame
        ``target``, ``alt1`` …: what trials show.
    finder : ImageFinder
        Finds the images.
    person : callable
        Who is in an image; '' where that is unknown.

    Returns
    -------
    Series of str, or None
        'alt1' …; 'none' where no alternative does, '' where several do or a person is unknown. None
        where no person is known.
    """
    who = {}
    for text in {text for side in table for text in table[side]}:
        own = {person(name) for name in finder.candidates(str(text))}
        who[text] = own.pop() if len(own) == 1 else ""
    known = table.apply(lambda column: column.map(who))
    names = [side for side in table if side != "target"]
    empty = table[names].isna() | table[names].isin(MISSING)
    right = known[names].eq(known["target"], axis=0) & ~empty
    number = right.sum(axis=1)
    place = right.idxmax(axis=1).where(number == 1, "").mask(number == 0, NONE)
    is_known = (known["target"] != "") & ((known[names] != "") | empty).all(axis=1)
    return place.where(is_known, "") if is_known.any() else None


def _codes_of_memory(
    columns: _Columns, cells: pd.Series[str]
) -> tuple[str, _Codes | None, list[str], list[str]]:
    """Tell what old and new are: words, 1 and 0, or keys that trials say are right."""
    counts = Counter(text for text in cells if text not in MISSING)
    codes = {plain_code(text) for text in counts}
    said = ", ".join(f"{text!r} ({n:,} times)" for text, n in counts.most_common(6))
    if len(codes) > 2 or not codes:
        text = "response: what do these say of one image (old or new)? Found: "
        return "", None, [], ["kind: old-new?", text + (said or "none")]
    kind = "kind: old-new, as a trial shows one image and there are two responses"
    if codes <= usual_codes("old-new"):
        return "old-new", None, [f"{kind}: {said}"], []
    return (
        "old-new",
        {"old": [FILL_IN], "new": [FILL_IN]},
        [kind],
        [f"response: which code means old, which new? Found: {said}"],
    )


def _truth(
    columns: _Columns, finder: ImageFinder, person: Callable[[str], str]
) -> pd.Series[float] | None:
    """Tell for each trial whether it shows one person; NaN where that is unknown."""
    sides = [columns.cells(side) for side in ("img1", "img2")]
    if sides[0] is None or sides[1] is None:
        return None
    who = {}
    for text in {*sides[0], *sides[1]}:
        own = {person(name) for name in finder.candidates(text)}
        who[text] = own.pop() if len(own) == 1 else ""
    first, second = (side.map(who) for side in sides if side is not None)
    known = (first != "") & (second != "")
    return (first == second).astype(float).where(known)


def _inferred(
    columns: _Columns, cells: pd.Series[str], truth: pd.Series[float] | None
) -> tuple[_Codes | None, str]:
    """Infer codes from trials that say which response was correct."""
    if truth is None:
        return None, ""
    column, right = "correct_response", columns.cells("correct_response")
    if right is None:
        column, told = "correct", columns.cells("correct")
        if told is None:
            return None, ""
        right = cells.where(told.map(plain_code).isin(["1", "true", "correct", "right"]), "")
    used = truth.notna() & ~right.isin(MISSING)
    meant = {
        label: Counter(right[used & (truth == value)].map(plain_code))
        for label, value in (("same", 1.0), ("different", 0.0))
    }
    if not all(meant.values()) or {*meant["same"]} & {*meant["different"]}:
        return None, ""
    told = columns.cells("correct")
    if column == "correct" and told is not None:
        # A wrong answer must be the other code.
        wrong = truth.notna() & told.map(plain_code).isin(["0", "false", "incorrect", "wrong"])
        for label, value in (("same", 1.0), ("different", 0.0)):
            if {*cells[wrong & (truth == value)].map(plain_code)} & {*meant[label]}:
                return None, ""
    known = {*meant["same"], *meant["different"]}
    unknown = {plain_code(text) for text in cells if text not in MISSING} - known
    if unknown:
        return None, ""
    written = {plain_code(text): text for text in right[used]}
    codes = {label: [written[code] for code in counts] for label, counts in meant.items()}
    evidence = (
        f"same is {' or '.join(codes['same'])}, different {' or '.join(codes['different'])}, as "
        f"{column!r} and who is in the images agree in all {int(used.sum()):,} trials"
    )
    return codes, evidence


def _share_right(
    cells: pd.Series[str], truth: pd.Series[float] | None, same: str = "1"
) -> float | None:
    """Give the share of responses that are right if a code means same, and others different."""
    if truth is None:
        return None
    used = truth.notna() & ~cells.isin(MISSING)
    if not used.any():
        return None
    return float(((cells.map(plain_code) == same) == (truth == 1))[used].mean())


def _text(trials: Path, target: Path, columns: _Columns, kind: str, codes: _Codes | None) -> str:
    known = (*_CALLED, *columns.needed)
    conditions = {k: v for k, v in columns.named.items() if k not in known}
    lines = [
        _HEAD.format(file=target.name),
        f"trials: {_text_of(relative_to(trials, target.parent))}",
        f"kind: {kind or FILL_IN}",
        "columns:                          # meaning: column",
    ]
    named = {k: v for k, v in columns.named.items() if k not in conditions}
    for meaning in columns.needed:
        named.setdefault(meaning, FILL_IN)
    wide = ""
    if columns.raters:
        del named["participant"]
        named["response"] = "value"
        raters = "|".join(map(re.escape, columns.raters))
        wide = f"wide: {{columns: {_text_of(f'(?P<participant>{raters})')}}}"
    lines += [f"  {meaning}: {_text_of(name)}" for meaning, name in named.items()]
    if conditions:
        lines.append(
            f"conditions: {{{', '.join(f'{k}: {_text_of(v)}' for k, v in conditions.items())}}}"
        )
    else:
        lines.append("conditions: []                    # columns that are conditions")
    if wide:
        lines.append(wide)
    if columns.unused:
        lines.append(f"# Not used: {', '.join(columns.unused)}")
    if codes is not None:
        said = ", ".join(f"{label}: {_listed(texts)}" for label, texts in codes.items())
        lines.append(f"response: {{{said}}}")
    elif not kind:
        lines.append(f"response: {{same: {FILL_IN}, different: {FILL_IN}}}")
    rt = columns.named.get("rt", "")
    if "rt" in columns.named and _SIGNS.sub("", rt).casefold().endswith("ms"):
        lines.append("rt_unit: ms")
    lines += [
        "# exclude: {rt: [0.2, 10], accuracy: 0.6}   # nothing is left out unless this says so",
    ]
    return "\n".join(lines) + "\n"


def _listed(texts: Sequence[str]) -> str:
    written = [_text_of(text) for text in texts]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def _text_of(text: str) -> str:
    """Write a text of a description, in which a dollar sign means nothing else."""
    return text if text == FILL_IN else quoted(text).replace("$$", "$")
