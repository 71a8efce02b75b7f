"""Verification by the field's protocols, every number with its interval."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import CI_METHOD
from facebench.data.estimates import InfluenceKind
from facebench.data.identity import IdentitySource
from facebench.data.pairs import as_path, is_lfw_list, require_column
from facebench.errors import InputError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.accuracy import kfold_accuracy, kfold_decisions
from facebench.metrics.conditions import ConditionScores
from facebench.metrics.folds import Folds, fold_faults
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.metrics.uncertainty.replicates import (
    fold_accuracy_replicates,
    verification_jackknife,
)
from facebench.metrics.uncertainty.spread import Replicates
from facebench.metrics.verification_report import VerificationReport, verify
from facebench.tasks.base import RoundedTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.arguments import at_least
from facebench.tasks.shared.labelled_pairs import (
    check_both_left,
    count_columns,
    distances_of_pairs,
    find_sampling_units,
    genuine_labels,
    images_folder,
    jackknife_groups_of,
    jackknife_note,
    stratified_folds,
)
from facebench.tasks.shared.people import PeopleSource
from facebench.tasks.shared.people_beside import ComparedMeasure, PeopleOfPairs
from facebench.tasks.shared.rate_measures import (
    D_PRIME,
    ORACLE_ACCURACY,
    columns_of,
    interval_notes,
    rate_measures,
    tar_columns,
)
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import Float64Array, MetricFunction, StrPath

__all__ = ["VerificationTask"]

_log = logging.getLogger(__name__)
_LFW_FOLD = "fold"
# Bands are drawn for the eye.
_BAND_RESAMPLES = 200


class VerificationTask(PeopleOfPairs, RoundedTask):
    """How well does the network verify identity, on pairs it was not tuned on?

    Reports, each with a 95 % interval (``AUC CI Low``, ``AUC CI High``):

    - Accuracy: mean of the folds, each judged at the threshold that is best on the others, with
      Accuracy SE (s / sqrt(folds), as LFW asks) and Threshold (mean of the folds');
    - Oracle Accuracy, Oracle Threshold: with the threshold best on the very pairs it is judged on;
    - AUC, EER with its EER Threshold, and d';
    - TAR@FAR=0.1 and so on with its threshold and the FAR achieved: the largest TAR whose FAR does
      not exceed the target. Targets below 1 / impostor pairs are listed in 'Not Resolvable', see
      `tar_at_far`.

    Scores and thresholds are distances: a pair is accepted if distance <= threshold. A pair whose
    image cannot be read is a failure to process: rejected, and counted in 'Failed'.

    Intervals leave out people in turn, all their pairs with them, or images where people are not
    known ('CI Method' says which), as pairs that share people are not independent; see
    docs/intervals.md for how often they hold the truth.

    Parameters
    ----------
    name, distance_metric
        See `BaseTask`.
    pairs_file_path : str or Path
        A CSV file with ``img1``, ``img2`` and `true_label`, LFW's pairs.txt or pairsDev*.txt, or
        an InsightFace .bin pack.
    images_path : str or Path, optional
        The folder the image names are relative to. A pack brings its own images.
    true_label : str, default 'same'
        Column that is 1 (or true, or 'same') for pairs of one person, 0 (false, 'different') else.
    fold_column : str, optional
        Column that gives each pair's fold. None: the folds of LFW's pairs.txt, else `folds` made
        here, of equal shares of both classes and of different people where that is possible.
    folds : int, default 10
        Number of folds to make; fewer where there are fewer pairs of a class.
    identity : 'folder', pair of str or None, default 'folder'
        Who is on each side: the last folder of the image's path (NAME/NAME_0001.jpg, or
        test/NAME/1.jpg), or two columns of the pairs file. None, images in no folder, or folders
        that contradict the labels: people are unknown, and images are left out in turn.
    far : sequence of float, default 0.1, 0.01, 0.001
        Targets of the false accept rate.
    n_resamples : int, default 1000
        Without effect since intervals leave out people in turn; kept for files that name it.
    seed : int, default 0
        Of folds.
    people : Trials, path or mapping, optional
        People who judged the same pairs as same or different, or the YAML file that describes their
        trials: see `EffectTask`.
    people_groups : bool or list of str, optional
        A row for each group of participants: by default where the trials name two or more.
    people_margin : float or dict, optional
        The smallest difference from people that would matter, for a test of equivalence: of all
        measures, or of each by name.

    Raises
    ------
    PairsError
        If a column is missing, has empty cells or other values, holds one class only, or the folds
        leave no threshold to choose.
    InputError
        If a parameter is not what it should be.
    """

    true_label: str
    handles_failed_pairs = True

    def __init__(
        self,
        name: str,
        pairs_file_path: StrPath,
        images_path: StrPath | None = None,
        distance_metric: MetricFunction = cosine_distances,
        true_label: str = "same",
        fold_column: str | None = None,
        folds: int = 10,
        identity: IdentitySource = "folder",
        *,
        far: Sequence[float] = (1e-1, 1e-2, 1e-3),
        n_resamples: int = 1000,
        seed: int = 0,
        people: PeopleSource = None,
        people_groups: bool | Sequence[str] | None = None,
        people_margin: float | Mapping[str, float] | None = None,
    ) -> None:
        images_path = images_folder(pairs_file_path, images_path, type(self).__name__)
        super().__init__(name, pairs_file_path, images_path, distance_metric)
        self.true_label = true_label
        self.fold_column = fold_column
        self.identity = identity
        self.far = _checked_rates(far)
        owner = type(self).__name__
        where: dict[str, Any] = {"task": name, "owner": owner, "path": pairs_file_path}
        self._all_pairs = pd.DataFrame(self.pairs_df)
        self._labels = genuine_labels(self._all_pairs, true_label, **where)
        self._sampling_units = find_sampling_units(self._all_pairs, self._labels, identity, **where)
        self.folds, self._fold_note = self._make_folds(folds, seed)
        at_least("n_resamples", n_resamples, 1, owner)
        self.sampling_unit = self._sampling_units.plural
        self.measures = (
            Measure("AUC", better="higher", headline=True, chance=0.5, bounds=(0, 1)),
            Measure("Accuracy", better="higher", headline=True, bounds=(0, 1)),
            Measure("Accuracy SE", bounds=(0, 1), shown=False),
            Measure("Threshold", shown=False),
            ORACLE_ACCURACY,
            Measure("Oracle Threshold", shown=False),
            *rate_measures(self.far),
            D_PRIME,
        )
        asked = [
            ComparedMeasure("AUC", "auc"),
            ComparedMeasure("Accuracy", "accuracy"),
            ComparedMeasure("d'", "dprime"),
        ]
        self.people = self._take_people(
            people, people_groups, people_margin, self._labels, self._sampling_units, asked, name
        )

    @override
    def against_people(self, measured: pd.DataFrame) -> dict[str, Any]:
        """Compare a layer with people; see `WithPeople.against_people`."""
        if self.beside is None:
            return {}
        distances = distances_of_pairs(self._all_pairs, measured, task=self.name)
        given: dict[str, Any] = {"higher_is_better": False}
        crossed = kfold_accuracy(self._labels, distances, self.folds, **given)
        right = kfold_decisions(self._labels, distances, self.folds, crossed.thresholds, **given)
        drawn = fold_accuracy_replicates(right, self.folds, self.beside.jackknife)
        cell = np.zeros(distances.size, dtype=np.intp)
        return self.beside.against(
            ConditionScores("auc", cell, self._labels == 1, distances),
            {"Accuracy": (crossed.mean, drawn)},
        )

    def _make_folds(self, n_folds: int, seed: int) -> tuple[NDArray[Any], str]:
        """Read or make the folds, and say what is to be known of them."""
        labels, units = self._labels, self._sampling_units
        column = self.fold_column
        if (
            column is None
            and is_lfw_list(as_path(self.pairs_file_path, "pairs_file_path"))
            and self._all_pairs[_LFW_FOLD].nunique() > 1
        ):
            # pairs.txt: its folds are the protocol.
            column = _LFW_FOLD
        if column is None:
            return self._made_folds(at_least("folds", n_folds, 1, type(self).__name__), seed)
        given = require_column(
            self._all_pairs,
            column,
            parameter="fold_column",
            owner=type(self).__name__,
            path=self.pairs_file_path,
        ).to_numpy()
        names = np.unique(given)
        for fold in names.tolist():
            others = labels[given != fold]
            if others.size == 0 or others.min() == others.max():
                msg = (
                    f"The {column!r} column of {self.pairs_file_path}, the fold_column of "
                    f"{self.name!r}, must leave both classes outside of each fold, to choose a "
                    f"threshold from. Outside of fold {fold!r} there are "
                    f"{int(others.sum())} same and {int((1 - others).sum())} different pairs."
                )
                raise PairsError(msg)
        faults = fold_faults(labels, given, *units.numbers)
        notes = [f"{names.size} from column {column!r}"]
        if faults.shared_members:
            notes.append(f"{faults.shared_members} {units.plural} are in several folds")
        if faults.one_class:
            notes.append(f"{len(faults.one_class)} folds hold one class")
            if _is_sorted(labels):
                notes.append("the file is sorted by label and was cut by position")
        if len(notes) > 1:
            _log.warning("Task %r: folds: %s.", self.name, "; ".join(notes))
        return given, "; ".join(notes)

    def _made_folds(self, n_folds: int, seed: int) -> tuple[NDArray[Any], str]:
        labels, units = self._labels, self._sampling_units
        rarer = int(min(labels.sum(), (1 - labels).sum()))
        if rarer < 2 or n_folds < 2:
            msg = (
                f"{type(self).__name__} {self.name!r} needs two folds or more, and two pairs of "
                f"each class. Got folds={n_folds}, {int(labels.sum())} same and "
                f"{int((1 - labels).sum())} different pairs in {self.pairs_file_path}."
            )
            raise PairsError(msg)
        n_folds = min(n_folds, rarer)

        def made(number: int) -> Folds:
            return stratified_folds(self._all_pairs, labels, units, number, seed=seed)

        of_pair, is_disjoint = made(n_folds)
        if is_disjoint:
            return of_pair, f"{n_folds} folds, stratified, {units.by}-disjoint"
        apart = next((n for n in range(n_folds - 1, 1, -1) if made(n).is_disjoint), None)
        if apart is not None:
            # Where no number of folds would do there is nothing to be done, and 'Folds' tells.
            _log.warning(
                "Task %r: its %d folds share %s, so that thresholds are chosen on some that are "
                "judged; pass folds=%d to keep them apart.",
                self.name,
                n_folds,
                units.plural,
                apart,
            )
        return of_pair, f"{n_folds} folds, stratified, not {units.by}-disjoint"

    @property
    @override
    def influences(self) -> Mapping[str, InfluenceKind]:
        # Pairs that failed are rejected. Other measures are in `left_out`.
        return {"AUC": "auc of all pairs", "EER": "eer of all pairs"}

    @override
    def compute_unrounded_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
        distances = distances_of_pairs(self._all_pairs, pairs_distances_df, task=self.name)
        check_both_left(self._labels, distances, self.name)
        report = verify(
            self._labels,
            distances,
            self.folds,
            self._leave_out[0],
            far=self.far,
            higher_is_better=False,
        )
        return pd.DataFrame([{**_measures(report), **self._context(report, distances)}])

    @cached_property
    def _leave_out(self) -> tuple[JackknifeGroups, str]:
        return jackknife_groups_of(self._all_pairs, self._sampling_units)

    def left_out(self, pairs_distances_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences."""
        distances = distances_of_pairs(self._all_pairs, pairs_distances_df, task=self.name)
        groups, digest = self._leave_out
        given: dict[str, Any] = {"higher_is_better": False}
        rates = {f"TAR@FAR={target:g}": f"tar@{target:g}" for target in self.far}
        names = {"d'": "dprime", "Oracle Accuracy": "best accuracy", **rates}
        made = verification_jackknife(
            self._labels, distances, groups, far=self.far, names=names.values(), **given
        )
        crossed = kfold_accuracy(self._labels, distances, self.folds, **given)
        right = kfold_decisions(self._labels, distances, self.folds, crossed.thresholds, **given)
        found = {column: made[name] for column, name in names.items()}
        found["Accuracy"] = Replicates(
            crossed.mean, fold_accuracy_replicates(right, self.folds, groups), df=groups.df
        )
        return JackknifeReplicates.collect(
            self._sampling_units.by,
            digest,
            {(None, name): values for name, values in found.items()},
        )

    def _context(self, report: VerificationReport, distances: Float64Array) -> dict[str, Any]:
        hidden = [f"{found.target:g}" for found in report.tar if not found.resolvable]
        return {
            "Not Resolvable": f"FAR {', '.join(hidden)} of {report.n_impostor} impostor pairs"
            if hidden
            else "",
            "Distance Metric": self.distance_metric_name,
            "Threshold From": "other folds",
            "Folds": self._fold_note,
            CI_METHOD: jackknife_note(self._sampling_units, self._leave_out[0])
            + interval_notes(report.measures, report.few_errors, distances),
            **count_columns(self._all_pairs, self._sampling_units, distances),
        }

    @override
    def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw accuracy and AUC, error curves, scores and the hardest pairs."""
        for column, file_name in (("Accuracy", "accuracy"), ("AUC", "auc")):
            PlotHelper.bar_plot(
                performances=performances,
                y=column,
                ylabel=column,
                ylim=(0, 1.1),
                title_prefix=f"Verification {column}",
                output_dir=output_dir,
                file_name=f"verification_{file_name}",
            )
        if not optional:
            return
        shown = (performances, optional[0], output_dir)
        people = self.identity if self._sampling_units.by == "identity" else None
        identity: Any = people if people in (None, "folder") else tuple(people)
        for draw, name in ((PlotHelper.roc_plot, "roc"), (PlotHelper.det_plot, "det")):
            draw(*shown, name, self.true_label, identity=identity, n_resamples=_BAND_RESAMPLES)
        PlotHelper.score_histogram(*shown, "scores", self.true_label, threshold_column="Threshold")
        PlotHelper.hardest_pairs(
            *shown,
            "hardest_pairs",
            self.true_label,
            Path(self.images_path),
            threshold_column="Threshold",
        )


def _measures(report: VerificationReport) -> dict[str, float]:
    return {
        **columns_of("Accuracy", report.accuracy),
        "Accuracy SE": report.standard_error,
        **columns_of("Threshold", report.threshold),
        **columns_of("Oracle Accuracy", report.oracle_accuracy),
        **columns_of("Oracle Threshold", report.oracle_threshold),
        **columns_of("AUC", report.auc),
        **columns_of("EER", report.eer),
        **columns_of("EER Threshold", report.eer_threshold),
        **columns_of("d'", report.dprime),
        **tar_columns(report.tar),
    }


def _checked_rates(far: Sequence[float]) -> tuple[float, ...]:
    try:
        rates = tuple(float(rate) for rate in far)
    except (TypeError, ValueError):
        rates = (float("nan"),)
    if not all(0 < rate <= 1 for rate in rates):
        msg = (
            "The 'far' parameter of VerificationTask must be rates above 0, up to 1. "
            f"Got {far!r} instead."
        )
        raise InputError(msg)
    return rates


def _is_sorted(labels: NDArray[np.int8]) -> bool:
    return bool(np.count_nonzero(np.diff(labels)) <= 1)
