"""Pictures of representations: values with intervals, RDMs, maps of images, likeness of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facebench.columns import LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.figures.records.layer_choice import few_layers, few_of_each, in_pages
from facebench.figures.records.run_facts import humans_of, is_lower_better, levels_of
from facebench.figures.records.tables import (
    cell_text,
    check_column,
    check_columns,
    check_table,
    checked_levels,
    checked_limits,
    draw_tasks,
    interval_of,
    layer_distances,
    row_labels,
    row_models,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from facebench.figures.drawing.intervals import Whisker
    from facebench.figures.records.tables import Distances

__all__ = ["RepresentationPlots"]

# What a page has room for: rows of dots, matrices and maps besides people's.
_MOST_ROWS, _MOST_MATRICES, _MOST_MAPS = 45, 24, 15

_PAIR = ("img1", "img2", "model_computed_distance")


class RepresentationPlots:
    """The pictures of `PlotHelper` that show how networks arrange images."""

    @staticmethod
    def interval_plot(
        performances: pd.DataFrame,
        y: str,
        ylabel: str,
        title_prefix: str,
        output_dir: str | Path,
        file_name: str,
        *,
        reference: tuple[float, str] | Sequence[tuple[float, str]] | None = None,
        ylim: tuple[float | None, float | None] | None = None,
    ) -> list[Path]:
        """Draw a measure as dots with their intervals: a row per model and layer, in order.

        The noise ceiling, people and chance are drawn across the rows where the table of a run
        knows them.

        Parameters
        ----------
        performances : pandas.DataFrame
            The columns 'Task Name', 'Model Name', 'Layer Name' and `y`; the interval is in
            '<y> CI Low' and '<y> CI High', if there.
        y, ylabel : str
            The column of the measure and its name on the axis.
        title_prefix : str
            The title is ``<title_prefix>: <task>``.
        output_dir : str or Path
            Where the pictures go; made if need be.
        file_name : str
            The files are called ``<task>_<file_name>.png``, unsafe characters replaced.
        reference : (float, str), or a sequence of them, optional
            Values to mark with a line, and their names, such as ``(0.0, "chance")``; in place of
            the chance that the table knows.
        ylim : tuple of (float or None), optional
            The ends of the measure's axis.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            If the table is empty or lacks a column, or the measure is not numeric.
        """
        where = "PlotHelper.interval_plot"
        check_table(performances, where, (TASK, MODEL, LAYER))
        check_column(performances, where, "y", y)
        limits = checked_limits(ylim, where)
        given = checked_levels(reference, where)

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            from facebench.figures.drawing.intervals import interval_figure
            from facebench.figures.drawing.people import Beside

            known = levels_of(rows, y)
            levels = (
                known
                if given is None
                else [*given, *(level for level in known if level.name != "chance")]
            )
            every = _whiskers(rows, y, where)

            def page(own: pd.DataFrame, note: str) -> Figure:
                return interval_figure(
                    _whiskers(own, y, where),
                    title=f"{title_prefix}: {task}",
                    value_label=ylabel,
                    beside=Beside(levels, humans_of(rows, y)),
                    limits=limits,
                    note=note,
                    scale_of=every,
                )

            best: Any = {y: "lowest" if is_lower_better(rows, y) else "highest"}
            shown, note = few_of_each(rows, _MOST_ROWS, best)
            return in_pages(shown, _MOST_ROWS, page, note)

        return draw_tasks(performances, output_dir, file_name, draw)

    @staticmethod
    def rdm_plot(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        *,
        reference: str | None = None,
        details: Mapping[tuple[str, str], str] | None = None,
        most_panels: int | None = None,
    ) -> list[Path]:
        """Draw the distances of all pairs of images as matrices: a panel per model and layer.

        Colours show ranks, as distances of different layers have no common scale.

        Parameters
        ----------
        performances : pandas.DataFrame
            The columns 'Task Name', 'Model Name' and 'Layer Name': a panel per row.
        distances : mapping
            ``distances[model_name][task_name]`` is a DataFrame with the columns 'layer_name',
            'img1', 'img2' and 'model_computed_distance'. Pairs that are missing stay grey.
        output_dir : str or Path
            Where the pictures go; made if need be.
        file_name : str
            The files are called ``<task>_<file_name>.png``, unsafe characters replaced.
        reference : str, optional
            A column of the tables, such as people's distances, for a panel of its own before
            the others.
        details : mapping of (str, str) to str, optional
            By model and layer, a line to write over its panel.
        most_panels : int, optional
            Of more rows show some, the best of every model among them, and say so in the figure;
            at most what a page has room for.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            If a table is empty or lacks a column, or a row of it has no distances.
        """
        where = "PlotHelper.rdm_plot"
        check_table(performances, where, (TASK, MODEL, LAYER))

        most = min(most_panels or _MOST_MATRICES, _MOST_MATRICES)

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            shown, note = few_layers(rows, most)
            return in_pages(shown, most, lambda own, said: page(task, own, said), note)

        def page(task: str, rows: pd.DataFrame, note: str) -> Figure:
            from facebench.figures.drawing.rdm import Matrix, matrix_figure

            panels: list[Matrix] = []
            names: list[str] = []
            for model, layer, label in zip(rows[MODEL], rows[LAYER], row_labels(rows), strict=True):
                table = _pairs_of(distances, model, task, layer, where)
                names, values = _matrix(table, "model_computed_distance")
                if reference is not None and not panels:
                    check_columns(table, f"The distances of {task!r} in {where}", (reference,))
                    panels.append(Matrix("people", "", _matrix(table, reference)[1]))
                detail = (details or {}).get((model, layer), "")
                panels.append(Matrix(label, detail, values))
            return matrix_figure(
                panels,
                names,
                title=f"Distances of all pairs: {task}",
                value_label="Rank of distance",
                ranked=True,
                note=note,
            )

        return draw_tasks(performances, output_dir, file_name, draw)

    @staticmethod
    def mds_plot(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        *,
        groups: Mapping[str, str] | None = None,
        pictures: Mapping[str, NDArray[np.uint8]] | None = None,
        reference: str | None = None,
        most_panels: int | None = None,
    ) -> list[Path]:
        """Draw maps on which images that are alike are near: a panel per model and layer.

        By metric multidimensional scaling, whose stress is written over each panel. Images with a
        missing pair are left out of that panel's map.

        Parameters
        ----------
        performances, distances, output_dir, file_name
            As in `rdm_plot`.
        groups : mapping of str to str, optional
            A group by image, such as its identity; groups have colours.
        pictures : mapping of str to array, optional
            A small picture [H, W, 3] by image, drawn in place of a dot.
        reference, most_panels
            As in `rdm_plot`; a reference that lacks too many pairs for a map has none.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            As `rdm_plot`; also if no three images have all their pairs.
        """
        where = "PlotHelper.mds_plot"
        check_table(performances, where, (TASK, MODEL, LAYER))

        most = min(most_panels or _MOST_MAPS, _MOST_MAPS)

        def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
            shown, note = few_layers(rows, most)
            return in_pages(shown, most, lambda own, said: page(task, own, said), note)

        def page(task: str, rows: pd.DataFrame, note: str) -> Figure:
            from facebench.figures.drawing.mds import ImageMap, map_figure
            from facebench.metrics.mds import mds
            from facebench.metrics.rdm import condensed

            charts: list[ImageMap] = []
            for model, layer, label in zip(rows[MODEL], rows[LAYER], row_labels(rows), strict=True):
                table = _pairs_of(distances, model, task, layer, where)
                wanted = [(label, "model_computed_distance")]
                if reference is not None and not charts:
                    check_columns(table, f"The distances of {task!r} in {where}", (reference,))
                    wanted.insert(0, ("people", reference))
                for title, column in wanted:
                    names, values = _complete(*_matrix(table, column))
                    if column == reference and (len(names) < 3 or values.min() < 0):
                        # Ratings may be on any scale; a map needs distances.
                        continue
                    if len(names) < 3:
                        message = f"A map of {task!r} needs all pairs of three images or more."
                        raise InputError(message)
                    found = mds(condensed(values))
                    detail = f"stress {found.stress:.2f}"
                    charts.append(ImageMap(title, detail, found.places, names))
            return map_figure(
                charts,
                title=f"Maps of images: {task}",
                groups=groups,
                pictures=pictures,
                note=note,
            )

        return draw_tasks(performances, output_dir, file_name, draw)

    @staticmethod
    def likeness_plot(
        likeness: pd.DataFrame,
        task: str,
        output_dir: str | Path,
        file_name: str,
        *,
        title_prefix: str = "Likeness of layers",
        value_label: str = "Likeness",
    ) -> list[Path]:
        """Draw how alike layers are, as a matrix of layers by layers, with lines between models.

        Parameters
        ----------
        likeness : pandas.DataFrame
            Square, its rows named by model and layer, as `rdm_similarity` returns it.
        task : str
            The task it is about.
        output_dir : str or Path
            Where the picture goes; made if need be.
        file_name : str
            The file is called ``<task>_<file_name>.png``, unsafe characters replaced.
        title_prefix, value_label : str
            The title is ``<title_prefix>: <task>``; the measure is called `value_label`.

        Returns
        -------
        list of Path
            The file written.
        """
        import pandas as pd

        def draw(task: str, rows: pd.DataFrame) -> Figure:
            from facebench.figures.drawing.rdm import MOST_NAMED, Matrix, matrix_figure

            named = pd.DataFrame(list(likeness.index), columns=[MODEL, LAYER])
            few = len(named) <= MOST_NAMED
            return matrix_figure(
                [Matrix("", "", likeness.to_numpy(dtype=float))],
                row_labels(named) if few else [cell_text(layer) for layer in named[LAYER]],
                title=f"{title_prefix}: {task}",
                value_label=value_label,
                size=max(2.4, min(9.0, 0.3 * len(named), 2.0 + 0.12 * len(named))),
                alike=True,
                groups=row_models(named),
            )

        return draw_tasks(pd.DataFrame({TASK: [task]}), output_dir, file_name, draw)


def _whiskers(rows: pd.DataFrame, y: str, where: str) -> list[Whisker]:
    from facebench.figures.drawing.intervals import Whisker

    value, low, high = interval_of(rows, y, f"performances in {where}")
    named = zip(row_models(rows), row_labels(rows), value, low, high, strict=True)
    return [Whisker(model, label, *map(float, ends)) for model, label, *ends in named]


def _pairs_of(distances: Distances, model: str, task: str, layer: str, where: str) -> pd.DataFrame:
    return layer_distances(distances, model, task, layer, _PAIR, where)


def _matrix(table: pd.DataFrame, column: str) -> tuple[list[str], NDArray[np.float64]]:
    """Arrange a column of pairs as a square matrix, images in order of first appearance."""
    import numpy as np

    from facebench.metrics.rdm import rdm_from_pairs, square

    names = list(dict.fromkeys([*table["img1"], *table["img2"]]))
    place = {name: row for row, name in enumerate(names)}
    first, second = (
        np.array([place[name] for name in table[side]], dtype=np.intp) for side in ("img1", "img2")
    )
    return names, square(rdm_from_pairs(first, second, table[column].to_numpy(float), len(names)))


def _complete(
    names: Sequence[str], values: NDArray[np.float64]
) -> tuple[list[str], NDArray[np.float64]]:
    """Leave out images until no pair is missing, those that lack most first."""
    import numpy as np

    kept = np.arange(len(names))
    while (missing := np.isnan(values[np.ix_(kept, kept)])).any():
        kept = np.delete(kept, missing.sum(axis=0).argmax())
    return [names[int(row)] for row in kept], values[np.ix_(kept, kept)]
