"""Does the network order faces by their similarity to a target as people do?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from typing_extensions import override

from facebench.columns import (
    CI_METHOD,
    CONDITION,
    DISTANCE_METRIC,
    N_FAILED,
    N_IDENTITIES,
    N_IMAGES,
    N_PAIRS,
)
from facebench.errors import InputError, PairsError
from facebench.figures.plot_helper import PlotHelper
from facebench.metrics.choices import share_of_most
from facebench.metrics.uncertainty.jackknife import JackknifeGroups, JackknifeReplicates
from facebench.people import Trials
from facebench.people.trials import PARTICIPANT, RESPONSE
from facebench.tasks.embedding import EmbeddingTask
from facebench.tasks.measures import Measure
from facebench.tasks.shared.answered_items import trials_of_kind
from facebench.tasks.shared.distance_metric import DistanceMetric
from facebench.tasks.shared.item_rows import ItemRow, rows_of_people
from facebench.tasks.shared.labelled_pairs import jackknife_note
from facebench.tasks.shared.line_ups import LineUps, read_line_ups
from facebench.tasks.shared.people import PARTICIPANTS, groups_of_people
from facebench.tasks.shared.people_choices import as_line_ups, different_line_ups
from facebench.tasks.shared.people_orders import PeopleOrders
from facebench.tasks.shared.sklearn_distances import cosine_distances
from facebench.types import Float64Array, FloatArray, IntArray, MetricFunction, StrPath

__all__ = ["RankingTask"]

_ALL = "all trials"
_MEASURES = ("Kendall Tau-b", "Top-1 Agreement", "Concordance")


class RankingTask(EmbeddingTask):
    """Does the network order alternatives by similarity to a target as people do?

    The network's order is that of distance. It is compared with the order that each participant
    gave in each trial, and averaged over trials: Kendall Tau-b; Top-1 Agreement (how often both put
    the same alternative first; ties share) and Concordance (the share of pairs of alternatives in
    the same order), with intervals over targets and the others in a line-up.

    Where two or more people ordered a line-up, the ceilings are what people reach: Noise Ceiling
    Lower, the agreement of one person with the mean order of the others, and Noise Ceiling Upper,
    with that of all; Share of Ceiling = tau-b / Noise Ceiling Lower on these line-ups; Top-1
    Ceiling, how often a person's first is the most frequent first of the others; and Kendall W, the
    concordance among people.

    Parameters
    ----------
    name : str
        Unique name of the task.
    trials : str, Path or DataFrame, optional
        ``target``, ``alt1`` … ``altK``, and unless `people` is given ``order``: the names of the
        alternatives from the most to the least similar, joined by '|', a row per answer. A column
        ``participant`` says whose it is. Alternatives that an order leaves out tie behind those
        that it names.
    images_path : str or Path
        The folder the image names are relative to.
    distance_metric : callable, default sklearn's ``cosine_distances``
        Distance of two [1, D] tensors.
    condition_column : str, default 'condition'
        The column of the condition, if there is one.
    people : Trials, mapping, str or Path, optional
        Trials of kind 'order', or their description.
    people_groups : bool or sequence of str, optional
        See `MatchingTask`.

    Raises
    ------
    PairsError
        If a table lacks something, or an order names other images than the alternatives.
    InputError
        If there are no orders, or two sources of them.

    References
    ----------
    M. G. Kendall, Biometrika 33 (1945) 239-251 (tau-b).
    """

    item_name = "line-ups"
    citations = ("kendall1945ties",)

    def __init__(
        self,
        name: str,
        trials: StrPath | pd.DataFrame | None = None,
        images_path: StrPath = ".",
        distance_metric: MetricFunction = cosine_distances,
        *,
        condition_column: str = "condition",
        people: Any = None,
        people_groups: bool | Sequence[str] | None = None,
    ) -> None:
        owner = type(self).__name__
        self.people = trials_of_kind(people, "order", task=name)
        answers, shown = _orders_of(trials, self.people, owner)
        self.line_ups = LineUps(different_line_ups(shown)[1], shown.source, owner)
        rows = self.line_ups.rows
        self.condition_column = condition_column if condition_column in rows else None
        if condition_column != "condition" and self.condition_column is None:
            msg = (
                f"The 'condition_column' parameter of {owner} must be a column of "
                f"{self.line_ups.source} that is the same whenever a line-up is shown (there are: "
                f"{', '.join(map(str, rows))}). Got {condition_column!r} instead."
            )
            raise PairsError(msg)
        super().__init__(name, self.line_ups.images, images_path)
        self.distance_metric = DistanceMetric(distance_metric, owner=owner)
        self.distance_metric_name = self.distance_metric.name
        self._orders = PeopleOrders(answers, self.line_ups, task=name)
        self._units = self.line_ups.sides()
        self.sampling_unit = self._units.plural
        self._groups = JackknifeGroups(self._units.first, self._units.second)
        self._parts = {_ALL: np.ones(len(rows), dtype=bool)}
        if self.condition_column is not None:
            values = rows[self.condition_column].astype(str).to_numpy(dtype=object)
            self._parts |= {str(value): values == value for value in dict.fromkeys(values)}
        self._members = {
            group: self._orders.members(part)
            for group, part in groups_of_people(answers, people_groups, owner=owner).items()
        }
        # How each trial agrees with the others, which does not depend on a layer.
        self._lower = self._orders.agreement_with(self._orders.of_others)
        self._by_participant = {
            condition: self._participants(chosen) for condition, chosen in self._parts.items()
        }
        self.measures = self._declared()

    @property
    def _has_ceiling(self) -> bool:
        """Whether a line-up was ordered by two people."""
        return bool((self._orders.answers.per_item > 1).any())

    def _declared(self) -> tuple[Measure, ...]:
        n_offered = self.line_ups.offered.sum(axis=1)
        same = float(1 / n_offered[0]) if np.ptp(n_offered) == 0 else None
        found = [
            Measure(
                "Kendall Tau-b",
                better="higher",
                headline=True,
                chance=0,
                bounds=(-1, 1),
                ceiling=("Noise Ceiling Lower", "Noise Ceiling Upper"),
                label="Kendall's τ-b with people's orders",
            ),
            Measure(
                "Top-1 Agreement",
                better="higher",
                chance=same,
                bounds=(0, 1),
                ceiling=("Top-1 Ceiling",),
                label="Agreement on the first (share of line-ups)",
            ),
            Measure("Concordance", better="higher", chance=0.5, bounds=(0, 1)),
        ]
        if self._has_ceiling:
            found += [
                Measure("Noise Ceiling Lower", bounds=(-1, 1), shown=False),
                Measure("Noise Ceiling Upper", bounds=(-1, 1), shown=False),
                Measure(
                    "Share of Ceiling",
                    better="higher",
                    chance=0,
                    label="Share of the lower noise ceiling (1 is the ceiling)",
                ),
                Measure("Top-1 Ceiling", bounds=(0, 1), shown=False),
                Measure("Kendall W", bounds=(0, 1), shown=False),
            ]
        return tuple(found)

    def _participants(self, chosen: NDArray[np.bool_]) -> dict[str, Float64Array]:
        """Measure each participant against the mean order of the others."""
        answers = self._orders.answers
        return {
            name: answers.with_values(values).means_in(chosen)
            for name, values in self._lower.items()
        }

    @override
    def groupings(self) -> dict[str, list[NDArray[Any]]]:
        """Say whether an image is a target; see `EmbeddingTask.groupings`."""
        role = np.full(len(self.images), "alternative", dtype=object)
        role[self.line_ups.target_codes] = "target"
        return {"role": [role]}

    @override
    def compute_items(self, embeddings: FloatArray) -> pd.DataFrame:
        """Order the alternatives of every line-up.

        Returns
        -------
        DataFrame
            A row per line-up: target, alternatives, distance_1 … distance_K, order (the network's),
            answers (how many people ordered it), and the mean over these of kendall_tau_b,
            top_1_agreement and concordance.
        """
        return self._items(self.line_ups.distances(embeddings, self.distance_metric))

    @override
    def image_pairs(self) -> tuple[IntArray, IntArray]:
        return self.line_ups.pairs()

    @override
    def items_of_distances(self, distances: Float64Array) -> pd.DataFrame:
        return self._items(self.line_ups.placed(distances))

    def _items(self, distances: Float64Array) -> pd.DataFrame:
        items = self.line_ups.with_distances(distances)
        failed: NDArray[np.bool_] = np.asarray(np.isnan(distances).any(axis=1))
        ranked = np.take_along_axis(self.line_ups.names, np.argsort(distances, axis=1), axis=1)
        joined = ["|".join(filter(None, row)) for row in ranked.tolist()]
        items["order"] = np.where(failed, "", np.array(joined, dtype=object))
        answers = self._orders.answers
        items["answers"] = answers.per_item.astype(int)
        known = np.where(failed[:, None] | np.isinf(distances), np.nan, distances)
        for name, values in self._orders.agreement_with(known[answers.item]).items():
            items[_column(name)] = answers.with_values(values).item_means
        return items

    @override
    def compute_task_performance(self, items_df: pd.DataFrame) -> pd.DataFrame:
        rows = []
        answers = self._orders.answers
        distances = items_df[self.line_ups.distance_columns]
        lost = distances.isna().to_numpy(dtype=bool) & self.line_ups.offered
        failed = np.asarray(lost.any(axis=1))
        for condition, row in self._measured(items_df).items():
            chosen = row.chosen
            targets = np.unique(self._units.first[chosen]).size
            in_row = chosen[answers.item]
            named = {} if self.condition_column is None else {CONDITION: condition}
            counts: dict[str, Any] = {
                "Trials": int(in_row.sum()),
                "Line-ups": int(chosen.sum()),
                PARTICIPANTS: int(np.unique(answers.participant[in_row]).size),
                "Missing Responses": self._orders.n_missing,
                N_PAIRS: int(chosen.sum()),
                N_IMAGES: self.line_ups.n_images(chosen),
                N_IDENTITIES: targets if self._units.by == "identity" else math.nan,
                N_FAILED: int((chosen & failed).sum()),
                DISTANCE_METRIC: self.distance_metric_name,
                CI_METHOD: jackknife_note(self._units, self._groups),
            }
            rows.append({**named, **row.columns, **counts})
        return pd.DataFrame(rows)

    def _measured(self, items: pd.DataFrame) -> dict[str, ItemRow]:
        number = self._orders.answers.per_item
        values = {name: items[_column(name)].to_numpy(dtype=np.float64) for name in _MEASURES}
        rows = {}
        for condition, chosen in self._parts.items():
            row = rows[condition] = ItemRow(self._groups, chosen)
            row.mean("Kendall Tau-b", values["Kendall Tau-b"], weights=number, scale="fisher")
            for name in ("Top-1 Agreement", "Concordance"):
                row.mean(name, values[name], weights=number, scale="logit")
            if self._has_ceiling:
                for name, means in self._ceilings.items():
                    scale = "logit" if name == "Top-1 Ceiling" else "fisher"
                    row.mean(name, means, weights=number, scale=scale)  # type: ignore[arg-type]
                tau, lower = values["Kendall Tau-b"], self._ceilings["Noise Ceiling Lower"]
                row.ratio("Share of Ceiling", tau, lower, number)
                row.mean("Kendall W", self._orders.concordance)
            self._add_people(row, condition)
        return rows

    @cached_property
    def _ceilings(self) -> dict[str, Float64Array]:
        """What people reach in each line-up, which does not depend on a layer."""
        orders = self._orders
        of_trials = {
            "Noise Ceiling Lower": self._lower["Kendall Tau-b"],
            "Noise Ceiling Upper": orders.agreement_with(orders.of_all)["Kendall Tau-b"],
            "Top-1 Ceiling": self._first_of_others(),
        }
        return {
            name: orders.answers.with_values(values).item_means
            for name, values in of_trials.items()
        }

    def _first_of_others(self) -> Float64Array:
        """Tell how often a trial's first alternative is the most frequent first of the others."""
        orders, answers = self._orders, self._orders.answers
        firsts = orders.is_first / orders.is_first.sum(axis=1, keepdims=True)
        counts = np.zeros((answers.n_items, firsts.shape[1]))
        np.add.at(counts, answers.item, firsts)
        others = np.where(self.line_ups.offered[answers.item], counts[answers.item] - firsts, -1.0)
        found = share_of_most(others.round(9), orders.is_first.argmax(axis=1))
        return np.asarray(np.where(answers.per_item[answers.item] > 1, found, np.nan))

    def _add_people(self, row: ItemRow, condition: str) -> None:
        if self.people is None:
            return
        known = {
            measure: values
            for measure, values in self._by_participant[condition].items()
            if np.isfinite(values).any()
        }
        row.against_groups(known, self._members)

    @override
    def people_rows(self) -> pd.DataFrame | None:
        """Measure people as layers are measured: each against the mean order of the others.

        Returns
        -------
        DataFrame or None
            See `EmbeddingTask.people_rows`.
        """
        if self.people is None or not self._has_ceiling:
            return None
        rows = rows_of_people(
            self._by_participant,
            self._members,
            "Kendall Tau-b",
            has_conditions=self.condition_column is not None,
        )
        return pd.DataFrame(rows)

    def left_out(self, items_df: pd.DataFrame) -> JackknifeReplicates:
        """Measure one layer without each group of people in turn, for errors of differences.

        Parameters
        ----------
        items_df : DataFrame
            As `compute_task_performance` takes it.

        Returns
        -------
        JackknifeReplicates
        """
        digest = self._groups.digest(
            self.line_ups.rows["target"], *self.line_ups.names.T.astype(str)
        )
        found = {
            (None if self.condition_column is None else condition, name): made
            for condition, row in self._measured(items_df).items()
            for name, made in row.replicates.items()
        }
        return JackknifeReplicates.collect(self._units.by, digest, found)

    @staticmethod
    @override
    def plot(output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
        """Draw tau-b of every model and layer with its interval, a picture per task."""
        PlotHelper.interval_plot(
            performances, "Kendall Tau-b", "Kendall's tau-b", "Orders of similarity",
            output_dir, "ranking", reference=(0.0, "chance"),
        )  # fmt: skip


def _column(measure: str) -> str:
    return measure.lower().replace(" ", "_").replace("-", "_")


def _orders_of(
    trials: StrPath | pd.DataFrame | None, people: Trials | None, owner: str
) -> tuple[Trials, LineUps]:
    """Give people's orders, and the line-ups of the task, a row per trial or line-up."""
    if trials is None:
        if people is None:
            msg = f"{owner} needs 'trials', a table of orders, or 'people', who gave some."
            raise InputError(msg)
        return people, as_line_ups(people, people.table)
    given = read_line_ups(trials, owner=owner)
    if (people is None) != ("order" in given.rows):
        msg = (
            f"{owner} needs orders from one source: a column 'order' in {given.source}, or "
            "'people'."
        )
        raise InputError(msg)
    return (_as_trials(given) if people is None else people), given


def _as_trials(given: LineUps) -> Trials:
    """Take a table with a column of orders as trials; rows without a participant are one each."""
    rows = given.rows
    if PARTICIPANT not in rows:
        # The first answer to each line-up may be from any participant, the second one from another.
        number = rows.groupby(pd.factorize(given.keys())[0]).cumcount() + 1
        rows = rows.assign(**{PARTICIPANT: number.astype(str)})
    return Trials(rows.rename(columns={"order": RESPONSE}), "order", given.source)
