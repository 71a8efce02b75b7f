"""Effects of human face perception: a measure compared between conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import CI_METHOD, MODEL, REMARK, UNDEFINED
from facebench.data.estimates import estimates_in
from facebench.data.identity import IdentitySource
from facebench.errors import InputError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.conditions import ConditionScores
from facebench.metrics.conditions import Measure as ConditionMeasure
from facebench.metrics.effects import item_index
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.permutations import exchangeable_blocks
from facebench.metrics.uncertainty.proportions import PROPORTIONS_NOTE, conservative_note
from facebench.tasks.base import RoundedTask
from facebench.tasks.facts import HumanReference, TaskFacts
from facebench.tasks.measures import Measure
from facebench.tasks.shared.arguments import at_least
from facebench.tasks.shared.effect_design import (
    ConditionDesign,
    EffectUnits,
    Side,
    conditions_of,
    effect_sampling_units,
    identity_source,
    items_of,
    labels_of,
    units_of,
)
from facebench.tasks.shared.effect_items import PairedItems
from facebench.tasks.shared.effect_measure import EffectMeasure, contrast_labels
from facebench.tasks.shared.effect_rows import COMMON_LANGUAGE, EffectRows, MeasuredConditions
from facebench.tasks.shared.labelled_pairs import (
    count_columns,
    distances_of_pairs,
    jackknife_groups_of,
)
from facebench.tasks.shared.people import EVERYBODY, PeopleSource, groups_of_people, trials_of
from facebench.tasks.shared.people_answers import PairAnswers
from facebench.tasks.shared.people_beside import ComparedMeasure, PeopleBeside, PeopleOfPairs
from facebench.tasks.shared.rate_measures import columns_of
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import Float64Array, IntArray, MetricFunction, StrPath

if TYPE_CHECKING:
    from facebench.people import Trials

__all__ = ["EffectTask", "HumanReference"]

# What is computed of a contrast, and its value where there is no effect.
_EFFECTS = {"Difference": 0, "Ratio": 1, "Relative Difference": 0}


class EffectTask(PeopleOfPairs, RoundedTask):
    """Does a measure differ between conditions, as it does for people?

    One row per layer: '<condition> <Measure>' for every condition, and of the contrast a against b
    Difference = a - b, Ratio = a / b and Relative Difference = (a - b) / (a + b), each with a 95 %
    interval by the jackknife: the same people (or photographs; whole groups of people where no pair
    links one group to another) are left out of all conditions at once, so that intervals are those
    of paired differences. Where conditions show other people, each kind has a variance of its own
    and the t distribution Welch and Satterthwaite's degrees of freedom. P is that of Difference, by
    the same standard error: it is below .05 exactly where the interval of Difference excludes 0.
    'P Method' and 'CI Method' say how they were made.
    The effect in standard deviations of people is dz where the same people are in all conditions,
    or Hedges' g where they are others, and Common Language is the chance that a person's measure is
    larger in a than in b (see `facebench.metrics.uncertainty.effect_sizes`).
    Ratio and Relative Difference are NaN, and 'Undefined' says why, where their denominator may be
    zero, the latter also where a condition may be (a correlation, d'). Relative Difference is the
    index of the means; 'Mean Item Relative Difference' is the mean
    of the items' own indices (mean distance of paired items only), with 'Items Left Out' those
    whose denominator is next to zero.

    With `factors` the four conditions are all combinations of two columns, and there are three
    effects, '<factor 1> …', '<factor 2> …' (each averaged over the other) and 'Interaction …': the
    difference of differences, ratio of ratios and difference of relative differences of the first
    level of factor 1 (first level of factor 2 against second) against its second. P of the
    interaction swaps the levels of factor 1.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric
        See `BaseTask`.
    measure : str, default 'auc'
        'auc', 'dprime', 'accuracy' (at one threshold for all conditions), 'tar', 'mean distance',
        'pearson' or 'spearman' (with ratings).
    contrast : pair, optional
        The two conditions a and b; either may be several whose measures are averaged. None takes
        the only two, in order of appearance.
    condition_column : str, default 'condition'
        Names each pair's condition.
    factors : pair of str, optional
        Two columns of two values each, instead of `condition_column` and `contrast`.
    true_label : str, default 'same'
        Column that is 1 for pairs of one person; not needed for mean distance and ratings.
    rating_column : str, default 'distance'
        People's ratings, larger for less alike.
    threshold : float, optional
        For accuracy, the largest accepted distance. None takes the best of all conditions together.
    far : float, default 0.01
        For TAR: the false accept rate, whose threshold is found in each condition.
    identity : 'auto', 'folder', pair of str or None
        Who is compared: 'auto' takes the columns identity1 and identity2 where there are both, else
        the last folder of an image's path. None resamples photographs.
    item_column : str, optional
        Names the item of each pair, the same in every condition. By default items are told by
        image names without the folder that all images of a condition share.
    test : {'t', 'permutation'}, default 't'
        'permutation' takes P from swapping conditions within people (or groups of people) who share
        no pair with others: exact, where everyone is in all conditions and there are six or more.
        It may then fall on the other side of .05 than the interval, which stays that of 't'.
    n_permutations : int, default 1000
        Swaps behind P for test='permutation'.
    n_resamples : int, default 1000
        Not used, as intervals need no resamples; accepted so that earlier scripts run.
    seed : int, default 0
        Of the swaps.
    people : Trials, path or mapping, optional
        People who judged the same pairs, in trials of kind 'same-different' or 'rating': see
        `facebench.people.people_of`. They get rows of results, and every layer its difference from
        them; docs/people_and_networks.md says how.
    people_groups : bool or list of str, optional
        A row for each group of participants: by default where the trials name two or more.
    people_rating : {'distance', 'similarity'}
        Whether larger ratings mean less alike or more.
    people_index : {'standardised', 'relative'}
        For mean distances: the difference in standard deviations of pairs, or (a - b) / (a + b),
        which takes ratings that are 0 for what looks the same.
    people_margin : float, optional
        The smallest difference from people that would matter, for a test of equivalence.

    Raises
    ------
    PairsError
        If columns are missing, or a condition has no pairs, fewer than 3 images, or lacks a class.
    InputError
        If a parameter is not what it should be, or conditions cannot be swapped.

    References
    ----------
    B. L. Welch, "The generalization of 'Student's' problem when several different population
    variances are involved", Biometrika 34 (1947) 28-35; J. N. Arvesen, "Jackknifing U-statistics",
    Annals of Mathematical Statistics 40 (1969) 2076-2100; P. Good, "Permutation, parametric and
    bootstrap tests of hypotheses" (2005), on blocks as the units of exchange.
    """

    handles_failed_pairs = True
    effect_name: ClassVar[str] = ""
    # The measures by which a Difference above 0 is called so.
    named_of: ClassVar[Sequence[str]] = ("auc", "dprime", "accuracy", "tar")
    # What a class compares by default; compared the other way round, an effect has no name.
    usual_contrast: ClassVar[Sequence[Side]] = ()

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath,
        distance_metric: MetricFunction = cosine_distances,
        measure: ConditionMeasure = "auc",
        contrast: tuple[Side, Side] | None = None,
        *,
        condition_column: str = "condition",
        factors: tuple[str, str] | None = None,
        true_label: str = "same",
        rating_column: str = "distance",
        threshold: float | None = None,
        far: float = 0.01,
        identity: IdentitySource = "auto",
        item_column: str | None = None,
        n_resamples: int = 1000,
        n_permutations: int = 1000,
        seed: int = 0,
        test: Literal["t", "permutation"] = "t",
        people: PeopleSource = None,
        people_groups: bool | Sequence[str] | None = None,
        people_rating: Literal["distance", "similarity"] = "distance",
        people_index: Literal["standardised", "relative"] = "standardised",
        people_margin: float | None = None,
    ) -> None:
        super().__init__(name, pairs_file_path, images_path, distance_metric)
        owner = type(self).__name__
        self._measure = EffectMeasure(measure, threshold, far, owner)
        self.measure, self.threshold, self.far = measure, threshold, far
        where: dict[str, Any] = {"task": name, "owner": owner, "path": pairs_file_path}
        self._all_pairs = pairs = pd.DataFrame(self.pairs_df)
        self._conditions = self._read_conditions(
            pairs, condition_column, contrast, factors, **where
        )
        labels = labels_of(pairs, true_label, needed=self._measure.needs_labels, **where)
        has_labels = labels is not None
        cell = self._conditions.cell
        involved = np.isin(cell, self._conditions.involved)
        self._items, photographs = items_of(
            pairs, cell, involved, item_column, owner=owner, path=pairs_file_path
        )
        self.identity = identity_source(pairs, labels, identity)
        self._sampling_units = effect_sampling_units(
            pairs, labels, self.identity, photographs, **where
        )
        if labels is None:
            labels = (self._sampling_units.first == self._sampling_units.second).astype(np.int8)
        self._labels = labels.astype(bool)
        self._measure.check_classes(self._conditions, self._labels, task=name, path=pairs_file_path)
        self._ratings: Float64Array | None = None
        if self._measure.needs_ratings:
            self._ratings = self._numbers("rating_column", rating_column).to_numpy(dtype=np.float64)
        at_least("n_resamples", n_resamples, 1, owner)
        units = units_of(self._sampling_units, cell)
        self._rows = EffectRows(
            self._conditions,
            self.measure_name,
            units,
            self._blocks(test, units, involved),
            n_permutations=at_least("n_permutations", n_permutations, 1, owner),
            seed=seed,
        )
        self.sampling_unit = self._sampling_units.plural
        self.measures = self._declared()
        self.people = trials_of(people)
        if self.people is not None:
            answers = self._answers_by_group(
                self.people, people_groups, self._labels if has_labels else None,
                condition_column=condition_column, rating=people_rating,
            )  # fmt: skip
            asked = [
                ComparedMeasure(prefix, measure, each)
                for prefix, each in self._conditions.contrasts.items()
            ]
            self._set_people(
                PeopleBeside(
                    answers, asked, self._rows.jackknife, measure_name=self.measure_name,
                    involved=self._conditions.involved, far=far, index=people_index,
                    margin=people_margin, task=name,
                )
            )  # fmt: skip

    def _answers_by_group(
        self,
        trials: Trials,
        people_groups: bool | Sequence[str] | None,
        labels: NDArray[np.bool_] | None,
        **options: Any,
    ) -> dict[str, PairAnswers]:
        """Find the pairs that each group of participants judged.

        Groups that are the conditions (an upright group and an inverted group) are one row: none of
        them has an effect by itself.
        """
        cell, involved = self._conditions.cell, self._conditions.involved

        def answers_of(groups: Mapping[str, Trials], needed: Sequence[int]) -> Any:
            return {
                group: PairAnswers(
                    own, pd.DataFrame(self._all_pairs), cell, self.conditions, labels,
                    task=self.name, involved=needed, **options,
                )
                for group, own in groups.items()
            }  # fmt: skip

        groups = groups_of_people(trials, people_groups, owner=type(self).__name__)
        if people_groups is not None or len(groups) == 1:
            return dict(answers_of(groups, involved))
        found: dict[str, PairAnswers] = answers_of(groups, [])
        if any(answers.has_conditions(involved) for answers in found.values()):
            for answers in found.values():
                answers.check_conditions(involved)
            return found
        return dict(answers_of({EVERYBODY: trials}, involved))

    def _read_conditions(
        self,
        pairs: pd.DataFrame,
        column: str,
        contrast: tuple[Side, Side] | None,
        factors: tuple[str, str] | None,
        **where: Any,
    ) -> ConditionDesign:
        """Find the conditions of the pairs, and what is compared."""
        return conditions_of(pairs, column, contrast, factors, **where)

    def _blocks(
        self, test: str, units: EffectUnits, involved: NDArray[np.bool_]
    ) -> IntArray | None:
        if test not in ("t", "permutation"):
            msg = (
                f"The 'test' parameter of {type(self).__name__} must be 't' or 'permutation'. Got "
                f"{test!r} instead."
            )
            raise InputError(msg)
        if test == "t":
            return None
        blocks = exchangeable_blocks(units.first, units.second, involved)
        if self._items is None or blocks is None:
            msg = (
                f"test='permutation' of {self.name!r} needs every item in every condition, and six "
                "people (or groups of people) or more who share no pair with others. Conditions "
                "cannot be swapped here; use test='t'."
            )
            raise InputError(msg)
        return blocks

    def _declared(self) -> tuple[Measure, ...]:
        contrasts = self._conditions.contrasts
        # Of a factorial design the interaction is the effect; next comes its first factor.
        first = ["Difference", "Relative Difference"]
        if len(contrasts) > 1:
            first = ["Interaction Difference", f"{next(iter(contrasts))}Difference"]
        effects = {
            f"{prefix}{name}": Measure(f"{prefix}{name}", chance=chance, label=label)
            for prefix, labels in self._labels_of_contrasts().items()
            for (name, chance), label in zip(_EFFECTS.items(), labels, strict=True)
        }
        found = [
            *(replace(effects.pop(name), headline=True) for name in first),
            *effects.values(),
            *(Measure(f"{prefix}P", bounds=(0, 1), shown=False) for prefix in contrasts),
            *self._measure.declared(self.conditions),
        ]
        size = self._rows.standardised_name()
        if size:
            for prefix in contrasts:
                unit = f"{prefix}{size} of {self._measure.label} (standard deviations)"
                found.append(Measure(f"{prefix}{size}", chance=0, label=unit))
            for prefix in contrasts:
                unit = f"{prefix}common-language effect size (probability)"
                found.append(
                    Measure(
                        f"{prefix}{COMMON_LANGUAGE}",
                        chance=0.5,
                        bounds=(0, 1),
                        label=unit[:1].upper() + unit[1:],
                    )
                )
        if self._paired_items() is not None:
            label = "Mean over items of " + next(iter(self._labels_of_contrasts().values()))[2]
            found.append(Measure("Mean Item Relative Difference", chance=0, label=label))
        if self.measure == "accuracy":
            found.append(Measure("Threshold", shown=False))
        return tuple(found)

    def _labels_of_contrasts(self) -> dict[str, tuple[str, str, str]]:
        """Say what difference, ratio and relative difference of each contrast are made of."""
        return {
            prefix: contrast_labels(self._measure.label, contrast, self.conditions)
            for prefix, contrast in self._conditions.contrasts.items()
        }

    @override
    def facts(self) -> TaskFacts:
        effect = {name: f"{name} {self.measure_name}" for name in self.conditions}
        return replace(
            super().facts(),
            effect=effect,
            effect_name=self._effect_name(),
            compared=self._compared(),
        )

    def _compared(self) -> dict[str, int]:
        """Count what is compared, where other conditions are reported beside it."""
        involved = np.isin(self._conditions.cell, self._conditions.involved)
        if involved.all():
            return {}
        found = {"pairs": int(involved.sum())}
        if self._sampling_units.by == "identity":
            both = [
                side[involved] for side in (self._sampling_units.first, self._sampling_units.second)
            ]
            found["people"] = len({name for side in both for name in side} - {""})
        return found

    def _effect_name(self) -> str:
        """Name what a Difference above 0 is called; empty where the design says something else."""
        contrast = self._conditions.contrasts.get("")
        if contrast is None or self.measure not in self.named_of:
            return ""
        first, second = (
            {self.conditions[k] for k in side} for side in (contrast.first, contrast.second)
        )
        usual = [{side} if isinstance(side, str) else set(side) for side in self.usual_contrast]
        turned = bool(usual) and bool(first & usual[1] or second & usual[0])
        return "" if turned else self.effect_name

    @override
    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        names = np.array(self.conditions, dtype=object)[self._conditions.cell]
        return {**super().groupings(), "condition": [names, names]}

    @property
    def conditions(self) -> list[str]:
        """The conditions, in order of first appearance."""
        return list(self._conditions.names)

    @property
    def measure_name(self) -> str:
        """What the measure is called in the results."""
        return self._measure.name

    @override
    def against_people(self, measured: pd.DataFrame) -> dict[str, Any]:
        """Compare a layer with people; see `WithPeople.against_people`."""
        return {} if self.beside is None else self.beside.against(self._cells(measured))

    def _cells(self, pairs_distances_df: pd.DataFrame) -> ConditionScores:
        distances = distances_of_pairs(self._all_pairs, pairs_distances_df, task=self.name)
        return self._measure.cells(self._conditions, self._labels, distances, self._ratings)

    @override
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        cells = self._cells(pairs_distances_df)
        measured = self._rows.measured(cells)
        row, undefined, few_errors = self._rows.row(measured)
        further, why, remark = self._further_columns(measured)
        row.update(further)
        undefined = "; ".join(filter(None, (undefined, why)))
        items = self._paired_items()
        if items is not None:
            estimate, n_left_out = items.mean_index(cells.distances, self._rows.jackknife)
            row.update(columns_of("Mean Item Relative Difference", estimate))
            row.update({"Items": items.rows.size, "Items Left Out": n_left_out})
        row[UNDEFINED] = undefined
        if remark:
            row[REMARK] = remark
        row["P Method"] = self._rows.p_method
        if self.measure == "accuracy":
            row["Threshold"] = cells.threshold
            row["Threshold From"] = "given" if self.threshold is not None else "same pairs"
        row["Distance Metric"] = self.distance_metric_name
        row[CI_METHOD] = self._ci_method + conservative_note(few_errors) + _without_spread(row)
        row.update(count_columns(self._all_pairs, self._sampling_units, cells.distances))
        return pd.DataFrame([row])

    def _further_columns(self, measured: MeasuredConditions) -> tuple[dict[str, Any], str, str]:
        """Give what a subclass reports besides, why some of it is NaN, and what is odd about it."""
        return {}, "", ""

    @property
    def _ci_method(self) -> str:
        is_share = self.measure in ("auc", "accuracy", "tar")
        return f"{self._rows.ci_method}{PROPORTIONS_NOTE if is_share else ''}"

    @cached_property
    def _leave_out(self) -> tuple[JackknifeGroups, str]:
        return jackknife_groups_of(self._all_pairs, self._sampling_units)

    def left_out(self, pairs_distances_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences."""
        groups, digest = self._leave_out
        found = self._rows.left_out(self._cells(pairs_distances_df), groups)
        return JackknifeReplicates(
            self._sampling_units.by,
            digest,
            {(None, name): values for name, values in found.items()},
        )

    def _paired_items(self) -> PairedItems | None:
        """Give the items of the two conditions that are compared one by one, if they are."""
        contrast = next(iter(self._conditions.contrasts.values()))
        single = len(contrast.first) == len(contrast.second) == 1
        if self.measure != "mean distance" or self._items is None or not single:
            return None
        pair = (contrast.first[0], contrast.second[0])
        return PairedItems(self._items, self._conditions.cell, pair)

    def item_values(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """List the items of one layer in both conditions.

        Parameters
        ----------
        pairs_distances_df : DataFrame
            The pairs of one layer with their ``model_computed_distance``.

        Returns
        -------
        DataFrame
            A row per item, in the order of the first condition's pairs: img1 and img2 of that
            condition, the distance in each condition, Difference and Relative Difference.

        Raises
        ------
        InputError
            If the measure is not the mean distance, or items are not in both conditions.
        """
        items = self._paired_items()
        if items is None:
            msg = (
                f"Task {self.name!r} has no values by item: that takes measure='mean distance', a "
                "contrast of two conditions, and items that are in both once (item_column)."
            )
            raise InputError(msg)
        distances = self._cells(pairs_distances_df).distances
        first, second = items.values(distances)
        found = self._all_pairs.iloc[items.rows][["img1", "img2"]].reset_index(drop=True)
        for k, values in zip(items.pair, (first, second), strict=True):
            found[self.conditions[k]] = values
        found["Difference"] = first - second
        found["Relative Difference"] = item_index(first, second)
        return found

    def compare_models(self, first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
        """Compare the effect between two networks: the interaction of network and condition.

        Such as race of the faces in training against race of the faces shown.

        Parameters
        ----------
        first, second : DataFrame
            One layer's pairs with their ``model_computed_distance``, of each network.

        Returns
        -------
        DataFrame
            One row: the Difference of either network, and Interaction = first - second, with
            intervals and P from leaving the same people out of both. With `factors`, the Difference
            is that of their interaction.
        """
        row = self._rows.interaction(self._cells(first), self._cells(second))
        row["P Method"] = self._rows.p_method
        row[CI_METHOD] = self._ci_method
        return pd.DataFrame([row])

    @override
    def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw every condition and effect with its interval, and the effect over the layers."""
        effects = [f"{prefix}Difference" for prefix in self._conditions.contrasts]
        values = [f"{name} {self.measure_name}" for name in self.conditions]
        beside = [] if self.beside is None else self.beside.comparables()
        if beside and beside != effects and performances[beside].notna().any(axis=None):
            # On the index that means the same of people and networks.
            PlotHelper.effect_plot(performances, values, beside, output_dir, "effect_beside_people")
            if performances.groupby(MODEL, sort=False).size().max() > 2:
                PlotHelper.plot_layer_profile(
                    performances, beside, output_dir, "effect_beside_people_over_layers",
                    label="Difference, on people's index",
                )  # fmt: skip
        PlotHelper.effect_plot(performances, values, effects, output_dir, "effect")
        if performances.groupby(MODEL, sort=False).size().max() > 2:
            PlotHelper.plot_layer_profile(
                performances, effects, output_dir, "effect_over_layers",
                label=f"Difference in {self.measure_name}",
            )  # fmt: skip


def _without_spread(row: Mapping[str, Any]) -> str:
    """Say which intervals have no width since all people are alike; empty if there are none."""
    found = estimates_in(pd.DataFrame([row]))
    alike = [one.measure for one in found if one.low is not None and one.low == one.high]
    return f"; no width, as all people are alike: {', '.join(alike)}" if alike else ""
