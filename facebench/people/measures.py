"""Measures per participant, and per item.

A measure is made of the trials that have a response. d' and criterion c come from rates with the
log-linear correction, (count + 0.5) / (n + 1), for every participant; the hit rate, false-alarm
rate and A' are uncorrected. RTs are those of correct trials where it is known which are correct,
and of all answered trials elsewhere; the inverse efficiency is the mean of these RTs over accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from facebench.errors import InputError
from facebench.metrics.signal_detection import a_prime, criterion, dprime, log_linear
from facebench.metrics.uncertainty.influence import auc_influence
from facebench.people.trials import PARTICIPANT, RESPONSE, Trials
from facebench.utils.suggestions import did_you_mean, listed

if TYPE_CHECKING:
    import pandas as pd

    from facebench.types import Float64Array, IntArray

__all__ = [
    "PersonMeasure",
    "item_measures",
    "item_names",
    "items_of",
    "measures_for",
    "person_measure",
    "person_measures",
    "truth_of",
]

_DETECTION = ("same-different", "old-new")
_SAID = {"same-different": "P(Same)", "old-new": "P(Old)"}
_TRIALS, _MISSING = "Trials", "Missing"
_TARGET = "target"


_Arrays = list["Float64Array"]


class PersonMeasure(NamedTuple):
    """A measure of every participant, and what each trial adds to it.

    Attributes
    ----------
    values : ndarray, shape [P]
        By participant; NaN where it is undefined.
    participant : ndarray of int, shape [N]
        The place of the trial's participant in `values`.
    share : ndarray, shape [N]
        How far the trial moves the measure of its participant (the jackknife's difference, times
        (n - 1) / n); they sum to 0 within a participant and stratum. NaN for trials that do not
        count.
    stratum : ndarray of int, shape [N]
        Which trials a rate is made of: 1 for those with a signal, 0 for the others.
    """

    values: Float64Array
    participant: IntArray
    share: Float64Array
    stratum: IntArray


def truth_of(trials: Trials) -> Any:
    """Tell for every trial whether the pair is the same person, or the image old.

    Parameters
    ----------
    trials : Trials
        Of kind 'same-different' or 'old-new', with a column ``correct``.

    Returns
    -------
    Series
        1 or 0; NaN where the response or whether it was correct is unknown.
    """
    response, correct = trials.table[RESPONSE], trials.table["correct"]
    return response.where(correct == 1, 1 - response).where(correct.notna())


def items_of(trials: Trials) -> Any:
    """Name the item of every trial: the images that are shown, in any order but for a target.

    Parameters
    ----------
    trials : Trials
        The trials.

    Returns
    -------
    Series of str
        Names joined by ' | '.
    """
    return item_names(trials.table, trials.shown)


def item_names(table: pd.DataFrame, shown: Sequence[str]) -> Any:
    """Name the item of every row of a table, as `items_of` does that of a trial.

    Parameters
    ----------
    table : DataFrame
        Any rows.
    shown : sequence of str
        The columns that name images; 'target' comes first.

    Returns
    -------
    Series of str
    """
    import pandas as pd

    others = table[[name for name in shown if name != _TARGET]]
    ordered = np.sort(others.fillna("").to_numpy(dtype=str), axis=1)
    joined = pd.Series([" | ".join(filter(None, row)) for row in ordered], index=table.index)
    if _TARGET not in shown:
        return joined
    return table[_TARGET].str.cat(joined.where(joined == "", " | " + joined))


@dataclass
class _Answered:
    """The answered trials, by participant."""

    person: IntArray
    n_people: int
    response: Float64Array
    correct: Float64Array
    truth: Float64Array
    rt: Float64Array
    confidence: Float64Array

    def mean(self, values: Float64Array, which: Any) -> _Mean:
        used = which & ~np.isnan(values)
        number = np.bincount(self.person[used], minlength=self.n_people).astype(float)
        total = np.bincount(self.person[used], values[used], minlength=self.n_people)
        means = np.divide(total, number, out=np.full(self.n_people, np.nan), where=number > 0)
        return _Mean(means, number, values, used)


class _Mean(NamedTuple):
    means: Float64Array
    number: Float64Array
    values: Float64Array
    used: Any


def measures_for(trials: Trials) -> list[str]:
    """Name the measures that trials allow.

    Parameters
    ----------
    trials : Trials
        The trials.

    Returns
    -------
    list of str
        As columns of `person_measures`.
    """
    return _measures(trials, [name for name in trials.table if trials.table[name].notna().any()])


def _measures(trials: Trials, columns: Sequence[str]) -> list[str]:
    """Name the measures that these columns allow."""
    judged = "correct" in columns
    names = ["Accuracy"] if judged else []
    if trials.kind in _DETECTION:
        if judged:
            names += ["Hit Rate", "False Alarm Rate", "d'", "Criterion c", "A'"]
            if "confidence" in columns:
                names.append("AUC of Confidence")
        names.append(_SAID[trials.kind])
    if trials.kind == "rating":
        names.append("Mean Rating")
    if "rt" in columns:
        names += ["Mean RT", "Median RT"]
        if judged:
            names.append("Inverse Efficiency")
    return names


def person_measures(trials: Trials, by: Sequence[str] = ()) -> pd.DataFrame:
    """Give all measures of every participant.

    Parameters
    ----------
    trials : Trials
        The trials.
    by : sequence of str
        Columns of conditions: a row for each combination that a participant has.

    Returns
    -------
    DataFrame
        A row per participant (and condition): ``participant``, ``group`` where there are groups,
        the conditions, the measures, 'Trials' (answered) and 'Missing' (not).
    """
    import pandas as pd

    check_conditions(trials, by)
    names = measures_for(trials)
    rows = []
    for key, part in conditions_in(trials, by):
        people = part.participants
        columns: dict[str, Any] = {PARTICIPANT: people}
        if trials.groups:
            groups = part.table.groupby(PARTICIPANT, sort=False)["group"].first()
            columns["group"] = groups.reindex(people).to_numpy()
        columns |= dict(zip(by, key, strict=True))
        for name in names:
            columns[name] = person_measure(part, name).values
        answered = part.table[RESPONSE].notna().groupby(part.table[PARTICIPANT], sort=False)
        columns[_TRIALS] = answered.sum().reindex(people).to_numpy()
        columns[_MISSING] = (answered.size() - answered.sum()).reindex(people).to_numpy()
        rows.append(pd.DataFrame(columns))
    return pd.concat(rows, ignore_index=True)


def check_conditions(trials: Trials, by: Sequence[str]) -> None:
    """Refuse conditions that trials do not have."""
    for name in by:
        if name not in trials.table:
            known = [str(column) for column in trials.table.columns]
            msg = f"The trials have no column {name!r}.{did_you_mean(name, known)}"
            raise InputError(msg)


def conditions_in(trials: Trials, by: Sequence[str]) -> list[tuple[tuple[Any, ...], Trials]]:
    """Split trials by their conditions, in order of first appearance; unknown ones are left out."""
    if not by:
        return [((), trials)]
    parts = trials.table.groupby(list(by), sort=False, dropna=True)
    return [(key, Trials(part, trials.kind, trials.source)) for key, part in parts]


def person_measure(trials: Trials, measure: str) -> PersonMeasure:
    """Give one measure of every participant, with the share of every answered trial in it.

    Parameters
    ----------
    trials : Trials
        The trials of one condition.
    measure : str
        One of `measures_for`.

    Returns
    -------
    PersonMeasure
        Participants are in the order of ``trials.participants``; trials, those with a response.

    Raises
    ------
    InputError
        If the trials do not have what it is made of.
    """
    # A condition may have no response at all, and so no value.
    known = _measures(trials, list(trials.table))
    if measure not in known:
        msg = (
            f"The trials do not give the measure {measure!r}.{did_you_mean(measure, known)} They "
            f"give: {listed(known)}."
        )
        raise InputError(msg)
    data = _answered(trials)
    everything = np.ones(data.person.size, dtype=bool)
    signal, noise = data.truth == 1, data.truth == 0
    timed = data.correct == 1 if "Accuracy" in known else everything

    hits, false = data.mean(data.response, signal), data.mean(data.response, noise)
    if measure == "AUC of Confidence":
        return _auc(data)
    if measure == "Median RT":
        return _medians(data, timed)
    if measure == "Inverse Efficiency":
        means = (data.mean(data.rt, timed), data.mean(data.correct, everything))
        return _of_means(data, means, _ratio)
    if measure == "A'":
        return _of_means(data, (hits, false), lambda rates, _: a_prime(*rates))
    if measure in ("d'", "Criterion c"):
        function = dprime if measure == "d'" else criterion

        def corrected(rates: _Arrays, numbers: _Arrays) -> Float64Array:
            pairs = zip(rates, numbers, strict=True)
            return function(*(log_linear(rate * number, number) for rate, number in pairs))

        return _of_means(data, (hits, false), corrected)
    single = {
        "Accuracy": (data.correct, everything),
        "Hit Rate": (data.response, signal),
        "False Alarm Rate": (data.response, noise),
        "Mean RT": (data.rt, timed),
    }
    values, which = single.get(measure, (data.response, everything))
    return _of_means(data, (data.mean(values, which),), lambda means, _: means[0])


def _ratio(means: _Arrays, _: _Arrays) -> Float64Array:
    rt, accuracy = means
    ratio: Float64Array = np.full(rt.size, np.nan)
    return np.divide(rt, accuracy, out=ratio, where=accuracy > 0)


def _answered(trials: Trials) -> _Answered:
    import pandas as pd

    is_answered = trials.table[RESPONSE].notna()
    table = trials.table[is_answered]
    place = {name: number for number, name in enumerate(trials.participants)}
    unknown = np.full(len(table), np.nan)

    def column(name: str) -> Float64Array:
        return np.asarray(table[name], dtype=np.float64) if name in table else unknown

    numeric = trials.kind in (*_DETECTION, "rating")
    truth = unknown
    if trials.kind in _DETECTION and "correct" in table:
        truth = truth_of(trials)[is_answered].to_numpy(dtype=np.float64)
    return _Answered(
        pd.Series(table[PARTICIPANT].map(place)).to_numpy(dtype=np.intp),
        len(place),
        column(RESPONSE) if numeric else unknown,
        column("correct"),
        truth,
        column("rt"),
        column("confidence"),
    )


def _of_means(
    data: _Answered,
    means: Sequence[_Mean],
    function: Callable[[_Arrays, _Arrays], Float64Array],
) -> PersonMeasure:
    """Make a measure of means, with the shares by leaving out each trial in turn."""
    values = np.asarray(function([m.means for m in means], [m.number for m in means]))
    person = data.person
    number = np.zeros(person.size)
    left_means, left_numbers = [], []
    for mean in means:
        n, at = mean.number[person], mean.means[person]
        fewer = np.maximum(n - 1, 1)
        without = (at * n - np.where(mean.used, mean.values, 0)) / fewer
        left_means.append(np.where(mean.used, without, at))
        left_numbers.append(np.where(mean.used, n - 1, n))
        number = np.where(mean.used, np.maximum(number, n), number)
    lost = values[person] - function(left_means, left_numbers)
    share = np.where(number > 1, lost * (number - 1) / np.maximum(number, 1), np.nan)
    stratum = (data.truth == 1).astype(np.intp)
    return PersonMeasure(values, person, _centred(share, person * 2 + stratum), stratum)


def _centred(share: Float64Array, group: IntArray) -> Float64Array:
    """Let the shares of a participant's trials with a signal, and of those without, sum to 0."""
    known = ~np.isnan(share)
    size = int(group.max(initial=0)) + 1
    total = np.bincount(group[known], share[known], minlength=size)
    times = np.bincount(group[known], minlength=size)
    centred: Float64Array = share - (total / np.maximum(times, 1))[group]
    return centred


def _rows_by_person(data: _Answered) -> list[IntArray]:
    """Give the trials of each participant, in their order."""
    order = np.argsort(data.person, kind="stable")
    return np.split(order, np.searchsorted(data.person[order], np.arange(1, data.n_people)))


def _medians(data: _Answered, which: Any) -> PersonMeasure:
    """Give medians of RT, with the influence of each trial: its side of the median."""
    values = np.full(data.n_people, np.nan)
    share = np.full(data.person.size, np.nan)
    used = which & ~np.isnan(data.rt)
    for person, rows in enumerate(_rows_by_person(data)):
        own = rows[used[rows]]
        if own.size:
            values[person] = np.median(data.rt[own])
            side = np.sign(data.rt[own] - values[person])
            share[own] = side * median_error(data.rt[own]) / own.size**0.5
    stratum = (data.truth == 1).astype(np.intp)
    return PersonMeasure(values, data.person, _centred(share, data.person * 2 + stratum), stratum)


def median_error(values: Float64Array) -> float:
    """Give the standard error of a median, from the distance of two order statistics.

    Parameters
    ----------
    values : array, shape [N]
        Independent values.

    Returns
    -------
    float
        NaN of fewer than two.

    References
    ----------
    R. M. Price and D. G. Bonett, "Estimating the variance of the sample median", Journal of
    Statistical Computation and Simulation 68 (2001) 295-305.

    Examples
    --------
    >>> round(median_error(np.arange(25.0)), 2)
    2.47
    """
    from scipy.special import bdtr, ndtri

    n = values.size
    if n < 2:
        return float("nan")
    rank = max(round((n + 1) / 2 - n**0.5), 1)
    below, above = np.partition(values, (rank - 1, n - rank))[[rank - 1, n - rank]]
    return float((above - below) / (-2 * ndtri(bdtr(rank - 1, n, 0.5))))


def _auc(data: _Answered) -> PersonMeasure:
    """Give the area under the ROC of confidence, signed by the response."""
    values = np.full(data.n_people, np.nan)
    share = np.full(data.person.size, np.nan)
    used = ~np.isnan(data.truth) & ~np.isnan(data.confidence)
    for person, rows in enumerate(_rows_by_person(data)):
        rows = rows[used[rows]]
        truth = data.truth[rows]
        if not (truth == 1).any() or not (truth == 0).any():
            continue
        # The least confidence still separates both answers.
        least = np.nanmin(data.confidence)
        sign = np.where(data.response[rows] == 1, 1, -1)
        influence = auc_influence(truth, sign * (data.confidence[rows] - least + 1))
        values[person], share[rows] = influence.estimate, influence.values
    return PersonMeasure(values, data.person, share, (data.truth == 1).astype(np.intp))


def item_measures(trials: Trials, by: Sequence[str] = ()) -> pd.DataFrame:
    """Give what participants answered to every item.

    Parameters
    ----------
    trials : Trials
        The trials.
    by : sequence of str
        Columns of conditions: a row for each combination that an item has.

    Returns
    -------
    DataFrame
        A row per item (and condition), in order of first appearance: the images as the first trial
        shows them, the conditions, 'P(Same)', 'P(Old)' or 'Mean Rating', 'Accuracy' and 'Mean RT'
        (see above) where known, and 'Participants', who answered.
    """
    import pandas as pd

    check_conditions(trials, by)
    table = trials.table.assign(item=items_of(trials))
    keys = ["item", *by]
    grouped = table.groupby(keys, sort=False, dropna=True)
    columns: dict[str, Any] = {name: grouped[name].first() for name in trials.shown}
    mean = {**_SAID, "rating": "Mean Rating"}.get(trials.kind)
    if mean is not None:
        columns[mean] = grouped[RESPONSE].mean()
    if "correct" in table:
        columns["Accuracy"] = grouped["correct"].mean()
    if "rt" in table:
        rt = table["rt"].where(table[RESPONSE].notna())
        if "correct" in table and table["correct"].notna().any():
            rt = rt.where(table["correct"] == 1)
        columns["Mean RT"] = rt.groupby([table[key] for key in keys], sort=False).mean()
    answered = table[table[RESPONSE].notna()].groupby(keys, sort=False)[PARTICIPANT].nunique()
    columns["Participants"] = answered
    result = pd.DataFrame(columns).reindex(grouped.size().index)
    result["Participants"] = result["Participants"].fillna(0).astype(int)
    return result.reset_index().drop(columns="item")
