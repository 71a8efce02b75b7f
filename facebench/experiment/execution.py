"""Running an experiment into a run folder, continuing one, or seeing that it is done already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from facebench.errors import InputError, RunFailedError
from facebench.experiment.config import Config
from facebench.experiment.digest import data_digest
from facebench.experiment.paths import with_absolute_paths
from facebench.utils.files import held, safe_name

if TYPE_CHECKING:
    from facebench.experiment.building import Experiment

__all__ = [
    "PreviousRun",
    "RunOutcome",
    "exclusive_lock",
    "find_previous_run",
    "refuse_running",
    "run_experiment",
]

_DIGEST = "digest"
_LATEST = "latest"


@dataclass(frozen=True)
class PreviousRun:
    """A run of the same experiment on the same data.

    Attributes
    ----------
    path : Path
        Its folder.
    status : str
        'finished', 'failed', 'interrupted' or 'running'.
    process : str
        What runs it, or ran it: number and machine.
    """

    path: Path
    status: str
    process: str


@dataclass(frozen=True)
class RunOutcome:
    """What came of a run.

    Attributes
    ----------
    path : Path
        Its folder.
    status : {'finished', 'failed'}
        Whether all parts of it succeeded.
    failures : tuple of (str, Exception)
        What failed.
    data_changed : bool
        Whether files that the experiment names changed while it ran. Then the run counts as one of
        other data, and the same experiment runs anew.
    """

    path: Path
    status: Literal["finished", "failed"]
    failures: tuple[tuple[str, BaseException], ...] = ()
    data_changed: bool = False


def find_previous_run(config: Config, digest: str) -> PreviousRun | None:
    """Find the latest run of the same experiment.

    Parameters
    ----------
    config : Config
        The configuration.
    digest : str
        From `experiment_digest`.
    """
    from facebench.errors import FacebenchError
    from facebench.results.reader import load_run

    folder = _folder_of(config)
    for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
        if path.is_symlink():
            continue  # 'latest'
        try:
            run = load_run(path)
        except FacebenchError:
            # Not a run, or not one that can be continued.
            continue
        known = run.manifest.get("config")
        if isinstance(known, Mapping) and known.get(_DIGEST) == digest:
            process = run.manifest.get("process") or {}
            shown = f"process {process.get('pid')} on {process.get('host')}"
            return PreviousRun(path, run.status, shown)
    return None


def refuse_running(previous: PreviousRun | None) -> None:
    """Refuse to start what runs already, by what its folder tells.

    Parameters
    ----------
    previous : PreviousRun or None
        From `find_previous_run`.

    Raises
    ------
    InputError
        If it is running.
    """
    if previous is not None and previous.status == "running":
        msg = (
            f"This experiment is already running, into {previous.path} ({previous.process}). "
            "Wait until it is done, or stop it and run this again. If that process is gone for "
            "good, --force runs the experiment anew."
        )
        raise InputError(msg)


@contextmanager
def exclusive_lock(config: Config, digest: str) -> Iterator[None]:
    """Let one process at a time run an experiment; two may be started in the same second.

    Parameters
    ----------
    config : Config
        The configuration.
    digest : str
        From `experiment_digest`: other experiments of the same name are free to run.

    Raises
    ------
    InputError
        If another process runs it, or nothing can be written where runs go.
    """
    folder = _folder_of(config)
    msg = (
        f"This experiment is already running, into a folder in {folder}. Wait until it is "
        "done, or stop it; then run this again, to see its results or to continue it."
    )
    with held(folder / f".{digest[:16]}.lock", msg):
        yield


def run_experiment(
    experiment: Experiment,
    digest: str,
    previous: PreviousRun | None,
    *,
    deep: bool = False,
    data: str | None = None,
) -> RunOutcome:
    """Run an experiment, or continue a previous run; call it within `exclusive_lock`.

    Parameters
    ----------
    experiment : Experiment
        What to run.
    digest : str
        From `experiment_digest`.
    previous : PreviousRun, optional
        The run to continue.
    deep : bool, default False
        Look for near duplicates among any number of images.
    data : str, optional
        From `data_digest`, taken with `digest`: what the data must be at the end too. None does not
        look.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted, after what is finished was saved.
    """
    from facebench.results.run_folder import RunFolder

    settings = experiment.config.settings
    manager = experiment.manager()
    folder = (
        RunFolder.create(settings.output, settings.name)
        if previous is None
        else RunFolder.reopen(previous.path)
    )
    config: dict[str, Any] = {
        _DIGEST: digest,
        "file": str(experiment.config.path.resolve()),
        "settings": with_absolute_paths(experiment.config),
    }

    def save(status: Any, failures: tuple[tuple[str, BaseException], ...] = ()) -> None:
        folder.save(
            manager,
            config=config,
            status=status,
            failures=failures,
            seeds={"seed": settings.seed},
            deep=deep,
        )

    # From here on the folder is known as a run, even after a crash.
    save("running")
    _link_latest(folder.path)
    failures: tuple[tuple[str, BaseException], ...] = ()
    try:
        with folder.log():
            manager.run_all_tasks_all_models(export_path=folder.path, plots=settings.plots)
    except RunFailedError as error:
        failures = error.failures
    except Exception as error:
        failures = ((_where(error), error),)
    except KeyboardInterrupt as error:
        save("interrupted")
        if not getattr(error, "__notes__", None):
            error.add_note(
                f"What is finished is in {folder.path}; the same run resumes from there."
            )
        raise
    status: Literal["finished", "failed"] = "failed" if failures else "finished"
    has_changed = data is not None and data_digest(experiment.config) != data
    if has_changed:
        config[_DIGEST] = None
    save(status, failures)
    return RunOutcome(folder.path, status, failures, has_changed)


def _link_latest(run: Path) -> None:
    """Point the link ``latest`` beside a run at it, where the file system has links."""
    link = run.parent / _LATEST
    fresh = run.parent / f".{_LATEST}-{run.name}"
    if link.exists() and not link.is_symlink():
        return  # a folder of the user
    with suppress(OSError):
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(run.name, target_is_directory=True)
        fresh.replace(link)


def _folder_of(config: Config) -> Path:
    return config.settings.output / safe_name(config.settings.name)


def _where(error: Exception) -> str:
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith("While running ")]
    return notes[0].removeprefix("While running ").partition(". ")[0] if notes else "run"
