"""results, report, methods, power, export, anova: what runs have left behind."""

from __future__ import annotations

import dataclasses
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebench.commands.completion import (
    layer_choices,
    models_of_run,
    run_folders,
    tasks_of_run,
)
from facebench.commands.frame import talk
from facebench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from facebench.results.reader import Run
    from facebench.results.verdicts import Verdict

__all__ = [
    "anova",
    "export",
    "methods",
    "power",
    "report",
    "results",
    "show_verdicts",
]

_LINES_OF_VERDICT = 2
_INDENT = "  "
_COUNTS = ("Pairs", "Images", "People", "No face")

RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="A run's folder, or runs/NAME for its latest.",
        autocompletion=run_folders,
    ),
]
OnlyTasks = Annotated[
    list[str] | None,
    typer.Option("--task", help="Only this task; may be repeated.", autocompletion=tasks_of_run),
]
OnlyModels = Annotated[
    list[str] | None,
    typer.Option("--model", help="Only this model; may be repeated.", autocompletion=models_of_run),
]
LayerChoice = Annotated[
    str,
    typer.Option(
        help="'same pairs', or 'held-out': layers chosen on other people than judged on.",
        autocompletion=layer_choices,
    ),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")
]


def results(
    run: RunPath,
    every: Annotated[
        bool, typer.Option("--all", help="Every measure of every layer, not only the headline.")
    ] = False,
    layer_choice: LayerChoice = "same pairs",
) -> None:
    """Show a run's numbers as a table, after a verdict per task.

    Every number is in results.csv of the run's folder as well.
    """
    from facebench.results.headline import layer_note, shown_table
    from facebench.results.reader import load_run

    found = load_run(run)
    show_verdicts(found, layer_choice)
    rows = found.results if every else found.headline(layer_choice)
    for task, own in rows.groupby("task", sort=False):
        table = shown_table(own).drop(columns="Task")
        # What all rows share is said once: the table is to fit on a terminal.
        shared = [name for name in _COUNTS if name in table and table[name].nunique() == 1]
        counts = [f"{table[name].iloc[0]} {name.lower()}" for name in shared]
        title = f"{task} ({', '.join(counts)})" if counts else str(task)
        table = table.drop(columns=shared)
        talk().table(list(table), table.to_numpy().tolist(), title)
    note = "" if every else layer_note(found.networks, layer_choice)
    if note:
        talk().result(f"{note}.")
    talk().data({"run": str(found.path), "results": rows.to_dict("records")})


def show_verdicts(
    run: Run,
    layer_choice: str = "same pairs",
    *,
    told: Sequence[str] = (),
    said: Sequence[Verdict] | None = None,
) -> None:
    """Print what a run found in each task.

    A terminal gets two lines per task; a file or a pipe gets whole sentences, each on a line.

    Parameters
    ----------
    run : Run
        The run.
    layer_choice : {'same pairs', 'held-out'}
        Which layer stands for a model.
    told : sequence of str
        What people were told before: warnings that repeat it are left out.
    said : sequence of Verdict, optional
        What the page says, where it was just written; None finds it out.
    """
    if talk().as_json:
        return
    from rich.text import Text

    from facebench.results.held_out import held_out_layers
    from facebench.results.verdicts import verdicts

    if said is None:
        held_out = None
        if layer_choice == "held-out":
            held_out = {task: held_out_layers(run, task) for task in run.tasks}
        said = verdicts(run, held_out=held_out)
    out = talk().out()
    for verdict in said:
        if out.is_terminal:
            lines = _short_verdict(verdict, out.width)
            out.print(Text(verdict.task, style="bold"), *map(Text, lines), sep="\n")
        else:
            talk().result(f"{verdict.task}: {verdict.sentence}")
        talk().warn(
            [warning for warning in verdict.warnings if not any(text in warning for text in told)]
        )


def _short_verdict(verdict: Verdict, width: int) -> list[str]:
    """Say of a task what two lines have room for, the whole sentence where it fits."""
    shown: list[list[str]] = []
    for text in (verdict.sentence, *_shorter(verdict)):
        shown.append(textwrap.wrap(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT))
        if len(shown[-1]) <= _LINES_OF_VERDICT:
            return shown[-1]
    *kept, last = shown[-1][:_LINES_OF_VERDICT]
    return [*kept, f"{last[: width - 2]} …"]


def _shorter(verdict: Verdict) -> Iterator[str]:
    """Give ever shorter sentences: of all models, without what they share, of fewer models."""
    told = [one.text for one in verdict.models]
    people = [f"people {one.text.partition(': ')[2]}" for one in verdict.people]
    if not told or any(one.condition for one in verdict.models):
        # One number of each condition: what comes first in the sentence.
        told, people = verdict.sentence.rstrip(".").split("; "), []
    label = verdict.label if verdict.sentence.startswith(verdict.label) else ""
    start = f"{label}: " if label and not told[0].startswith(label) else ""
    numbers = [text.rpartition(", ")[0] for text in told]
    words = {text.rpartition(", ")[2] for text in told}
    tested = all(one.relation in ("above", "below", "unclear") for one in verdict.models)
    for n_told in range(len(told), 0, -1):
        more = [f"{len(told) - n_told} more: see the report"] if n_told < len(told) else []
        yield f"{start}{'; '.join([*told[:n_told], *people, *more])}."
        if tested and len(words) == 1 and n_told > 1:
            each = [*numbers[:n_told], f"each {next(iter(words))}"]
            yield f"{start}{'; '.join([*each, *people, *more])}."
    yield f"{start}{'; '.join([told[0], *more])}."


def report(
    run: RunPath,
    output: Output = None,
    layer_choice: LayerChoice = "same pairs",
) -> None:
    """Write the report of a run: one page that holds everything."""
    from facebench.results.report.run_page import write_report

    page = write_report(run, output, layer_choice=layer_choice)
    talk().result(str(page))
    talk().data({"report": str(page)})


def export(
    run: RunPath,
    long: Annotated[
        Path, typer.Option("--long", metavar="FILE", help="The table: .csv, .tsv or .parquet.")
    ],
    people: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Trials of people. [default: those of the run]"),
    ] = None,
    task: OnlyTasks = None,
    model: OnlyModels = None,
) -> None:
    """Write a long table of answers and distances for R or JASP.

    Participant or layer, item, condition, value.
    """
    from facebench.results.long_table import long_table, people_of_run, write_long_table
    from facebench.results.reader import load_run

    loaded = load_run(run)
    table = long_table(loaded, people_of_run(loaded, people), task or None, model or None)
    write_long_table(table, long)
    counts = table.groupby("source", sort=False)["participant"].nunique()
    for source, number in counts.items():
        what = "layers of networks" if source == "networks" else "participants"
        talk().say(f"{number:,} {what}, {int((table['source'] == source).sum()):,} values.")
    talk().result(str(long))
    talk().data({"table": str(long), "rows": len(table), "participants": counts.to_dict()})


def methods(
    run: RunPath,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write .txt, .tex or .bib instead of printing."
        ),
    ] = None,
    layer_choice: LayerChoice = "same pairs",
) -> None:
    """Write the methods section on a run, with what to cite."""
    from facebench.results.reader import load_run
    from facebench.utils.files import atomic_path, check_replaceable

    found = load_run(run).methods(layer_choice)
    talk().data(dataclasses.asdict(found))
    if output is None:
        talk().result(str(found))
        return
    known = {".txt": f"{found}\n", ".tex": f"{found.latex}\n", ".bib": found.bibtex}
    if output.suffix not in known:
        msg = f"--output must end in {', '.join(known)}. Got {str(output)!r}."
        raise InputError(msg)
    check_replaceable(output)
    with atomic_path(output) as temporary:
        temporary.write_text(known[output.suffix], encoding="utf-8")
    talk().result(str(output))


def anova(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A long table, as `facebench export` writes it.")
    ],
    within: Annotated[
        list[str], typer.Option("--within", help="Conditions within participants; one or two.")
    ],
    between: Annotated[
        str | None, typer.Option(help="What divides participants: source, group …")
    ] = None,
    measure: Annotated[
        str | None, typer.Option(help="Which measure, such as distance or correct.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Whose values: people or networks, where both have some.")
    ] = None,
) -> None:
    """Test conditions by a repeated-measures analysis of variance.

    Within participants, or within layers of networks as participants.
    """
    from facebench.data.tables import as_path
    from facebench.people.anova import repeated_measures_anova
    from facebench.results.long_table import read_long_table

    found, notes = repeated_measures_anova(
        read_long_table(as_path(table, "table")), within, between, measure, source
    )
    talk().warn(notes)
    talk().result(found.to_string(index=False, float_format=_number))
    talk().data({"anova": found.to_dict("records"), "notes": notes})


def power(
    run: RunPath,
    people: Annotated[
        str, typer.Option("--people", metavar="N,N,…", help="Numbers of people.")
    ] = "10,20,30,50,100,200,300,500,1000",
    images: Annotated[
        str | None,
        typer.Option("--images", metavar="N,N,…", help="Images per person; else as in the run."),
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option("--difference", help="What is to be found; else the difference in the run."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The figure to write.")
    ] = Path("power.png"),
) -> None:
    """Say how precise a study of more people would be.

    From the replicates of a pilot run.
    """
    from facebench.results.power import power as table_of
    from facebench.results.power import write_power_figure

    numbers = _whole_numbers("--people", people)
    each = None if images is None else _whole_numbers("--images", images)
    found = table_of(run, numbers, each, difference)
    talk().result(found.to_string(index=False, float_format=_number))
    write_power_figure(found, output)
    talk().say(f"The figure is {output}.")
    talk().data({"power": found.to_dict("records"), "figure": str(output)})


def _whole_numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        msg = f"{option} must be whole numbers with commas between, such as 10,20,50. Got {text!r}."
        raise InputError(msg) from error


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and value == value else ""
