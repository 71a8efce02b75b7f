"""Reading a run back: numbers, distances and provenance as pandas and plain Python have them."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import override

from facebench.errors import RunFolderError, UnknownNameError
from facebench.results.checksums import CHECKSUMS, changed_tables, check_table, told_changed
from facebench.results.manifest import read_manifest
from facebench.results.schema import (
    DISTANCES_FILE,
    FAILURE_COLUMNS,
    FAILURES_FILE,
    MANIFEST_FILE,
    NETWORK,
    PEOPLE,
    REPLICATES_FILE,
    RESULTS_COLUMNS,
    RESULTS_FILE,
    empty_failures,
    empty_results,
)
from facebench.results.task_facts import TaskFacts
from facebench.types import StrPath
from facebench.utils.latex import as_latex

if TYPE_CHECKING:
    import pandas as pd

    from facebench.metrics.uncertainty.jackknife import JackknifeReplicates
    from facebench.results.best_layer import Choices
    from facebench.results.headline import TaskRows
    from facebench.results.methods import MethodsSection
    from facebench.results.saved_figures import Figures

__all__ = ["Run", "latest_run", "load_run"]

_log = logging.getLogger(__name__)
_Table = TypeVar("_Table")


class Run:
    """A run that was saved; get one with `load_run`.

    Attributes
    ----------
    path : Path
        Its folder.
    manifest : dict
        Configuration, digests, versions, machine, git, seeds, timings and cache hits.
    status : str
        'finished', 'failed', 'interrupted' or 'running'. A run whose process is gone without
        having finished is 'interrupted'.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        self.status = _status(manifest)
        self._checked: set[str] = set()
        self._of_tasks: dict[str, TaskRows] = {}
        self._choices: dict[str, Choices] = {}

    @override
    def __repr__(self) -> str:
        return f"Run({self.id!r}, {self.status}, {len(self.results)} results)"

    @property
    def id(self) -> str:
        """Name and folder as one text."""
        return str(self.manifest.get("run") or f"{self.manifest['name']}/{self.path.name}")

    @cached_property
    def results(self) -> pd.DataFrame:
        """The tidy table, a row per number; see `facebench.results.schema`."""
        import pandas as pd

        if RESULTS_FILE not in self.manifest[CHECKSUMS] and not self._has(RESULTS_FILE):
            # Interrupted before anything was measured.
            return empty_results()

        def read(path: Path) -> pd.DataFrame:
            table = pd.read_parquet(path)
            # Older versions lack columns that came later.
            whole = table.reindex(columns=list(RESULTS_COLUMNS)).astype(RESULTS_COLUMNS)
            return whole.assign(source=whole["source"].fillna(NETWORK))

        return self._read(RESULTS_FILE, read)

    @cached_property
    def distances(self) -> pd.DataFrame:
        """Every pair of every task in every layer of every model.

        For one model and task, `task_distances` reads no more than that.
        """
        import pandas as pd

        if not self._has(DISTANCES_FILE):
            return pd.DataFrame(columns=["model", "layer", "layer_index", "task", "row"])
        return self._read(DISTANCES_FILE, pd.read_parquet)

    @cached_property
    def left_out(self) -> dict[tuple[str, str, str], JackknifeReplicates]:
        """By task, model and layer, measures without parts of the pairs, in turn."""
        from facebench.results.replicates_file import read_replicates

        return self._read(REPLICATES_FILE, read_replicates)

    @cached_property
    def failures_to_process(self) -> pd.DataFrame:
        """In how many pairs and images of each condition no face was found.

        A row for all pairs of a task and model that looks for faces, then one for every condition;
        see `facebench.results.schema.FAILURE_COLUMNS`.
        """
        import pandas as pd

        if FAILURES_FILE not in self.manifest[CHECKSUMS] and not self._has(FAILURES_FILE):
            # No model looked for faces.
            return empty_failures()

        def read(path: Path) -> pd.DataFrame:
            table = pd.read_csv(path, dtype=FAILURE_COLUMNS, keep_default_na=False, na_values={
                name: [""] for name, kind in FAILURE_COLUMNS.items() if kind != "string"
            })  # fmt: skip
            return table[list(FAILURE_COLUMNS)]

        return self._read(FAILURES_FILE, read)

    @cached_property
    def networks(self) -> pd.DataFrame:
        """The rows of `results` that are of networks: what is ranked and compared."""
        return self.results[self.results["source"] == NETWORK]

    @cached_property
    def people(self) -> pd.DataFrame:
        """The rows of `results` that are of people: what networks are held against."""
        return self.results[self.results["source"] == PEOPLE]

    @property
    def models(self) -> list[str]:
        """Models with results, in the run's order."""
        return [str(model) for model in self.networks["model"].unique()]

    @cached_property
    def tasks(self) -> dict[str, TaskFacts]:
        """What is known of each task that has results, in the run's order."""
        known = self.manifest["tasks"]
        return {
            task: TaskFacts.from_dict({"type": kind, **known.get(task, {})})
            for task, kind in dict(
                zip(self.networks["task"], self.networks["task_type"], strict=True)
            ).items()
        }

    def of_task(self, task: str) -> TaskRows:
        """Sort out what networks did in a task, once."""
        from facebench.results.headline import TaskRows

        if task not in self._of_tasks:
            self._of_tasks[task] = TaskRows(self.networks, task, self.tasks[task])
        return self._of_tasks[task]

    def choices(self, task: str) -> Choices:
        """Tell how far off a task's best layers may be, having been chosen, once."""
        from facebench.results.best_layer import layer_choices

        if task not in self._choices:
            self._choices[task] = layer_choices(self, task)
        return self._choices[task]

    def task_distances(
        self, model: str, task: str, layers: Collection[str] | None = None
    ) -> pd.DataFrame:
        """Read the distances of one model and task.

        Parameters
        ----------
        model, task : str
            Which.
        layers : collection of str, optional
            Which layers; None reads all.

        Returns
        -------
        DataFrame
            As `MultiModelTaskManager.model_task_distances_dfs` has it; empty if there are none.
        """
        return self.distances_of(task, {model: layers})[model]

    def distances_of(
        self, task: str, layers: Mapping[str, Collection[str] | None]
    ) -> dict[str, pd.DataFrame]:
        """Read the distances of several models of a task at once.

        Parameters
        ----------
        task : str
            Which.
        layers : mapping of str to collection of str or None
            By model, which layers; None reads all.

        Returns
        -------
        dict of str to DataFrame
            By model, see `task_distances`.
        """
        from facebench.results.distances_file import read_blocks

        models = self.models
        asked = [(model, models, "model") for model in layers] + [(task, [*self.tasks], "task")]
        for name, known, what in asked:
            if name not in known:
                msg = f"The run has no {what} {name!r}. It has: {', '.join(known) or 'none'}."
                raise UnknownNameError(msg)
        return self._read(DISTANCES_FILE, lambda path: read_blocks(path, task, layers))

    def check_distances(self) -> None:
        """Check that the distances, where there are any, are as the run wrote them.

        Raises
        ------
        RunFolderError
            If they were changed or damaged.
        """
        import pyarrow.parquet as pq

        if self._has(DISTANCES_FILE):
            self._read(DISTANCES_FILE, pq.read_metadata)

    def _has(self, name: str) -> bool:
        return (self.path / name).exists()

    def _read(self, name: str, reader: Callable[[Path], _Table]) -> _Table:
        """Read a table after checking, once, that it is as the run wrote it."""
        file = self.path / name

        def checked(path: Path) -> _Table:
            if name not in self._checked and path.exists():
                check_table(path, self.manifest)
                self._checked.add(name)
            return reader(path)

        return _readable(file, checked)

    def headline(self, layer_choice: str = "same pairs") -> pd.DataFrame:
        """Give the numbers that stand for each task, best layer of each model first.

        Parameters
        ----------
        layer_choice : {'same pairs', 'held-out'}
            'held-out' gives values of layers chosen on other people than they are judged on, where
            there are any (`held_out`): their layer is 'held-out of 39'.

        Returns
        -------
        DataFrame
            Rows of `results` with its columns. The interval of a best layer that was chosen on the
            same pairs holds for all layers at once, at the end that the choice favours
            ('ci_method' says so).
        """
        import pandas as pd

        from facebench.results.best_layer import with_choices
        from facebench.results.headline import check_layer_choice
        from facebench.results.held_out import with_held_out

        check_layer_choice(layer_choice, "Run.headline")
        parts = [
            with_choices(self.of_task(task).headline, self.choices(task), facts)
            for task, facts in self.tasks.items()
        ]
        rows = pd.concat(parts) if parts else self.networks
        return with_held_out(rows, self.held_out()) if layer_choice == "held-out" else rows

    def held_out(self) -> pd.DataFrame:
        """Give headline numbers in layers chosen on other people than they are judged on.

        Returns
        -------
        DataFrame
            See `facebench.results.held_out.HeldOut`, task by task.
        """
        import pandas as pd

        from facebench.results.held_out import held_out_layers

        tables = [held_out_layers(self, task).table for task in self.tasks]
        return pd.concat(tables, ignore_index=True)

    def predictors(
        self, task: str, predictors: str | Iterable[str] | Mapping[str, str], **options: Any
    ) -> pd.DataFrame:
        """Explain a task's ratings by layers of several models together.

        Parameters
        ----------
        task : str
            A task with people's ratings.
        predictors : str, iterable of str or mapping of str to str
            Models, 'MODEL:LAYER' and columns of the task's pairs.
        **options
            See `facebench.results.predictors.predictors_of_run`.

        Returns
        -------
        DataFrame
            A row per number: R², unique and common parts, shares of the ceiling, with intervals.
        """
        from facebench.results.predictors import predictors_of_run

        return predictors_of_run(self, task, predictors, **options)

    def plot(
        self,
        kind: str,
        task: str | None = None,
        *,
        models: str | Iterable[str] | None = None,
        layers: str | Iterable[str] | None = None,
        measure: str | Sequence[str] | None = None,
        output: StrPath | None = None,
        **options: Any,
    ) -> Figures:
        """Draw a figure from what was saved; nothing is measured and no network loaded.

        Parameters
        ----------
        kind : str
            Of one task: 'bars', 'intervals' (values with their intervals), 'profile' (over layers),
            'effect' (conditions and their differences), 'series' (over ordered conditions), 'roc',
            'det', 'scores' (histograms), 'hardest' (pairs of faces), 'groups' (errors by group),
            'discard' (errors against quality), 'scatter' (against given distances or ratings),
            'cmc', 'rdm', 'mds', 'likeness' (of layers), 'training'. Of all tasks: 'map' (measures
            over layers) and 'families' (a panel for each task).
        task : str, optional
            Which task; needed where several can be drawn so.
        models, layers : str or iterable of str, optional
            Only these.
        measure : str or sequence of str, optional
            What is drawn; by default the effects, or what stands for the task.
        output : str or Path, optional
            A file that ends in .png, .pdf or .svg. Further pages are ``<name>_page_2`` and so on.
        **options
            Further parameters of the method of `PlotHelper` that draws it, such as ``title`` and
            ``figsize`` of `PlotHelper.bar_plot`.

        Returns
        -------
        Figures
            The pages, each a `matplotlib.figure.Figure`; a notebook shows them.

        Raises
        ------
        InputError
            If the kind is not known, the task cannot be drawn so, or the file is of another format.
        UnknownNameError
            If the run lacks the task, a model, a layer or the measure.

        Examples
        --------
        >>> from facebench import load_run
        >>> run = load_run("runs/study")                                      # doctest: +SKIP
        >>> run.plot("profile", task="Inversion", output="inversion.pdf")     # doctest: +SKIP
        Figures(1 page)
        """
        from facebench.results.saved_figures import plot_run

        return plot_run(
            self, kind, task, models=models, layers=layers, measure=measure, output=output,
            **options,
        )  # fmt: skip

    def to_markdown(self) -> str:
        """Write the headline numbers as a Markdown table."""
        from facebench.results.headline import shown_table

        table = shown_table(self.headline())
        cells = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
        return "\n".join(f"| {' | '.join(map(_markdown, row))} |" for row in cells) + "\n"

    def to_latex(self) -> str:
        """Write the headline numbers as a LaTeX table for the booktabs package."""
        from facebench.results.headline import shown_table

        table = shown_table(self.headline())
        rows = [" & ".join(map(as_latex, row)) + r" \\" for row in table.to_numpy().tolist()]
        return "\n".join(
            [
                rf"\begin{{tabular}}{{{'l' * len(table.columns)}}}",
                r"\toprule",
                " & ".join(map(as_latex, table.columns)) + r" \\",
                r"\midrule",
                *rows,
                r"\bottomrule",
                r"\end{tabular}",
                "",
            ]
        )

    def methods(self, layer_choice: str = "same pairs") -> MethodsSection:
        """Write what was done, as the methods section of a paper says it, and what to cite.

        Parameters
        ----------
        layer_choice : {'same pairs', 'held-out'}
            How the layers were chosen that stand for models with several.

        Returns
        -------
        MethodsSection
            The text, plain and as LaTeX, its references, and their BibTeX.
        """
        from facebench.results.headline import check_layer_choice
        from facebench.results.methods import methods_of

        check_layer_choice(layer_choice, "Run.methods")
        return methods_of(self, layer_choice)

    def _repr_html_(self) -> str:
        from facebench.results.headline import shown_table

        table = shown_table(self.headline()).to_html(index=False, escape=True, border=0)
        title = html.escape(f"{self.id} ({self.status})")
        return f'<div class="facebench-run"><p><strong>{title}</strong></p>{table}</div>'


def load_run(path: StrPath) -> Run:
    """Read the folder of a run.

    Parameters
    ----------
    path : str or Path
        ``runs/<name>/<time>-<id>``, or ``runs/<name>`` for the latest run in it; or a file of the
        run, such as its report.

    Returns
    -------
    Run
        Also of a run that was interrupted or is still running: what was saved until then.

    Raises
    ------
    RunFolderError
        If there is no run, it is damaged, or it is from a newer facebench.
    """
    folder = latest_run(Path(path)).absolute()
    manifest = read_manifest(folder)
    # Numbers are read from other files; still, people read these.
    for file in changed_tables(folder, manifest, within="*.csv"):
        if file.name != FAILURES_FILE:
            _log.warning("%s facebench reads its numbers from other files.", told_changed(file))
    return Run(folder, manifest)


def latest_run(path: Path) -> Path:
    """Find a run: the folder itself, or the latest in the folder of an experiment.

    Parameters
    ----------
    path : Path
        As `load_run` takes it.

    Returns
    -------
    Path
        ``runs/<name>/<time>-<id>``; `path` itself where it holds no runs.
    """
    if path.is_file():
        return path.parent
    if (path / MANIFEST_FILE).exists() or not path.is_dir():
        return path
    # The link 'latest' leads to one of the others.
    runs = [found.parent for found in path.glob(f"*/{MANIFEST_FILE}")]
    return max((run for run in runs if not run.is_symlink()), default=path)


def _status(manifest: dict[str, Any]) -> str:
    from facebench.results.provenance import still_runs

    status = str(manifest["status"])
    if status == "running" and not still_runs(manifest.get("process") or {}):
        return "interrupted"
    return status


def _readable(file: Path, reader: Callable[[Path], _Table]) -> _Table:
    import pyarrow as pa

    try:
        if file.exists() and not file.is_file():
            # A pipe would be waited for without end.
            msg = f"{file} must be a table of a run. It is not a file."
            raise RunFolderError(msg)
        return reader(file)
    except RunFolderError:
        raise
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, IndexError) as error:
        msg = f"{file} must be a table of a run. It cannot be read: {error!s:.200}."
        raise RunFolderError(msg) from error


def _markdown(cell: object) -> str:
    text = html.escape(str(cell), quote=False).replace("\\", "\\\\")
    for sign in "|*_`[]":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())
