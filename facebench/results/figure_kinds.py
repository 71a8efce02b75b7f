"""The kinds of figures that the results of one task can be drawn as."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from facebench.columns import CONDITION, LAYER, MODEL, TASK, TRAINING_SERIES, interval_columns
from facebench.errors import InputError
from facebench.figures.plot_helper import PlotHelper
from facebench.figures.records.tables import check_column
from facebench.results.exports import noted_measures
from facebench.results.saved_tables import chosen_rows, measures_in, task_table
from facebench.tasks.measures import measures_for
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from facebench.results.reader import Run
    from facebench.results.task_facts import TaskFacts

__all__ = ["BY_THEMSELVES", "DRAWN_BY", "FigureRequest", "can_draw", "check_options"]


@dataclass(frozen=True)
class FigureRequest:
    """What is to be drawn of a task, and where PlotHelper is to write it."""

    run: Run
    task: str
    models: Sequence[str] | None
    layers: Sequence[str] | None
    measure: str | Sequence[str] | None
    folder: Path
    file_name: str
    options: Mapping[str, Any]

    @property
    def facts(self) -> TaskFacts:
        """What is known of the task."""
        return self.run.tasks[self.task]

    @cached_property
    def table(self) -> pd.DataFrame:
        """The results of the models and layers asked for."""
        return chosen_rows(task_table(self.run, self.task), self.models, self.layers, self.task)

    @cached_property
    def distances(self) -> dict[str, dict[str, pd.DataFrame]]:
        """Their distances, by model and task."""
        found = {}
        for model, rows in self.table.groupby(MODEL, sort=False):
            layers = list(dict.fromkeys(rows[LAYER].astype(str)))
            found[str(model)] = {self.task: self.run.task_distances(str(model), self.task, layers)}
        return found

    @property
    def headline(self) -> str:
        """The measure asked for, or the one that stands for the task."""
        if self.measure is not None:
            names = [self.measure] if isinstance(self.measure, str) else list(self.measure)
            for name in names:
                check_column(self.table, "Run.plot", "measure", name)
            return names[0]
        known = measures_in(self.table)
        return next(iter(measures_for(self.facts, known)), "")

    @property
    def label(self) -> str:
        """What the axis calls that measure."""
        measure = measures_for(self.facts, [self.headline])[self.headline]
        return measure.label or self.headline

    @property
    def where(self) -> tuple[Path, str]:
        """The folder and the name of the file, as PlotHelper takes them."""
        return self.folder, self.file_name


def _bars(asked: FigureRequest) -> None:
    rows = asked.table
    conditions: dict[str, Any] = {"x": CONDITION} if CONDITION in rows else {}
    PlotHelper.bar_plot(
        rows, asked.headline, asked.label, asked.headline, *asked.where,
        **{**conditions, **asked.options},
    )  # fmt: skip


def _intervals(asked: FigureRequest) -> None:
    PlotHelper.interval_plot(
        asked.table, asked.headline, asked.label, asked.headline, *asked.where, **asked.options
    )


def _profile(asked: FigureRequest) -> None:
    effects = _effects(asked)
    measure = asked.measure or effects or asked.headline
    for name in [measure] if isinstance(measure, str) else measure:
        check_column(asked.table, "Run.plot", "measure", name)
    options: dict[str, Any] = dict(asked.options)
    if CONDITION in asked.table and "condition" not in options:
        options["condition"] = str(asked.table[CONDITION].iloc[0])
    single = measure if isinstance(measure, str) else measure[0] if len(measure) == 1 else None
    if single is not None:
        options.setdefault("label", measures_for(asked.facts, [single])[single].label or single)
    PlotHelper.plot_layer_profile(asked.table, measure, *asked.where, **options)


def _effects(asked: FigureRequest) -> list[str]:
    return list(noted_measures(measures_for(asked.facts, measures_in(asked.table)),
                               asked.facts.effect)[1].get("effects", []))  # fmt: skip


def _effect(asked: FigureRequest) -> None:
    conditions = [name for name in asked.facts.effect.values() if name in asked.table]
    PlotHelper.effect_plot(asked.table, conditions, _effects(asked), *asked.where, **asked.options)


def _labelled(draw: Callable[..., Any], asked: FigureRequest) -> None:
    options: dict[str, Any] = dict(asked.options)
    if draw in (PlotHelper.roc_plot, PlotHelper.det_plot):
        identity = asked.facts.identity
        options.setdefault("identity", tuple(identity) if isinstance(identity, list) else identity)
    elif draw is not PlotHelper.error_discard_plot and "Threshold" in asked.table:
        options.setdefault("threshold_column", "Threshold")
    if draw is PlotHelper.hardest_pairs:
        options.setdefault("images_path", asked.facts.images_path)
    table = asked.table
    if CONDITION in table:
        # One row of a layer is enough: curves are of its distances.
        table = table[~table.duplicated([MODEL, LAYER]).to_numpy()]
    draw(table, asked.distances, *asked.where, asked.facts.label_column, **options)


def _scatter(asked: FigureRequest) -> None:
    columns = asked.facts.rating_columns
    distances = asked.distances
    if columns:
        distances = {
            model: {
                task: table.assign(distance=table[columns].apply(_as_numbers).mean(axis=1))
                for task, table in by_task.items()
            }
            for model, by_task in distances.items()
        }
    rows = asked.table.rename(columns={asked.headline: "Correlation Score"})
    rows = rows.assign(**{"Correlation Metric": asked.headline})
    names = {"xlabel": "Mean rating"} if columns else {}
    PlotHelper.scatter_plot(rows, distances, *asked.where, **{**names, **asked.options})


def _as_numbers(column: pd.Series) -> pd.Series:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce")


def _cmc(asked: FigureRequest) -> None:
    import pandas as pd

    from facebench.tasks.shared.ranked_items import cmc_curve

    curves = []
    for model, layer in dict.fromkeys(zip(asked.table[MODEL], asked.table[LAYER], strict=True)):
        items = asked.distances[str(model)][asked.task]
        curve = cmc_curve(items[items["layer_name"].astype(str) == str(layer)])
        curves.append(curve.assign(**{TASK: asked.task, MODEL: model, LAYER: layer}))
    PlotHelper.cmc_plot(pd.concat(curves, ignore_index=True), *asked.where, **asked.options)


def _matrices(draw: Callable[..., Any], asked: FigureRequest) -> None:
    draw(asked.table, asked.distances, *asked.where, **asked.options)


def _likeness(asked: FigureRequest) -> None:
    from facebench.tasks.shared.layer_similarity import rdm_similarity

    likeness = rdm_similarity(asked.distances, asked.task)
    PlotHelper.likeness_plot(
        likeness, asked.task, *asked.where,
        **{"title_prefix": "Likeness of RDMs", "value_label": "Spearman", **asked.options},
    )  # fmt: skip


def _series(asked: FigureRequest) -> None:
    import pandas as pd

    measure, parts = "", []
    for name, column in asked.facts.effect.items():
        measure = column.removeprefix(f"{name} ")
        own = interval_columns(column)
        present = [each for each in own if each in asked.table]
        renamed = dict(zip(own, interval_columns(measure), strict=True))
        part = asked.table[[TASK, MODEL, LAYER, *present]].rename(columns=renamed)
        parts.append(part.assign(Level=float(name)))
    table = pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)
    PlotHelper.series_plot(
        table, "Level", measure, *asked.where,
        **{"xlabel": asked.facts.condition_column or "Level", **asked.options},
    )  # fmt: skip


def _training(asked: FigureRequest) -> None:
    PlotHelper.training_plot(asked.table, asked.headline, *asked.where, **asked.options)


class FigureKind(NamedTuple):
    """A kind of figure: what draws it, with which method of PlotHelper, and what it needs."""

    draw: Callable[[FigureRequest], None]
    method: Callable[..., Any]
    needs: str = ""


_LABELS, _ALL_PAIRS = "labels of identity", "all pairs of its images"


def _of_labels(method: Callable[..., Any], needs: str = _LABELS) -> FigureKind:
    return FigureKind(partial(_labelled, method), method, needs)


DRAWN_BY: dict[str, FigureKind] = {
    "bars": FigureKind(_bars, PlotHelper.bar_plot),
    "intervals": FigureKind(_intervals, PlotHelper.interval_plot),
    "profile": FigureKind(_profile, PlotHelper.plot_layer_profile),
    "effect": FigureKind(_effect, PlotHelper.effect_plot, "conditions to compare"),
    "series": FigureKind(_series, PlotHelper.series_plot, "ordered conditions"),
    "roc": _of_labels(PlotHelper.roc_plot),
    "det": _of_labels(PlotHelper.det_plot),
    "scores": _of_labels(PlotHelper.score_histogram),
    "hardest": _of_labels(PlotHelper.hardest_pairs, f"{_LABELS}, and images"),
    "groups": _of_labels(PlotHelper.group_heat_map, "groups of people"),
    "discard": _of_labels(PlotHelper.error_discard_plot),
    "scatter": FigureKind(_scatter, PlotHelper.scatter_plot, "given distances or ratings"),
    "cmc": FigureKind(_cmc, PlotHelper.cmc_plot, "a gallery"),
    "rdm": FigureKind(partial(_matrices, PlotHelper.rdm_plot), PlotHelper.rdm_plot, _ALL_PAIRS),
    "mds": FigureKind(partial(_matrices, PlotHelper.mds_plot), PlotHelper.mds_plot, _ALL_PAIRS),
    "likeness": FigureKind(_likeness, PlotHelper.likeness_plot, _ALL_PAIRS),
    "training": FigureKind(
        _training, PlotHelper.training_plot, "networks that are checkpoints of a training"
    ),
}
_OF_ALL: dict[str, Callable[..., Any]] = {
    "map": PlotHelper.layer_heat_map,
    "families": PlotHelper.family_plot,
}
# What `Run.plot` gives these methods itself.
_GIVEN = frozenset(
    [
        *("performances", "distances", "curves", "likeness", "task", "output_dir", "file_name"),
        *("y", "x", "measure", "label_column", "conditions", "effects"),
    ]
)


def check_options(kind: str, options: Mapping[str, Any]) -> None:
    """Refuse options that the method which draws a kind lacks, or one that it needs.

    Raises
    ------
    InputError
        Naming the option, and those that there are.
    """
    method = _OF_ALL[kind] if kind in _OF_ALL else DRAWN_BY[kind].method
    known = [name for name in inspect.signature(method).parameters if name not in _GIVEN]
    for name in options:
        if name not in known:
            msg = (
                f"A figure of the kind {kind!r} has no option {name!r}. It has: "
                f"{', '.join(known)}.{did_you_mean(name, known)}"
            )
            raise InputError(msg)
    if kind == "discard" and "quality" not in options:
        msg = "Give the 'quality' of a figure of the kind 'discard': a column of the pairs file."
        raise InputError(msg)


# What `draw_run` draws where it can; the others need to be asked for, or repeat one of these.
BY_THEMSELVES = (
    *("bars", "profile", "effect", "series", "roc", "det", "scores", "hardest", "groups"),
    *("scatter", "cmc", "rdm", "mds", "likeness", "training"),
)


def can_draw(kind: str, run: Run, task: str) -> bool:
    """Tell whether a task has what a kind of figure needs."""
    facts = run.tasks[task]
    levels = bool(facts.effect) and all(map(_is_number, facts.effect))
    labelled = facts.label_column is not None and facts.type != "SimilarityTask"
    if kind in ("roc", "det", "scores", "discard"):
        return labelled
    known: dict[str, Callable[[], bool]] = {
        "effect": lambda: bool(facts.effect),
        "series": lambda: levels,
        "hardest": lambda: labelled and Path(facts.images_path or "\0").is_dir(),
        "groups": lambda: facts.type == "GroupErrorTask",
        "scatter": lambda: bool(facts.rating_columns) or facts.correlation is not None,
        "cmc": lambda: facts.type == "IdentificationTask",
        "training": lambda: any(
            known.get(TRAINING_SERIES) for known in run.manifest["models"].values()
        ),
    }
    if kind in ("rdm", "mds", "likeness"):
        return facts.type == "RsaTask"
    return known[kind]() if kind in known else True


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
