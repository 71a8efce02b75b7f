"""Codes of responses: what '1', 'f' or 'left' means, and an error for those that mean nothing."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from facebench.data.tables import as_number
from facebench.errors import InputError
from facebench.people.trials import ALTERNATIVES, FILE, ROW
from facebench.utils.suggestions import listed

if TYPE_CHECKING:
    import pandas as pd

    from facebench.people.description import RowChoice, TrialsDescription

__all__ = ["chosen", "coded_responses", "coded_truth", "plain_code", "usual_codes", "with_point"]

# What stands for the two answers where a description gives no codes.
_USUAL: dict[str, dict[str, tuple[str, ...]]] = {
    "same-different": {
        "same": ("same", "1", "true", "match", "yes"),
        "different": ("different", "0", "false", "mismatch", "non-match", "nonmatch", "no"),
    },
    "old-new": {"old": ("old", "1", "true", "yes"), "new": ("new", "0", "false", "no")},
}
_RIGHT = {
    "right": ("1", "true", "correct", "right"),
    "wrong": ("0", "false", "incorrect", "wrong", "error"),
}
_NUMBERS = {"same": 1.0, "different": 0.0, "old": 1.0, "new": 0.0, "right": 1.0, "wrong": 0.0}
_NONE = "none"
# '1e5', '1.10' and 21 digits are names: as numbers, some of them would be one.
_WHOLE = re.compile(r"[+-]?\d{1,15}(\.0*)?", re.ASCII)


@lru_cache(maxsize=10_000)
def plain_code(text: str) -> str:
    """Write a code so that '1', '1.0' and 1, or 'Same' and 'same', are one.

    Examples
    --------
    >>> plain_code("1.0"), plain_code(" Left"), plain_code("01")
    ('1', 'left', '1')
    >>> plain_code("1e5"), plain_code("1_000"), plain_code("1.10")
    ('1e5', '1_000', '1.10')
    """
    stripped = str(text).strip()
    return str(int(float(stripped))) if _WHOLE.fullmatch(stripped) else stripped.casefold()


def with_point(text: str, *, is_decimal: bool = False) -> str:
    """Write a number with a decimal comma with a point; '1,234', which may be thousands, stays.

    Parameters
    ----------
    text : str
        Any text.
    is_decimal : bool, default False
        Whether commas are known to be decimal: '1,234' is 1.234 then.

    Returns
    -------
    str

    Examples
    --------
    >>> with_point("0,53"), with_point("1,234"), with_point("0,530")
    ('0.53', '1,234', '0.530')
    """
    whole, comma, part = text.partition(",")
    is_plain = bool(comma) and whole.removeprefix("-").isdecimal() and part.isdecimal()
    is_decimal = is_decimal or len(part) != 3 or whole in ("0", "-0")
    return f"{whole}.{part}" if is_plain and is_decimal else text


def usual_codes(kind: str) -> set[str]:
    """Give the codes that need no description.

    Parameters
    ----------
    kind : {'same-different', 'old-new'}
        The kind of trials.

    Returns
    -------
    set of str
    """
    return {code for codes in _USUAL[kind].values() for code in codes}


def coded_responses(
    table: pd.DataFrame,
    column: str,
    said: TrialsDescription,
    alternatives: list[str],
) -> tuple[pd.Series[Any], list[str]]:
    """Turn codes into responses.

    Parameters
    ----------
    table : DataFrame
        The trials, all cells text.
    column : str
        The column of the codes.
    said : TrialsDescription
        Names the codes.
    alternatives : list of str
        The columns of alternatives, of a choice.

    Returns
    -------
    responses : Series
        NaN where there is no response.
    notes : list of str
        What was assumed.

    Raises
    ------
    InputError
        If a code is unknown: with its file, row and the known codes.
    """
    if said.kind in ("choice", "order"):
        return _choices(table, column, said, alternatives)
    codes = said.response if said.response is not None else _USUAL.get(said.kind)
    meanings: dict[str, float] = {}
    for meaning, texts in (codes or {}).items():
        number = _NUMBERS[meaning] if said.kind != "rating" else float(meaning)
        for text in texts:
            _add(meanings, plain_code(text), number, text)
    cells = table[column]
    known: dict[str, float] = {}
    unknown: list[str] = []
    for cell in cells.unique():
        code = plain_code(cell)
        if code in meanings:
            known[cell] = meanings[code]
        elif cell in said.missing or cell == "":
            known[cell] = float("nan")
        elif codes is None and (rating := _number(with_point(cell))) is not None:
            known[cell] = rating
        else:
            unknown.append(cell)
    if unknown:
        what = _listed_codes(codes) if codes else "a number"
        raise InputError(_unknown(table, column, unknown, what))
    notes = []
    if said.response is None and said.kind != "rating":
        used = {plain_code(cell) for cell in known}
        one, other = ("same", "different") if said.kind == "same-different" else ("old", "new")
        notes = [
            f"Responses were taken as {high} = {one} and {low} {other}. Set `response` if not."
            for high, low in (("1", "0"), ("yes", "no"))
            if used & {high, low}
        ]
    return cells.map(known).astype(float), notes


def chosen(cells: pd.Series[Any], choice: RowChoice) -> pd.Series[bool]:
    """Tell which cells are as a description asks for.

    Parameters
    ----------
    cells : Series of str
        Cells of a column.
    choice : RowChoice
        What is asked for.

    Returns
    -------
    Series of bool
    """
    kept = cells.notna()
    if choice.filled is not None:
        kept &= (cells != "") == choice.filled
    codes = cells.map(plain_code)
    if choice.is_ is not None:
        kept &= codes.isin([plain_code(text) for text in choice.is_])
    if choice.not_ is not None:
        kept &= ~codes.isin([plain_code(text) for text in choice.not_])
    return kept


def coded_truth(table: pd.DataFrame, said: TrialsDescription) -> Any:
    """Turn the column `correct` into 1 and 0; see `coded_responses`."""
    codes = said.correct if said.correct is not None else {k: [*v] for k, v in _RIGHT.items()}
    meanings: dict[str, float] = {}
    for meaning, texts in codes.items():
        for text in texts:
            _add(meanings, plain_code(text), _NUMBERS[meaning], text)
    known: dict[str, float] = {}
    unknown = []
    for cell in table["correct"].unique():
        number = meanings.get(plain_code(cell))
        if number is None and cell not in said.missing and cell != "":
            unknown.append(cell)
        known[cell] = float("nan") if number is None else number
    if unknown:
        listed_codes = _listed_codes(codes)
        raise InputError(_unknown(table, "correct", unknown, listed_codes))
    return table["correct"].map(known).astype(float)


def _number(text: str) -> float | None:
    try:
        number = as_number(text)
    except ValueError:
        return None
    return number if abs(number) != float("inf") else None


def _add(meanings: dict[str, Any], code: str, meaning: Any, text: str) -> None:
    if meanings.setdefault(code, meaning) != meaning:
        msg = f"The code {text!r} has two meanings. Each code may mean one thing."
        raise InputError(msg)


def _listed_codes(codes: Any) -> str:
    return "; ".join(f"{name}: {', '.join(texts)}" for name, texts in codes.items())


def _unknown(table: pd.DataFrame, column: str, unknown: list[str], known: str) -> str:
    among = table[table[column].isin(unknown)]
    first = among.iloc[0]
    counts = Counter(among[column])
    each = listed(f"{code!r} ({n:,} times)" for code, n in counts.most_common(10))
    key = "correct" if column == "correct" else "response"
    return (
        f"{first[FILE]}, row {first[ROW]}: {first[column]!r} is not a known code of {column!r}. "
        f"Known: {known}. Unknown: {each}. Add them to `{key}`, to `missing` if they stand for no "
        "response, or leave such rows out by `rows`."
    )


def _choices(
    table: pd.DataFrame,
    column: str,
    said: TrialsDescription,
    alternatives: list[str],
) -> tuple[pd.Series[Any], list[str]]:
    """Turn codes into names of alternatives."""
    import pandas as pd

    numbered = {name: k for k, name in enumerate(alternatives)}
    places: dict[str, int | str] = {}
    for meaning, texts in (said.response or {}).items():
        if meaning != _NONE and meaning not in numbered:
            msg = (
                f"`response` has a code for {meaning!r}, but trials have {len(alternatives)} "
                f"alternatives: {', '.join(alternatives)}."
            )
            raise InputError(msg)
        for text in texts:
            place = _NONE if meaning == _NONE else numbered[meaning]
            _add(places, plain_code(text), place, text)
    shown = table[alternatives].to_numpy()
    taken = set()

    def one(code: str, names: Any) -> str | None:
        """Give the alternative that a code stands for; None if it stands for none."""
        plain = plain_code(code)
        place = places.get(plain)
        if place is not None:
            return place if isinstance(place, str) else names[place] or None
        if code in names:
            return code
        if plain == _NONE and code == _NONE:
            return _NONE
        if said.response is None or plain.startswith(ALTERNATIVES):
            number = plain.removeprefix(ALTERNATIVES)
            if number.isdecimal() and 1 <= int(number) <= len(names):
                if number == plain:
                    taken.add(column)
                return names[int(number) - 1] or None
        return None

    responses: list[str | None] = []
    unknown: list[int] = []
    partial = 0
    for place, (cell, names) in enumerate(zip(table[column], shown, strict=True)):
        missing = plain_code(cell) not in places and (cell == "" or cell in said.missing)
        if missing:
            responses.append(None)
        elif said.kind == "order":
            parts = [one(part.strip(), list(names)) for part in cell.split("|")]
            there = {name for name in names if name}
            is_order = len({*parts}) == len(parts) and {*parts} <= there
            partial += is_order and len(parts) < len(there)
            responses.append("|".join(part or "" for part in parts) if is_order else None)
            if not is_order:
                unknown.append(place)
        else:
            responses.append(one(cell, list(names)))
            if responses[-1] is None:
                unknown.append(place)
    if unknown:
        codes = _listed_codes(said.response) if said.response else ""
        what = "the names of the alternatives" + (f"; {codes}" if codes else ", or 1, 2 …")
        if said.kind == "order":
            what = "names of alternatives joined by '|', each once"
        cells = table[column].iloc[unknown]
        part = table.iloc[unknown]
        raise InputError(_unknown(part, column, list(cells.unique()), what))
    notes = [f"Numbers under {column!r} count the alternatives from 1."] if taken else []
    if partial:
        notes.append(
            f"{partial:,} of {len(table):,} orders leave out alternatives, which tie behind the "
            "others."
        )
    return pd.Series(responses, index=table.index, dtype=object), notes
