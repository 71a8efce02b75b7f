"""People beside networks: rows of participants, and how far a layer is from them.

A task that can ask people takes ``people=`` and answers `WithPeople.people_rows` and
`WithPeople.against_people`; a run does the rest. Numbers of people are taken per participant first,
then averaged, so that an interval over participants is that of a mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from facebench.columns import interval_cells, interval_columns
from facebench.errors import InputError
from facebench.metrics.uncertainty.spread import FEWEST_UNITS, PairedDifference, Spread
from facebench.types import Float64Array, IntArray, StrPath
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from facebench.people import Trials

__all__ = [
    "BETWEEN_PARTICIPANTS",
    "EVERYBODY",
    "ONE_BY_ONE",
    "OVER_PARTICIPANTS",
    "PARTICIPANTS",
    "PEOPLE",
    "PEOPLE_DISTANCE",
    "PeopleSource",
    "WithPeople",
    "compared_with_people",
    "difference_of_groups",
    "groups_of_people",
    "mean_of_participants",
    "mean_over_samples",
    "samples_of",
    "spread_of_participants",
    "sum_of_spreads",
    "trials_of",
]

# The column that names the group of a row of people, and what all together are called.
PEOPLE, EVERYBODY = "people", "People"
PARTICIPANTS = "Participants"
# How intervals are made: of people, and of differences from single participants.
OVER_PARTICIPANTS = "95 % over participants, t distribution"
BETWEEN_PARTICIPANTS = (
    "95 % over participants, t distribution; conditions compared between participants, Welch"
)
ONE_BY_ONE = (
    "95 %: participants, compared with the layer one by one; images, left out of both sides at "
    "once; Welch-Satterthwaite df"
)

# Trials, the YAML file that describes them, or what it says.
PeopleSource: TypeAlias = "Trials | StrPath | Mapping[str, Any] | None"
# The column of a task's pairs with people's mean answer, as a distance.
PEOPLE_DISTANCE = "people_distance"

_NAN = float("nan")


class WithPeople:
    """What tasks say of people who answered the same trials; by default there are none.

    Attributes
    ----------
    people : Trials or None
        The trials.
    people_notes : sequence of str
        What was left out or assumed of them, a sentence each, for the report.
    """

    people: Trials | None = None
    people_notes: Sequence[str] = ()

    def people_rows(self) -> pd.DataFrame | None:
        """Measure people as the task measures a layer.

        Returns
        -------
        DataFrame or None
            A row per group of participants: the column ``people`` ('People', or the group's name),
            then columns of `compute_task_performance` ('AUC', 'AUC CI Low' …) and 'Participants'.
            None where the task has no people.
        """
        return None

    def against_people(self, measured: pd.DataFrame) -> dict[str, Any]:
        """Compare a layer with people.

        Parameters
        ----------
        measured : DataFrame
            The pairs or items of one layer, as `compute_task_performance` takes them.

        Returns
        -------
        dict of str to Any
            Columns that a run adds to the layer's row; to the first of several rows. Empty where
            the task has no people.
        """
        return {}


def trials_of(people: Any) -> Trials | None:
    """Give the trials that a task was given as ``people=``.

    Parameters
    ----------
    people : Trials, str, Path, mapping or None
        See `facebench.people.people_of`.
    """
    if people is None:
        return None
    from facebench.people import Trials

    if isinstance(people, Trials):
        return people
    from facebench.people.reading import people_of

    return people_of(people)


def groups_of_people(
    trials: Trials, people_groups: bool | Sequence[str] | None, *, owner: str
) -> dict[str, Trials]:
    """Divide people into the rows that they get.

    Parameters
    ----------
    trials : Trials
        The trials.
    people_groups : bool, sequence of str or None
        True for a row per group of participants, False for one row of all, a list for some groups.
        None takes groups where the trials name two or more.
    owner : str
        The task's class, for messages.

    Returns
    -------
    dict of str to Trials
        By the row's name: 'People' for all together.

    Raises
    ------
    InputError
        If there are no groups, or not one that was asked for.
    """
    known = [str(group) for group in trials.groups]
    if people_groups is None:
        people_groups = len(known) > 1
    if people_groups is False:
        return {EVERYBODY: trials}
    asked = known if people_groups is True else [str(group) for group in people_groups]
    if not known or not asked:
        msg = (
            f"The 'people_groups' parameter of {owner} needs a column 'group' in the trials"
            f"{f' of {trials.source}' if trials.source else ''}, which names the group of each "
            f"participant. Got {people_groups!r}, and trials of {len(known)} groups."
        )
        raise InputError(msg)
    unknown = [group for group in asked if group not in known]
    if unknown:
        msg = (
            f"The 'people_groups' parameter of {owner} must name groups of the trials: "
            f"{', '.join(map(repr, known))}. Got {unknown[0]!r}.{did_you_mean(unknown[0], known)}"
        )
        raise InputError(msg)
    by_name = {str(group): group for group in trials.groups}
    return {group: trials.of_group(by_name[group]) for group in asked}


def samples_of(values: Float64Array, sample: IntArray | None = None) -> list[Float64Array]:
    """Divide the values of participants into those of independent samples.

    Parameters
    ----------
    values : array, shape [P]
        The measure of each participant; NaN where it is undefined, and then left out.
    sample : int array, shape [P], optional
        The sample of each participant, from 0; -1 for those who are left out. None: there is one.
    """
    known = np.isfinite(values)
    if sample is None:
        return [values[known]]
    return [values[known & (sample == number)] for number in range(int(sample.max(initial=0)) + 1)]


def mean_of_participants(
    name: str, values: Float64Array, sample: IntArray | None = None
) -> dict[str, float]:
    """Give a mean over participants and its interval their columns.

    Parameters
    ----------
    name : str
        The measure.
    values, sample
        See `samples_of`. Of several samples the number is the sum of their means.

    Returns
    -------
    dict of str to float
        The mean, and Student's interval (of several samples, Welch's); NaN where a sample has fewer
        than three participants.

    Examples
    --------
    >>> row = mean_of_participants("AUC", np.array([0.8, 0.9, 1.0]))
    >>> {name: round(value, 3) for name, value in row.items()}
    {'AUC': 0.9, 'AUC CI Low': 0.652, 'AUC CI High': 1.148}
    """
    mean, spread = mean_over_samples(values, sample), spread_of_participants(values, sample)
    step = spread.quantile(0.975) * spread.error
    return interval_cells(name, mean, mean - step, mean + step)


def mean_over_samples(values: Float64Array, sample: IntArray | None = None) -> float:
    """Give the mean of participants; of several samples, the sum of their means."""
    return sum(float(own.mean()) if own.size else _NAN for own in samples_of(values, sample))


def spread_of_participants(values: Float64Array, sample: IntArray | None = None) -> Spread:
    """Give the standard error of a mean over participants, and its degrees of freedom.

    Of several samples (see `samples_of`), those of the sum of their means.
    """
    spreads = [
        Spread(float(own.std(ddof=1) / own.size**0.5), float(own.size - 1))
        if own.size >= FEWEST_UNITS
        else Spread(_NAN, 1.0)
        for own in samples_of(values, sample)
    ]
    return spreads[0] if len(spreads) == 1 else sum_of_spreads(*spreads)


def difference_of_groups(
    index: str,
    other: str,
    values: Float64Array,
    theirs: Float64Array,
    sample: IntArray | None = None,
    of_theirs: IntArray | None = None,
) -> dict[str, float]:
    """Compare a group of participants with another: Welch's interval of the difference.

    Parameters
    ----------
    index : str
        What both are measured in; empty for the task's only one.
    other : str
        The other group's name.
    values, theirs : array, shape [P], [Q]
        Each participant's; NaN where it is undefined.
    sample, of_theirs : int array, optional
        See `samples_of`.

    Returns
    -------
    dict of str to float
        '<index> Difference from <other>' with its interval, and '<index> P of Difference from
        <other>'.

    Examples
    --------
    >>> young, old = np.array([0.9, 0.8, 0.7]), np.array([0.6, 0.5, 0.4])
    >>> row = difference_of_groups("AUC", "old", young, old)
    >>> round(row["AUC Difference from old"], 6), round(row["AUC P of Difference from old"], 3)
    (0.3, 0.021)
    """
    of = f"{index} " * bool(index)
    value = mean_over_samples(values, sample) - mean_over_samples(theirs, of_theirs)
    spread = sum_of_spreads(
        spread_of_participants(values, sample), spread_of_participants(theirs, of_theirs)
    )
    found = PairedDifference.of(value, spread)
    return {
        **interval_cells(f"{of}Difference from {other}", value, found.low, found.high),
        f"{of}P of Difference from {other}": found.p_value,
    }


def sum_of_spreads(*spreads: Spread) -> Spread:
    """Combine independent standard errors, with Welch and Satterthwaite's degrees of freedom.

    Examples
    --------
    >>> both = sum_of_spreads(Spread(3.0, 10), Spread(4.0, 20))
    >>> both.error, round(both.df, 1)
    (5.0, 29.9)
    """
    variances = np.array([spread.error**2 for spread in spreads])
    total = float(variances.sum())
    if not np.isfinite(total) or total == 0:
        return Spread(total**0.5 if total == 0 else _NAN, 1.0)
    counted = variances > 0
    free = np.array([spread.df for spread in spreads])[counted]
    return Spread(total**0.5, float(total**2 / (variances[counted] ** 2 / free).sum()))


def compared_with_people(
    index: str,
    group: str,
    network: float,
    values: Float64Array,
    spread: Spread,
    *,
    margin: float | None = None,
    sample: IntArray | None = None,
) -> dict[str, Any]:
    """Compare a number of a layer with that of people, as columns of the layer's row.

    Parameters
    ----------
    index : str
        What both are measured in, such as 'AUC' or 'Difference'; empty for the task's only one.
    group : str
        Whose the values are: 'People', or a group's name.
    network : float
        The layer's.
    values : array, shape [P]
        Each participant's.
    spread : Spread
        The standard error of the difference.
    margin : float, optional
        The smallest difference that would matter, for an equivalence test (TOST).
    sample : int array, shape [P], optional
        Of participants of several samples, see `samples_of`. No single participant has the number
        then, so that 'Within Range' is NaN.

    Returns
    -------
    dict of str to Any
        '<index> Difference from <group>' with its interval, 'P', '<index> Within Interval of
        <group>' and 'Within Range of <group>' (1 or 0: the interval over participants, and from the
        lowest to the highest participant), 'Equivalence Margin' (the smallest at which two
        one-sided tests would find both equivalent, P < .05), and with `margin` 'Equivalence P'.
    """
    samples = samples_of(values, sample)
    centre = mean_over_samples(values, sample)
    of = f"{index} " * bool(index)
    name = f"{of}Difference from {group}"
    if not np.isfinite([network, centre]).all():
        return dict.fromkeys([*interval_columns(name), f"{of}P of Difference from {group}"], _NAN)
    found = PairedDifference.of(network - centre, spread)
    over = spread_of_participants(values, sample)
    step = over.quantile(0.975) * over.error
    lowest, highest = (samples[0].min(), samples[0].max()) if len(samples) == 1 else (_NAN, _NAN)
    columns: dict[str, Any] = {
        **interval_cells(name, found.difference, found.low, found.high),
        f"{of}P of Difference from {group}": found.p_value,
        f"{of}Within Interval of {group}": _flag(abs(network - centre) <= step, step),
        f"{of}Within Range of {group}": _flag(lowest <= network <= highest, lowest),
        f"{of}Equivalence Margin to {group}": abs(found.difference)
        + spread.quantile(0.95) * spread.error,
    }
    if margin is not None:
        columns[f"{of}Equivalence P to {group}"] = found.equivalence(margin)
    return columns


def _flag(holds: Any, known: float) -> float:
    return _NAN if np.isnan(known) else float(holds)
