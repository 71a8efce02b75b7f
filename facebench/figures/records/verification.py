"""The pictures of verification: error curves, histograms, group errors and the hardest pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from facebench.columns import LAYER, MODEL, TASK
from facebench.errors import InputError
from facebench.figures.records.error_curves import det_figure, discard_figure, roc_figure
from facebench.figures.records.layer_choice import few_layers, in_pages
from facebench.figures.records.pair_pictures import groups_figure, hardest_figure, scores_figure
from facebench.figures.records.scores import LayerScores, each_layer, identity_columns
from facebench.figures.records.tables import check_column, check_table, draw_tasks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from facebench.data.identity import IdentitySource
    from facebench.figures.records.tables import Distances

__all__ = ["VerificationPlots"]

# Model-layers of a page: panels of curves and histograms, and strips of faces.
_MOST_PANELS, _MOST_SHEETS = 20, 3


class VerificationPlots:
    """Draw what verification found; see `facebench.figures.plot_helper.PlotHelper`."""

    @staticmethod
    def roc_plot(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        label_column: str,
        identity: IdentitySource = None,
        n_resamples: int = 1000,
    ) -> list[Path]:
        """Draw receiver operating characteristics: TMR over the logarithm of FMR.

        Curves are exact, as steps, and begin at the smallest FMR that the impostors resolve. Up to
        six share their axes; more get a panel each, with the others in grey behind.

        Parameters
        ----------
        performances : pandas.DataFrame
            The columns 'Task Name', 'Model Name', 'Layer Name'.
        distances : mapping
            ``distances[model_name][task_name]`` is a DataFrame with the columns 'layer_name',
            'model_computed_distance' and `label_column`.
        output_dir : str or Path
            Where the pictures go; made if need be.
        file_name : str
            The files are called ``<task>_<file_name>.png``, unsafe characters replaced.
        label_column : str
            1 (or true, or 'same') for pairs of one person, 0 for others.
        identity : {'folder'} or pair of str, optional
            Who is on each side: the last folder of ``img1`` and ``img2``, or two columns. The band
            then resamples people; without it, and where no identities are known (see
            `facebench.data.identity`), pairs, which makes it too narrow where pairs share people.
        n_resamples : int, default 1000
            Resamples of the pointwise 95 % band; 0 draws none.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            If a table lacks something, or holds what cannot be a label or a distance.
        """
        where = "PlotHelper.roc_plot"
        return _draw(
            where,
            performances,
            distances,
            output_dir,
            file_name,
            label_column,
            lambda layers, task, note: roc_figure(layers, task, identity, n_resamples, note),
            columns=identity_columns(identity, where),
        )

    @staticmethod
    def det_plot(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        label_column: str,
        identity: IdentitySource = None,
        n_resamples: int = 1000,
    ) -> list[Path]:
        """Draw detection error tradeoffs: FNMR over FMR, both on the scale of normal deviates.

        Parameters
        ----------
        performances, distances, output_dir, file_name, label_column, identity, n_resamples
            As in `roc_plot`.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            As `roc_plot`.
        """
        where = "PlotHelper.det_plot"
        return _draw(
            where,
            performances,
            distances,
            output_dir,
            file_name,
            label_column,
            lambda layers, task, note: det_figure(layers, task, identity, n_resamples, note),
            columns=identity_columns(identity, where),
        )

    @staticmethod
    def error_discard_plot(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        label_column: str,
        quality: str | tuple[str, str],
        fmr: float = 0.001,
    ) -> list[Path]:
        """Draw FNMR over the share of comparisons discarded for their low quality.

        The threshold is fixed at zero discard. A useful quality makes the curve fall.

        Parameters
        ----------
        performances, distances, output_dir, file_name, label_column
            As in `roc_plot`.
        quality : str or pair of str
            The column of the distances with the quality of each comparison, higher is better; or
            the two of its images, of which the lower counts.
        fmr : float, default 0.001
            The false match rate that fixes the threshold.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            As `roc_plot`, or if a quality is missing or `fmr` needs more impostors.
        """
        columns = (quality,) if isinstance(quality, str) else tuple(quality)
        return _draw(
            "PlotHelper.error_discard_plot",
            performances,
            distances,
            output_dir,
            file_name,
            label_column,
            lambda layers, task, note: discard_figure(layers, task, columns, fmr, note),
            columns=columns,
        )

    @staticmethod
    def score_histogram(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        label_column: str,
        threshold_column: str | None = None,
    ) -> list[Path]:
        """Draw the distances of genuine and of impostor pairs, and the threshold between them.

        Each histogram shows shares of its class; every panel has its own scale of distance.

        Parameters
        ----------
        performances, distances, output_dir, file_name, label_column
            As in `roc_plot`.
        threshold_column : str, optional
            The column of `performances` with the largest accepted distance. Without it the
            threshold of the best accuracy on these pairs is drawn, and called so.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            As `roc_plot`, or if there is no such column.
        """
        return _draw(
            "PlotHelper.score_histogram",
            performances,
            distances,
            output_dir,
            file_name,
            label_column,
            lambda layers, task, note: scores_figure(layers, task, threshold_column, note),
            threshold_column=threshold_column,
        )

    @staticmethod
    def group_heat_map(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        label_column: str,
        group_columns: tuple[str, str] = ("group1", "group2"),
        threshold_column: str | None = None,
    ) -> list[Path]:
        """Draw the FMR within and between groups of people, and the FNMR of each.

        All groups are judged at one threshold. Under each rate, in percent, is the number of
        comparisons behind it; pairs with an empty group are excluded.

        Parameters
        ----------
        performances, distances, output_dir, file_name, label_column
            As in `roc_plot`.
        group_columns : pair of str, default ('group1', 'group2')
            The columns of the distances with the group of each image.
        threshold_column : str, optional
            As in `score_histogram`.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            As `score_histogram`, or if no pair has groups.
        """
        return _draw(
            "PlotHelper.group_heat_map",
            performances,
            distances,
            output_dir,
            file_name,
            label_column,
            lambda layers, task, note: groups_figure(
                layers, task, group_columns, threshold_column, note
            ),
            columns=group_columns,
            threshold_column=threshold_column,
            most=_most_maps(performances, distances, group_columns),
        )

    @staticmethod
    def hardest_pairs(
        performances: pd.DataFrame,
        distances: Distances,
        output_dir: str | Path,
        file_name: str,
        label_column: str,
        images_path: str | Path | Mapping[str, str | Path],
        threshold_column: str | None = None,
        count: int = 5,
    ) -> list[Path]:
        """Draw the worst false accepts and false rejects as a sheet of faces.

        Of every model-layer the impostor pairs of least distance and the genuine pairs of largest
        distance, the worst first; those that are errors at the threshold are framed.

        Parameters
        ----------
        performances, distances, output_dir, file_name, label_column
            As in `roc_plot`; the distances need 'img1' and 'img2' too.
        images_path : str, Path, or mapping of task to one
            The folder the image names are relative to. An image that cannot be read is an empty
            square.
        threshold_column : str, optional
            As in `score_histogram`.
        count : int, default 5
            Pairs of each kind.

        Returns
        -------
        list of Path
            The files written: for each task one per page and format.

        Raises
        ------
        InputError
            As `score_histogram`, or if `count` is not 1 or more.
        """
        where = "PlotHelper.hardest_pairs"
        if count < 1:
            message = f"The 'count' parameter of {where} must be 1 or more. Got {count!r} instead."
            raise InputError(message)

        def figure(layers: list[LayerScores], task: str, note: str) -> Figure:
            folder = images_path[task] if isinstance(images_path, Mapping) else images_path
            return hardest_figure(layers, task, Path(folder), count, threshold_column, note)

        return _draw(
            where,
            performances,
            distances,
            output_dir,
            file_name,
            label_column,
            figure,
            columns=("img1", "img2"),
            threshold_column=threshold_column,
            most=_MOST_SHEETS,
        )


def _draw(
    where: str,
    performances: pd.DataFrame,
    distances: Distances,
    output_dir: str | Path,
    file_name: str,
    label_column: str,
    figure: Callable[[list[LayerScores], str, str], Figure],
    *,
    columns: Sequence[str] = (),
    threshold_column: str | None = None,
    most: int = _MOST_PANELS,
) -> list[Path]:
    """Draw a figure of each task's layers, of which `columns` of the distances are needed too."""
    check_table(performances, where, (TASK, MODEL, LAYER))
    if threshold_column is not None:
        check_column(performances, where, "threshold_column", threshold_column)

    def draw(task: str, rows: pd.DataFrame) -> list[Figure]:
        def page(own: pd.DataFrame, note: str) -> Figure:
            layers = each_layer(
                own, distances, label_column, where,
                columns=columns, threshold_column=threshold_column,
            )  # fmt: skip
            return figure(list(layers), task, note)

        each = rows[~rows.duplicated([MODEL, LAYER]).to_numpy()]
        shown, note = few_layers(each, most)
        return in_pages(shown, most, page, note)

    return draw_tasks(performances, output_dir, file_name, draw)


def _most_maps(
    performances: pd.DataFrame, distances: Distances, group_columns: tuple[str, str]
) -> int:
    """Give how many maps of error rates fit on a page: the more groups, the fewer."""
    most = 1
    for by_task in distances.values() if isinstance(distances, Mapping) else ():
        for task in dict.fromkeys(performances[TASK]) if TASK in performances else ():
            table = by_task.get(task)
            counts = (
                [1]
                if table is None
                else [table[column].nunique() for column in group_columns if column in table]
            )
            most = max([most, *counts])
    across = max(1, int(11 / (0.62 * (most + 1) + 1.2)))
    return max(1, across * max(1, int(13 / (0.42 * most + 0.9))))
