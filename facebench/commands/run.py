"""run, validate, schema: an experiment written in a file."""

from __future__ import annotations

import shlex
import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facebench.commands.frame import SOME_FAILED, failures_end_with_1, talk
from facebench.commands.results import show_verdicts
from facebench.utils.importing import lasting_imports
from facebench.utils.progress import Progress
from facebench.utils.units import shown_seconds

if TYPE_CHECKING:
    from facebench.experiment.building import Experiment
    from facebench.experiment.config import Config
    from facebench.experiment.execution import PreviousRun
    from facebench.results.verdicts import Verdict

__all__ = ["run", "schema", "validate"]

File = Annotated[Path, typer.Argument(metavar="FILE", help="The experiment, such as x.yaml.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override, as tasks.lfw.folds=5; repeatable."),
]

PackFolder = Annotated[
    Path | None,
    typer.Option("--packs", metavar="DIR", help="A folder of packs; overrides `packs:`."),
]


def with_packs(overrides: list[str] | None, packs: Path | None) -> list[str]:
    """Add the folder of packs to what overrides the file."""
    return [*(overrides or []), *([] if packs is None else [f"packs={packs.absolute()}"])]


def run(
    file: File,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where runs go; overrides `output:`."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and print the plan only.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run again, into a new folder, even if it is finished.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Look for near duplicates among any number of images.")
    ] = False,
    open_it: Annotated[
        bool, typer.Option("--open", help="Show the report in the browser when done.")
    ] = False,
    packs: PackFolder = None,
    figures: Annotated[
        str | None,
        typer.Option(
            metavar="FORMATS", help="As png,pdf,svg: formats of figures; overrides `figures:`."
        ),
    ] = None,
) -> None:
    """Run an experiment; run it again to continue it.

    A run of the same experiment on the same data that is finished is shown, not repeated; one that
    was interrupted or failed is continued in its folder. Exit status: 0 fine, 1 some model or task
    failed, 2 wrong input, 130 interrupted.
    """
    from facebench.experiment.config import load_config

    started = time.monotonic()
    overrides = with_packs(overrides, packs)
    overrides += [] if output is None else [f"output={output.absolute()}"]
    overrides += [] if figures is None else [f"figures=[{figures}]"]
    config = load_config(file, overrides)
    if dry_run:
        _show_plan(_built(config))
        return
    from facebench.experiment.digest import data_digest, experiment_digest
    from facebench.experiment.execution import exclusive_lock, run_experiment

    digest = experiment_digest(config)
    previous = None if force else _startable(config, digest)
    if previous is not None and previous.status == "finished":
        _show_finished(config, previous, open_it=open_it)
        return
    data = data_digest(config)
    experiment = _built(config)
    with exclusive_lock(config, digest):
        # Another start may have been faster.
        previous = None if force else _startable(config, digest)
        if previous is not None and previous.status == "finished":
            _show_finished(config, previous, open_it=open_it)
            return
        if previous is not None:
            talk().say(f"Continuing the {previous.status} run {previous.path}.")
        try:
            outcome = run_experiment(experiment, digest, previous, deep=deep, data=data)
        except KeyboardInterrupt as interrupt:
            # Without --force, which would begin anew.
            interrupt.add_note(f"Continue with: {_called('run', file, overrides)}")
            raise
        for what, error in outcome.failures:
            talk().complain(f"{what} failed: {type(error).__name__}: {error}")
        if outcome.data_changed:
            talk().complain(
                "Files that this experiment names changed while it ran: its results may be of "
                "either. Run it again; what has not changed is found in the embedding store."
            )
        said = _write_report(config, outcome.path) if config.settings.report else None
    talk().say(f"Done in {shown_seconds(time.monotonic() - started)}.")
    told = [str(error) for _, error in outcome.failures]
    _show_results(
        config, outcome.path, outcome.status, new=True, open_it=open_it, told=told, said=said
    )
    if outcome.failures:
        raise typer.Exit(SOME_FAILED)


def validate(
    file: File,
    overrides: Overrides = None,
    deep: Annotated[bool, typer.Option("--deep", help="Decode every image too.")] = False,
) -> None:
    """Check an experiment: names, files, columns, layers, images.

    Prints its plan. Nothing is computed.
    """
    from facebench.experiment.config import load_config

    config = load_config(file, overrides or [])
    experiment = _built(config)
    if deep:
        from facebench.commands.images import decode_all

        decode_all(experiment)
    warnings = _show_plan(experiment)
    talk().say(f"{file} is valid; see the warnings above." if warnings else f"{file} is fine.")


def schema() -> None:
    """Print the JSON schema of experiment files, for editors."""
    import json

    from facebench.experiment.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def _called(command: str, file: Path, overrides: Sequence[str] = ()) -> str:
    """Write a command as it is typed."""
    changes = [word for change in overrides for word in ("--set", change)]
    return shlex.join(["facebench", command, str(file), *changes])


def _built(config: Config) -> Experiment:
    # On a busy machine torch alone takes seconds to load.
    with Progress("Starting", 1, "", logged=False), lasting_imports():
        from facebench.experiment.building import build_experiment

    return build_experiment(config)


def _show_plan(experiment: Experiment) -> list[str]:
    plan = experiment.plan()
    talk().result(str(plan))
    told = {"plan": plan.to_frame().to_dict("records"), "warnings": plan.warnings}
    talk().data({"valid": True, **told})
    return plan.warnings


def _startable(config: Config, digest: str) -> PreviousRun | None:
    from facebench.experiment.execution import find_previous_run, refuse_running

    previous = find_previous_run(config, digest)
    refuse_running(previous)
    return previous


def _show_finished(config: Config, previous: PreviousRun, *, open_it: bool) -> None:
    from facebench.results.checksums import changed_tables, told_changed
    from facebench.results.manifest import read_manifest
    from facebench.results.schema import REPORT_FILE

    for file in changed_tables(previous.path, read_manifest(previous.path)):
        talk().complain(told_changed(file))
    talk().say(
        f"This experiment is finished, on the same data: {previous.path}. "
        "Nothing is left to do; --force runs it anew."
    )
    if config.settings.report and not (previous.path / REPORT_FILE).exists():
        # It was interrupted behind its last number, or no report was wanted then.
        _write_report(config, previous.path)
    _draw_missing(config, previous.path)
    _show_results(config, previous.path, previous.status, new=False, open_it=open_it)


def _draw_missing(config: Config, run: Path) -> None:
    """Draw a finished run's figures in the formats that it lacks."""
    from facebench.results.reader import load_run
    from facebench.results.saved_figures import FIGURES_FOLDER, draw_run

    if not config.settings.plots:
        return
    found = load_run(run)
    settings = found.manifest["provenance"].get("settings", {})
    known = set(settings.get("figures", ["png"]))
    known |= {path.suffix.removeprefix(".") for path in (run / FIGURES_FOLDER).glob("*.*")}
    missing = [name for name in config.settings.figures if name not in known]
    if missing and found.tasks:
        with failures_end_with_1():
            draw_run(found, run / FIGURES_FOLDER, missing)
        talk().say(f"Its figures are drawn as {', '.join(missing)} in {run / FIGURES_FOLDER}.")
        if config.settings.report:
            # It links them.
            _write_report(config, run)


def _write_report(config: Config, run: Path) -> list[Verdict]:
    from facebench.results.report.run_page import report_with_verdicts

    with failures_end_with_1():
        return report_with_verdicts(run, layer_choice=config.settings.layer_choice)[1]


def _show_results(
    config: Config,
    path: Path,
    status: str,
    *,
    new: bool,
    open_it: bool = False,
    told: Sequence[str] = (),
    said: Sequence[Verdict] | None = None,
) -> None:
    from facebench.results.face_failures import uneven_failures
    from facebench.results.reader import load_run
    from facebench.results.schema import REPORT_FILE

    found = load_run(path)
    failures = found.failures_to_process
    uneven = uneven_failures(failures)
    talk().warn(uneven)
    show_verdicts(found, config.settings.layer_choice, told=[*told, *uneven], said=said)
    page = path / REPORT_FILE
    if open_it and not page.is_file():
        talk().say("There is no report to open: the experiment says report: false.")
    talk().result(f"All numbers: {_called('results', path)}")
    # The last line, to be clicked or copied.
    talk().result(str(page if page.is_file() else path))
    if open_it and page.is_file():
        webbrowser.open(page.absolute().as_uri())
    talk().data(
        {
            "run": str(path),
            "status": status,
            "new": new,
            "failures_to_process": failures.to_dict("records"),
            "results": found.results.to_dict("records"),
        }
    )
