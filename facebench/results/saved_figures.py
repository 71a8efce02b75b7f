"""The figures of a saved run, drawn from its folder alone: nothing is measured again."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from facebench.columns import (
    CONDITION,
    LAYER,
    MODEL,
)
from facebench.errors import InputError, UnknownNameError
from facebench.figures.kinds import KINDS, OF_ALL_TASKS
from facebench.figures.output import FORMATS, draw_pages, figure_output
from facebench.figures.plot_helper import PlotHelper
from facebench.figures.records.tables import check_column
from facebench.results.figure_kinds import (
    BY_THEMSELVES,
    DRAWN_BY,
    FigureRequest,
    can_draw,
    check_options,
)
from facebench.results.saved_tables import measures_in, task_table
from facebench.tasks.measures import measures_for
from facebench.types import StrPath
from facebench.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from facebench.results.reader import Run

__all__ = ["FIGURES_FOLDER", "Figures", "draw_run", "plot_run"]


class Figures(tuple["Figure", ...]):
    """The pages of a figure, each a `matplotlib.figure.Figure`; a notebook shows them."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return f"Figures({len(self)} page{'s' * (len(self) != 1)})"

    def _repr_html_(self) -> str:
        shown = []
        for figure in self:
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=100, bbox_inches="tight")
            data = base64.b64encode(buffer.getvalue()).decode()
            shown.append(f'<img alt="figure" src="data:image/png;base64,{html.escape(data)}">')
        return "\n".join(shown)


FIGURES_FOLDER = "Figures"
# Of a profile there is little to see.
_FEW_LAYERS = 2


def plot_run(
    run: Run,
    kind: str,
    task: str | None = None,
    *,
    models: str | Iterable[str] | None = None,
    layers: str | Iterable[str] | None = None,
    measure: str | Sequence[str] | None = None,
    output: StrPath | None = None,
    **options: Any,
) -> Figures:
    """Draw a figure of a saved run; see `Run.plot`, which has the same parameters.

    Parameters
    ----------
    run : Run
        From `load_run`.
    kind, task, models, layers, measure, output, **options
        See `Run.plot`.

    Raises
    ------
    InputError
        If the kind is not known, the task cannot be drawn so, or the file is of another format.
    UnknownNameError
        If the run lacks the task, a model, a layer or the measure.
    """
    target = None if output is None else _checked_target(Path(output))
    of_models, of_layers = _as_list(models), _as_list(layers)
    _check_kind(run, kind, task)
    check_options(kind, options)
    with figure_output((), keep=True) as drawn:
        if kind in OF_ALL_TASKS:
            _draw_all(run, kind, task, of_models, of_layers, measure, Path(), kind, options)
        else:
            name = _only_task(run, kind, task)
            asked = FigureRequest(run, name, of_models, of_layers, measure, Path(), kind, options)
            DRAWN_BY[kind].draw(asked)
    if not drawn.figures:
        msg = f"There is nothing to draw as {kind!r} of {task!r}."
        raise InputError(msg)
    if target is not None:
        with figure_output([target.suffix]):
            draw_pages(target, lambda: drawn.figures)
    return Figures(drawn.figures)


def draw_run(
    run: Run,
    folder: StrPath,
    formats: Sequence[str] = ("png",),
    *,
    tasks: Sequence[str] | None = None,
    kinds: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
) -> list[Path]:
    """Draw all figures of a saved run that its tasks allow, without measuring again.

    Parameters
    ----------
    run : Run
        From `load_run`.
    folder : str or Path
        Where the files go, as ``<task>_<kind>.<format>``; made if need be.
    formats : sequence of {'png', 'pdf', 'svg'}
        What each figure is written as.
    tasks, kinds, models : sequence of str, optional
        Only these. Kinds are those of `Run.plot`.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError, UnknownNameError
        As `Run.plot`.
    """
    from facebench.utils.progress import Progress

    wanted = list(run.tasks) if tasks is None else list(tasks)
    for kind in kinds or ():
        _check_kind(run, kind, None, any_task=True)
        check_options(kind, {})
    if models is not None:
        _check_models(run, models)
    drawn_of: list[tuple[str, str]] = []
    for task in wanted:
        own = [
            kind
            for kind in kinds or _without_repeats(run, task)
            if kind not in OF_ALL_TASKS and can_draw(kind, run, task)
        ]
        drawn_of += [(task, kind) for kind in own]
    of_all = [kind for kind in kinds or OF_ALL_TASKS if kind in OF_ALL_TASKS]
    if kinds is None and len(wanted) < 2:
        of_all = []
    if not drawn_of and not of_all:
        msg = f"No task of {', '.join(wanted) or run.id} can be drawn as {', '.join(kinds or ())}."
        raise InputError(msg)
    folder = Path(folder)
    with (
        figure_output(formats) as output,
        Progress("Drawing", len(drawn_of) + len(of_all), "figures", logged=False) as progress,
    ):
        for task, kind in drawn_of:
            progress.begin(f"{task}: {kind}")
            known = set(task_table(run, task)[MODEL])
            there = models if models is None else [name for name in models if name in known]
            if there is None or there:
                DRAWN_BY[kind].draw(FigureRequest(run, task, there, None, None, folder, kind, {}))
            progress.advance(1)
        for kind in of_all:
            progress.begin(kind)
            _draw_all(run, kind, wanted, models, None, None, folder, kind, {})
            progress.advance(1)
    return list(output.paths)


def _without_repeats(run: Run, task: str) -> list[str]:
    """Give the kinds that show a task, without those that repeat another."""
    table = task_table(run, task)
    kinds = [kind for kind in BY_THEMSELVES if can_draw(kind, run, task)]
    leave = set()
    if "effect" in kinds or "series" in kinds:
        leave.add("bars")
    if "series" in kinds:
        leave.add("effect")
    if table.groupby(MODEL, sort=False)[LAYER].nunique().max() <= _FEW_LAYERS or CONDITION in table:
        leave.add("profile")
    return [kind for kind in kinds if kind not in leave]


def _draw_all(
    run: Run,
    kind: str,
    tasks: str | Sequence[str] | None,
    models: Sequence[str] | None,
    layers: Sequence[str] | None,
    measure: Any,
    folder: Path,
    file_name: str,
    options: Mapping[str, Any],
) -> None:
    names = list(run.tasks) if tasks is None else _as_list(tasks) or []
    tables = {task: task_table(run, task) for task in names}
    if models is not None:
        _check_models(run, models)
        tables = {task: table[table[MODEL].isin(models)] for task, table in tables.items()}
        tables = {task: table for task, table in tables.items() if len(table)}
    if kind == "families":
        given: dict[str, Any] = dict(options)
        if layers is not None:
            of = {str(model): None for table in tables.values() for model in table[MODEL]}
            given["layers"] = {
                model: [
                    layer
                    for layer in layers
                    if any(
                        ((table[MODEL] == model) & (table[LAYER].astype(str) == layer)).any()
                        for table in tables.values()
                    )
                ]
                for model in of
            }
        PlotHelper.family_plot(tables, folder, file_name, **given)
        return
    measures: dict[str, str] = {}
    for task, table in tables.items():
        if CONDITION in table or (layers is not None and table.empty):
            # A map has one value of a layer.
            continue
        known = measures_in(table)
        wanted = measure if isinstance(measure, str) else (measure or {}).get(task)
        if wanted is not None:
            check_column(table, "Run.plot", "measure", wanted)
        measures[task] = wanted or next(iter(measures_for(run.tasks[task], known)))
    if layers is not None:
        tables = {
            task: table[table[LAYER].astype(str).isin(list(layers))]
            for task, table in tables.items()
        }
        measures = {task: name for task, name in measures.items() if len(tables[task])}
    if measures:
        PlotHelper.layer_heat_map(tables, measures, folder, file_name, **options)


def _check_models(run: Run, models: Sequence[str]) -> None:
    for name in models:
        if name not in run.models:
            msg = (
                f"The run has no results of a model {name!r}. It has: {', '.join(run.models)}."
                f"{did_you_mean(name, run.models)}"
            )
            raise UnknownNameError(msg)


def _check_kind(run: Run, kind: str, task: str | None, *, any_task: bool = False) -> None:
    if kind not in KINDS:
        msg = (
            f"The kind of a figure must be one of {', '.join(KINDS)}. Got {kind!r} instead."
            f"{did_you_mean(kind, KINDS)}"
        )
        raise InputError(msg)
    if kind in OF_ALL_TASKS or any_task:
        return
    name = _only_task(run, kind, task)
    if not can_draw(kind, run, name):
        other = [each for each in DRAWN_BY if can_draw(each, run, name)]
        msg = (
            f"Task {name!r} ({run.tasks[name].type}) cannot be drawn as {kind!r}: that needs "
            f"{DRAWN_BY[kind].needs}. It can be drawn as {', '.join(other)}."
        )
        raise InputError(msg)


def _only_task(run: Run, kind: str, task: str | None) -> str:
    if task is None:
        able = [name for name in run.tasks if can_draw(kind, run, name)] or list(run.tasks)
        if len(able) == 1:
            return able[0]
        msg = f"Give the 'task' to draw as {kind!r}. The run has: {', '.join(able) or 'none'}."
        raise InputError(msg)
    if task not in run.tasks:
        task_table(run, task)
    return task


def _checked_target(path: Path) -> Path:
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        msg = (
            "The 'output' parameter of Run.plot must be a file that ends in "
            f"{', '.join(f'.{name}' for name in FORMATS)}. Got '{path}' instead."
        )
        raise InputError(msg)
    return path


def _as_list(names: str | Iterable[str] | None) -> list[str] | None:
    return None if names is None else [names] if isinstance(names, str) else list(names)
