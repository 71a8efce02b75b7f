"""The numbers of an effect: conditions and contrasts with intervals and P, by column."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from facebench.columns import CI_HIGH, CI_LOW
from facebench.metrics.conditions import (
    ConditionEstimate,
    ConditionScores,
    condition_estimates,
    condition_replicates,
    condition_values,
)
from facebench.metrics.effects import Contrast, compared, weights_of
from facebench.metrics.uncertainty.effect_intervals import effect_of, weighted_difference
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.permutations import (
    Exchange,
    permutation_p,
    permuted_differences,
    t_test,
)
from facebench.metrics.uncertainty.resamples import Resamples
from facebench.metrics.verification_report import Estimate
from facebench.tasks.shared.effect_design import Conditions
from facebench.types import Float64Array

__all__ = ["EffectRows", "columns_of"]

# What `compared` returns, as columns call it.
_COMPARED = ("Difference", "Ratio", "Relative Difference")


class _Measured(NamedTuple):
    """The conditions of one layer."""

    cells: ConditionScores
    values: Float64Array
    replicates: Float64Array
    estimates: list[ConditionEstimate]
    # By condition, why it is not defined.
    reasons: dict[int, str]


class EffectRows:
    """Measures layers, all on the same resamples and exchanges.

    Parameters
    ----------
    conditions : Conditions
        What is compared.
    measure_name : str
        What the measure is called.
    resamples : Resamples
        Of all pairs.
    exchange : Exchange
        How condition labels may be exchanged.
    n_permutations, seed : int
        Of the exchanges.
    """

    def __init__(
        self,
        conditions: Conditions,
        measure_name: str,
        resamples: Resamples,
        exchange: Exchange,
        *,
        n_permutations: int,
        seed: int,
    ) -> None:
        self._conditions = conditions
        self._names = [f"{name} {measure_name}" for name in conditions.names]
        self._resamples = resamples
        self._exchange = exchange
        self._n_permutations = n_permutations
        self._seed = seed

    @property
    def p_method(self) -> str:
        """How P was made."""
        how = self._exchange.how
        if self._exchange.kind == "none":
            return f"{how} ({self._resamples.n_resamples})"
        return f"{how} ({self._n_permutations})"

    def _measured(self, cells: ConditionScores) -> _Measured:
        values, reasons = condition_values(cells)
        replicates = condition_replicates(cells, self._resamples)
        estimates = condition_estimates(cells, values, replicates, self._resamples)
        return _Measured(cells, values, replicates, estimates, reasons)

    def _n_units(self, contrast: Contrast) -> int:
        cells = [*contrast.first, *contrast.second]
        n_units = self._resamples.n_involved(np.isin(self._conditions.cell, cells))
        # Every condition has a mean of its own people.
        return n_units - len(cells) if self._resamples.is_stratified else n_units

    def _permuted(self, cells: ConditionScores, contrast: Contrast) -> Float64Array:
        return permuted_differences(
            cells, contrast, self._exchange, n_permutations=self._n_permutations, seed=self._seed
        )

    def row(self, cells: ConditionScores) -> tuple[dict[str, Any], str]:
        """Measure one layer.

        Parameters
        ----------
        cells : ConditionScores
            Its comparisons.

        Returns
        -------
        dict
            Conditions and effects, by column.
        str
            Why some of these are NaN.
        """
        found = self._measured(cells)
        row: dict[str, Any] = {}
        for name, condition in zip(self._names, found.estimates, strict=True):
            row.update(columns_of(name, condition))
        undefined = [
            f"{self._conditions.names[k]}: {reason}" for k, reason in found.reasons.items()
        ]
        for prefix, contrast in self._conditions.contrasts.items():
            n_units = self._n_units(contrast)
            effect = effect_of(found.values, found.replicates, contrast, found.estimates, n_units)
            for name, estimate in zip(_COMPARED, effect[:3], strict=True):
                row.update(columns_of(f"{prefix}{name}", estimate))
            difference = effect.difference.value
            row[f"{prefix}P"] = (
                t_test(difference, effect.error, n_units)
                if self._exchange.kind == "none"
                else permutation_p(difference, self._permuted(cells, contrast))
            )
            if effect.undefined and not found.reasons:
                undefined.append(f"{prefix}{effect.undefined}")
        return row, "; ".join(undefined)

    def interaction(self, first: ConditionScores, second: ConditionScores) -> dict[str, Any]:
        """Compare an effect between two networks; see `EffectTask.compare_models`."""
        contrast = list(self._conditions.contrasts.values())[-1]
        n_units = self._n_units(contrast)
        networks = [self._measured(cells) for cells in (first, second)]
        row: dict[str, Any] = {}
        for name, one in zip(("First", "Second"), networks, strict=True):
            effect = effect_of(one.values, one.replicates, contrast, one.estimates, n_units)
            row.update(columns_of(f"{name} Difference", effect.difference))
        weights = weights_of(contrast, first.n_cells)
        interaction, error = weighted_difference(
            np.concatenate([one.values for one in networks]),
            np.concatenate([one.replicates for one in networks], axis=1),
            np.concatenate((weights, -weights)),
            [estimate for one in networks for estimate in one.estimates],
            n_units,
        )
        row.update(columns_of("Interaction", interaction))
        if self._exchange.kind == "none":
            row["P"] = t_test(interaction.value, error, n_units)
        else:
            permuted = [self._permuted(one.cells, contrast) for one in networks]
            row["P"] = permutation_p(interaction.value, permuted[0] - permuted[1])
        return row

    def left_out(self, cells: ConditionScores, groups: JackknifeGroups) -> dict[str, Float64Array]:
        """Measure one layer without each group of people, by column."""
        replicates = condition_replicates(cells, groups)
        found = {name: replicates[:, k] for k, name in enumerate(self._names)}
        for prefix, contrast in self._conditions.contrasts.items():
            for name, drawn in zip(_COMPARED, compared(replicates, contrast), strict=True):
                found[f"{prefix}{name}"] = drawn
        return found


def columns_of(name: str, estimate: Estimate | ConditionEstimate) -> dict[str, float]:
    """Give a number and its interval their columns."""
    return {
        name: estimate.value,
        f"{name}{CI_LOW}": estimate.interval.low,
        f"{name}{CI_HIGH}": estimate.interval.high,
    }
