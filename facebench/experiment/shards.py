"""Which share of a run's images a process embeds, and how it ends when it is told to."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from facebench.engine.sharding import Shard
from facebench.errors import InputError

__all__ = ["ShardStopped", "device_of_rank", "node_folder", "shard_of", "share_told", "stoppable"]

_ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT")
_RANK = ("RANK", "WORLD_SIZE")


class ShardStopped(KeyboardInterrupt):
    """A signal has ended a shard, after a whole batch."""


def shard_of(named: str | None, environment: Mapping[str, str]) -> Shard:
    """Find out which share a process is to embed.

    Parameters
    ----------
    named : str or None
        Such as '0/16'; None asks the environment: a SLURM array's task, what torchrun calls RANK
        of WORLD_SIZE, or both.
    environment : mapping of str to str
        The process's environment.

    Returns
    -------
    Shard
        The only one, where nothing says otherwise.

    Raises
    ------
    InputError
        If that is not a shard, or the environment contradicts itself.

    Examples
    --------
    >>> shard_of("3/16", {})
    Shard(number=3, count=16)
    >>> shard_of(None, {"RANK": "1", "WORLD_SIZE": "2"})
    Shard(number=1, count=2)
    """
    if named is not None:
        found = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", named)
        if found is None:
            msg = f"--shard must be a share such as 0/16, the first of sixteen. Got {named!r}."
            raise InputError(msg)
        return Shard(int(found[1]), int(found[2]))
    number, count = _array_task(environment)
    if _has(environment, _RANK):
        rank, world = (_number(environment, name) for name in _RANK)
        return Shard(number * world + rank, count * world)
    return Shard(number, count)


def share_told(named: str | None, environment: Mapping[str, str], shard: Shard) -> str:
    """Say which share a process embeds, and by what that was decided.

    Parameters
    ----------
    named, environment
        See `shard_of`.
    shard : Shard
        What it gave.

    Returns
    -------
    str

    Examples
    --------
    >>> share_told(None, {"RANK": "1", "WORLD_SIZE": "2"}, Shard(1, 2))
    'Shard 1 of 2 (counted from 0), by RANK and WORLD_SIZE.'
    >>> share_told("0/4", {"RANK": "1", "WORLD_SIZE": "2"}, Shard(0, 4))
    'Shard 0 of 4 (counted from 0), by --shard; RANK and WORLD_SIZE are not considered.'
    """
    said = f"Shard {shard.number} of {shard.count} (counted from 0)"
    found = [" and ".join(names) for names in (_ARRAY, _RANK) if set(names) & set(environment)]
    if named is not None:
        passed_over = f"; {', '.join(found)} are not considered" if found else ""
        return f"{said}, by --shard{passed_over}."
    if not found and environment.get("SLURM_PROCID", "0") not in ("", "0"):
        return (
            f"{said}. This is process {environment['SLURM_PROCID']} of those that srun has "
            "started, and all of them embed the same images: give each a share, as --shard "
            "$SLURM_PROCID/$SLURM_NTASKS."
        )
    return f"{said}, by {', '.join(found)}." if found else f"{said}."


def _has(environment: Mapping[str, str], names: tuple[str, str]) -> bool:
    """Tell whether two variables are set, which say nothing without each other."""
    missing = [name for name in names if name not in environment]
    if len(missing) == 1:
        there = next(name for name in names if name not in missing)
        msg = (
            f"The environment variable {there} is set and {missing[0]} is not, so that it is not "
            "known which share this process is to embed. Name it, as --shard 0/16; all images are "
            "--shard 0/1."
        )
        raise InputError(msg)
    return not missing


def _array_task(environment: Mapping[str, str]) -> tuple[int, int]:
    if not _has(environment, _ARRAY):
        return 0, 1
    task, count = (_number(environment, name) for name in _ARRAY)
    first = _number(environment, "SLURM_ARRAY_TASK_MIN", 0)
    step = _number(environment, "SLURM_ARRAY_TASK_STEP", 1)
    last = _number(environment, "SLURM_ARRAY_TASK_MAX", first + step * (count - 1))
    is_regular = step > 0 and last - first == step * (count - 1) and not (task - first) % step
    if not is_regular or not first <= task <= last:
        msg = (
            f"Task {task} of this SLURM array is not one of {count} shards: the array's tasks "
            f"are not {first}, {first + step} and so on to {last}. Say which share each embeds, as "
            "--shard $SLURM_ARRAY_TASK_ID/16."
        )
        raise InputError(msg)
    return (task - first) // step, count


def _number(environment: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    text = environment.get(name, "" if otherwise is None else str(otherwise))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        msg = f"The environment variable {name} must be a number. Got {text!r}."
        raise InputError(msg)
    return int(text)


def node_folder(environment: Mapping[str, str]) -> str | None:
    """Give the folder of a SLURM job on its node's own disk, if there is one."""
    folder = environment.get("SLURM_TMPDIR", "")
    return os.path.join(folder, "facebench") if os.path.isdir(folder) else None  # noqa: PTH112,PTH118


def device_of_rank(environment: Mapping[str, str]) -> str | None:
    """Give the GPU of a process that torchrun or srun has started beside others on a machine."""
    rank = environment.get("LOCAL_RANK") or environment.get("SLURM_LOCALID", "")
    if not rank.isdecimal():
        return None
    import torch

    return f"cuda:{int(rank) % n}" if (n := torch.cuda.device_count()) > 1 else None


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Let SIGTERM and SIGUSR1 end a block at the next of certain places.

    Yields
    ------
    callable
        To be called at such places: raises `ShardStopped` if there was a signal. The second one
        ends the process at once, as without this.
    """
    caught: list[str] = []
    wanted = [getattr(signal, name, None) for name in ("SIGTERM", "SIGUSR1")]
    before: dict[signal.Signals, object] = {}

    def note(number: int, _frame: object) -> None:
        caught.append(signal.Signals(number).name)
        for known, handler in before.items():
            signal.signal(known, handler)  # type: ignore[arg-type]

    def check() -> None:
        if caught:
            raise ShardStopped(caught[0])

    if threading.current_thread() is threading.main_thread():
        for known in wanted:
            if known is not None:
                before[known] = signal.signal(known, note)
    try:
        yield check
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)  # type: ignore[arg-type]
