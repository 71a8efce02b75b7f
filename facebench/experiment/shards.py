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

__all__ = ["ShardStopped", "device_of_rank", "node_folder", "shard_of", "stoppable"]

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
    if _RANK[0] in environment and _RANK[1] in environment:
        rank, world = (_number(environment, name) for name in _RANK)
        return Shard(number * world + rank, count * world)
    return Shard(number, count)


def _array_task(environment: Mapping[str, str]) -> tuple[int, int]:
    if not all(name in environment for name in _ARRAY):
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
