"""How far the shards of a run are: a small file of each, beside the packs."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import psutil
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from facebench.errors import InputError
from facebench.utils.files import atomic_path, safe_name

if TYPE_CHECKING:
    from facebench.engine.sharding import Shard

__all__ = ["ShardStatus", "StatusFile", "Step", "read_statuses"]

# What shards do: embed images, or search distractors.
Step: TypeAlias = Literal["shards", "search-shards"]
_EVERY = 10.0
# A shard that has not been heard of for so long is taken for killed.
_SILENT = 600.0
_LARGEST = 1 << 16


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "�" for sign in text)


_Text = Annotated[str, Field(max_length=10_000), AfterValidator(_printable)]
_Count = Annotated[int, Field(ge=0, lt=1 << 31)]
_Seconds = Annotated[float, Field(allow_inf_nan=False)]


class ShardStatus(BaseModel):
    """How far a shard is.

    Attributes
    ----------
    number, count : int
        Which shard, of how many.
    state : {'running', 'done', 'failed', 'stopped', 'killed'}
        'stopped' by a signal, to be continued; 'killed' if it was not heard of again.
    model : str
        What it is at.
    n_images, n_missing, n_forwards : int
        Images of the share, over all models so far; those that neither store nor packs had; those
        that went through the network.
    started, updated : float
        Seconds since 1970.
    host, process, job : str
        Where it runs.
    error : str
        Why it failed.
    silent : float
        Seconds since it was heard of.
    """

    number: _Count
    count: _Count
    state: Literal["running", "done", "failed", "stopped", "killed"] = "running"
    model: _Text = ""
    n_images: _Count = 0
    n_missing: _Count = 0
    n_forwards: _Count = 0
    started: _Seconds
    updated: _Seconds
    host: _Text
    process: _Count
    job: _Text = ""
    error: _Text = ""
    silent: _Seconds = 0.0

    @property
    def rate(self) -> float:
        """Images through the network per second."""
        return self.n_forwards / max(self.updated - self.started, 1e-3)


class StatusFile:
    """Writes how far a shard is, every few seconds; if it cannot be written, the run goes on.

    Parameters
    ----------
    packs : Path
        The folder of packs.
    name : str
        The experiment's.
    shard : Shard
        Which shard.
    environment : mapping of str to str
        The process's environment.
    step : {'shards', 'search-shards'}
        What it does. Of a search, images are distractors, one for each model, layer and task.
    """

    def __init__(
        self,
        packs: Path,
        name: str,
        shard: Shard,
        environment: Mapping[str, str],
        step: Step = "shards",
    ) -> None:
        self._packs = packs
        self._path = _folder(packs, name, step) / str(shard.count) / f"{shard.number}.json"
        task = environment.get("SLURM_ARRAY_TASK_ID")
        job = environment.get("SLURM_ARRAY_JOB_ID" if task else "SLURM_JOB_ID", "")
        self._status = ShardStatus(
            number=shard.number,
            count=shard.count,
            started=time.time(),
            updated=time.time(),
            host=socket.gethostname(),
            process=os.getpid(),
            job=f"{job}_{task}" if task else job,
        )
        self._written = 0.0
        self.end("running")

    def begin(self, model: str, n_images: int, n_missing: int) -> None:
        """Note that a model's share begins."""
        self._status.model = model
        self._status.n_images += n_images
        self._status.n_missing += n_missing
        self._write()

    def batch(self, n_images: int) -> None:
        """Note that so many images went through the network, or were searched."""
        self._status.n_forwards += n_images
        if time.monotonic() - self._written > _EVERY:
            self._write()

    def end(
        self, state: Literal["running", "done", "failed", "stopped"], error: object = ""
    ) -> None:
        """Note how it ended."""
        self._status.state, self._status.error = state, _printable(str(error))[:10_000]
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        self._status.updated = time.time()
        if _is_led_away(self._packs, self._path):
            return
        with contextlib.suppress(OSError, InputError), atomic_path(self._path) as temporary:
            temporary.write_text(self._status.model_dump_json())


def read_statuses(packs: Path, name: str, step: Step = "shards") -> list[ShardStatus]:
    """Read how far the shards of an experiment are.

    Parameters
    ----------
    packs : Path
        The folder of packs.
    name : str
        The experiment's.
    step : {'shards', 'search-shards'}
        See `StatusFile`.

    Returns
    -------
    list of ShardStatus
        By number; of the number of shards that was begun last. What is not such a file is passed
        over.
    """
    found: dict[int, list[ShardStatus]] = {}
    now = _time_at(packs)
    for path in _folder(packs, name, step).glob("*/*.json"):
        status = None if _is_led_away(packs, path) else _read(path, now)
        if status is not None:
            found.setdefault(status.count, []).append(status)
    latest = max(found.values(), key=lambda group: max(one.started for one in group), default=[])
    return sorted(latest, key=lambda status: status.number)


def _read(path: Path, now: float) -> ShardStatus | None:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            # When it was written is told by one clock for all shards: that of the folder.
            written = os.fstat(file.fileno()).st_mtime
            status = ShardStatus.model_validate_json(file.read(_LARGEST))
    except (OSError, ValidationError):
        return None
    if (path.parent.name, path.stem) != (str(status.count), str(status.number)):
        return None
    status.silent = max(now - written, 0.0)
    if status.state == "running" and _is_gone(status):
        status.state = "killed"
    return status


def _is_gone(status: ShardStatus) -> bool:
    is_here = status.host == socket.gethostname()
    return (is_here and not psutil.pid_exists(status.process)) or status.silent > _SILENT


def _time_at(folder: Path) -> float:
    """Tell the time by the clock of the machine that a folder is on."""
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_mtime
    return time.time()


def _is_led_away(packs: Path, path: Path) -> bool:
    """Tell whether a link leads out of the folder of packs."""
    inside = path.relative_to(packs).parts
    return any(packs.joinpath(*inside[:n]).is_symlink() for n in range(1, len(inside) + 1))


def _folder(packs: Path, name: str, step: Step) -> Path:
    return packs / step / safe_name(name)
