"""One page that shows a run to the group."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facebench.errors import RunFolderError
from facebench.figures.palette import HATCHES, PEOPLE_COLORS, model_colors
from facebench.results.best_layer import with_choices
from facebench.results.data_health import DataNote, health_notes, run_findings
from facebench.results.face_failures import failing_conditions, on_no_face, uneven_failures
from facebench.results.headline import (
    check_layer_choice,
    layer_note,
    people_beside,
)
from facebench.results.held_out import HeldOut, held_out_layers, with_held_out
from facebench.results.methods import methods_of
from facebench.results.reader import Run, load_run
from facebench.results.report.figure_files import figure_files
from facebench.results.report.pages import write_page
from facebench.results.report.provenance_view import provenance_view, shown_time
from facebench.results.report.tables import Column, Table, forest, span_of
from facebench.results.report.task_section import TaskSection, task_section
from facebench.results.report.thumbnails import Thumbnails
from facebench.results.report.verdict_view import VerdictView, figure_of
from facebench.results.schema import REPORT_FILE
from facebench.results.verdicts import Verdict, verdicts
from facebench.results.wording import listed
from facebench.utils.files import check_replaceable

__all__ = ["report_with_verdicts", "write_report"]

_log = logging.getLogger(__name__)
# Bytes of pictures, and curves of all tasks together: what keeps a page of the largest runs in
# bounds (see benchmarks/report.py).
_ROOM_FOR_PICTURES = 5_000_000
_ROOM_FOR_EXAMPLES = 1_000_000
_CURVES, _MOST_CURVES, _FEWEST_CURVES = 450, 40, 4

# What both tables of headline values begin with.
_VALUE_COLUMNS = [
    Column("Task", filter=True),
    Column("Measure", filter=True),
    Column("Condition"),
    Column("Model", filter=True),
    Column(
        "Value",
        "score",
        note="95 % interval",
        hint="Models of one task that share a letter do not differ significantly.",
    ),
]
_COLUMNS = [
    *_VALUE_COLUMNS,
    Column("On the task's scale", "forest"),
    Column("Layer"),
    Column("Pairs", "count"),
    Column("Images", "count"),
    Column("People", "count"),
    Column("Failed", "count"),
    Column("No face", "count", hint="Pairs with an image in which no face was found."),
]


def write_report(
    run: Path, output: Path | None = None, *, layer_choice: str = "same pairs"
) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    run : Path
        The run's folder.
    output : Path, optional
        The file; None writes ``report.html`` into the folder.
    layer_choice : {'same pairs', 'held-out'}
        'held-out' takes headline numbers from layers chosen on other people than they are judged
        on, where there are any.

    Returns
    -------
    Path
        The file: it needs no other file and no network. In the run's folder it links the files of
        figures that are there.

    Raises
    ------
    RunFolderError
        If there is no readable run.
    """
    return report_with_verdicts(run, output, layer_choice=layer_choice)[0]


def report_with_verdicts(
    run: Path, output: Path | None = None, *, layer_choice: str = "same pairs"
) -> tuple[Path, list[Verdict]]:
    """Write a run's page as `write_report`, and give what it says of each task as well.

    Parameters
    ----------
    run, output, layer_choice
        See `write_report`.

    Returns
    -------
    page : Path
        The file.
    verdicts : list of Verdict
        Task by task, so that a terminal says the same without finding it out again.
    """
    check_layer_choice(layer_choice, "write_report")
    loaded = load_run(run)
    target = loaded.path / REPORT_FILE if output is None else Path(output)
    check_replaceable(target)
    # Links to figures hold only beside them.
    beside = target.parent.resolve() == loaded.path.resolve()
    files = figure_files(loaded.path, loaded.tasks) if beside else {}
    context = {**_context(loaded, layer_choice), "figure_files": files}
    page = write_page("report.html.j2", target, context, charts=True)
    return page, [view.verdict for view in context["verdicts"]]


def _left_out(run: Run) -> list[str]:
    """Say, on the page and in the log, that figures of pairs are left out, and why."""
    try:
        run.check_distances()
    except RunFolderError as error:
        note = f"Figures of pairs are left out. {error}"
        _log.warning("%s", note)
        return [note]
    return []


def _context(run: Run, layer_choice: str) -> dict[str, Any]:
    tasks = run.tasks
    thumbnails = Thumbnails(_ROOM_FOR_PICTURES, [run])
    curves = max(_FEWEST_CURVES, min(_MOST_CURVES, _CURVES // max(1, len(tasks))))
    held_out: dict[str, HeldOut] = {}
    if layer_choice == "held-out":
        held_out = {task: held_out_layers(run, task) for task in tasks}
    examples = Thumbnails(_ROOM_FOR_EXAMPLES, [run], thumbnails)
    sections = [
        task_section(run, task, number, curves, thumbnails, examples, held_out.get(task))
        for number, task in enumerate(tasks)
    ]
    compared = [section.name for section in sections if section.is_compared]
    findings = run_findings(run.manifest, tasks, run.networks)
    found = [finding for finding in findings if finding.count]
    colors = _colors(run)
    return {
        "title": run.manifest["name"],
        "run": run,
        "sections": sections,
        "verdicts": _told(run, sections, held_out, colors),
        "warnings": _warnings(run, sections, findings),
        "headline": headline_table(run, sections, held_out),
        "held_out": _held_out_table(held_out) if held_out else None,
        "facts": _facts(run),
        "on_no_face": on_no_face(run.manifest),
        "uneven": uneven_failures(run.failures_to_process),
        "saved": shown_time(run.manifest.get("saved")),
        "unprocessed": _failures_table(run),
        "findings": _findings_table(found) if found else None,
        "n_checks": len(findings),
        "n_findings": len(found),
        "not_found": _without_findings(findings),
        "health_notes": [*health_notes(run.manifest), *_left_out(run)],
        "thumbnails": thumbnails,
        "colors": colors,
        "methods": methods_of(run, layer_choice, compared),
        "provenance": provenance_view(run),
    }


def _told(
    run: Run,
    sections: list[TaskSection],
    held_out: Mapping[str, HeldOut],
    colors: Mapping[str, Any],
) -> list[VerdictView]:
    """Say what each task found, beside a figure and examples of its stimuli."""
    by_name = {section.name: section for section in sections}
    ties = {section.name: section.ties for section in sections}
    found = []
    for verdict in verdicts(run, ties=ties, held_out=held_out):
        section = by_name.get(verdict.task)
        figure = figure_of(verdict, colors["models"], colors["people"])
        examples = section.examples if section else []
        found.append(VerdictView(section.id if section else "", verdict, figure, examples))
    return found


# What makes numbers less than they seem, among what was found about the data.
_WARNED_OF = ("Missing images", "Images that cannot be read", "Failed: ", "Leaks: ")


def _warnings(
    run: Run, sections: list[TaskSection], findings: list[DataNote]
) -> list[tuple[str, str]]:
    """Say what to know before any number, and where in the page there is more of it."""
    tasks: dict[tuple[str, str], list[str]] = {}
    for note in findings:
        if note.count and note.what.startswith(_WARNED_OF):
            # Tasks of the same images find the same.
            tasks.setdefault((note.what, _counted(note)), []).append(note.task)
    warned = [
        (f"{what}{_in_tasks(names)}: {counted}", "#health")
        for (what, counted), names in tasks.items()
    ]
    warned += [
        (f"Task {section.name!r}: {section.skipped}.", f"#{section.id}")
        for section in sections
        if section.skipped
    ]
    return warned + [
        (sentence, "#failures-to-process")
        for sentence in failing_conditions(run.failures_to_process)
        # Those whose conditions differ are told by themselves.
        if sentence not in uneven_failures(run.failures_to_process)
    ]


def _in_tasks(names: list[str]) -> str:
    known = [repr(name) for name in names if name]
    return f", in {'task' if len(known) == 1 else 'tasks'} {listed(known, most=3)}" if known else ""


def _counted(note: DataNote) -> str:
    if note.what.startswith("Failed: "):
        return f"{note.detail}."
    return f"{note.count}{f' ({note.detail})' if note.detail else ''}."


def headline_table(run: Run, sections: list[TaskSection], held_out: Mapping[str, HeldOut]) -> Table:
    """Build the table of what stands for each task.

    Parameters
    ----------
    run : Run
        The run.
    sections : list of TaskSection
        The tasks, with their tie groups.
    held_out : mapping of str to HeldOut
        By task, what stands for models in the place of their best layers; empty for these.

    Returns
    -------
    Table
        A row for each model, then for people; all layers behind a box to tick.
    """
    rows: list[list[Any]] = []
    extra = []
    for section in sections:
        of_task = run.of_task(section.name)
        for metric, part in of_task.all_layers.groupby("metric", sort=False):
            shown = part[part["layer"].eq(part["model"].map(of_task.best))]
            shown = with_choices(shown, run.choices(section.name), section.facts)
            if section.name in held_out:
                shown = with_held_out(shown, held_out[section.name].table)
            # What is judged on its own pairs stays to be looked up.
            own = shown["layer"].eq(part["layer"].reindex(shown.index))
            hidden = part[~part.index.isin(shown.index[own])]
            # What is hidden at first may lie far off.
            span = span_of(shown)
            both = pd.concat([shown.assign(shown=True), hidden.assign(shown=False)])
            both = both.iloc[np.argsort(part.index.get_indexer(both.index), kind="stable")]
            for row, is_shown in zip(both.itertuples(), both["shown"], strict=True):
                condition = "" if pd.isna(row.condition) else str(row.condition)
                ties = section.ties.get((str(metric), condition), {})
                rows.append(
                    _headline_row(row, ties.get(str(row.model), "") if is_shown else "", span)
                )
                extra.append(not is_shown)
            beside = people_beside(run.people, of_task.rows, section.name, str(metric))
            rows += [_headline_row(row, "", span) for row in beside.itertuples()]
            extra += [False] * len(beside)
    n_hidden = sum(extra)
    # A column without any entry only takes room.
    used = [i for i in range(len(_COLUMNS)) if any(row[i] not in ("", None) for row in rows)]
    note = layer_note(run.networks, "held-out" if held_out else "same pairs")
    return Table(
        id="headline-table",
        stacked=True,
        caption=note or "Headline numbers of each model",
        columns=[_COLUMNS[i] for i in used],
        rows=[[row[i] for i in used] for row in rows],
        extra=extra,
        more=f"All layers ({n_hidden} rows more)" if n_hidden else "",
    )


def _headline_row(row: Any, letters: str, span: tuple[float, float]) -> list[Any]:
    low, high, value = _number(row.ci_low), _number(row.ci_high), _number(row.value)
    return [
        row.task,
        row.metric,
        "" if pd.isna(row.condition) else str(row.condition),
        row.model,
        None if value is None else [value, low, high, None, letters],
        None if value is None else forest(value, low, high, span),
        row.layer,
        *(_count(n) for n in row[13:18]),
    ]


def _colors(run: Run) -> dict[str, Any]:
    """Give each model of the run its colour, and how often the palette was gone through before."""
    # All models of the run, also those that failed, as its figures count them.
    colors = model_colors([*run.manifest["models"], *run.models])
    return {
        "models": {name: [color, HATCHES.index(hatch)] for name, (color, hatch) in colors.items()},
        "people": PEOPLE_COLORS,
    }


def _held_out_table(held_out: Mapping[str, HeldOut]) -> Table:
    rows = [
        [
            row.task,
            row.metric,
            "" if pd.isna(row.condition) else row.condition,
            row.model,
            None
            if pd.isna(row.value)
            else [float(row.value), _number(row.ci_low), _number(row.ci_high), None, ""],
            row.n_layers,
            row.layers,
        ]
        for found in held_out.values()
        for row in found.table.itertuples()
    ]
    return Table(
        id="held-out-table",
        stacked=True,
        caption="Each model in layers chosen on other people than they are judged on",
        columns=[
            *_VALUE_COLUMNS,
            Column("Layers", "count"),
            Column("Chosen", hint="How often each layer is the best without a group of people."),
        ],
        rows=rows,
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    results = run.networks
    layers = results[["model", "layer"]].drop_duplicates()
    intervals = results["ci_low"].notna().sum()
    return [
        ("Models", str(results["model"].nunique())),
        ("Layers", str(len(layers))),
        ("Tasks", str(results["task"].nunique())),
        ("Numbers", f"{len(results)}, {intervals} with intervals"),
        ("Begun", shown_time(run.manifest.get("created"))),
        ("Status", run.status),
    ]


def _findings_table(findings: list[DataNote]) -> Table:
    return Table(
        id="health-table",
        stacked=True,
        caption="What was found in the data, and how often",
        columns=[
            Column("Task", filter=True),
            Column("Looked for"),
            Column("Found", "count"),
            Column("Detail"),
        ],
        rows=[[f.task or "whole run", f.what, f.count, f.detail] for f in findings],
    )


def _without_findings(findings: list[DataNote]) -> list[tuple[str, str]]:
    """List the checks that found nothing, with the tasks in which they were made."""
    tasks: dict[str, list[str]] = {}
    for finding in findings:
        if not finding.count:
            tasks.setdefault(finding.what, []).append(finding.task or "whole run")
    return [(what, ", ".join(names)) for what, names in tasks.items()]


def _failures_table(run: Run) -> Table | None:
    """Show in how many images of each condition no face was found; None where that never was."""
    failures = run.failures_to_process
    failing = failures[failures["n_failed"] > 0]
    key = ["task", "model", "grouping"]
    shown = failures.merge(failing[key].drop_duplicates(), on=key)
    if shown.empty:
        return None
    return Table(
        id="failures-table",
        stacked=True,
        caption="Failures to process: images in which no face was found",
        columns=[
            Column("Task", filter=True),
            Column("Model", filter=True),
            Column("Grouping", filter=True),
            Column("Condition"),
            Column("Pairs", "count"),
            Column("with a failure", "count"),
            Column("Rate", "number"),
            Column("Images", "count"),
            Column("without a face", "count"),
            Column("Conditions differ"),
        ],
        rows=[
            [
                row.task,
                row.model,
                row.grouping or "all",
                row.condition,
                _count(row.n_pairs),
                int(row.n_failed),
                int(row.n_failed) / int(row.n_images if pd.isna(row.n_pairs) else row.n_pairs),
                int(row.n_images),
                int(row.n_images_failed),
                "yes" if row.differs else "",
            ]
            for row in shown.itertuples()
        ],
    )


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def _count(value: Any) -> int | None:
    return None if pd.isna(value) else int(value)
