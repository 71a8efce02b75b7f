"""One command, several devices: a process for each, which embeds a shard and publishes it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from facebench.engine.memory import free_memory
from facebench.engine.sharding import Shard
from facebench.errors import InputError
from facebench.experiment.schema import DEVICES, ExperimentSettings
from facebench.utils.cores import usable_cores

__all__ = ["devices_named", "embed_on_devices", "share_of_machine", "worst_status"]

_ALL = "all"


def devices_named(text: str) -> list[str]:
    """Read a list of devices.

    Parameters
    ----------
    text : str
        Names such as 'cuda:0,cuda:1', or 'all' for every CUDA device that this process may use.

    Raises
    ------
    InputError
        If one is not a device that torch can use here.

    Examples
    --------
    >>> devices_named("cpu, cpu")
    ['cpu', 'cpu']
    """
    import torch

    n_cards = torch.cuda.device_count()
    if text.strip() == _ALL:
        if not n_cards:
            msg = "--devices all: torch finds no CUDA device here. Name them, or leave this out."
            raise InputError(msg)
        return [f"cuda:{number}" for number in range(n_cards)]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        kind, _, number = name.partition(":")
        known = kind in DEVICES and kind != "auto" and (not number or number.isdecimal())
        if not known or (kind == "cuda" and int(number or 0) >= n_cards):
            msg = (
                "--devices must be 'all', or devices such as cuda:0,cuda:1, of which torch finds "
                f"{n_cards} here. Got {name!r}."
            )
            raise InputError(msg)
    return names


def share_of_machine(settings: ExperimentSettings, n_processes: int) -> dict[str, int]:
    """Share cores and memory out among processes, where the experiment does not.

    Parameters
    ----------
    settings : ExperimentSettings
        The experiment's.
    n_processes : int
        How many run at once.

    Returns
    -------
    dict of str to int
        Settings to be given to each.
    """
    shares = {}
    if settings.num_workers is None:
        shares["num_workers"] = max(1, usable_cores() // n_processes)
    if settings.max_memory is None:
        # All must agree on the layers that fit into it.
        shares["max_memory"] = max(2**20, free_memory() // 2 // n_processes)
    return shares


def embed_on_devices(
    file: Path, shard: Shard, devices: Sequence[str], overrides: Sequence[str]
) -> dict[str, int]:
    """Embed a shard in as many parts as there are devices, all at once.

    Parameters
    ----------
    file : Path
        The experiment.
    shard : Shard
        What this machine is to do.
    devices : sequence of str
        One of each process.
    overrides : sequence of str
        Settings, as ``KEY=VALUE``.

    Returns
    -------
    dict of str to int
        Shard → exit status of its process, in the order of devices.
    """
    parts = [
        f"{shard.number * len(devices) + place}/{shard.count * len(devices)}"
        for place in range(len(devices))
    ]
    commands = [
        [
            *(sys.executable, "-m", "facebench", "embed", str(file), "--shard", part),
            *(word for one in (*overrides, f"device={device}") for word in ("--set", one)),
        ]
        for part, device in zip(parts, devices, strict=True)
    ]
    # Their tables and JSON would be mixed; what they complain of goes to standard error.
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    try:
        with _signals_passed_on(processes):
            return {part: process.wait() for part, process in zip(parts, processes, strict=True)}
    except BaseException:
        for process in processes:
            process.terminate()
        raise


@contextmanager
def _signals_passed_on(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Send SIGTERM and SIGUSR1 on to processes, which end after the batch in work."""
    wanted = [getattr(signal, name, None) for name in ("SIGTERM", "SIGUSR1")]
    before: dict[signal.Signals, object] = {}

    def pass_on(number: int, _frame: object) -> None:
        for process in processes:
            process.send_signal(number)

    try:
        for known in wanted:
            if known is not None:
                before[known] = signal.signal(known, pass_on)
        yield
    finally:
        for known, handler in before.items():
            signal.signal(known, handler)  # type: ignore[arg-type]


def worst_status(statuses: Mapping[str, int], to_be_requeued: int) -> int:
    """Give one exit status for several: an error, else a wish to be continued, else 0."""
    failed = [abs(status) for status in statuses.values() if status not in (0, to_be_requeued)]
    if failed:
        return max(failed)
    return to_be_requeued if to_be_requeued in statuses.values() else 0
