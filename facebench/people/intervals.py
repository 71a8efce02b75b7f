"""Means over participants, with intervals over participants, items, or both crossed.

Over participants: t, of the participants' values; the interval holds for other people who see these
items. Over items: t, of what each item adds to the mean; it holds for other items and these people.
Over both: the variance of a mean in a crossed design is that over participants plus that over
items, less that of a single answer, which both contain; degrees of freedom are Satterthwaite's, and
the variance is never less than either part.

References
----------
H. H. Clark, Journal of Verbal Learning and Verbal Behavior 12 (1973) 335-359.
J. Cornfield and J. W. Tukey, Annals of Mathematical Statistics 27 (1956) 907-949.
A. B. Owen, Annals of Applied Statistics 1 (2007) 386-411.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from facebench.columns import CI_METHOD, interval_columns
from facebench.data.estimates import MeasureEstimate
from facebench.errors import InputError
from facebench.people.measures import (
    PersonMeasure,
    check_conditions,
    conditions_in,
    items_of,
    measures_for,
    person_measure,
)
from facebench.people.trials import PARTICIPANT, RESPONSE, Trials

if TYPE_CHECKING:
    import pandas as pd

    from facebench.types import Float64Array, IntArray

__all__ = [
    "Over",
    "PairedMeans",
    "UnpairedMeans",
    "as_over",
    "between_over",
    "mean_over",
    "means_over",
    "over_participants",
    "paired_over",
]

Over = Literal["participants", "items", "both"]
_SHARES = (
    *("Accuracy", "Hit Rate", "False Alarm Rate", "A'", "AUC of Confidence"),
    *("P(Same)", "P(Old)"),
)


class PairedMeans(NamedTuple):
    """The difference of a measure between two conditions, within participants.

    Attributes
    ----------
    estimate : MeasureEstimate
        The mean difference, with its interval.
    dz : float
        The mean difference over the SD of participants' differences.
    participants : int
        Who have the measure in both conditions.
    """

    estimate: MeasureEstimate
    dz: float
    participants: int


class UnpairedMeans(NamedTuple):
    """The difference of a measure between two samples of participants.

    Attributes
    ----------
    estimate : MeasureEstimate
        The difference of both means, with its interval (Welch's).
    g : float
        Hedges' g: the difference over the root of both samples' mean variance, less its bias.
    participants : (int, int)
        Who have the measure, in each sample.
    """

    estimate: MeasureEstimate
    g: float
    participants: tuple[int, int]


class _Parts(NamedTuple):
    """What an interval is made of: participants' values, and what each answer adds to them.

    `sample` divides participants into two that are compared; None where there is one.
    """

    values: Float64Array
    participant: IntArray
    item: IntArray
    stratum: IntArray
    share: Float64Array
    n_items: int
    sample: IntArray | None = None


def over_participants(
    values: Any, measure: str, condition: str | None = None, confidence: float = 0.95
) -> MeasureEstimate:
    """Give the mean of participants' values with its t interval.

    Parameters
    ----------
    values : array-like, shape [P]
        A value per participant; NaN for those without one, who do not count.
    measure : str
        Its name.
    condition : str, optional
        The condition that it is of.
    confidence : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    MeasureEstimate
        Without an interval where there are fewer than two values.

    Examples
    --------
    >>> estimate = over_participants([0.8, 0.9, 0.7], "Accuracy")
    >>> round(estimate.low, 3), round(estimate.high, 3), estimate.method
    (0.552, 1.0, 't over 3 participants')
    """
    known = _known(values)
    n = known.size
    variance = known.var(ddof=1) / n if n > 1 else np.nan
    how = f"t over {n} participants"
    return _estimate(measure, condition, known, variance, n - 1, how, confidence)


def mean_over(
    trials: Trials,
    measure: str,
    over: Over = "participants",
    *,
    condition: str | None = None,
    confidence: float = 0.95,
) -> MeasureEstimate:
    """Give the mean of a measure over participants, with an interval.

    Parameters
    ----------
    trials : Trials
        The trials of one condition.
    measure : str
        One of `facebench.people.measures.measures_for`.
    over : {'participants', 'items', 'both'}, default 'participants'
        What the interval generalises to.
    condition : str, optional
        The name of the condition, for the estimate.
    confidence : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    MeasureEstimate
        Its interval is NaN where it cannot be made, and its method says why.
    """
    as_over(over)
    made = person_measure(trials, measure)
    if over == "participants":
        return over_participants(made.values, measure, condition, confidence)
    return _interval(_parts(trials, made, {}), measure, condition, over, confidence)


def means_over(
    trials: Trials,
    by: Sequence[str] = (),
    over: Over = "participants",
    measures: Sequence[str] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give the means of measures in every condition, with their intervals.

    Parameters
    ----------
    trials : Trials
        The trials.
    by : sequence of str
        Columns of conditions, such as ``["group", "orientation"]``.
    over : {'participants', 'items', 'both'}, default 'participants'
        See `mean_over`.
    measures : sequence of str, optional
        Default: all that the trials allow.
    confidence : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    DataFrame
        A row per condition: the conditions, each measure with 'X CI Low' and 'X CI High',
        'CI Method', 'Participants' and 'Items'.
    """
    import pandas as pd

    as_over(over)
    check_conditions(trials, by)
    names = measures_for(trials) if measures is None else list(measures)
    rows = []
    for key, part in conditions_in(trials, by):
        row: dict[str, Any] = dict(zip(by, key, strict=True))
        for name in names:
            estimate = mean_over(part, name, over, confidence=confidence)
            row |= dict(
                zip(
                    interval_columns(name),
                    (estimate.value, estimate.low, estimate.high),
                    strict=True,
                )
            )
        answered = part.table[RESPONSE].notna()
        row[CI_METHOD] = {"both": "participants × items, crossed"}.get(over, f"t over {over}")
        row["Participants"] = part.table.loc[answered, PARTICIPANT].nunique()
        row["Items"] = items_of(part)[answered].nunique()
        rows.append(row)
    return pd.DataFrame(rows)


def paired_over(
    trials: Trials,
    measure: str,
    by: str,
    conditions: tuple[Any, Any],
    over: Over = "participants",
    confidence: float = 0.95,
) -> PairedMeans:
    """Give the difference of a measure between two conditions of the same participants.

    Parameters
    ----------
    trials : Trials
        The trials.
    measure : str
        One of `facebench.people.measures.measures_for`.
    by : str
        The column of conditions.
    conditions : (first, second)
        The difference is the first's less the second's.
    over : {'participants', 'items', 'both'}, default 'participants'
        See `mean_over`.
    confidence : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    PairedMeans

    Raises
    ------
    InputError
        If a condition has no trials, or no participant has both (see `between_over`).
    """
    (first, a), (second, b), codes = _two_sides(trials, measure, by, conditions, over)
    place = {name: number for number, name in enumerate(second.participants)}
    both = [(n, place[name]) for n, name in enumerate(first.participants) if name in place]
    if not both:
        msg = (
            f"No participant has trials of both {conditions[0]!r} and {conditions[1]!r} ({by}). "
            "Compare them between participants: between_over."
        )
        raise InputError(msg)
    values = np.array([a.values[n] - b.values[m] for n, m in both])
    # Items that both conditions have are one item; others belong to their condition.
    apart = 0 if np.isin(b.item, a.item).any() else 2
    one = _of_people(a, [n for n, _ in both], 1.0, 0)
    other = _of_people(b, [m for _, m in both], -1.0, apart)
    parts = _Parts(
        values,
        np.concatenate([one.participant, other.participant]),
        np.concatenate([one.item, other.item]),
        np.concatenate([one.stratum, other.stratum]),
        np.concatenate([one.share, other.share]),
        len(codes),
    )
    label = f"{conditions[0]} - {conditions[1]}"
    differences = _known(values)
    spread = differences.std(ddof=1) if differences.size > 1 else np.nan
    estimate = _interval(parts, measure, label, over, confidence, bounded=False)
    dz = float(differences.mean() / spread) if spread > 0 else float("nan")
    return PairedMeans(estimate, dz, int(differences.size))


def between_over(
    trials: Trials,
    measure: str,
    by: str,
    conditions: tuple[Any, Any],
    over: Over = "participants",
    confidence: float = 0.95,
) -> UnpairedMeans:
    """Give the difference of a measure between two samples of participants, such as two groups.

    Parameters
    ----------
    trials, measure, over, confidence
        See `paired_over`. Over items, and over both, items that both samples saw are one item.
    by : str
        The column that names the samples: ``group``, or a condition of which each participant has
        one level.
    conditions : (first, second)
        The difference is the first's less the second's.

    Returns
    -------
    UnpairedMeans

    Raises
    ------
    InputError
        If a sample has no trials, or a participant is in both.

    Examples
    --------
    >>> from facebench.people.simulation import Observers
    >>> trials = Observers({"all": 1.5}).trials(n_participants=10, n_items=20)
    >>> is_first = trials.table["participant"].isin(trials.participants[:5])
    >>> trials.table["group"] = is_first.map({True: "a", False: "b"})
    >>> between_over(trials, "Accuracy", "group", ("a", "b")).participants
    (5, 5)
    """
    (first, a), (second, b), codes = _two_sides(trials, measure, by, conditions, over)
    both = sorted({*first.participants} & {*second.participants})
    if both:
        msg = (
            f"{len(both)} participants have trials of both {conditions[0]!r} and {conditions[1]!r} "
            f"({by}), first {both[0]!r}. Compare them within participants: paired_over."
        )
        raise InputError(msg)
    known = [_known(side.values) for side in (a, b)]
    n = sum(own.size for own in known)
    apart = 0 if np.isin(b.item, a.item).any() else 2
    # `_interval` averages over all participants: each sample has the weight of a half.
    weight = [n / own.size if own.size else np.nan for own in known]
    parts = _Parts(
        np.concatenate([weight[0] * a.values, -weight[1] * b.values]),
        np.concatenate([a.participant, b.participant + a.values.size]),
        np.concatenate([a.item, b.item]),
        np.concatenate([a.stratum, b.stratum + apart]),
        np.concatenate([weight[0] * a.share, -weight[1] * b.share]),
        len(codes),
        np.repeat([0, 1], [a.values.size, b.values.size]),
    )
    label = f"{conditions[0]} - {conditions[1]}"
    estimate = _interval(parts, measure, label, over, confidence, bounded=False)
    sizes = (int(known[0].size), int(known[1].size))
    return UnpairedMeans(estimate, _hedges(*known), sizes)


def _hedges(first: Float64Array, second: Float64Array) -> float:
    """Give Hedges' g with the root of the mean variance, as the tasks report it."""
    from facebench.metrics.uncertainty.effect_sizes import small_sample

    if min(first.size, second.size) <= 1:
        return float("nan")
    variances = np.array([first.var(ddof=1), second.var(ddof=1)])
    if not variances.sum() > 0:
        return float("nan")
    free = variances**2 / (np.array([first.size, second.size]) - 1)
    corrected = small_sample(float(variances.sum() ** 2 / free.sum()))
    return float((first.mean() - second.mean()) / variances.mean() ** 0.5 * corrected)


def _two_sides(
    trials: Trials, measure: str, by: str, conditions: tuple[Any, Any], over: Over
) -> tuple[tuple[Trials, _Parts], tuple[Trials, _Parts], dict[str, int]]:
    """Measure participants in two conditions, whose items have numbers in common."""
    as_over(over)
    check_conditions(trials, [by])
    codes: dict[str, int] = {}
    sides = []
    for condition in conditions:
        table = trials.table[trials.table[by] == condition]
        if table.empty:
            known = ", ".join(map(repr, trials.table[by].dropna().unique()))
            msg = f"No trial has {by} = {condition!r}. There are: {known}."
            raise InputError(msg)
        part = Trials(table, trials.kind, trials.source)
        sides.append((part, _parts(part, person_measure(part, measure), codes)))
    return sides[0], sides[1], codes


def _of_people(side: _Parts, people: list[int], sign: float, strata: int) -> _Parts:
    """Take the answers of some participants, in the order given."""
    place = np.full(side.values.size, -1)
    place[people] = np.arange(len(people))
    kept = place[side.participant] >= 0
    return _Parts(
        side.values[people],
        place[side.participant[kept]],
        side.item[kept],
        side.stratum[kept] + strata,
        sign * side.share[kept],
        side.n_items,
    )


def as_over(text: str) -> Over:
    """Take a text for what intervals are over, or refuse it.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    {'participants', 'items', 'both'}
    """
    for over in get_args(Over):
        if text == over:
            known: Over = over
            return known
    msg = f"'over' must be 'participants', 'items' or 'both'. Got {text!r} instead."
    raise InputError(msg)


def _known(values: Any) -> Float64Array:
    array = np.asarray(values, dtype=np.float64)
    return array[~np.isnan(array)]


def _parts(trials: Trials, made: PersonMeasure, codes: dict[str, int]) -> _Parts:
    items = items_of(trials)[trials.table[RESPONSE].notna()]
    numbers = np.array([codes.setdefault(item, len(codes)) for item in items], dtype=np.intp)
    return _Parts(made.values, made.participant, numbers, made.stratum, made.share, len(codes))


def _interval(
    parts: _Parts,
    measure: str,
    condition: str | None,
    over: Over,
    confidence: float,
    *,
    bounded: bool = True,
) -> MeasureEstimate:
    known = _known(parts.values)
    n = known.size
    of_people, df_people = _people_variance(parts)
    if over == "participants":
        how = f"t over {n} participants" + ("" if parts.sample is None else ", Welch")
        return _estimate(measure, condition, known, of_people, df_people, how, confidence, bounded)
    found = _item_variances(parts)
    if found is None:
        how = "none: what single items add is unknown"
        return _estimate(measure, condition, known, np.nan, 0, how, confidence, bounded)
    of_items, of_answers, df_items, df_answers, n_items = found
    if over == "items":
        how = f"t over {n_items} items"
        return _estimate(measure, condition, known, of_items, df_items, how, confidence, bounded)
    total = max(of_people + of_items - of_answers, of_people, of_items)
    within = (
        of_people**2 / max(df_people, 1)
        + of_items**2 / max(df_items, 1)
        + of_answers**2 / max(df_answers, 1)
    )
    df = total**2 / within if within > 0 else 0.0
    how = f"{n} participants × {n_items} items, crossed"
    return _estimate(measure, condition, known, total, df, how, confidence, bounded)


def _people_variance(parts: _Parts) -> tuple[float, float]:
    """Give the variance of the mean over participants, and its degrees of freedom."""
    known = ~np.isnan(parts.values)
    n = int(known.sum())
    sample = np.zeros(known.size, dtype=np.intp) if parts.sample is None else parts.sample
    own = [parts.values[known & (sample == number)] for number in range(int(sample.max()) + 1)]
    if min(values.size for values in own) <= 1:
        return np.nan, 0.0
    variances = np.array([values.size * values.var(ddof=1) / n**2 for values in own])
    free = np.array([values.size - 1.0 for values in own])
    total = float(variances.sum())
    if total == 0:
        return total, float(free.sum())
    return total, float(total**2 / (variances**2 / free).sum())


def _item_variances(parts: _Parts) -> tuple[float, float, float, float, int] | None:
    """Give the variance of the mean over items and of single answers, and degrees of freedom.

    None where no item was answered by several participants, or shares are unknown.
    """
    counted = ~np.isnan(parts.values)[parts.participant] & ~np.isnan(parts.share)
    n = int(np.count_nonzero(~np.isnan(parts.values)))
    share = parts.share[counted]
    if n < 2 or not share.size:
        return None
    n_strata = int(parts.stratum.max()) + 1
    column = parts.item[counted] * n_strata + parts.stratum[counted]
    row = parts.participant[counted].astype(np.int64)
    # An answer of a participant to an item may be of several trials.
    cells, of_cell = np.unique(row * (parts.n_items * n_strata) + column, return_inverse=True)
    cell = np.bincount(of_cell, share) / n
    columns, place = np.unique(cells % (parts.n_items * n_strata), return_inverse=True)
    total = np.bincount(place, cell)
    # What answers to an item vary, in each sample: both have a level and a weight of their own.
    sample = np.zeros(parts.values.size, dtype=np.intp) if parts.sample is None else parts.sample
    of_sample = sample[cells // (parts.n_items * n_strata)]
    single, spare = _single_variances(cell, place, of_sample)
    if not spare:
        return None
    of_items = of_answers = df_items = 0.0
    for stratum in np.unique(columns % n_strata):
        own = columns % n_strata == stratum
        k = int(own.sum())
        if k < 2:
            continue
        of_items += k / (k - 1) * float(((total[own] - total[own].mean()) ** 2).sum())
        of_answers += k / (k - 1) * float(single[of_sample[own[place]]].sum())
        df_items += k - 1
    if df_items == 0:
        return None
    df_answers = float(max(spare - (n - 1), 1))
    return of_items, of_answers, df_items, df_answers, len({*(columns // n_strata)})


def _single_variances(
    cell: Float64Array, place: IntArray, sample: IntArray
) -> tuple[Float64Array, int]:
    """Give the variance of single answers to an item in each sample, and degrees of freedom."""
    variances = np.zeros(int(sample.max()) + 1)
    spare = 0
    for number in range(variances.size):
        own = sample == number
        times = np.bincount(place[own])
        total = np.bincount(place[own], cell[own])
        free = int((times[times > 0] - 1).sum())
        if not free:
            return variances, 0
        off = cell[own] - (total / np.maximum(times, 1))[place[own]]
        variances[number] = float((off**2).sum()) / free
        spare += free
    return variances, spare


def _estimate(
    measure: str,
    condition: str | None,
    values: Float64Array,
    variance: float,
    df: float,
    how: str,
    confidence: float,
    bounded: bool = True,
) -> MeasureEstimate:
    from scipy.special import stdtrit

    value = float(values.mean()) if values.size else float("nan")
    if df > 0 and np.isfinite(variance):
        half = float(stdtrit(df, (1 + confidence) / 2)) * float(np.sqrt(variance))
        low, high = value - half, value + half
        if bounded and measure in _SHARES:
            low, high = max(low, 0.0), min(high, 1.0)
    else:
        low = high = float("nan")
    return MeasureEstimate(measure, condition, value, low, high, how)
