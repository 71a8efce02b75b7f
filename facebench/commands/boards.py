"""leaderboard, compare: models and runs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facebench.commands.completion import layer_choices, run_folders
from facebench.commands.frame import talk
from facebench.errors import InputError

if TYPE_CHECKING:
    from facebench.results.compare import RunComparison
    from facebench.results.leaderboard import Leaderboard

__all__ = ["compare", "leaderboard"]

# Rows in a terminal; pages and tables have all of them.
_MODELS_SHOWN, _DIFFERENCES_SHOWN = 20, 30
_NARROWEST, _WIDEST_NAME = 14, 28

Page = Annotated[bool, typer.Option("--page/--no-page", help="Whether to write the page.")]


def leaderboard(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUNS...",
            help="Runs; runs/NAME is its latest, runs the latest of every experiment.",
            autocompletion=run_folders,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The page. [default: leaderboard.html]"
        ),
    ] = None,
    layer_choice: Annotated[
        str,
        typer.Option(
            help="'same pairs', or 'held-out': layers chosen on other people than judged on.",
            autocompletion=layer_choices,
        ),
    ] = "same pairs",
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the numbers as CSV too.")
    ] = None,
    page: Page = True,
) -> None:
    """Rank the models of many runs, task by task."""
    from facebench.results.leaderboard import leaderboard as ranked

    made = ranked(runs, layer_choice=layer_choice)
    written = _page(made.write, output, "leaderboard", page)
    if csv is not None:
        made.to_csv(csv)
    _show_leaderboard(made)
    _warn(made.notes)
    if csv is not None:
        talk().result(str(csv))
    if written is not None:
        talk().result(str(written))
    talk().data(
        {
            "leaderboard": None if written is None else str(written),
            "csv": None if csv is None else str(csv),
            "numbers": made.numbers.to_dict("records"),
            "notes": list(made.notes),
            "reading": list(made.reading),
        }
    )


def _page(
    write: Callable[[Path], Path], output: Path | None, kind: str, wanted: bool
) -> Path | None:
    """Write a page where it was asked for, or by its usual name unless that is taken."""
    from facebench.results.report.pages import is_page

    if output is not None:
        return write(output)
    if not wanted:
        return None
    usual = Path(f"{kind}.html")
    if (usual.exists() or usual.is_symlink()) and not is_page(usual, kind):
        talk().warn(
            [f"No page was written: {usual} is not a {kind} of facebench's. Give --output FILE."]
        )
        return None
    try:
        return write(usual)
    except (InputError, OSError) as error:
        talk().warn([f"No page was written: {error} Give --output FILE, or --no-page."])
        return None


def _show_leaderboard(board: Leaderboard) -> None:
    """Print the matrix, in as many parts as the terminal's width asks for."""
    if talk().as_json:
        return
    from rich.table import Table

    from facebench.results.report.leaderboard_page import scale_words
    from facebench.results.schema import NETWORK

    first = board.numbers[board.numbers["headline"]]
    order = [str(name) for name in board.matrix().index]
    people = set(first["model"][first["source"] != NETWORK])
    networks = [name for name in order if name not in people]
    shown = networks[:_MODELS_SHOWN] + [name for name in order if name in people]
    columns: list[tuple[list[str], dict[str, str]]] = []
    for (task, metric, named), rows in first.assign(
        condition=first["condition"].fillna("")
    ).groupby(["task", "metric", "condition"], sort=False):
        measured = f"{metric}, {named}" if named else str(metric)
        heading = [str(task), measured, *scale_words(rows).split(", ")]
        cells = {str(row.model): _cell(row) for row in rows.itertuples()}
        columns.append((heading, cells))
    out = talk().out()
    name_width = min(_WIDEST_NAME, max(len(_printable(name)) for name in shown))
    widths = [
        max(_NARROWEST, *(len(line) for text in cells.values() for line in text.split("\n")))
        for _, cells in columns
    ]
    for start, stop in _parts(widths, out.width - name_width - 5):
        table = Table(show_lines=True)
        table.add_column("Model", width=name_width, overflow="fold")
        for (heading, _), width in zip(columns[start:stop], widths[start:stop], strict=True):
            table.add_column(_text("\n".join(heading)), width=width, overflow="fold")
        for name in shown:
            texts = [_text(own.get(name, "–")) for _, own in columns[start:stop]]
            table.add_row(_text(name), *texts)
        out.print(table)
    if len(networks) > _MODELS_SHOWN:
        talk().say(
            f"{len(networks) - _MODELS_SHOWN} more models: see the page, --csv FILE or --json."
        )
    if any(first["tie_group"].fillna("") != ""):
        talk().say("Values of one task that share a letter do not differ significantly.")
    for sentence in board.reading:
        talk().say(sentence)


def _parts(widths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Part columns so that each part fits into the room; every part has one at least."""
    parts, start, used = [], 0, 0
    for place, width in enumerate(widths):
        if place > start and used + width + 3 > room:
            parts.append((start, place))
            start, used = place, 0
        used += width + 3
    return [*parts, (start, len(widths))]


def _cell(row: Any) -> str:
    """Write a value with its tie group, interval and layer below each other."""
    lines = [f"{_number(row.value)} {_known(row.tie_group)}".rstrip()]
    if row.ci_low == row.ci_low:
        lines.append(f"{_number(row.ci_low)} – {_number(row.ci_high)}")
    if _known(row.layer) not in ("", "default"):
        lines.append(_printable(row.layer))
    return "\n".join(lines)


def _warn(notes: Sequence[str]) -> None:
    """Tell what must be known to read a result; programs find it in the result."""
    if not talk().as_json:
        talk().warn([_printable(note) for note in notes])


def _printable(text: str) -> str:
    """Write what terminals would take for a command, such as an escape, so that it can be read."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text
    )


def _text(text: str) -> Any:
    from rich.text import Text

    return Text(_printable(text))


def compare(
    run_a: Annotated[
        Path,
        typer.Argument(metavar="RUN_A", help="A run, or runs/NAME.", autocompletion=run_folders),
    ],
    run_b: Annotated[
        Path, typer.Argument(metavar="RUN_B", help="Another.", autocompletion=run_folders)
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The page. [default: comparison.html]"),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Smallest difference that would matter: test equivalence (TOST)."),
    ] = None,
    fdr: Annotated[
        bool,
        typer.Option("--fdr", help="Adjust P over tasks (Benjamini and Hochberg)."),
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the numbers as CSV too.")
    ] = None,
    page: Page = True,
) -> None:
    """Compare two runs: numbers, differences, changed settings."""
    from facebench.results.compare import compare as compared
    from facebench.utils.files import write_csv

    found = compared(run_a, run_b, margin=margin, fdr=fdr)
    written = _page(found.write, output, "comparison", page)
    if csv is not None:
        write_csv(found.ordered, csv)
    _show_comparison(found)
    _warn(found.notes)
    if csv is not None:
        talk().result(str(csv))
    if written is not None:
        talk().result(str(written))
    talk().data(
        {
            "changes": list(found.changes),
            "notes": list(found.notes),
            "numbers": found.numbers.to_dict("records"),
            "changed_pairs": found.changed_pairs.to_dict("records"),
            "settings": found.settings.to_dict("records"),
            "page": None if written is None else str(written),
            "csv": None if csv is None else str(csv),
        }
    )


def _show_comparison(found: RunComparison) -> None:
    if talk().as_json:
        return
    from rich.table import Table

    from facebench.results.comparison.changes import CHANGED

    for side, run in zip("AB", found.runs, strict=True):
        talk().result(_printable(f"{side}  {run.id} ({run.status})"))
    for change in found.changes or ("No setting, weights or data differ.",):
        talk().result(_printable(f"   {change}"))
    n_more = int((found.settings["kind"] != CHANGED).sum())
    if n_more:
        talk().say(f"{n_more} more entries differ (versions, digests, counts): see the page.")
    talk().result(f"{found}.")
    differing = found.differing
    headlines = differing[differing["headline"].astype(bool)]
    shown = (headlines if len(headlines) else differing).head(_DIFFERENCES_SHOWN)
    if not len(shown):
        return
    more = [name for name in ("p_equivalent", "p_fdr") if name in shown]
    table = Table()
    for title in ("Number", "Model"):
        table.add_column(title, overflow="fold", ratio=1)
    for title in ("A → B", "B − A"):
        table.add_column(title, overflow="fold")
    for title in ("P adj.", *({"p_equivalent": "P eq.", "p_fdr": "P FDR"}[name] for name in more)):
        table.add_column(title, justify="right", no_wrap=True)
    for row in shown.to_dict("records"):
        table.add_row(
            _text("\n".join(filter(None, (_known(row["task"]), _measured(row))))),
            _text("\n".join(filter(None, (_known(row["model"]), _layer(row))))),
            _text(f"{_number(row['value_a'])} →\n{_number(row['value_b'])}"),
            _text(_difference(row)),
            _p(row["p_adjusted"] if len(headlines) else row["p_value"]),
            *(_p(row[name]) for name in more),
        )
    talk().out().print(table)
    rest = len(differing) - len(shown)
    if rest:
        talk().say(f"{rest} more numbers differ: see the page, --csv FILE or --json.")


def _known(value: Any) -> str:
    """Give a text as it is, and nothing for what is not there."""
    return value if isinstance(value, str) else ""


def _measured(row: dict[Any, Any]) -> str:
    return ", ".join(filter(None, (_known(row["metric"]), _known(row["condition"]))))


def _layer(row: dict[Any, Any]) -> str:
    return "" if row["layer"] == "default" else _known(row["layer"])


def _difference(row: dict[Any, Any]) -> str:
    sign = "+" if row["difference"] > 0 else ""
    lines = [f"{sign}{_number(row['difference'])}"]
    if row["ci_low"] == row["ci_low"]:
        lines.append(f"[{_number(row['ci_low'])}, {_number(row['ci_high'])}]")
    elif row["remark"]:
        lines.append(_known(row["remark"]))
    return "\n".join(lines)


def _number(value: Any) -> str:
    from facebench.results.headline import number

    return number(value)


def _p(value: Any) -> str:
    if value != value:
        return "–"
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
