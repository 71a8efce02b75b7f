"""Fairness: errors per group of people at one threshold for all."""

from __future__ import annotations

import logging
import math
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import CI_METHOD, CONDITION
from facebench.data.identity import IdentitySource
from facebench.errors import InputError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.accuracy import accepted_at
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.verification import fnmr_at_fmr
from facebench.tasks.base import RoundedTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.arguments import at_least
from facebench.tasks.shared.group_measures import (
    ALL_GROUPS,
    EQUALITY,
    Cell,
    GroupMeasures,
    cells_of,
)
from facebench.tasks.shared.groupings import condition_names
from facebench.tasks.shared.labelled_pairs import (
    SamplingUnits,
    check_both_left,
    count_columns,
    distances_of_pairs,
    find_sampling_units,
    genuine_labels,
    images_folder,
    jackknife_groups_of,
    jackknife_note,
)
from facebench.tasks.shared.pair_groups import GROUP_COLUMNS, Groups, groups_of_pairs
from facebench.tasks.shared.rate_measures import D_PRIME, columns_of, interval_notes
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import Float64Array, MetricFunction, StrPath

__all__ = ["GroupErrorTask"]

_log = logging.getLogger(__name__)
_FAIRNESS_NOTE = "; ratios, FDR and GARBE by test inversion, equal groups by permuting people"


class GroupErrorTask(RoundedTask):
    """Does the network err alike for all groups of people (by age, sex, ethnicity …)?

    One threshold holds for all groups, as in use. Reports a row (Condition) per group, with FMR
    (impostor pairs within the group), FNMR, AUC and d'; per two groups, and for 'between groups',
    with FMR; and for 'all groups', which also has the fairness measures: FMR and FNMR Max/Min and
    Max/Geomean (1 is fair), FDR (1 is fair) and GARBE (0 is fair), over the groups with genuine
    and impostor pairs. Each with a 95 % interval and its counts. 'P', 'FMR P' and 'FNMR P' test, by
    permuting people among groups, that both rates, or one, are the same in all; the intervals of
    the fairness measures reach the fair value exactly where P (that of the rate for ratios) is .05
    or more. FDR here is the fairness discrepancy rate. Pairs without a group count for the
    threshold only, and are counted in 'Pairs Without Group'; failed pairs are rejected.

    Parameters
    ----------
    name, pairs_file_path, images_path, distance_metric, true_label, identity
        See `VerificationTask`.
    groups : pair of str, path or mapping, default ('group1', 'group2')
        Two columns of the pairs file with the group of each image; or a .json file (person →
        group), a .csv file (a header, then person or image, and group), or a dict.
    threshold : float, optional
        The largest accepted distance, chosen elsewhere. None takes it from these pairs, at `fmr`.
    fmr : float, default 0.01
        False match rate over all pairs that the threshold is chosen for.
    n_resamples : int, default 1000
        Drawn tables and permutations behind intervals and P of fairness, at the threshold as it
        is; other intervals leave out people in turn.
    seed : int, default 0
        Of these.

    Raises
    ------
    PairsError
        If columns or files are missing or contradict each other, or there are fewer than two
        groups, or too few impostor pairs for `fmr`.
    InputError
        If a parameter is not what it should be.
    """

    citations = ("howard2022fairness",)
    handles_failed_pairs = True
    true_label: str
    measures = (
        Measure("GARBE", better="lower", headline=True, bounds=(0, 1), label="GARBE (0 is fair)"),
        Measure("AUC", better="higher", headline=True, chance=0.5, bounds=(0, 1)),
        Measure("FMR", better="lower", bounds=(0, 1), label="False match rate (FMR)"),
        Measure("FNMR", better="lower", bounds=(0, 1), label="False non-match rate (FNMR)"),
        D_PRIME,
        Measure(
            "FMR Max/Min",
            better="lower",
            bounds=(1, math.inf),
            label="FMR, largest ÷ smallest (1 is fair)",
        ),
        Measure(
            "FMR Max/Geomean",
            better="lower",
            bounds=(1, math.inf),
            label="FMR, largest ÷ geometric mean (1 is fair)",
        ),
        Measure(
            "FNMR Max/Min",
            better="lower",
            bounds=(1, math.inf),
            label="FNMR, largest ÷ smallest (1 is fair)",
        ),
        Measure(
            "FNMR Max/Geomean",
            better="lower",
            bounds=(1, math.inf),
            label="FNMR, largest ÷ geometric mean (1 is fair)",
        ),
        Measure(
            "FDR",
            better="higher",
            bounds=(0, 1),
            label="Fairness discrepancy rate (1 is fair)",
        ),
        *(Measure(name, bounds=(0, 1), shown=False) for name in EQUALITY),
        Measure("Threshold", shown=False),
    )

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath | None = None,
        distance_metric: MetricFunction = cosine_distances,
        true_label: str = "same",
        groups: Groups = GROUP_COLUMNS,
        threshold: float | None = None,
        fmr: float = 0.01,
        identity: IdentitySource = "folder",
        *,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> None:
        owner = type(self).__name__
        images_path = images_folder(pairs_file_path, images_path, owner)
        super().__init__(name, pairs_file_path, images_path, distance_metric)
        self.true_label = true_label
        self.identity = identity
        self.threshold = threshold
        self.fmr = fmr
        where: dict[str, Any] = {"task": name, "owner": owner, "path": pairs_file_path}
        self._labels = genuine_labels(self.pairs_df, true_label, **where)
        self._check_threshold()
        self._sampling_units = find_sampling_units(self.pairs_df, self._labels, identity, **where)
        first, second = groups_of_pairs(
            self.pairs_df,
            self._labels,
            self._sampling_units,
            groups,
            task=name,
            path=pairs_file_path,
        )
        self._group_columns = self._keep_groups(groups, first, second)
        self._all_pairs = pd.DataFrame(self.pairs_df)
        self._known = (first != "") & (second != "")
        self._people = self._sampling_units.numbers
        self._cells = list(cells_of(self._known, first, second, self._people))
        self._groups = [cell for cell in self._cells if cell.has_genuine][:-1]
        if len(self._groups) < 2:
            only = self._groups[0].condition
            msg = f"{owner} {name!r} compares two groups or more. Got {only!r:.200} only."
            raise PairsError(msg)
        n_unknown = int(np.count_nonzero(~self._known))
        if n_unknown:
            _log.warning(
                "Task %r: %d of %d pairs have no group on one side or both; they only count for "
                "the threshold.",
                name,
                n_unknown,
                len(self._labels),
            )
        self._n_draws = at_least("n_resamples", n_resamples, 1, owner)
        self._seed = seed
        self.sampling_unit = self._sampling_units.plural

    def _check_threshold(self) -> None:
        if self.threshold is not None:
            if not isinstance(self.threshold, int | float) or np.isnan(self.threshold):
                msg = (
                    "The 'threshold' parameter of GroupErrorTask must be a distance or None. "
                    f"Got {self.threshold!r} instead."
                )
                raise InputError(msg)
            return
        if not isinstance(self.fmr, int | float) or not 0 < self.fmr <= 1:
            msg = (
                "The 'fmr' parameter of GroupErrorTask must be a rate above 0, up to 1. "
                f"Got {self.fmr!r} instead."
            )
            raise InputError(msg)
        labels = self._labels
        if np.isnan(fnmr_at_fmr(labels, np.zeros(labels.size), self.fmr).threshold):
            msg = (
                f"A threshold at an FMR of {self.fmr:g} cannot be estimated from the "
                f"{int((1 - labels).sum())} impostor pairs of task {self.name!r}. Give a larger "
                "'fmr', or a 'threshold' chosen elsewhere."
            )
            raise PairsError(msg)

    def _keep_groups(
        self, groups: Groups, first: NDArray[np.str_], second: NDArray[np.str_]
    ) -> tuple[str, str]:
        """Let the groups travel with the pairs, into the exported distances and the pictures."""
        if isinstance(groups, list | tuple):
            return groups[0], groups[1]
        for column, values in zip(GROUP_COLUMNS, (first, second), strict=True):
            if column in self.pairs_df.columns:
                msg = (
                    f"The pairs file {self.pairs_file_path} has a column {column!r} already. Leave "
                    "'groups' at its default to use it, or rename it."
                )
                raise PairsError(msg)
            self.pairs_df[column] = values
        return GROUP_COLUMNS

    @override
    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        columns = [self.pairs_df[column] for column in self._group_columns]
        return {**super().groupings(), "group": [condition_names(values) for values in columns]}

    @override
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        """Give a row per group, per two groups, between groups and for all; see the class."""
        distances = distances_of_pairs(self._all_pairs, pairs_distances_df, task=self.name)
        check_both_left(self._labels, distances, self.name)
        threshold, measured = self._measured(distances)
        rows = []
        for cell in self._cells:
            found = measured.rates(cell) | (measured.separation(cell) if cell.has_genuine else {})
            row: dict[str, Any] = {
                CONDITION: cell.condition,
                "Group 1": cell.groups[0],
                "Group 2": cell.groups[1],
            }
            for name, estimate in found.items():
                row.update(columns_of(name, estimate))
            few_errors = measured.few_errors(cell, found)
            if cell.condition == ALL_GROUPS:
                row.update(measured.fairness(self._groups, n_draws=self._n_draws, seed=self._seed))
                row["Pairs Without Group"] = int(np.count_nonzero(~self._known))
                few_errors += measured.few_errors_in(self._groups)
            context = self._context(cell, threshold, distances)
            context[CI_METHOD] += interval_notes(found, few_errors)
            rows.append({**row, **context})
        return pd.DataFrame(rows)

    def _measured(self, distances: Float64Array) -> tuple[float, GroupMeasures]:
        threshold = self.threshold
        if threshold is None:
            found = fnmr_at_fmr(self._labels, distances, self.fmr, higher_is_better=False)
            threshold = found.threshold
        accepted = accepted_at(-distances, -threshold)
        return threshold, GroupMeasures(self._labels, distances, accepted, self._people)

    @cached_property
    def _leave_out(self) -> tuple[JackknifeGroups, str]:
        return jackknife_groups_of(self._all_pairs, self._sampling_units)

    def left_out(self, pairs_distances_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences."""
        distances = distances_of_pairs(self._all_pairs, pairs_distances_df, task=self.name)
        groups, digest = self._leave_out
        _, measured = self._measured(distances)
        return JackknifeReplicates(
            self._sampling_units.by, digest, measured.left_out(self._cells, groups)
        )

    def _context(self, cell: Cell, threshold: float, distances: Float64Array) -> dict[str, Any]:
        labels = self._labels[cell.chosen]
        units = SamplingUnits(
            self._sampling_units.by,
            self._sampling_units.first[cell.chosen],
            self._sampling_units.second[cell.chosen],
        )
        chosen_from = "given" if self.threshold is not None else f"same pairs, FMR {self.fmr:g}"
        return {
            "Threshold": threshold,
            "Threshold From": chosen_from,
            "Distance Metric": self.distance_metric_name,
            CI_METHOD: jackknife_note(units, cell.people)
            + (_FAIRNESS_NOTE if cell.condition == ALL_GROUPS else ""),
            "Genuine Pairs": int(labels.sum()),
            "Impostor Pairs": int((1 - labels).sum()),
            **count_columns(self._all_pairs[cell.chosen], units, distances[cell.chosen]),
        }

    @override
    def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw the rates of every group, and the FMR within and between groups as a heat map."""
        names = [cell.condition for cell in self._groups]
        groups = performances[performances[CONDITION].isin(names)]
        for column in ("FMR", "FNMR"):
            PlotHelper.bar_plot(
                performances=groups,
                y=column,
                ylabel=column,
                x=CONDITION,
                xlabel="Group",
                title_prefix=f"{column} per group",
                output_dir=output_dir,
                file_name=f"group_{column.lower()}",
            )
        if optional:
            PlotHelper.group_heat_map(
                performances[performances[CONDITION] == ALL_GROUPS],
                optional[0],
                output_dir,
                "group_heat_map",
                self.true_label,
                group_columns=self._group_columns,
                threshold_column="Threshold",
            )
