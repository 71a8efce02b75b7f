"""From the files of any program to one table of trials, by a description."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.errors import InputError
from facebench.people.cells import FileOfTrials
from facebench.people.codes import chosen, coded_responses, coded_truth, with_point
from facebench.people.description import ColumnSource, TrialsDescription
from facebench.people.files import find_files, read_file
from facebench.people.layout import (
    column_names,
    column_of,
    joined_table,
    long_from_wide,
    part_of_cell,
    searched,
)
from facebench.people.trials import (
    ALTERNATIVES,
    FILE,
    OPTIONAL,
    PARTICIPANT,
    RESPONSE,
    ROW,
    SHOWN,
    alternatives_in,
)
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableReader", "plain_table"]

_RANK = "\0rank"
_TRUTH = "correct_response"
# What a table may be joined on beside columns: the name of each file.
_FILE_NAME = "file"
# RTs of people in seconds are below this on the whole, in milliseconds above it.
_SECONDS_BELOW = 20.0
# '1.076' and '1,076' are thousands in some countries, decimals in others.
_IN_THREES = re.compile(r"-?[1-9]\d{0,2}\.\d{3}")


class TableReader:
    """Reads the files that a description names.

    Parameters
    ----------
    said : TrialsDescription
        The description.
    root : Path
        What its paths are relative to.

    Attributes
    ----------
    notes : list of str
        What was left out or assumed, a sentence each.
    """

    def __init__(self, said: TrialsDescription, root: Path) -> None:
        self._said = said
        self._root = root
        self.notes: list[str] = []
        self._sources = _sources_of(said)
        self._given = {name for name in self._sources if name not in (said.conditions or {})}

    def table(self) -> pd.DataFrame:
        """Read all files and bring them into one form."""
        import pandas as pd

        files = find_files(self._said.trials, self._root)
        joined = [self._join_table(item.file) for item in self._said.join]
        parts = []
        empty = []
        for path in files:
            file = read_file(path, self._said, self._wanted())
            self.notes += file.notes
            table = self._laid_out(file, joined)
            if table.empty:
                empty.append(path.name)
                continue
            parts.append(self._mapped(file._replace(table=table), len(files)))
        if empty:
            self.notes.append(
                f"{len(empty)} of {len(files)} files hold no trials: {listed(empty[:5])}."
            )
        if not parts:
            rules = " that `rows` keeps" if self._said.rows else ""
            msg = f"There are no trials{rules} in {listed(str(path) for path in files[:5])}."
            raise InputError(msg)
        return self._coded(pd.concat(parts, ignore_index=True))

    def _wanted(self) -> list[str]:
        """Name the columns that the files themselves must have, to find their header."""
        if self._said.wide is not None or self._said.join:
            return []
        columns = {
            source.column for sources in self._sources.values() for source in sources
        } | self._said.rows.keys()
        return [name for name in columns if name is not None]

    # Layout: rows that are trials, in columns

    def _join_table(self, file: Path) -> FileOfTrials:
        path = self._root / file.expanduser()
        if not path.is_file():
            msg = f"The table {path} of `join` does not exist."
            raise InputError(msg)
        return read_file(path, plain_table(path), [])

    def _laid_out(self, file: FileOfTrials, joined: Sequence[FileOfTrials]) -> pd.DataFrame:
        table = file.table
        if self._said.wide is not None:
            table = long_from_wide(table, self._said.wide.columns, file.path)
        rows = self._said.rows
        # Rows that are not trials have no key to join on.
        own = [column for column in rows if self._said.join and column in table]
        table = self._with_chosen(table, own, file)
        for other, rule in zip(joined, self._said.join, strict=True):
            has_name = _FILE_NAME in table or _FILE_NAME not in rule.on
            if not has_name:
                table = table.assign(**{_FILE_NAME: file.path.stem})
            table = joined_table(table, other, rule.on, file.path)
            if not has_name:
                table = table.drop(columns=_FILE_NAME)
        return self._with_chosen(table, [column for column in rows if column not in own], file)

    def _with_chosen(
        self, table: pd.DataFrame, columns: Sequence[str], file: FileOfTrials
    ) -> pd.DataFrame:
        """Keep the rows that `rows` asks for in some columns."""
        for column in columns:
            kept = chosen(column_of(table, column, file), self._said.rows[column])
            dropped = len(table) - int(kept.sum())
            if dropped:
                self._count(f"rows left out by `rows` ({column})", dropped)
            table = table[kept]
        return table

    def _count(self, what: str, number: int) -> None:
        """Add to a note that counts something over all files."""
        for place, note in enumerate(self.notes):
            before, _, rest = note.partition(" ")
            if rest == f"{what}.":
                self.notes[place] = f"{int(before.replace(',', '')) + number:,} {what}."
                return
        self.notes.append(f"{number:,} {what}.")

    # Columns by meaning

    def _mapped(self, file: FileOfTrials, n_files: int) -> pd.DataFrame:
        import pandas as pd

        table = file.table
        mapped: dict[str, Any] = {}
        used: set[str] = set()
        for name, sources in self._sources.items():
            parts = [self._cells(file, source, name) for source in sources]
            used |= {str(part.name) for part in parts}
            mapped[name] = parts[0] if len(parts) == 1 else parts[0].str.cat(parts[1:], sep="-")
        for name in table.columns:
            if name not in mapped and name != ROW and self._is_kept(name, used):
                if name in file.repeated and not self._has_meaning(name):
                    # Which of several columns is meant, nothing says.
                    continue
                mapped[name] = column_of(table, name, file)
        if PARTICIPANT not in mapped:
            self._add_participant(file, mapped, n_files)
        result = pd.DataFrame(mapped, index=table.index)
        result[FILE] = file.path.name
        result[ROW] = table[ROW]
        return self._named_images(result, file)

    def _is_kept(self, name: str, used: set[str]) -> bool:
        """Tell whether a column counts without being mapped: by its name, or as a condition."""
        if self._has_meaning(name):
            return True
        if self._said.kind in ("choice", "order") and alternatives_in([name]):
            return not alternatives_in(self._given)
        catch = self._said.exclude.catch
        if catch is not None and name in catch.rows:
            return True
        return self._said.conditions is None and name not in used

    def _has_meaning(self, name: str) -> bool:
        return name in (PARTICIPANT, *SHOWN[self._said.kind], RESPONSE, *OPTIONAL)

    def _add_participant(self, file: FileOfTrials, mapped: dict[str, Any], n_files: int) -> None:
        if "element" in file.table and file.path.suffix.lower() == ".mat":
            mapped[PARTICIPANT] = file.table["element"]
            note = f"{file.path.name}: participants are numbered as in the file."
            self.notes.append(note)
            return
        several = " As there are several files, `participant: file` takes their names."
        msg = (
            f"{file.path} has no column 'participant'. Say under `columns` which column names the "
            f"participant.{several if n_files > 1 else ''} Its columns are: "
            f"{column_names(file.table)}."
        )
        raise InputError(msg)

    def _cells(self, file: FileOfTrials, source: ColumnSource, name: str) -> pd.Series[Any]:
        import pandas as pd

        table = file.table
        if source.value is not None:
            return pd.Series(source.value, index=table.index, dtype=str)
        if source.file is not None:
            found = searched(source.file, file.path.name, "file")
            if found is None:
                msg = (
                    f"The pattern {source.file!r} of {name!r} finds nothing in the name of "
                    f"{file.path}."
                )
                raise InputError(msg)
            return pd.Series(found, index=table.index, dtype=str)
        cells = column_of(table, source.column or "", file, name)
        if source.part is None and source.pattern is None:
            return cells
        changed = {cell: part_of_cell(cell, source) for cell in cells.unique()}
        return cells.map(changed)

    def _named_images(self, table: pd.DataFrame, file: FileOfTrials) -> pd.DataFrame:
        rule = self._said.images
        if not (rule.strip or rule.pattern or rule.names):
            return table
        names = file.names or self._listed_names()
        for column in _shown_in(table, self._said.kind):
            changed: dict[str, str] = {}
            for cell, row in zip(table[column], table[ROW], strict=True):
                if cell not in changed and cell and cell not in self._said.missing:
                    changed[cell] = self._image(cell, names, f"{file.path}, row {row}")
            table[column] = table[column].map(lambda cell, known=changed: known.get(cell, ""))
        return table

    def _listed_names(self) -> tuple[str, ...]:
        name = self._said.images.names
        if not name:
            return ()
        path = self._root / Path(name).expanduser()
        if not path.is_file():
            msg = (
                f"The list of images {name!r} is neither a file in {self._root} nor a variable of "
                f"the .mat file.{did_you_mean(name, [p.name for p in self._root.iterdir()])}"
            )
            raise InputError(msg)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return tuple(line.strip() for line in lines if line.strip())

    def _image(self, cell: str, names: Sequence[str], place: str) -> str:
        rule = self._said.images
        if rule.names:
            number = int(cell) if cell.isdecimal() else None
            if number is None or not 0 <= number - rule.first < len(names):
                last = rule.first + len(names) - 1
                msg = (
                    f"{place}: {cell!r} is not the number of an image. `images.names` has the "
                    f"numbers {rule.first} to {last}."
                )
                raise InputError(msg)
            return names[number - rule.first]
        text = cell.removeprefix(rule.strip)
        if not rule.pattern:
            return text
        try:
            return rule.pattern.format(int(text) if text.isdecimal() else text)
        except (ValueError, IndexError, KeyError) as error:
            msg = f"{place}: {text!r} does not fit `images.pattern`, {rule.pattern!r}: {error}."
            raise InputError(msg) from error

    # Values

    def _coded(self, table: pd.DataFrame) -> pd.DataFrame:
        """Turn texts into what they mean."""
        kind = self._said.kind
        self._refuse_missing_columns(table)
        shown = _shown_in(table, kind)
        table[shown] = table[shown].replace(dict.fromkeys(self._said.missing, ""))
        # Of a choice, arrays may differ in how many alternatives they have.
        others = {*alternatives_in(shown)} - {f"{ALTERNATIVES}1"}
        needed = [name for name in shown if name not in others]
        n_empty = (table[needed] == "").sum(axis=1)
        if (n_empty == len(needed)).any():
            n = int((n_empty == len(needed)).sum())
            self.notes.append(f"{n:,} rows without an image (instructions, breaks) are not trials.")
        partly = (n_empty > 0) & (n_empty < len(needed))
        if partly.any():
            first = table[partly].iloc[0]
            self.notes.append(
                f"{int(partly.sum()):,} rows lack an image and were left out, the first in "
                f"{first[FILE]}, row {first[ROW]}."
            )
        table = table[n_empty == 0].copy()
        if table.empty:
            msg = f"No row has an image under {', '.join(needed)}."
            raise InputError(msg)
        self._check_participants(table)
        for name in ("confidence", "rt"):
            if name in table:
                table[name] = self._numbers(table, name)
        if "rt" in table:
            table["rt"] = self._seconds(table["rt"])
        self._add_responses(table)
        texts = [
            name
            for name in table.columns
            if name not in (PARTICIPANT, RESPONSE, "correct", "confidence", "rt", FILE, ROW, *shown)
        ]
        table[texts] = table[texts].replace("", None)
        if "group" in table:
            self._check_groups(table)
        ordered = [PARTICIPANT, *shown, RESPONSE]
        rest = [name for name in table.columns if name not in {*ordered, _TRUTH, FILE, ROW}]
        return table[[*ordered, *rest, FILE, ROW]].reset_index(drop=True)

    def _refuse_missing_columns(self, table: pd.DataFrame) -> None:
        kind = self._said.kind
        needed = [*SHOWN[kind]]
        if kind in ("choice", "order"):
            needed.append(f"{ALTERNATIVES}1")
        missing = [name for name in needed if name not in table]
        if missing:
            what = "alternatives" if missing[0] == f"{ALTERNATIVES}1" else missing[0]
            msg = (
                f"Trials of kind {kind!r} need {what!r}. Say under `columns` where it is. The "
                f"files have the columns: {column_names(table)}."
            )
            raise InputError(msg)

    def _check_participants(self, table: pd.DataFrame) -> None:
        empty = table[PARTICIPANT].isin(["", *self._said.missing])
        if empty.any():
            first = table[empty].iloc[0]
            msg = (
                f"{first[FILE]}, row {first[ROW]}: The trial has no participant "
                f"({int(empty.sum())} such rows). Name its column under `columns`, or write "
                "`participant: file`."
            )
            raise InputError(msg)

    def _check_groups(self, table: pd.DataFrame) -> None:
        counts = table.groupby(PARTICIPANT, sort=False)["group"].nunique()
        several = counts[counts > 1]
        if len(several):
            name = several.index[0]
            groups = table.loc[table[PARTICIPANT] == name, "group"].dropna().unique()
            msg = (
                f"Participant {name!r} is in several groups: {listed(groups)}. `group` is of "
                "participants; what changes between trials is a condition."
            )
            raise InputError(msg)

    def _numbers(self, table: pd.DataFrame, name: str) -> pd.Series[float]:
        import pandas as pd

        texts = table[name].where(~table[name].isin(self._said.missing), "")
        # Files of several computers may write numbers differently.
        texts = texts.groupby(table[FILE], sort=False).transform(_with_points)
        numbers = pd.to_numeric(texts.where(texts != "", None), errors="coerce").astype(float)
        wrong = numbers.isna() & (texts != "") & ~texts.str.casefold().isin(["nan", "inf"])
        if wrong.any():
            first = table[wrong].iloc[0]
            msg = (
                f"{first[FILE]}, row {first[ROW]}: {name!r} must be a number. Got {first[name]!r}"
                f" ({int(wrong.sum())} such rows).{_comma_hint(first[name])} Add it to `missing` "
                "if it stands for no answer."
            )
            raise InputError(msg)
        return numbers

    def _seconds(self, rt: pd.Series[float]) -> pd.Series[float]:
        unit = self._said.rt_unit
        if unit is None and rt.notna().any():
            median = float(rt[rt.abs() != float("inf")].median())
            unit = "s" if median < _SECONDS_BELOW else "ms"
            self.notes.append(
                f"RTs were taken to be in {unit}: their median is {median:.3g}. "
                "Set `rt_unit` if not."
            )
        return rt / 1000 if unit == "ms" else rt

    def _add_responses(self, table: pd.DataFrame) -> None:
        said = self._said
        alternatives = alternatives_in(_shown_in(table, said.kind))
        _refuse_twice(table, alternatives)
        if _RANK + "1" in table:
            table[RESPONSE] = self._ordered(table, alternatives)
        truth = None
        if _TRUTH in table:
            truth = coded_responses(table, _TRUTH, said, alternatives)[0]
        if "correct" in table:
            table["correct"] = coded_truth(table, said)
            if table["correct"].isna().all():
                self.notes.append("The column 'correct' is empty.")
                del table["correct"]
        if RESPONSE in table:
            responses, notes = coded_responses(table, RESPONSE, said, alternatives)
            table[RESPONSE] = responses
            self.notes += notes
            self._judge_answered_only(table)
        else:
            table[RESPONSE] = self._from_correct(table, truth, alternatives)
        if truth is not None:
            self._add_correct(table, truth)

    def _judge_answered_only(self, table: pd.DataFrame) -> None:
        """Let trials without a response be neither right nor wrong, as programs count them."""
        if "correct" not in table:
            return
        judged = table[RESPONSE].isna() & table["correct"].notna()
        if judged.any():
            self.notes.append(
                f"{int(judged.sum()):,} trials without a response are coded in 'correct'; they "
                "count as missing, not as right or wrong."
            )
            table.loc[judged, "correct"] = float("nan")

    def _add_correct(self, table: pd.DataFrame, truth: pd.Series[Any]) -> None:
        known = table[RESPONSE].notna() & truth.notna()
        right = (table[RESPONSE] == truth).astype(float).where(known)
        if "correct" not in table:
            table["correct"] = right
            return
        both = known & table["correct"].notna()
        against = both & (table["correct"] != right)
        if against.any():
            first = table[against].iloc[0]
            hint = " Are the codes of `response` swapped?" if against.sum() > both.sum() / 2 else ""
            msg = (
                f"{first[FILE]}, row {first[ROW]}: `correct` contradicts the response and the "
                f"correct response, as in {int(against.sum()):,} of {int(both.sum()):,} trials."
                f"{hint}"
            )
            raise InputError(msg)
        table["correct"] = table["correct"].fillna(right)

    def _from_correct(
        self, table: pd.DataFrame, truth: pd.Series[Any] | None, alternatives: list[str]
    ) -> pd.Series[Any]:
        """Infer responses from whether they were correct, where only one other was possible."""
        kind = self._said.kind
        if "correct" not in table or truth is None or kind in ("rating", "order"):
            msg = (
                "The trials have no 'response'. Say under `columns` where it is (or 'correct' and "
                f"'correct_response'). The files have the columns: {column_names(table)}."
            )
            raise InputError(msg)
        if kind != "choice":
            other = 1 - truth.astype(float)
        elif len(alternatives) == 2:
            first, second = (table[name] for name in alternatives)
            other = second.where(truth == first, first).where(truth.notna())
        else:
            msg = (
                f"With {len(alternatives)} alternatives a wrong choice does not say which it was. "
                "Give the column of the 'response'."
            )
            raise InputError(msg)
        self.notes.append("Responses were inferred from 'correct' and 'correct_response'.")
        known = table["correct"].notna()
        chosen: pd.Series[Any] = truth.where(table["correct"] == 1, other).where(known)
        return chosen

    def _ordered(self, table: pd.DataFrame, alternatives: list[str]) -> pd.Series[Any]:
        """Turn a rank for each alternative into the order of their names."""
        import pandas as pd

        ranks = [f"{_RANK}{k + 1}" for k in range(len(alternatives))]
        if any(name not in table for name in ranks):
            msg = f"`ranks` must name a column for each of the {len(alternatives)} alternatives."
            raise InputError(msg)
        numbers = pd.concat([self._numbers(table, name) for name in ranks], axis=1)
        orders = []
        for row, names in zip(numbers.to_numpy(), table[alternatives].to_numpy(), strict=True):
            pairs = sorted(zip(row, names, strict=True), key=lambda pair: pair[0])
            is_order = len({*row}) == len(row) and not any(rank != rank for rank in row)
            orders.append("|".join(name for _, name in pairs) if is_order else "")
        for name in ranks:
            del table[name]
        return pd.Series(orders, index=table.index, dtype=str)


def _with_points(texts: pd.Series[Any]) -> pd.Series[Any]:
    """Write the decimal commas of one file as points.

    '1,076' may be thousands, but not beside '0,81' or '1,5'. Where decimals have commas and points,
    neither '1,076' nor '1.076' has one meaning; they keep a comma and are refused.
    """
    different = texts.unique()
    has_commas = any(with_point(text) != text for text in different)
    has_points = any("." in text for text in different)
    written = {
        text: with_point(text, is_decimal=not has_points) if has_commas else text
        for text in different
    }
    if has_commas and has_points:
        written |= {
            text: text.replace(".", ",") for text in different if _IN_THREES.fullmatch(text)
        }
    return texts.map(written)


def _comma_hint(cell: str) -> str:
    if not re.fullmatch(r"-?\d{1,3}[.,]\d{3}", cell):
        return ""
    return (
        " It may be a thousand and more, or a decimal, and nothing else in the file's column shows "
        "which: write decimals with points throughout."
    )


def _refuse_twice(table: pd.DataFrame, alternatives: Sequence[str]) -> None:
    """Refuse trials of which two alternatives are one image: a choice would not say which."""
    for place, one in enumerate(alternatives):
        for other in alternatives[place + 1 :]:
            same = (table[one] == table[other]) & (table[one] != "")
            if same.any():
                first = table[same].iloc[0]
                msg = (
                    f"{first[FILE]}, row {first[ROW]}: {one} and {other} are the same image, "
                    f"{first[one]!r} ({int(same.sum()):,} such rows)."
                )
                raise InputError(msg)


def plain_table(path: Path) -> TrialsDescription:
    """Describe a table that is read as it is."""
    return TrialsDescription.model_validate({"trials": [str(path)], "kind": "rating"})


def _sources_of(said: TrialsDescription) -> dict[str, list[ColumnSource]]:
    """Name every column that is mapped, alternatives and ranks each by itself."""
    sources: dict[str, list[ColumnSource]] = {}
    for name, listed_sources in {**said.columns, **(said.conditions or {})}.items():
        if name == "alternatives":
            sources |= {f"{ALTERNATIVES}{k + 1}": [s] for k, s in enumerate(listed_sources)}
        elif name == "ranks":
            sources |= {f"{_RANK}{k + 1}": [s] for k, s in enumerate(listed_sources)}
        else:
            sources[name] = listed_sources
    return sources


def _shown_in(table: pd.DataFrame, kind: str) -> list[str]:
    fixed = [name for name in SHOWN[kind] if name in table]
    if kind not in ("choice", "order"):
        return fixed
    return [*fixed, *alternatives_in(map(str, table.columns))]
