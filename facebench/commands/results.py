"""report, compare, power, leaderboard: what runs have left behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebench.commands.frame import talk
from facebench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["anova", "compare", "export", "leaderboard", "methods", "power", "report"]

_SHOWN = 30

RunPath = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run's folder, or runs/NAME for its latest.")
]
LayerChoice = Annotated[
    str,
    typer.Option(help="'same pairs', or 'held-out': layers chosen on other people than judged on."),
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")
]


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
    task: Annotated[
        list[str] | None, typer.Option("--task", help="Only this task; may be repeated.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Only this model; may be repeated.")
    ] = None,
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


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="A run, or runs/NAME.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Another.")],
    output: Output = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Smallest difference that would matter: test equivalence (TOST)."),
    ] = None,
    fdr: Annotated[
        bool,
        typer.Option("--fdr", help="Adjust P over tasks (Benjamini and Hochberg)."),
    ] = False,
) -> None:
    """Compare two runs: numbers, differences, changed settings."""
    from facebench.results.compare import compare_runs

    found = compare_runs(run_a, run_b, output, margin=margin, fdr=fdr)
    talk().result(f"{found}.")
    _show_differences(found.differing)
    talk().data(
        {
            "numbers": found.numbers.to_dict("records"),
            "changed_pairs": found.changed_pairs.to_dict("records"),
            "settings": found.settings.to_dict("records"),
        }
    )
    if found.path is not None:
        talk().say(f"The page is {found.path}.")


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


def leaderboard(
    runs: Annotated[list[Path], typer.Argument(metavar="RUNS...", help="Runs, or runs/NAME.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")
    ] = Path("leaderboard.html"),
    layer_choice: LayerChoice = "same pairs",
) -> None:
    """Write a page that ranks the models of many runs."""
    from facebench.results.leaderboard import write_leaderboard

    page = write_leaderboard(runs, output, layer_choice=layer_choice)
    talk().result(str(page))
    talk().data({"leaderboard": str(page)})


def _show_differences(differing: pd.DataFrame) -> None:
    order = differing["difference"].abs().sort_values(ascending=False).index
    shown = differing.loc[order].sort_values("p_value", kind="stable").head(_SHOWN)
    names = ["task", "model", "layer", "condition", "metric"]
    values = ["value_a", "value_b", "difference", "ci_low", "ci_high", "p_value", "p_layers"]
    values += [name for name in ("p_equivalent", "p_fdr") if name in differing]
    rows = [
        [*(_text(row[name]) for name in names), *(_number(row[value]) for value in values)]
        for row in shown.to_dict("records")
    ]
    if rows:
        talk().table([*names, *values], rows)
    if len(differing) > len(shown):
        talk().say(f"{len(differing) - len(shown)} more differ: see --output FILE or --json.")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and value == value else ""
