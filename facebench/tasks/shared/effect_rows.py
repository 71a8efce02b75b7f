"""The numbers of an effect: conditions and contrasts with intervals, P and sizes, by column."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from facebench.metrics.conditions import (
    ConditionScores,
    condition_estimates,
    condition_replicates,
    condition_values,
)
from facebench.metrics.effects import Contrast, compared, weights_of
from facebench.metrics.uncertainty.effect_intervals import ConditionValues, effect_of, tested
from facebench.metrics.uncertainty.effect_sizes import standardised
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.permutations import permutation_p, permuted_differences
from facebench.metrics.uncertainty.proportions import uneven_note
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.tasks.shared.effect_design import ConditionDesign, EffectUnits
from facebench.tasks.shared.rate_measures import columns_of
from facebench.types import Float64Array, IntArray

__all__ = ["COMMON_LANGUAGE", "EffectRows", "MeasuredConditions"]

COMMON_LANGUAGE = "Common Language"
_SIGNED = ("dprime", "pearson", "spearman")


class MeasuredConditions(NamedTuple):
    """The conditions of one layer.

    Attributes
    ----------
    cells : ConditionScores
        Its comparisons.
    conditions : ConditionValues
        Their measures, also without each unit.
    reasons : dict of int to str
        By condition, why it is not defined.
    """

    cells: ConditionScores
    conditions: ConditionValues
    reasons: dict[int, str]


class EffectRows:
    """Measures layers, all by leaving out the same people.

    Parameters
    ----------
    conditions : ConditionDesign
        What is compared.
    measure_name : str
        What the measure is called.
    units : EffectUnits
        What is left out in turn.
    blocks : int array, shape [N], or None
        Swap conditions within these for P; None takes the t distribution.
    n_permutations, seed : int
        Of the swaps.
    """

    def __init__(
        self,
        conditions: ConditionDesign,
        measure_name: str,
        units: EffectUnits,
        blocks: IntArray | None,
        *,
        n_permutations: int,
        seed: int,
    ) -> None:
        self._conditions = conditions
        self._names = [f"{name} {measure_name}" for name in conditions.names]
        self._units = units
        self._blocks = blocks
        self.jackknife = StratifiedJackknife(units.first, units.second, conditions.cell)
        self._n_permutations = n_permutations
        self._seed = seed

    @property
    def p_method(self) -> str:
        """How P was made."""
        if self._blocks is not None:
            return f"conditions swapped within {self._units.called} ({self._n_permutations})"
        return f"t test, jackknife over {self._units.called}{self._unequal}"

    @property
    def ci_method(self) -> str:
        """How intervals were made."""
        return f"95 % jackknife over {self._units.called}, t distribution{self._unequal}"

    @property
    def _unequal(self) -> str:
        # People of each kind of conditions have a variance of their own.
        uneven = uneven_note(self.jackknife.uneven, self._units.called)
        if len(self.jackknife.sizes) == 1:
            return uneven
        return f", Welch-Satterthwaite df{uneven and f'{uneven} in one of the conditions'}"

    def measured(self, cells: ConditionScores) -> MeasuredConditions:
        """Measure the conditions of one layer, also without each unit."""
        values, reasons = condition_values(cells)
        replicates = condition_replicates(cells, self.jackknife)
        sides = (self._units.first, self._units.second)
        estimates = condition_estimates(cells, values, replicates, self.jackknife, sides)
        found = ConditionValues(
            values, replicates, estimates, self.jackknife, cells.measure in _SIGNED
        )
        return MeasuredConditions(cells, found, reasons)

    def _permuted(self, cells: ConditionScores, contrast: Contrast) -> Float64Array:
        return permuted_differences(
            cells,
            contrast,
            np.asarray(self._blocks),
            n_permutations=self._n_permutations,
            seed=self._seed,
        )

    def row(self, found: MeasuredConditions) -> tuple[dict[str, Any], str, list[str]]:
        """Give the numbers of one layer.

        Parameters
        ----------
        found : MeasuredConditions
            From `measured`.

        Returns
        -------
        dict
            Conditions and effects, by column.
        str
            Why some of these are NaN.
        list of str
            Those that few errors make conservative.
        """
        row: dict[str, Any] = {}
        for name, condition in zip(self._names, found.conditions.estimates, strict=True):
            row.update(columns_of(name, condition))
        undefined = [
            f"{self._conditions.names[k]}: {reason}" for k, reason in found.reasons.items()
        ]
        for prefix, contrast in self._conditions.contrasts.items():
            effect = effect_of(found.conditions, contrast)
            row.update(columns_of(f"{prefix}Difference", effect.test.estimate))
            row.update(columns_of(f"{prefix}Ratio", effect.ratio))
            row.update(columns_of(f"{prefix}Relative Difference", effect.relative))
            row[f"{prefix}P"] = effect.test.p_value
            if self._blocks is not None:
                permuted = self._permuted(found.cells, contrast)
                row[f"{prefix}P"] = permutation_p(effect.test.estimate.value, permuted)
            strata = self._contributing(found.conditions, contrast)
            if strata:
                sized = standardised(effect.test, *strata)
                row.update(columns_of(f"{prefix}{sized.name}", sized.size))
                row.update(columns_of(f"{prefix}{COMMON_LANGUAGE}", sized.common_language))
            if effect.undefined and not found.reasons:
                undefined.append(f"{prefix}{effect.undefined}")
        few_errors = [
            name
            for name, condition in zip(self._names, found.conditions.estimates, strict=True)
            if condition.few_errors
        ]
        return row, "; ".join(undefined), few_errors + ["their effects"] * bool(few_errors)

    def standardised_name(self) -> str:
        """Name the standardised effect size of this design; empty where there is none."""
        return {1: "dz", 2: "Hedges' g"}.get(len(self._kinds), "")

    @property
    def _kinds(self) -> list[int]:
        """The strata of people that contrasts compare, if these are of one design.

        A single one is in all conditions; of two, each is in those of one side.
        """
        involved = set(self._conditions.involved)
        cells = [own & involved for own in self.jackknife.cells]
        kinds = [k for k, own in enumerate(cells) if own]
        if len(kinds) == 1:
            return kinds if cells[kinds[0]] == involved else []
        (contrast, *others) = self._conditions.contrasts.values()
        sides = [set(contrast.first), set(contrast.second)]
        is_unpaired = not others and [cells[k] for k in kinds] in (sides, sides[::-1])
        return kinds if is_unpaired else []

    def _contributing(
        self, conditions: ConditionValues, contrast: Contrast
    ) -> tuple[tuple[float, ...], list[int]] | None:
        kinds = self._kinds
        if not kinds:
            return None
        weights = weights_of(contrast, conditions.values.size)
        used = np.flatnonzero(weights)
        drawn = conditions.replicates[:, used] @ weights[used]
        parts = self.jackknife.covariances(drawn[:, None])[kinds, 0, 0]
        return tuple(parts.tolist()), [self.jackknife.sizes[k] for k in kinds]

    def interaction(self, first: ConditionScores, second: ConditionScores) -> dict[str, Any]:
        """Compare an effect between two networks; see `EffectTask.compare_models`."""
        contrast = list(self._conditions.contrasts.values())[-1]
        networks = [self.measured(cells) for cells in (first, second)]
        weights = weights_of(contrast, first.n_cells)
        row: dict[str, Any] = {}
        for name, network in zip(("First", "Second"), networks, strict=True):
            effect = tested(network.conditions, weights)
            row.update(columns_of(f"{name} Difference", effect.estimate))
        one, other = (network.conditions for network in networks)
        both = ConditionValues(
            np.concatenate((one.values, other.values)),
            np.concatenate((one.replicates, other.replicates), axis=1),
            [*one.estimates, *other.estimates],
            self.jackknife,
        )
        interaction = tested(both, np.concatenate((weights, -weights)))
        row.update(columns_of("Interaction", interaction.estimate))
        row["P"] = interaction.p_value
        if self._blocks is not None:
            permuted = [self._permuted(network.cells, contrast) for network in networks]
            row["P"] = permutation_p(interaction.estimate.value, permuted[0] - permuted[1])
        return row

    def left_out(self, cells: ConditionScores, groups: JackknifeGroups) -> dict[str, Float64Array]:
        """Measure one layer without each group of people, by column."""
        replicates = condition_replicates(cells, groups)
        found = {name: replicates[:, k] for k, name in enumerate(self._names)}
        effects = ("Difference", "Ratio", "Relative Difference")
        for prefix, contrast in self._conditions.contrasts.items():
            for name, drawn in zip(effects, compared(replicates, contrast), strict=True):
                found[f"{prefix}{name}"] = drawn
        return found
