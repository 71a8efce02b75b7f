"""What is measured of each group of people, of each two groups, and of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from facebench.metrics.uncertainty.influence import (
    auc_influence,
    linear_replicates,
    mean_influence,
)
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.proportions import (
    EffectiveCounts,
    Proportion,
    effective_counts,
    has_few_errors,
    jackknife_proportion,
)
from facebench.metrics.uncertainty.replicates import dprime_jackknife, verification_replicates
from facebench.metrics.uncertainty.resamples import Interval
from facebench.metrics.verification import auc, dprime
from facebench.metrics.verification_report import UNKNOWN, Estimate
from facebench.tasks.shared.rate_measures import columns_of
from facebench.types import Float64Array, IntArray

__all__ = ["ALL_GROUPS", "BETWEEN_GROUPS", "EQUALITY", "Cell", "GroupMeasures", "cells_of"]

# P of equal rates: of both, and of each.
EQUALITY = ("P", "FMR P", "FNMR P")
ALL_GROUPS, BETWEEN_GROUPS = "all groups", "between groups"
_SHARES: dict[str, Proportion] = {"FMR": "fmr", "FNMR": "fnmr", "AUC": "auc"}
# What is fair is measured by both rates, or by the ratios of one.
_BOTH = ("FDR", "GARBE")
_RATIOS = {"Max/Min": max_min_ratio, "Max/Geomean": max_geomean_ratio}


_FAIRNESS = {
    name.lower(): name
    for name in (
        *(f"{rate} {ratio}" for rate in ("FMR", "FNMR") for ratio in _RATIOS),
        *_BOTH,
    )
}


class Cell(NamedTuple):
    """Some comparisons that get a row: a group's, those of two groups, or all.

    Attributes
    ----------
    condition : str
        What the row is called.
    groups : tuple of str
        The groups of both sides; empty for several.
    chosen : bool array, shape [N]
        Which comparisons.
    has_genuine : bool
        Whether some may be genuine.
    people : JackknifeGroups
        Of the chosen comparisons.
    """

    condition: str
    groups: tuple[str, str]
    chosen: NDArray[np.bool_]
    has_genuine: bool
    people: JackknifeGroups


def cells_of(
    known: NDArray[np.bool_],
    first: NDArray[np.str_],
    second: NDArray[np.str_],
    people: tuple[IntArray, IntArray],
) -> Iterator[Cell]:
    """Part comparisons with groups into what gets a row, groups in sorted order first."""

    def cell(
        condition: str, groups: tuple[str, str], chosen: NDArray[np.bool_], has_genuine: bool
    ) -> Cell:
        own = JackknifeGroups(*(side[chosen] for side in people))
        return Cell(condition, groups, chosen, has_genuine, own)

    names = np.unique(np.concatenate((first[known], second[known]))).tolist()
    for name in names:
        yield cell(name, (name, name), (first == name) & (second == name), True)
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            between = ((first == one) & (second == other)) | ((first == other) & (second == one))
            if between.any():
                yield cell(f"{one} × {other}", (one, other), between, False)
    between = known & (first != second)
    if between.any():
        yield cell(BETWEEN_GROUPS, ("", ""), between, False)
    yield cell(ALL_GROUPS, ("", ""), known, True)


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
        people: tuple[IntArray, IntArray],
    ) -> None:
        self._genuine = labels.astype(bool)
        self._distances = distances
        self._accepted = accepted
        self._people = people

    def _counts(self, cell: Cell) -> EffectiveCounts:
        return effective_counts(self._genuine, self._distances, *self._people, cell.chosen)

    def rates(self, cell: Cell) -> dict[str, Estimate]:
        """Measure FMR and FNMR of some comparisons, or FMR where none is genuine."""
        counts = self._counts(cell)
        genuine = self._genuine[cell.chosen]
        wrong = self._accepted[cell.chosen] != genuine
        found: dict[str, Estimate] = {}
        shares: tuple[tuple[str, Proportion], ...] = (("FMR", "fmr"), ("FNMR", "fnmr"))
        for rate, share in shares if cell.has_genuine else shares[:1]:
            own = genuine == (rate == "FNMR")
            found[rate] = UNKNOWN
            if own.any():
                made = linear_replicates(mean_influence(wrong[own]), cell.people.part(own).shared)
                interval = jackknife_proportion(share, made, counts)
                found[rate] = Estimate(made.value, interval)
        return found

    def left_out(
        self, cells: list[Cell], groups: JackknifeGroups
    ) -> dict[tuple[str | None, str], Float64Array]:
        """Measure everything without each group of people, by condition and measure."""
        rates = self._rates_left_out(cells, groups)
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

    def _rates_left_out(
        self, cells: list[Cell], groups: JackknifeGroups
    ) -> dict[tuple[str, str], Float64Array]:
        wrong = {"FMR": self._accepted & ~self._genuine, "FNMR": ~self._accepted & self._genuine}
        of_class = {"FMR": ~self._genuine, "FNMR": self._genuine}
        wanted = [
            (cell, rate)
            for cell in cells
            for rate in (("FMR", "FNMR") if cell.has_genuine else ("FMR",))
        ]
        errors = np.stack([cell.chosen & wrong[rate] for cell, rate in wanted], axis=1)
        totals = np.stack([cell.chosen & of_class[rate] for cell, rate in wanted], axis=1)
        sums = groups.sums(np.concatenate((errors, totals), axis=1).astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            rates = sums[:, : len(wanted)] / sums[:, len(wanted) :]
        keys = [(cell.condition, rate) for cell, rate in wanted]
        return dict(zip(keys, rates.T, strict=True))

    def _compared(self, groups: list[Cell]) -> list[str]:
        """Name the groups with pairs of both classes."""
        return [
            cell.condition
            for cell in groups
            if (cell.chosen & self._genuine).any() and (cell.chosen & ~self._genuine).any()
        ]

    def separation(self, cell: Cell) -> dict[str, Estimate]:
        """Measure AUC and d' of some comparisons; NaN where they are of one class."""
        genuine, distances = self._genuine[cell.chosen], self._distances[cell.chosen]
        if genuine.all() or not genuine.any():
            return {"AUC": UNKNOWN, "d'": UNKNOWN}
        way: dict[str, Any] = {"higher_is_better": False}
        area = linear_replicates(auc_influence(genuine, distances, **way), cell.people.shared)
        area = area._replace(value=auc(genuine, distances, **way))
        sensitivity = dprime_jackknife(genuine, distances, cell.people, **way)
        sensitivity = sensitivity._replace(value=dprime(genuine, distances, **way))
        return {
            "AUC": Estimate(area.value, jackknife_proportion("auc", area, self._counts(cell))),
            "d'": Estimate(sensitivity.value, sensitivity.interval()),
        }

    def few_errors(self, cell: Cell, found: Mapping[str, Estimate]) -> list[str]:
        """Name the measures of a cell that few errors make conservative."""
        counts = self._counts(cell)
        return [
            name
            for name, share in _SHARES.items()
            if name in found
            and np.isfinite(found[name].value)
            and has_few_errors(share, found[name].value, counts)
        ]

    def few_errors_in(self, groups: list[Cell]) -> list[str]:
        """Name the fairness measures that few errors in one of the groups make conservative."""
        names = self._compared(groups)
        few = {
            rate
            for cell in groups
            if cell.condition in names
            for rate in self.few_errors(cell, self.rates(cell))
        }
        return [name for name in _FAIRNESS.values() if few and name.split()[0] in {*few, *_BOTH}]

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
            known = UNKNOWN if np.isnan(value) else Estimate(value, intervals[key])
            found.update(columns_of(column, known))
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
