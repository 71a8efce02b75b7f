"""Series: a measure over an ordered condition, such as rotation, blur or a morph step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from typing_extensions import override

from facebench.columns import LAYER, MODEL, TASK, interval_cells, interval_columns
from facebench.data.pairs import require_numbers
from facebench.errors import InputError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.conditions import Measure as ConditionMeasure
from facebench.metrics.effects import Contrast
from facebench.metrics.psychometric import Psychometric, PsychometricFit, Shape
from facebench.metrics.uncertainty.effect_intervals import tested
from facebench.metrics.uncertainty.jackknife import JackknifeReplicates
from facebench.metrics.uncertainty.spread import PairedDifference, Spread
from facebench.metrics.uncertainty.stratified_jackknife import Error, StratifiedJackknife
from facebench.tasks.effect import EffectTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.effect_design import ConditionDesign
from facebench.tasks.shared.effect_rows import MeasuredConditions
from facebench.tasks.shared.people import PEOPLE, mean_of_participants, sum_of_spreads
from facebench.tasks.shared.people_designs import Design, design_of
from facebench.tasks.shared.rate_measures import columns_of
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import Float64Array, IntArray, MetricFunction, StrPath
from facebench.utils.suggestions import did_you_mean

__all__ = ["SeriesTask"]

MEAN, THRESHOLD, SLOPE = "Mean over Levels", "Threshold Level", "Slope"
_LAPSE, _GUESS, _EXPLAINED = "Lapse Rate", "Guess Rate", "Explained by Function"
_SHARES = ("auc", "accuracy", "tar")
# A function that explains less of what varies between levels is of another form.
_POOR = 0.75
_FINE = 200


class Fitted(NamedTuple):
    """The psychometric function of a layer, or of people.

    Attributes
    ----------
    columns : dict of str to Any
        Its numbers, with intervals.
    undefined, remark : str
        Why some are NaN, and what is odd about them.
    spread : Spread
        The standard error of the threshold.
    """

    columns: dict[str, Any]
    undefined: str = ""
    remark: str = ""
    spread: Spread = Spread(float("nan"), 1.0)


class SeriesTask(EffectTask):
    """How does a measure change with the level of a manipulation, as it does for people?

    One row per layer, as of `EffectTask`: '<level> <Measure>' for every level with its interval;
    'Mean over Levels'; the contrast of the lowest against the highest level (Difference and all
    that belongs to it); and, of AUC, accuracy and TAR, a psychometric function:

    - Threshold Level, at which it is half-way between the guess rate and its other end (or at
      `criterion`), and Slope there, the change of the measure per unit of the level, with
      intervals;
    - Guess Rate, Lapse Rate (one minus the other end), and Explained by Function, the share of the
      variance between levels that it explains.

    ψ(x) = γ + (1 - γ - λ) F((x - m) / s) is fitted by maximum likelihood, each level weighted by
    its pairs. Pairs that share people are not independent: intervals are made by leaving out the
    same people (or photographs) of all levels at once, from one step of the fit; the slope's on a
    logarithmic scale. Threshold and slope are NaN, and 'Undefined' says why, where the function is
    half-way outside of the levels, or steeper than their steps. A remark tells where the function
    describes the series badly.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric, measure
        See `EffectTask`.
    level_column : str, default 'level'
        The level of each pair, a number.
    period : float, optional
        Of levels that run in a circle, such as 360 for rotation in degrees: -180 and 180 are then
        one level, and the psychometric function is of the distance from 0, in either direction.
    contrast : pair, optional
        The two levels (or groups of levels) of Difference. None takes the lowest and the highest;
        with a period the nearest to 0 and the farthest from it.
    guess : float, 'chance' or 'fit'
        The guess rate. 'chance' is 0.5 of AUC, the share of the larger class of accuracy, and `far`
        of TAR.
    lapse : float or 'fit'
        The lapse rate; 'fit' looks for it up to 0.5, as a network's best level may be far from 1.
    criterion : float, optional
        The value of the measure that Threshold Level is to be at.
    shape : {'logistic', 'normal'}
        F: the logistic function or the cumulative normal distribution.
    **options
        Further parameters of `EffectTask`, but for `factors`.

    Raises
    ------
    PairsError
        If levels are not numbers, or there are fewer than three.
    InputError
        If a parameter is not what it should be.

    References
    ----------
    F. A. Wichmann and N. J. Hill, "The psychometric function: I. Fitting, sampling, and goodness of
    fit", Perception & Psychophysics 63 (2001) 1293-1313; D. M. Green and J. A. Swets, "Signal
    detection theory and psychophysics" (1966), for the area under the ROC curve as the share of
    right answers of a two-alternative choice.
    """

    citations = ("wichmann2001psychometric",)

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        measure: ConditionMeasure = "auc",
        contrast: tuple[Any, Any] | None = None,
        *,
        level_column: str = "level",
        period: float | None = None,
        guess: float | Literal["chance", "fit"] = "chance",
        lapse: float | Literal["fit"] = "fit",
        criterion: float | None = None,
        shape: Shape = "logistic",
        **options: Any,
    ) -> None:
        self.period = _positive(period)
        self.shape, self.criterion = _shape(shape), _share("criterion", criterion)
        self._guess = guess if guess == "chance" else _share("guess", guess)
        self._lapse = _share("lapse", lapse)
        if "factors" in options or "condition_column" in options:
            msg = (
                "SeriesTask compares the levels of one column, 'level_column'. Leave out 'factors' "
                "and 'condition_column', or use EffectTask."
            )
            raise InputError(msg)
        self.level_column = level_column
        self._people_fitted: dict[str, Fitted] = {}
        super().__init__(
            name, pairs_file_path, images_path, distance_metric, measure, contrast,
            condition_column=level_column, **options,
        )  # fmt: skip
        given = criterion is not None or guess != "chance" or lapse != "fit"
        if given and not self.has_function:
            msg = (
                "A psychometric function is fitted to proportions: 'auc', 'accuracy' or 'tar'. "
                f"Task {name!r} measures {measure!r}; leave out 'guess', 'lapse' and 'criterion'."
            )
            raise InputError(msg)

    @override
    def _read_conditions(
        self, pairs: pd.DataFrame, column: str, contrast: Any, factors: Any, **where: Any
    ) -> ConditionDesign:
        """Read levels, in order of size."""
        path, task = where["path"], where["task"]
        numbers = require_numbers(
            pairs, column, parameter="level_column", owner=where["owner"], path=path
        ).to_numpy(dtype=np.float64)
        if self.period is not None:
            # From above -period / 2 to period / 2.
            numbers = self.period / 2 - np.mod(self.period / 2 - numbers, self.period)
            numbers = np.round(numbers, 9) + 0.0
        self.levels, cell = np.unique(numbers, return_inverse=True)
        if self.levels.size < 3:
            msg = (
                f"The {column!r} column of {path} must have three levels or more for a series. "
                f"Got {', '.join(map(level_name, self.levels))} for task {task!r}; EffectTask "
                "compares two conditions."
            )
            raise PairsError(msg)
        names = [level_name(level) for level in self.levels]
        sides: tuple[tuple[int, ...], tuple[int, ...]]
        if contrast is None:
            away = self.levels if self.period is None else np.abs(self.levels)
            sides = (int(np.argmin(away)),), (int(np.argmax(away)),)
        else:
            sides = _sides(contrast, names, column, path)
        self._level_of_pair: IntArray = cell.ravel()
        return ConditionDesign(names, self._level_of_pair, {"": Contrast("difference", *sides)})

    @property
    def has_function(self) -> bool:
        """Whether the measure is a share, which a psychometric function is fitted to."""
        return self.measure in _SHARES

    @property
    def guess(self) -> float | None:
        """The guess rate; None where it is fitted."""
        if self._guess != "chance":
            return self._guess
        if self.measure == "tar":
            return self.far
        same = float(self._labels.mean())
        return max(same, 1 - same) if self.measure == "accuracy" else 0.5

    @override
    def _declared(self) -> tuple[Measure, ...]:
        of_level = self._measure.declared(self.conditions)[0]
        bounds = of_level.bounds
        found = [
            Measure(
                MEAN,
                of_level.better,
                headline=True,
                chance=of_level.chance,
                bounds=bounds,
                label=f"{self._measure.label}, mean over levels",
            )
        ]
        if self.has_function:
            found += [
                Measure(THRESHOLD, headline=True, label=f"Threshold ({self.level_column})"),
                Measure(SLOPE, label=f"Slope ({self._measure.label} per {self.level_column})"),
                Measure(_GUESS, bounds=(0, 1), shown=False),
                Measure(_LAPSE, bounds=(0, 1), shown=False),
                Measure(_EXPLAINED, bounds=(-np.inf, 1), shown=False),
            ]
        return (
            *found,
            *(replace(one, headline=one.name == "Difference") for one in super()._declared()),
        )

    def _fit(self, shares: Float64Array, counts: Float64Array) -> PsychometricFit:
        return PsychometricFit(
            self.levels if self.period is None else np.abs(self.levels),
            shares,
            counts,
            guess=self.guess,
            lapse=self._lapse,
            shape=self.shape,
            criterion=self.criterion,
        )

    @property
    def _counts(self) -> Float64Array:
        """The pairs of each level."""
        return np.bincount(self._level_of_pair).astype(np.float64)

    @override
    def _further_columns(self, measured: MeasuredConditions) -> tuple[dict[str, Any], str, str]:
        conditions = measured.conditions
        weights = np.full(self.levels.size, 1 / self.levels.size)
        row = columns_of(MEAN, tested(conditions, weights).estimate)
        if not self.has_function:
            return row, "", ""
        fitted = self._fitted(measured)
        return {**row, **fitted.columns}, fitted.undefined, fitted.remark

    def _fitted(self, measured: MeasuredConditions) -> Fitted:
        conditions = measured.conditions
        fit = self._fit(conditions.values, self._counts)
        return function_columns(fit, fit.of(conditions.replicates), conditions.jackknife.error)

    @override
    def left_out(self, pairs_distances_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn; see `EffectTask.left_out`."""
        found = super().left_out(pairs_distances_df)
        drawn = np.stack(
            [found.values[None, f"{name} {self.measure_name}"] for name in self.conditions], axis=1
        )
        found.values[None, MEAN] = drawn.mean(axis=1)
        if self.has_function:
            measured = self._rows.measured(self._cells(pairs_distances_df))
            fit = self._fit(measured.conditions.values, self._counts)
            moved = fit.of(drawn)
            if not np.isnan(fit.function.threshold):
                found.values[None, THRESHOLD] = moved.threshold
            if not np.isnan(fit.function.slope):
                found.values[None, SLOPE] = moved.slope
        return found

    @override
    def people_rows(self) -> pd.DataFrame | None:
        """Measure people as the task measures a layer, with their psychometric function."""
        rows = super().people_rows()
        if rows is None:
            return None
        further = [self._of_people(group).columns for group in rows[PEOPLE]]
        return pd.concat([rows, pd.DataFrame(further, index=rows.index)], axis=1)

    def _of_people(self, group: str) -> Fitted:
        """Average participants at every level, and fit what they do together."""
        if group not in self._people_fitted and self.beside is not None:
            answers = self.beside.groups[group]
            values = answers.values(self.measure, far=self.far)
            there = np.isfinite(values)
            n_levels = values.shape[1]
            # People have been accepted: those of the lowest and the highest level are known.
            design = design_of(there, range(n_levels)) or Design(
                np.full(len(values), -1), (tuple(range(n_levels)),)
            )
            means = design.summed(values, np.full(n_levels, 1 / n_levels))
            sample = None if design.is_within else design.sample
            columns: dict[str, Any] = dict(mean_of_participants(MEAN, means, sample))
            fitted = Fitted(columns)
            if self.has_function:
                known, n = np.where(there, values, 0.0), there.sum(axis=0)
                with np.errstate(invalid="ignore"):
                    shares = known.sum(axis=0) / n
                    without = (known.sum(axis=0) - known) / (n - there)
                level = self._level_of_pair[answers.pair]
                fit = self._fit(shares, np.bincount(level, minlength=n.size).astype(np.float64))
                unit = np.arange(len(values))
                strata = np.zeros_like(unit) if sample is None else sample - sample.min()
                error = StratifiedJackknife(unit, unit, strata).error
                fitted = function_columns(fit, fit.of(without), error)
                columns |= fitted.columns
            self._people_fitted[group] = fitted._replace(columns=columns)
        return self._people_fitted[group]

    @override
    def against_people(self, measured: pd.DataFrame) -> dict[str, Any]:
        """Compare a layer's effect and threshold with people's; see `WithPeople`."""
        found = super().against_people(measured)
        if self.beside is None or not self.has_function:
            return found
        own = self._fitted(self._rows.measured(self._cells(measured)))
        for group in self.beside.groups:
            people = self._of_people(group)
            difference = PairedDifference.of(
                own.columns[THRESHOLD] - people.columns[THRESHOLD],
                sum_of_spreads(own.spread, people.spread),
            )
            name = f"{THRESHOLD} Difference from {group}"
            found |= interval_cells(name, difference.difference, difference.low, difference.high)
        return found

    def series_table(self, performances: pd.DataFrame) -> pd.DataFrame:
        """Give the measure of every level a row of its own.

        Parameters
        ----------
        performances : DataFrame
            Results of the task.

        Returns
        -------
        DataFrame
            'Task Name', 'Model Name', 'Layer Name' (of people: 'people') as far as they are there,
            'Level', the measure and its interval.
        """
        keys = [column for column in (TASK, MODEL, LAYER, PEOPLE) if column in performances]
        parts = []
        for level, name in zip(self.levels, self.conditions, strict=True):
            own = interval_columns(f"{name} {self.measure_name}")
            renamed = dict(zip(own, interval_columns(self.measure_name), strict=True))
            part = performances[[*keys, *own]].rename(columns=renamed)
            parts.append(part.assign(Level=level))
        found = pd.concat(parts).sort_index(kind="stable")
        return found[[*keys, "Level", *interval_columns(self.measure_name)]].reset_index(drop=True)

    def functions_table(self, performances: pd.DataFrame) -> pd.DataFrame:
        """Give points of the psychometric functions, to be drawn.

        Parameters
        ----------
        performances : DataFrame
            Results of the task.

        Returns
        -------
        DataFrame
            As of `series_table`, without intervals; empty where there are no functions.
        """
        keys = [column for column in (TASK, MODEL, LAYER, PEOPLE) if column in performances]
        columns = [*keys, "Level", self.measure_name]
        if not self.has_function:
            return pd.DataFrame(columns=columns)
        fine = np.linspace(self.levels.min(), self.levels.max(), _FINE)
        parts = []
        for row in performances.to_dict("records"):
            threshold, slope, guess, lapse = (
                float(row[name]) for name in (THRESHOLD, SLOPE, _GUESS, _LAPSE)
            )
            if np.isnan(threshold + slope):
                continue
            function = Psychometric.at(threshold, slope, guess, lapse, self.shape, self.criterion)
            shares = function(fine if self.period is None else np.abs(fine))
            part = pd.DataFrame({"Level": fine, self.measure_name: shares})
            parts.append(part.assign(**{key: row[key] for key in keys}))
        return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)

    @override
    def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the series of every layer, its effect, and its threshold over the layers."""
        declared = self._measure.declared(self.conditions)[0]
        people = self.people_rows()
        PlotHelper.series_plot(
            self.series_table(performances), "Level", self.measure_name, output_dir, "series",
            xlabel=self.level_column, curves=self.functions_table(performances),
            period=self.period,
            reference=None if declared.chance is None else (declared.chance, "chance"),
            people=None if people is None else self.series_table(people),
            people_curves=None if people is None else self.functions_table(people),
        )  # fmt: skip
        if performances.groupby(MODEL, sort=False).size().max() > 2:
            PlotHelper.plot_layer_profile(performances, MEAN, output_dir, "series_over_layers")


def function_columns(fit: PsychometricFit, moved: Psychometric, error: Any) -> Fitted:
    """Give a psychometric function its columns, with intervals from what leaving out moves.

    Parameters
    ----------
    fit : PsychometricFit
        The fit.
    moved : Psychometric
        The functions without each unit.
    error : callable
        Gives the `Error` of a number from its values without each unit.
    """
    function = fit.function
    undefined = [fit.undefined] if fit.undefined else []
    threshold: Error = error(np.asarray(moved.threshold))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope: Error = error(np.log(np.abs(moved.slope)))
    step = threshold.step if not np.isnan(function.threshold) else np.nan
    factor = float(np.exp(slope.step)) if not np.isnan(function.slope) else np.nan
    if not undefined and np.isnan(step):
        undefined = ["interval of the threshold: a level is undefined without one of the people"]
    ends = sorted((function.slope / factor, function.slope * factor))
    explained = fit.explained
    remark = ""
    if explained < _POOR:
        remark = (
            f"the psychometric function explains {explained:.0%} of the variance between levels "
            "only: threshold and slope say little"
        )
    return Fitted(
        {
            **interval_cells(
                THRESHOLD,
                function.threshold,
                function.threshold - step,
                function.threshold + step,
            ),
            **interval_cells(SLOPE, function.slope, *ends),
            _GUESS: function.guess,
            _LAPSE: function.lapse,
            _EXPLAINED: explained,
        },
        "; ".join(undefined),
        remark,
        Spread(*threshold),
    )


def level_name(level: float) -> str:
    """Write a level as the name of its condition.

    Examples
    --------
    >>> level_name(-30.0), level_name(0.25)
    ('-30', '0.25')
    """
    return f"{level:.12g}"


def _sides(
    contrast: Any, names: Sequence[str], column: str, path: StrPath
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Find the levels that are compared."""
    is_pair = isinstance(contrast, list | tuple) and len(contrast) == 2
    found = []
    for side in contrast if is_pair else ():
        wanted = [
            level_name(one) if isinstance(one, int | float) else str(one)
            for one in (side if isinstance(side, list | tuple) else [side])
        ]
        unknown = next((one for one in wanted if one not in names), None)
        if unknown is not None:
            msg = (
                f"The 'contrast' of SeriesTask names the level {unknown}, of which {path} has no "
                f"pairs. The levels in its {column!r} column are: {', '.join(names)}."
                f"{did_you_mean(unknown, names)}"
            )
            raise PairsError(msg)
        found.append(tuple(names.index(one) for one in wanted))
    if len(found) != 2 or not all(found) or set(found[0]) & set(found[1]):
        msg = (
            "The 'contrast' parameter of SeriesTask must be two different levels, or groups of "
            f"them. Got {contrast!r} instead."
        )
        raise InputError(msg)
    return found[0], found[1]


def _positive(period: Any) -> float | None:
    if period is None:
        return None
    if isinstance(period, bool) or not isinstance(period, int | float) or not 0 < period < np.inf:
        msg = (
            "The 'period' parameter of SeriesTask must be a number above 0, such as 360 for "
            f"degrees, or None. Got {period!r} instead."
        )
        raise InputError(msg)
    return float(period)


def _shape(shape: Any) -> Shape:
    if shape not in ("logistic", "normal"):
        msg = (
            "The 'shape' parameter of SeriesTask must be 'logistic' or 'normal'. "
            f"Got {shape!r} instead."
        )
        raise InputError(msg)
    found: Shape = shape
    return found


def _share(parameter: str, value: Any) -> float | None:
    if value is None or value == "fit":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        others = {"guess": ", 'chance' or 'fit'", "lapse": " or 'fit'"}.get(parameter, "")
        msg = (
            f"The {parameter!r} parameter of SeriesTask must be a share from 0 to below 1{others}. "
            f"Got {value!r} instead."
        )
        raise InputError(msg)
    return float(value)
