"""The folder of a run: what is written there, and in which state it is left."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from typing_extensions import override

from facebench.columns import CONTROLS, NETWORK_LAYERS
from facebench.data.bibliography import citations_beside, citations_of
from facebench.errors import InputError, RunFolderError
from facebench.results.checksums import CHECKSUMS, checksums_of_tables
from facebench.results.data_health import look_at_data
from facebench.results.distances_file import write_distances
from facebench.results.exports import export_data_health
from facebench.results.manifest import read_manifest
from facebench.results.provenance import (
    Digests,
    code_digest,
    git_state,
    machine,
    process,
    versions,
)
from facebench.results.replicates_file import write_replicates
from facebench.results.schema import (
    DISTANCES_FILE,
    FAILURES_FILE,
    LOG_FILE,
    MANIFEST_FILE,
    NETWORK,
    REPLICATES_FILE,
    RESULTS_CSV,
    RESULTS_FILE,
    RESULTS_METADATA,
    SCHEMA_VERSION,
    STATISTICS_VERSION,
    csv_metadata,
)
from facebench.results.task_facts import TaskFacts, facts_of
from facebench.results.tidy import EstimatesByTask, tidy_results
from facebench.types import StrPath
from facebench.utils.files import atomic_path, safe_name, write_csv
from facebench.utils.sharing import make_folder, refusal

if TYPE_CHECKING:
    import pandas as pd

    from facebench.run.manager import MultiModelTaskManager

__all__ = ["RunFolder", "Status"]

_log = logging.getLogger(__name__)

Status = Literal["running", "finished", "interrupted", "failed"]
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class RunFolder:
    """Writes what a run leaves behind; every file is written whole or not at all.

    Make one with `create` or `reopen`. The manager writes the documented tables and pictures to
    `path` itself, if that is its ``export_path``; `save` adds the tidy tables and the manifest.

    Attributes
    ----------
    path : Path
        ``<root>/<name>/<time>-<id>``.
    name, id : str
        The run's name, and name and folder as one text.

    Examples
    --------
    >>> import tempfile
    >>> from facebench import RunFolder, load_run
    >>> with tempfile.TemporaryDirectory() as runs:
    ...     folder = RunFolder.create(runs, "study")
    ...     load_run(folder.path).status
    'running'

    After a run, ``folder.save(manager)`` writes what the manager has measured.
    """

    def __init__(self, path: Path, name: str, created: str) -> None:
        self.path = path
        self.name = name
        self.id = f"{name}/{path.name}"
        self._created = created

    @override
    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def create(cls, root: StrPath, name: str) -> RunFolder:
        """Make the folder of a new run.

        Parameters
        ----------
        root : str or Path
            The folder of all runs, such as ``runs``.
        name : str
            The run's name.

        Returns
        -------
        RunFolder
            Its manifest says 'running' from now on.
        """
        now = datetime.now(UTC)
        folder = f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
        path = Path(root).absolute() / safe_name(name) / folder
        try:
            make_folder(path)
        except OSError as error:
            why = refusal(path) if isinstance(error, PermissionError) else str(error)
            msg = f"The run folder {path} cannot be made: {why}. Give a root to write to."
            raise RunFolderError(msg) from error
        run = cls(path, name, now.isoformat(timespec="seconds"))
        run._write_manifest({"status": "running", "tasks": {}})
        return run

    @classmethod
    def reopen(cls, path: Path) -> RunFolder:
        """Continue in the folder of an earlier run.

        Parameters
        ----------
        path : Path
            The folder.

        Returns
        -------
        RunFolder

        Raises
        ------
        RunFolderError
            If there is no run, or one of a newer facebench.
        """
        manifest = read_manifest(Path(path))
        return cls(Path(path).absolute(), str(manifest["name"]), str(manifest["created"]))

    @contextmanager
    def log(self, level: int = logging.INFO) -> Iterator[Path]:
        """Write facebench's log to ``run.log`` as long as the block runs.

        Parameters
        ----------
        level : int, default logging.INFO
            What is written.

        Yields
        ------
        Path
            The file.
        """
        logger = logging.getLogger("facebench")
        handler = logging.FileHandler(self.path / LOG_FILE, encoding="utf-8")
        handler.setFormatter(logging.Formatter(_LOG_FORMAT))
        handler.setLevel(level)
        before = logger.level
        if not logger.isEnabledFor(level):
            logger.setLevel(level)
        logger.addHandler(handler)
        try:
            yield self.path / LOG_FILE
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before)
            handler.close()

    def save(
        self,
        manager: MultiModelTaskManager,
        *,
        config: Mapping[str, Any] | None = None,
        status: Status = "finished",
        failures: Sequence[tuple[str, BaseException]] = (),
        seeds: Mapping[str, int] | None = None,
        deep: bool = False,
    ) -> Path:
        """Write the tables and the manifest of what a manager has so far; nothing is measured.

        Of a run that is finished or failed, the data are looked at too: see `look_at_data`.

        Parameters
        ----------
        manager : MultiModelTaskManager
            After, or in the middle of, a run.
        config : mapping, optional
            The experiment's configuration, as JSON takes it.
        status : {'running', 'finished', 'interrupted', 'failed'}
            How far the run is.
        failures : sequence of (str, Exception)
            What failed, as `RunFailedError.failures` has it.
        seeds : mapping of str to int, optional
            Seeds of all random draws.
        deep : bool, default False
            Look for near duplicates among any number of images.

        Returns
        -------
        Path
            The folder.
        """
        performances = {**manager.tasks_performance_dfs, **manager.unrounded_performance_dfs}
        facts = {
            name: facts_of(task, performances.get(name)) for name, task in manager.tasks.items()
        }
        distances = manager.model_task_distances_dfs
        unprocessed = getattr(manager, "failures_to_process", None)
        self._forget_checksums()
        people = getattr(manager, "people_rows", {})
        results = self.write_tables(manager.estimates, distances, facts, unprocessed, people)
        if unprocessed is not None and len(unprocessed):
            write_csv(unprocessed, self.path / FAILURES_FILE)
        health, digests = None, Digests()
        # After an interrupt the user does not want to wait.
        if status in ("finished", "failed"):
            findings, health = look_at_data(
                manager.tasks,
                results,
                distances,
                deep=deep,
                images_needed=getattr(manager, "needs_images", True),
                digests=digests,
                files=getattr(manager, "image_files", {}),
            )
            if findings is not None:
                export_data_health(self.path, findings)
        self._write_manifest(
            {
                "status": status,
                "health": health,
                "config": None if config is None else dict(config),
                "seeds": dict(seeds or {}),
                "models": {
                    name: {
                        "type": type(model).__name__,
                        "shown": repr(model),
                        **_described(model),
                        **getattr(model, "facts", {}),
                        **_layers_of(model),
                        **_series_of(model),
                        **_control_of(model),
                    }
                    for name, model in manager.models.items()
                },
                "tasks": {name: fact.as_dict() for name, fact in facts.items()},
                "data": _data_digests(manager, digests),
                "remarks": manager.remarks,
                "failures": [
                    {"what": what, "error": f"{type(error).__name__}: {error}"}
                    for what, error in failures
                ],
                "provenance": getattr(manager, "provenance", {}),
                # A run that goes on changes its tables.
                CHECKSUMS: {} if status == "running" else checksums_of_tables(self.path),
            }
        )
        return self.path

    def write_tables(
        self,
        estimates: EstimatesByTask,
        distances: Mapping[str, Mapping[str, pd.DataFrame]],
        facts: Mapping[str, TaskFacts],
        failures: pd.DataFrame | None = None,
        people: Mapping[str, pd.DataFrame] = MappingProxyType({}),
    ) -> pd.DataFrame:
        """Write the tidy results and all distances.

        Parameters
        ----------
        estimates, facts, failures, people
            See `tidy_results`.
        distances : mapping
            ``distances[model][task]``: every pair (or item) once per layer.

        Returns
        -------
        DataFrame
            The tidy results of networks.
        """
        results = tidy_results(self.id, estimates, facts, failures, people)
        with atomic_path(self.path / RESULTS_FILE) as temporary:
            results.to_parquet(temporary, index=False)
        write_csv(_for_the_web(results), self.path / RESULTS_CSV)
        with atomic_path(self.path / RESULTS_METADATA) as temporary:
            temporary.write_text(csv_metadata(), encoding="utf-8")
        replicates = {
            (task, model, layer): found.replicates
            for task, by_model in estimates.items()
            for model, by_layer in by_model.items()
            for layer, found in by_layer.items()
            if found.replicates is not None
        }
        write_replicates(self.path / REPLICATES_FILE, replicates)
        write_distances(self.path / DISTANCES_FILE, distances)
        return results[results["source"] == NETWORK]

    def _forget_checksums(self) -> None:
        """Take the checksums out of the manifest before the tables change: this may be killed."""
        manifest = read_manifest(self.path)
        if manifest[CHECKSUMS]:
            self._write_json({**manifest, CHECKSUMS: {}})

    def _write_manifest(self, content: Mapping[str, Any]) -> None:
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "statistics_version": STATISTICS_VERSION,
            "name": self.name,
            "run": self.id,
            "created": self._created,
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "process": process(),
            "machine": machine(),
            "versions": versions(),
            "code": {"digest": code_digest(), "git": git_state(Path(__file__).parent)},
            "working_directory": {"path": str(Path.cwd()), "git": git_state(Path.cwd())},
            **content,
        }
        self._write_json(manifest)

    def _write_json(self, manifest: Mapping[str, Any]) -> None:
        text = json.dumps(_plain(manifest), indent=2, ensure_ascii=False, allow_nan=False)
        with atomic_path(self.path / MANIFEST_FILE) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")


def _data_digests(manager: MultiModelTaskManager, digests: Digests) -> dict[str, Any]:
    """Digest the images and tables of each task."""
    data = {}
    for name, task in manager.tasks.items():
        table = getattr(task, "measured_pairs", None)
        if table is None:
            images = list(getattr(task, "images", ()))
        else:
            images = [*table["img1"].astype(str), *table["img2"].astype(str)]
        pairs_file = getattr(task, "pairs_file_path", None)
        data[name] = {
            "images": digests.of_images(Path(task.images_path), images),
            "pairs_file": None if pairs_file is None else str(Path(pairs_file).absolute()),
            "pairs_digest": None if pairs_file is None else digests.of_file(Path(pairs_file)),
            "citations": [] if pairs_file is None else _cited_beside(Path(pairs_file)),
        }
        others = getattr(task, "distractor_files", ())
        if others:
            data[name]["distractors"] = digests.of_files(others)
    return data


def _for_the_web(results: pd.DataFrame) -> pd.DataFrame:
    """Write infinity as the W3C's tabular data does; pandas reads it all the same."""
    infinite = results.isin([np.inf, -np.inf])
    spelled = {np.inf: "INF", -np.inf: "-INF"}
    return results.assign(
        **{
            column: results[column].astype(object).replace(spelled)
            for column in results.columns[infinite.any()]
        }
    )


def _layers_of(model: Any) -> dict[str, Any]:
    """List all layers of a network, which the relative depth of those measured counts."""
    names = getattr(model, "get_layer_names", None)
    return {} if names is None else {NETWORK_LAYERS: [str(name) for name in names()]}


def _cited_beside(pairs_file: Path) -> list[str]:
    """Read what to cite for the data; a run is not lost where that cannot be read."""
    try:
        return citations_beside(pairs_file)
    except InputError as error:
        _log.warning("What to cite for %s is left out. %s", pairs_file.name, error)
        return []


def _described(model: Any) -> dict[str, Any]:
    """Say what the methods section of a paper tells of a model, and what to cite."""
    told: dict[str, Any] = {"citations": citations_of(model)}
    if hasattr(model, "describe_input"):
        told |= {"preprocessing": model.describe_input(), "weights": model.describe_weights()}
    return told


def _control_of(model: Any) -> dict[str, Any]:
    """Say of which network a model is an untrained copy; nothing of other models."""
    control = getattr(model, "control", None)
    return {} if control is None else {CONTROLS: str(control)}


def _series_of(model: Any) -> dict[str, Any]:
    """Say where a checkpoint stands in its training; nothing of other models."""
    series = getattr(model, "series", None)
    return {} if series is None else {"series": dict(series)}


def _plain(value: Any) -> Any:
    """Turn what configurations and counts are made of into what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
