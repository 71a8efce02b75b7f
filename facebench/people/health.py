"""What is odd about trials before anything is computed from them."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facebench.people.measures import items_of
from facebench.people.trials import FILE, PARTICIPANT, RESPONSE, ROW, Trials, condition_columns
from facebench.utils.suggestions import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

__all__ = ["TrialHealth", "cautions", "divided_by", "trial_health"]

# A column with more levels than this tells trials apart and is not a condition.
_MOST_LEVELS = 12
# RTs in seconds: faces are not answered sooner, nor usually later.
_SOONEST, _LATEST = 0.1, 60.0


# So many equal RTs in the same order are not a coincidence.
_FEWEST_TIMES = 4


class TrialHealth(NamedTuple):
    """What was understood of trials.

    Attributes
    ----------
    facts : dict
        Counts of the whole.
    conditions : DataFrame
        A row per level of each condition.
    findings : list of str
        What is odd, a sentence each.
    """

    facts: dict[str, Any]
    conditions: pd.DataFrame
    findings: list[str]


def trial_health(trials: Trials) -> TrialHealth:
    """Judge trials as they were read.

    Parameters
    ----------
    trials : Trials
        The trials, before exclusions.

    Returns
    -------
    TrialHealth
    """
    table = trials.table
    counts = table[PARTICIPANT].value_counts()
    facts: dict[str, Any] = {
        "kind": trials.kind,
        "files": int(table[FILE].nunique()) if FILE in table else None,
        "participants": len(trials.participants),
        "groups": {str(name): len(trials.of_group(name).participants) for name in trials.groups},
        "trials": len(table),
        "trials per participant": _range(counts),
        "items": int(items_of(trials).nunique()),
        "images": len({name for column in trials.shown for name in table[column].dropna()} - {""}),
        "missing responses": int(table[RESPONSE].isna().sum()),
    }
    if "correct" in table:
        facts["accuracy"] = _number(table["correct"].mean())
    if "rt" in table:
        facts["median RT (s)"] = _number(table["rt"].median())
    return TrialHealth(facts, _conditions_table(trials), list(_findings(trials)))


def _number(value: float) -> float | None:
    return None if value != value else round(float(value), 4)


def _range(counts: Any) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def divided_by(trials: Trials) -> list[str]:
    """Name the columns that divide trials into a few conditions.

    Parameters
    ----------
    trials : Trials
        The trials.

    Returns
    -------
    list of str
    """
    return [
        name
        for name in condition_columns(trials)
        if 1 < trials.table[name].nunique() <= _MOST_LEVELS and not _names_people(trials, name)
    ]


def _names_people(trials: Trials, name: str) -> bool:
    """Tell whether a column is another name of the participants."""
    both = trials.table[[PARTICIPANT, name]].drop_duplicates()
    return not both[PARTICIPANT].duplicated().any() and not both[name].duplicated().any()


def _conditions_table(trials: Trials) -> pd.DataFrame:
    """Count participants and trials in every level of every condition.

    Parameters
    ----------
    trials : Trials
        The trials.

    Returns
    -------
    DataFrame
        Columns condition, level, participants, trials, trials per participant, and what was
        answered: 'P(same)', 'P(old)', 'mean rating', 'accuracy' where they apply.
    """
    import pandas as pd

    said = {"same-different": "P(same)", "old-new": "P(old)", "rating": "mean rating"}
    rows = []
    for name in divided_by(trials):
        for level, part in trials.table.groupby(name, sort=False):
            each = part[PARTICIPANT].value_counts()
            row: dict[str, Any] = {
                "condition": name,
                "level": str(level),
                "participants": len(each),
                "trials": len(part),
                "trials per participant": _range(each),
            }
            if trials.kind in said:
                row[said[trials.kind]] = _number(part[RESPONSE].mean())
            if "correct" in part:
                row["accuracy"] = _number(part["correct"].mean())
            rows.append(row)
    return pd.DataFrame(rows)


def cautions(trials: Trials) -> list[str]:
    """Tell what would make numbers wrong without a sign of it: such is noted on every reading.

    Parameters
    ----------
    trials : Trials
        The trials, with the files they are from.

    Returns
    -------
    list of str
        Participants that are in several files, copies of trials, and accuracy below chance.
    """
    found = (_repeated_participants(trials), _copies(trials), _swapped(trials))
    return [sentence for sentence in found if sentence]


def _repeated_participants(trials: Trials) -> str:
    table = trials.table
    if FILE not in table or table[FILE].nunique() < 2:
        return ""
    keys = [PARTICIPANT, "session"] if "session" in table else [PARTICIPANT]
    files = table[[*keys, FILE]].drop_duplicates().groupby(keys, sort=False, dropna=False)[FILE]
    several = files.nunique()
    several = several[several > 1]
    if several.empty:
        return ""
    name = several.index[0]
    first = name[0] if isinstance(name, tuple) else name
    where = table.loc[table[PARTICIPANT] == first, FILE].unique()
    n_ids, n_files = table[PARTICIPANT].nunique(), table[FILE].nunique()
    return (
        f"{n_ids} participants in {n_files} files: {len(several)} are in several files, such as "
        f"{first!r} in {listed(where[:3])}. If every file is another participant, write "
        "`participant: file` under `columns`; if they are sessions, name the column `session`."
    )


def _findings(trials: Trials) -> Iterator[str]:
    """Tell what is odd about trials.

    Parameters
    ----------
    trials : Trials
        The trials.

    Yields
    ------
    str
        A sentence for each kind of finding.
    """
    yield from _missing(trials)
    yield from _times(trials)
    yield from _repeated_items(trials)
    yield from _lopsided(trials)
    yield from _incomplete(trials)


def _missing(trials: Trials) -> Iterator[str]:
    gone = trials.table[RESPONSE].isna()
    if gone.any():
        by_person = gone.groupby(trials.table[PARTICIPANT], sort=False).mean()
        most = by_person.idxmax()
        yield (
            f"{int(gone.sum()):,} of {len(gone):,} trials have no response; most are missing of "
            f"{most!r} ({by_person[most]:.0%})."
        )


def _times(trials: Trials) -> Iterator[str]:
    if "rt" not in trials.table:
        return
    rt = trials.table["rt"]
    for wrong, what in (
        (rt <= 0, "of 0 s or less, which is impossible"),
        ((rt > 0) & (rt < _SOONEST), f"below {_SOONEST:g} s, too fast for a face"),
        (rt > _LATEST, f"above {_LATEST:g} s"),
    ):
        if wrong.any():
            row = trials.table[wrong].iloc[0]
            yield (
                f"{int(wrong.sum()):,} RTs are {what}, such as {row['rt']:g} s of "
                f"{row[PARTICIPANT]!r}{_place(row)}. `exclude.rt` leaves such trials out."
            )


def _place(row: Any) -> str:
    return f" ({row[FILE]}, row {row[ROW]})" if FILE in row else ""


def _copies(trials: Trials) -> str:
    """Tell participants, or parts of one participant in several files, with the same RTs."""
    table = trials.table
    if "rt" not in table:
        return ""
    timed = table[table["rt"].notna()]
    keys = [PARTICIPANT, *([FILE] if FILE in table else [])]
    times = timed.groupby(keys, sort=False)["rt"].agg(tuple)
    times = times[times.map(len) >= _FEWEST_TIMES]
    again = times[times.duplicated()]
    if again.empty:
        return ""
    pair = [
        " of ".join(map(str, name if isinstance(name, tuple) else (name,)))
        for name in times.index[times == again.iloc[0]][:2]
    ]
    return (
        f"{len(again)} series of RTs occur twice, such as that of {pair[0]} and {pair[1]}. Was "
        "a file copied?"
    )


def _repeated_items(trials: Trials) -> Iterator[str]:
    table = trials.table
    keys = [PARTICIPANT, *condition_columns(trials), *(["session"] if "session" in table else [])]
    shown = table[keys].assign(item=items_of(trials))
    again = shown.duplicated()
    if again.any():
        row = table[again].iloc[0]
        yield (
            f"{int(again.sum()):,} trials show a participant the images of an earlier trial again "
            f"in the same condition, first of {row[PARTICIPANT]!r}{_place(row)}. Each counts."
        )


def _lopsided(trials: Trials) -> Iterator[str]:
    """Tell participants that lack a condition which most have, and empty combinations."""
    table = trials.table
    conditions = divided_by(trials)
    for name in conditions:
        levels = table.groupby(PARTICIPANT, sort=False)[name].nunique()
        most = int(levels.max())
        if most > 1 and (levels == most).mean() > 0.5 and (levels < most).any():
            few = list(levels.index[levels < most])
            one = "one condition only" if (levels[few] <= 1).all() else "not all conditions"
            yield (
                f"{len(few)} of {len(levels)} participants have {one} of {name!r}: "
                f"{listed(few[:10])}."
            )
    crossed = [*(["group"] if trials.groups else []), *conditions]
    for first, second in [(a, b) for n, a in enumerate(crossed) for b in crossed[n + 1 :]]:
        there = set(zip(table[first], table[second], strict=True))
        pairs = product(table[first].dropna().unique(), table[second].dropna().unique())
        empty = [pair for pair in pairs if pair not in there]
        # Two columns that say the same leave most combinations empty.
        if empty and len(empty) < len(there):
            a, b = empty[0]
            yield f"No participant has {first} = {a!r} with {second} = {b!r}."


def _incomplete(trials: Trials) -> Iterator[str]:
    counts = trials.table[PARTICIPANT].value_counts(sort=False)
    usual = float(np.median(counts))
    few = counts[counts < 0.8 * usual]
    if len(few):
        yield (
            f"{len(few)} of {len(counts)} participants have fewer than 80 % of the usual "
            f"{usual:g} trials: {listed(f'{name} ({n})' for name, n in few[:10].items())}."
        )
    if trials.kind in ("same-different", "old-new", "rating"):
        spread = trials.table.groupby(PARTICIPANT, sort=False)[RESPONSE].nunique()
        flat = spread[(spread == 1) & (counts.reindex(spread.index) > 5)]
        if len(flat):
            who = listed(flat.index[:10])
            yield f"{len(flat)} participants gave the same answer in all trials: {who}."


def _swapped(trials: Trials) -> str:
    if "correct" not in trials.table or not trials.table["correct"].notna().any():
        return ""
    accuracy = trials.table["correct"].mean()
    chance = 1 / len(trials.alternatives) if trials.is_among_alternatives else 0.5
    if accuracy >= chance:
        return ""
    return (
        f"Accuracy is {accuracy:.3f}, below chance ({chance:.3g}). Are codes of `response` or "
        "`correct` swapped?"
    )
