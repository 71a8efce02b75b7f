"""What all commands share: modes, where words and results go, and how errors end.

Results go to standard output, talk to standard error. Exit status: 0 fine, 1 some model or task
failed, 2 wrong input, 130 interrupted.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from facebench.errors import ConfigError, FacebenchError
from facebench.utils.progress import ScreenHandler, bars_shown

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "INTERRUPTED",
    "SOME_FAILED",
    "WRONG_INPUT",
    "CommandLines",
    "Talk",
    "command",
    "failures_end_with_1",
    "talk",
]

SOME_FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
_HUGE = 10_000
_MODES: dict[str, Any] = {
    "as_json": Annotated[bool, typer.Option("--json", help="Results as JSON.")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")],
    "verbose": Annotated[
        bool, typer.Option("--verbose", "-v", help="Everything, with tracebacks of errors.")
    ],
}


class CommandLines(TyperGroup):
    """Lists commands under headings, a line of 80 columns each."""

    def headings(self) -> dict[str, list[str]]:
        """Give the names of commands by heading."""
        return {"Commands": list(self.commands)}

    @override
    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, names in self.headings().items():
            rows = [(name, self.commands[name].get_short_help_str(limit=67)) for name in names]
            with formatter.section(heading):
                formatter.write_dl(rows, col_spacing=3)


@dataclass
class Talk:
    """The modes of the command that runs, and its voice.

    Attributes
    ----------
    as_json, quiet, verbose : bool
        The modes.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    def say(self, text: str) -> None:
        """Tell people something, on standard error."""
        if not self.quiet:
            typer.echo(text, err=True)

    def complain(self, text: str) -> None:
        """Tell what is wrong, on standard error, in every mode."""
        coloured = not os.environ.get("NO_COLOR")
        mark = typer.style("Error: ", fg="red", bold=True) if coloured else "Error: "
        typer.echo(mark + text, err=True)

    def warn(self, sentences: Sequence[str]) -> None:
        """Tell what results are to be read with caution for, in every mode."""
        coloured = not os.environ.get("NO_COLOR")
        mark = typer.style("Warning: ", fg="yellow", bold=True) if coloured else "Warning: "
        for sentence in sentences:
            typer.echo(mark + sentence, err=True)

    def result(self, text: str) -> None:
        """Write a result for people to standard output; `data` writes it for programs."""
        if not self.as_json:
            typer.echo(text)

    def data(self, value: Any) -> None:
        """Write a result for programs to standard output, where that was asked for."""
        if self.as_json:
            typer.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Write a table for people to standard output."""
        if self.as_json:
            return
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title or None)
        for column in columns:
            table.add_column(Text(column), overflow="fold")
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        self.out().print(table)

    def out(self) -> Console:
        """Give standard output with rich's tables, at full width where it is not a terminal."""
        from rich.console import Console

        return Console(width=None if sys.stdout.isatty() else _HUGE, highlight=False)

    def show_log(self) -> None:
        """Send facebench's log to standard error, as much of it as the mode asks for."""
        level = logging.WARNING if self.quiet else logging.INFO
        handler = ScreenHandler(logging.DEBUG if self.verbose else level)
        logger = logging.getLogger("facebench")
        logger.handlers = [handler]
        logger.setLevel(handler.level)


_current: ContextVar[Talk | None] = ContextVar("talk", default=None)


def talk() -> Talk:
    """Give the modes and voice of the command that runs."""
    return _current.get() or Talk()


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the modes that all have, and errors that are one sentence and a status.

    Parameters
    ----------
    function : callable
        The command, annotated as typer takes it.

    Returns
    -------
    callable
        The same with --json, --quiet and --verbose.
    """
    signature = inspect.signature(function, eval_str=True)

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> None:
        own = Talk(**{name: options.pop(name) for name in _MODES})
        token = _current.set(own)
        try:
            with _errors_told(WRONG_INPUT), bars_shown(not own.quiet):
                own.show_log()
                function(*arguments, **options)
        finally:
            _current.reset(token)

    modes = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in _MODES.items()
    ]
    parameters = [*signature.parameters.values(), *modes]
    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {item.name: item.annotation for item in parameters}
    return wrapped


@contextmanager
def failures_end_with_1() -> Iterator[None]:
    """Let what fails from here on be a failure of the run, not of what was given."""
    with _errors_told(SOME_FAILED):
        yield


@contextmanager
def _errors_told(status: int) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # The reader of a pipe, such as `head`, has closed it.
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        raise typer.Exit(0) from None
    except (FacebenchError, OSError) as error:
        _tell(error)
        raise typer.Exit(status) from error
    except KeyboardInterrupt as error:
        kept = "What is finished is kept; run the same command again to continue."
        told = " ".join(getattr(error, "__notes__", [kept]))
        typer.echo(f"Interrupted. {told}", err=True)
        raise typer.Exit(INTERRUPTED) from error


def _tell(error: Exception) -> None:
    own = talk()
    if own.verbose:
        import traceback

        traceback.print_exception(error)
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    for problem in problems:
        own.complain(problem)
    own.data({"error": type(error).__name__, "problems": list(problems)})


def _plain(value: Any) -> Any:
    """Turn what tables and settings hold into what JSON has; NaN and infinity become null."""
    if str(value) in ("<NA>", "NaT"):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and not hasattr(value, "columns"):
        value = value.item()
    if isinstance(value, float) and value - value != 0:
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
