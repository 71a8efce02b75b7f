"""What is measured of each group of people, of each two groups, and of all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facebench.columns import CI_HIGH, CI_LOW
from facebench.metrics.groups import (
    fairness_replicates,
    fdr,
    garbe,
    max_geomean_ratio,
    max_min_ratio,
)
from facebench.metrics.uncertainty.fairness_intervals import (
    GroupRate,
    equality_p,
    fairness_intervals,
    pseudo_values,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    EffectiveCounts,
    Proportion,
    effective_counts,
    proportion_interval,
)
from facebench.metrics.uncertainty.replicates import verification_replicates
from facebench.metrics.uncertainty.resamples import Interval, Resamples, Weightings, percentiles
from facebench.metrics.verification import auc, dprime
from facebench.types import Float64Array, IntArray

__all__ = ["ALL_GROUPS", "BETWEEN_GROUPS", "EQUALITY", "Cell", "GroupMeasures", "cells_of"]

# P of equal rates: of both, and of each.
EQUALITY = ("P", "FMR P", "FNMR P")
ALL_GROUPS, BETWEEN_GROUPS = "all groups", "between groups"
_RATIOS = {"Max/Min": max_min_ratio, "Max/Geomean": max_geomean_ratio}


_FAIRNESS = {
    name.lower(): name
    for name in (
        *(f"{rate} {ratio}" for rate in ("FMR", "FNMR") for ratio in _RATIOS),
        "FDR",
        "GARBE",
    )
}


class Cell(NamedTuple):
    """Some comparisons that get a row: a group's, those of two groups, or all."""

    condition: str
    groups: tuple[str, str]
    chosen: NDArray[np.bool_]
    has_genuine: bool


def cells_of(
    labels: NDArray[np.int8],
    known: NDArray[np.bool_],
    first: NDArray[np.str_],
    second: NDArray[np.str_],
) -> Iterator[Cell]:
    """Part comparisons with groups into what gets a row, groups in sorted order first."""
    names = np.unique(np.concatenate((first[known], second[known]))).tolist()
    for name in names:
        yield Cell(name, (name, name), (first == name) & (second == name), True)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            between = ((first == one) & (second == other)) | ((first == other) & (second == one))
            if between.any():
                yield Cell(f"{one} × {other}", (one, other), between, False)
    between = known & (first != second)
    if between.any():
        yield Cell(BETWEEN_GROUPS, ("", ""), between, False)
    yield Cell(ALL_GROUPS, ("", ""), known, True)


def _with_interval(name: str, value: float, interval: Interval) -> dict[str, float]:
    return {
        name: value,
        f"{name}{CI_LOW}": interval.low,
        f"{name}{CI_HIGH}": interval.high,
    }


def _fairness(
    names: list[str], rates: dict[tuple[str, str], Float64Array]
) -> dict[str, Float64Array]:
    """Measure fairness on resamples, from the rates of the groups of these names."""
    of_groups = [
        np.stack([rates[name, rate] for name in names], axis=1) for rate in ("FMR", "FNMR")
    ]
    return fairness_replicates(of_groups[0], of_groups[1])


class GroupMeasures:
    """The comparisons of one layer, decided at one threshold."""

    def __init__(
        self,
        labels: NDArray[np.int8],
        distances: Float64Array,
        accepted: NDArray[np.bool_],
        resamples: Resamples,
        people: tuple[IntArray, IntArray],
    ) -> None:
        self._genuine = labels.astype(bool)
        self._distances = distances
        self._accepted = accepted
        self._resamples = resamples
        self._people = people
        self._replicates: dict[tuple[str, str], Float64Array] = {}

    def _counts(self, chosen: NDArray[np.bool_]) -> EffectiveCounts:
        drawn = self._resamples
        return effective_counts(self._genuine, self._distances, drawn.first, drawn.second, chosen)

    def _drawn_rates(
        self, cells: list[Cell], drawn: Weightings
    ) -> tuple[dict[tuple[str, str], Float64Array], dict[tuple[str, str], NDArray[np.bool_]]]:
        """Measure the rates of every cell on resamples, and say which comparisons they are of."""
        wrong = {"FMR": self._accepted & ~self._genuine, "FNMR": ~self._accepted & self._genuine}
        of_class = {"FMR": ~self._genuine, "FNMR": self._genuine}
        wanted = [
            (cell, rate)
            for cell in cells
            for rate in (("FMR", "FNMR") if cell.has_genuine else ("FMR",))
        ]
        errors = np.stack([cell.chosen & wrong[rate] for cell, rate in wanted], axis=1)
        totals = np.stack([cell.chosen & of_class[rate] for cell, rate in wanted], axis=1)
        sums = drawn.sums(np.concatenate((errors, totals), axis=1).astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = sums[:, : len(wanted)] / sums[:, len(wanted) :]
        keys = [(cell.condition, rate) for cell, rate in wanted]
        return dict(zip(keys, rates.T, strict=True)), dict(zip(keys, totals.T, strict=True))

    def rates(self, cells: list[Cell]) -> dict[str, dict[str, float]]:
        """Measure FMR and FNMR of every cell, all from one pass over the resamples."""
        self._replicates, counted = self._drawn_rates(cells, self._resamples)
        wrong = self._accepted != self._genuine
        found: dict[str, dict[str, float]] = {cell.condition: {} for cell in cells}
        counts = {cell.condition: self._counts(cell.chosen) for cell in cells}
        for (condition, rate), drawn in self._replicates.items():
            own = counted[condition, rate]
            value, interval = float("nan"), Interval(float("nan"), float("nan"))
            if own.any():
                value = float(np.mean(wrong[own]))
                share: Proportion = "fmr" if rate == "FMR" else "fnmr"
                interval = proportion_interval(share, value, drawn, counts[condition])
            found[condition].update(_with_interval(rate, value, interval))
        return found

    def left_out(
        self, cells: list[Cell], groups: JackknifeGroups
    ) -> dict[tuple[str | None, str], Float64Array]:
        """Measure everything without each group of people, by condition and measure."""
        rates, _ = self._drawn_rates(cells, groups)
        found: dict[tuple[str | None, str], Float64Array] = dict(rates.items())
        for cell in cells:
            genuine = self._genuine[cell.chosen]
            if cell.has_genuine and genuine.any() and not genuine.all():
                drawn = verification_replicates(
                    genuine,
                    self._distances[cell.chosen],
                    groups.part(cell.chosen),
                    higher_is_better=False,
                )
                found[cell.condition, "AUC"] = drawn["auc"]
                found[cell.condition, "d'"] = drawn["dprime"]
        names = self._compared([cell for cell in cells if cell.has_genuine][:-1])
        if len(names) >= 2:
            for column, values in _fairness(names, rates).items():
                found[ALL_GROUPS, _FAIRNESS[column]] = values
        return found

    def _compared(self, groups: list[Cell]) -> list[str]:
        """Name the groups with pairs of both classes."""
        return [
            cell.condition
            for cell in groups
            if (cell.chosen & self._genuine).any() and (cell.chosen & ~self._genuine).any()
        ]

    def separation(self, chosen: NDArray[np.bool_]) -> dict[str, float]:
        """Measure AUC and d' of some comparisons; NaN where they are of one class."""
        genuine, distances = self._genuine[chosen], self._distances[chosen]
        nothing = Interval(float("nan"), float("nan"))
        if genuine.all() or not genuine.any():
            return {
                **_with_interval("AUC", float("nan"), nothing),
                **_with_interval("d'", float("nan"), nothing),
            }
        way: dict[str, Any] = {"higher_is_better": False}
        area, sensitivity = auc(genuine, distances, **way), dprime(genuine, distances, **way)
        drawn = verification_replicates(genuine, distances, self._resamples.part(chosen), **way)
        counts = self._counts(chosen)
        return {
            **_with_interval("AUC", area, proportion_interval("auc", area, drawn["auc"], counts)),
            **_with_interval(
                "d'", sensitivity, percentiles(drawn["dprime"], n_units=counts.n_units)
            ),
        }

    def fairness(self, groups: list[Cell], *, n_draws: int, seed: int) -> dict[str, float]:
        """Measure how far the groups with pairs of both classes differ.

        Parameters
        ----------
        groups : list of Cell
            All groups.
        n_draws, seed : int
            Of tables and permutations.

        Returns
        -------
        dict of str to float
            By column; NaN with fewer than two such groups.
        """
        names = self._compared(groups)
        nothing = Interval(float("nan"), float("nan"))
        values: dict[str, float] = {}
        intervals: dict[str, Interval] = {}
        p_values: dict[str, float] = {}
        if len(names) >= 2:
            compared = [cell for cell in groups if cell.condition in names]
            rates = {rate: self._group_rate(rate, compared) for rate in ("FMR", "FNMR")}
            fmr, fnmr = (rate.values for rate in rates.values())
            values = {"fdr": fdr(fmr, fnmr), "garbe": garbe(fmr, fnmr)}

            def equal(which: list[GroupRate]) -> float:
                return equality_p(which, n_permutations=n_draws, seed=seed)

            p_values = {
                "P": equal(list(rates.values())),
                **{f"{name} P": equal([rate]) for name, rate in rates.items()},
            }
            p_of = {"fdr": p_values["P"], "garbe": p_values["P"]}
            for name, rate in rates.items():
                for ratio, function in _RATIOS.items():
                    key = f"{name.lower()} {ratio.lower()}"
                    values[key], p_of[key] = function(rate.values), p_values[f"{name} P"]
            intervals = fairness_intervals(
                rates["FMR"], rates["FNMR"], p_of, n_draws=n_draws, seed=seed
            )
        found: dict[str, float] = {"Groups": len(names)}
        for key, column in _FAIRNESS.items():
            value = values.get(key, float("nan"))
            interval = nothing if np.isnan(value) else intervals[key]
            found.update(_with_interval(column, value, interval))
        for name in EQUALITY:
            found[name] = p_values.get(name, float("nan"))
        return found

    def _group_rate(self, rate: str, groups: list[Cell]) -> GroupRate:
        is_error = self._accepted != self._genuine
        rows = [
            np.flatnonzero(cell.chosen & (self._genuine == (rate == "FNMR"))) for cell in groups
        ]
        first, second = self._people
        return GroupRate(
            np.array([is_error[own].mean() for own in rows]),
            [pseudo_values(is_error[own], first[own], second[own]) for own in rows],
            np.array([float(own.size) for own in rows]),
        )
