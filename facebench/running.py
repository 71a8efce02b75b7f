"""Running an experiment into a run folder, continuing one, or seeing that it is done already."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from facebench.config import Config, Settings
from facebench.errors import InputError, RunFailedError
from facebench.files import held, safe_name
from facebench.yaml_reading import Located

if TYPE_CHECKING:
    from facebench.experiment import Experiment

__all__ = [
    "Earlier",
    "Outcome",
    "alone",
    "experiment_digest",
    "find_earlier",
    "refuse_running",
    "run_experiment",
]

# Settings that say how a run is done, where to, and under which name: its results are the same.
_HOW = frozenset(
    {"device", "batch_size", "num_workers", "cache", "max_memory", "output", "report", "name"}
)
_DIGEST = "digest"


@dataclass(frozen=True)
class Earlier:
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
class Outcome:
    """What came of a run.

    Attributes
    ----------
    path : Path
        Its folder.
    status : {'finished', 'failed'}
        Whether all parts of it succeeded.
    continued : bool
        Whether the folder is that of an earlier run.
    failures : tuple of (str, Exception)
        What failed.
    """

    path: Path
    status: Literal["finished", "failed"]
    continued: bool
    failures: tuple[tuple[str, BaseException], ...] = ()


def experiment_digest(config: Config) -> str:
    """Tell whether two experiments would give the same results.

    The digest covers models, tasks and what else decides the numbers; every file that the
    configuration names, by content (pairs, weights, plug-ins); every folder, by the names, sizes
    and times of all files in it; and facebench's own code. Batch size, device, cache and the like
    are left out, and so are the places of files and folders: a moved experiment is the same.

    Parameters
    ----------
    config : Config
        The configuration.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    from facebench.results.provenance import code_digest

    without = config.settings.output.resolve()
    said = {
        key: _canonical(item, without)
        for key, item in config.source.value.items()
        if key not in _HOW and not _goes_without_saying(key, item)
    }
    said["seed"] = config.settings.seed
    said["facebench"] = code_digest()
    text = json.dumps(said, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def find_earlier(config: Config, digest: str) -> Earlier | None:
    """Find the latest run of the same experiment.

    Parameters
    ----------
    config : Config
        The configuration.
    digest : str
        From `experiment_digest`.

    Returns
    -------
    Earlier or None
    """
    from facebench.errors import FacebenchError
    from facebench.results.run import load_run

    folder = _folder_of(config)
    for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
        try:
            run = load_run(path)
        except FacebenchError:
            # Not a run, or not one that can be continued.
            continue
        known = run.manifest.get("config")
        if isinstance(known, Mapping) and known.get(_DIGEST) == digest:
            process = run.manifest.get("process") or {}
            shown = f"process {process.get('pid')} on {process.get('host')}"
            return Earlier(path, run.status, shown)
    return None


def refuse_running(earlier: Earlier | None) -> None:
    """Refuse to start what runs already, by what its folder tells.

    Parameters
    ----------
    earlier : Earlier or None
        From `find_earlier`.

    Raises
    ------
    InputError
        If it is running.
    """
    if earlier is not None and earlier.status == "running":
        msg = (
            f"This very experiment is running already, into {earlier.path} ({earlier.process}). "
            "Wait until it is done, or stop it and run this again. If that process is gone for "
            "good, --force runs the experiment anew."
        )
        raise InputError(msg)


@contextmanager
def alone(config: Config, digest: str) -> Iterator[None]:
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
        f"This very experiment is running already, into a folder in {folder}. Wait until it is "
        "done, or stop it; then run this again, to see its results or to continue it."
    )
    with held(folder / f".{digest[:16]}.lock", msg):
        yield


def run_experiment(experiment: Experiment, digest: str, earlier: Earlier | None) -> Outcome:
    """Run an experiment, in the folder of an earlier run if there is one; call it within `alone`.

    Parameters
    ----------
    experiment : Experiment
        What to run.
    digest : str
        From `experiment_digest`.
    earlier : Earlier, optional
        The run to continue.

    Returns
    -------
    Outcome

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
        if earlier is None
        else RunFolder.reopen(earlier.path)
    )
    config = {
        _DIGEST: digest,
        "file": str(experiment.config.path.resolve()),
        "settings": settings.model_dump(mode="json"),
    }

    def save(status: Any, failures: tuple[tuple[str, BaseException], ...] = ()) -> None:
        folder.save(
            manager,
            config=config,
            status=status,
            failures=failures,
            seeds={"seed": settings.seed},
        )

    # From here on the folder is known for what it is, whatever happens.
    save("running")
    failures: tuple[tuple[str, BaseException], ...] = ()
    try:
        with folder.log():
            manager.run_all_tasks_all_models(export_path=folder.path)
    except RunFailedError as error:
        failures = error.failures
    except Exception as error:
        failures = ((_where(error), error),)
    except KeyboardInterrupt:
        save("interrupted")
        raise
    status: Literal["finished", "failed"] = "failed" if failures else "finished"
    save(status, failures)
    return Outcome(folder.path, status, earlier is not None, failures)


def _goes_without_saying(key: str, item: Located) -> bool:
    default = Settings.model_fields[key].get_default(call_default_factory=True)
    return bool(item.plain() == default)


def _folder_of(config: Config) -> Path:
    return config.settings.output / safe_name(config.settings.name)


def _where(error: Exception) -> str:
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith("While running ")]
    return notes[0].removeprefix("While running ").partition(". ")[0] if notes else "run"


def _canonical(item: Located, without: Path) -> Any:
    """Put the content of files and folders in place of their names."""
    if isinstance(item.value, dict):
        return {key: _canonical(value, without) for key, value in item.value.items()}
    if isinstance(item.value, list):
        return [_canonical(value, without) for value in item.value]
    if isinstance(item.value, str):
        return _content(item.value, item.place.folder, without)
    return item.value


def _content(text: str, folder: Path, without: Path) -> Any:
    # 'file.py:Class' names a file too.
    name, colon, attribute = text.partition(".py:")
    path = folder / Path(f"{name}.py" if colon else text).expanduser()
    try:
        if path.is_file():
            with path.open("rb") as file:
                return {"file": hashlib.file_digest(file, "sha256").hexdigest(), "in": attribute}
        if path.is_dir():
            return {"folder": _tree_digest(path, without)}
    except (OSError, ValueError, RuntimeError):
        # No path at all: a name too long, or with a ~ of nobody.
        pass
    return text


def _tree_digest(folder: Path, without: Path) -> str:
    digest = hashlib.sha256()
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and Path(where, name).resolve() != without
        )
        for name in sorted(files):
            path = Path(where, name)
            state = path.stat()
            line = (path.relative_to(folder).as_posix(), state.st_size, state.st_mtime_ns)
            digest.update(repr(line).encode())
    return digest.hexdigest()
