"""Repeated-measures analysis of variance of a long table, by pingouin."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from facebench.errors import InputError
from facebench.utils.extras import import_extra
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["repeated_measures_anova"]

_PARTICIPANT, _VALUE = "participant", "value"
_MEASURE, _SOURCE = "measure", "source"


def repeated_measures_anova(
    table: pd.DataFrame,
    within: Sequence[str],
    between: str | None = None,
    measure: str | None = None,
    source: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Test conditions within participants: people, or layers of networks as participants.

    Parameters
    ----------
    table : DataFrame
        A long table: ``participant``, ``value`` and columns of conditions, as `facebench export
        --long` writes it. Several values of a participant in a condition are averaged.
    within : sequence of str
        One or two columns of conditions; with `between`, one.
    between : str, optional
        A column that divides participants, such as 'source' (people and networks) or 'group'.
    measure, source : str, optional
        Which of the columns ``measure`` and ``source`` ('people', 'networks'), if there are
        several; sources may also be what is compared, as `between`.

    Returns
    -------
    anova : DataFrame
        A row per effect, as pingouin writes it: F, degrees of freedom, P (Greenhouse-Geisser
        corrected where conditions are more than two) and generalised eta squared.
    notes : list of str
        Participants that were left out, because they lack a condition.

    Raises
    ------
    InputError
        If columns or conditions are missing.
    """
    pingouin = import_extra("pingouin", "anova", "An analysis of variance")
    factors = [*within, *([between] if between is not None else [])]
    _refuse_missing(table, [_PARTICIPANT, _VALUE, *factors])
    if not 1 <= len(within) <= (2 if between is None else 1):
        most = "one column" if between is not None else "one or two columns"
        msg = f"'within' must name {most}. Got {listed(within)}."
        raise InputError(msg)
    chosen = _only(table, _MEASURE, measure)
    if between != _SOURCE:
        chosen = _only(chosen, _SOURCE, source)
    cells = _cells(chosen, factors)
    complete, notes = _complete(cells, list(within))
    if between is not None:
        _refuse_several(complete, between)
    with warnings.catch_warnings():
        # Of pandas, at what pingouin calls.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        if between is not None:
            result = pingouin.mixed_anova(
                complete,
                dv=_VALUE,
                within=within[0],
                subject=_PARTICIPANT,
                between=between,
                effsize="ng2",
            )
        else:
            result = pingouin.rm_anova(
                complete,
                dv=_VALUE,
                within=list(within) if len(within) > 1 else within[0],
                subject=_PARTICIPANT,
                detailed=True,
                effsize="ng2",
            )
    return result, notes


def _refuse_missing(table: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in table:
            known = [str(column) for column in table.columns]
            msg = (
                f"The table has no column {name!r}.{did_you_mean(name, known)} It has: "
                f"{listed(known)}."
            )
            raise InputError(msg)


def _only(table: pd.DataFrame, column: str, wanted: str | None) -> pd.DataFrame:
    """Take the rows of one measure or source; which, must be said where there are several."""
    if column not in table:
        return table
    known = list(table[column].dropna().unique())
    if wanted is None and len(known) <= 1:
        return table
    if wanted not in known:
        what = f"several of {column!r}" if wanted is None else f"no {column} {wanted!r}"
        msg = f"The table holds {what}. Give one with --{column}: {listed(known)}."
        raise InputError(msg)
    return table[table[column] == wanted]


def _cells(table: pd.DataFrame, factors: list[str]) -> pd.DataFrame:
    """Average what a participant has in each condition."""
    known = table.dropna(subset=[*factors, _VALUE])
    if known.empty:
        msg = f"No row has a value and {' and '.join(factors)}."
        raise InputError(msg)
    means = known.groupby([_PARTICIPANT, *factors], sort=False)[_VALUE].mean().reset_index()
    for name in factors:
        if means[name].nunique() < 2:
            msg = f"{name!r} has one level only, {means[name].iloc[0]!r}: nothing to compare."
            raise InputError(msg)
    return means


def _complete(cells: pd.DataFrame, within: list[str]) -> tuple[pd.DataFrame, list[str]]:
    n_cells = len(cells[within].drop_duplicates())
    counts = cells.groupby(_PARTICIPANT, sort=False).size()
    incomplete = list(counts.index[counts < n_cells])
    notes = (
        [
            f"{len(incomplete)} of {len(counts)} participants lack a condition and were left out: "
            f"{listed(incomplete[:10])}."
        ]
        if incomplete
        else []
    )
    complete = cells[~cells[_PARTICIPANT].isin(incomplete)]
    if complete[_PARTICIPANT].nunique() < 2:
        msg = (
            f"{complete[_PARTICIPANT].nunique()} participants have values in all {n_cells} "
            f"conditions of {listed(within)}. At least two are needed."
        )
        raise InputError(msg)
    return complete, notes


def _refuse_several(cells: pd.DataFrame, between: str) -> None:
    levels: Any = cells.groupby(_PARTICIPANT, sort=False)[between].nunique()
    if (levels > 1).any():
        msg = (
            f"Participant {levels.index[levels > 1][0]!r} has several levels of {between!r}, which "
            "divides participants. Give it as --within."
        )
        raise InputError(msg)
