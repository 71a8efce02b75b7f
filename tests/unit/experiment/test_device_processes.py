"""A process per device: what each is given, and that together they do the whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from facebench.cli import app
from facebench.engine.sharding import Shard
from facebench.errors import InputError
from facebench.experiment import device_processes
from facebench.experiment.device_processes import (
    devices_named,
    embed_on_devices,
    share_of_machine,
    worst_status,
)
from facebench.experiment.schema import ExperimentSettings
from facebench.experiment.shards import device_of_rank

SETTINGS = {"models": {"a": {"model": "x"}}, "tasks": {"t": {"task": "y"}}}


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)


@pytest.mark.usefixtures("cards")
def test_names() -> None:
    assert devices_named("all") == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    assert devices_named("cuda:3,cuda:1") == ["cuda:3", "cuda:1"]
    for wrong in ("cuda:4", "gpu", "auto", "cuda:x", "cuda:0,"):
        with pytest.raises(InputError, match="--devices must be 'all', or devices such as"):
            devices_named(wrong)


def test_all_needs_a_card() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InputError, match="torch finds no CUDA device"):
        devices_named("all")


@pytest.mark.usefixtures("cards")
@pytest.mark.parametrize(
    ("environment", "device"),
    [
        ({}, None),
        ({"LOCAL_RANK": "2"}, "cuda:2"),
        ({"SLURM_LOCALID": "3"}, "cuda:3"),
        ({"LOCAL_RANK": "1", "SLURM_LOCALID": "3"}, "cuda:1"),
        ({"SLURM_LOCALID": "5"}, "cuda:1"),
    ],
)
def test_the_rank_on_a_machine_picks_the_card(
    environment: dict[str, str], device: str | None
) -> None:
    assert device_of_rank(environment) == device


def test_cores_and_memory_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_processes, "usable_cores", lambda: 16)
    monkeypatch.setattr(device_processes, "free_memory", lambda: 64 * 10**9)
    usual = ExperimentSettings.model_validate(SETTINGS)
    assert share_of_machine(usual, 4) == {"num_workers": 4, "max_memory": 8 * 10**9}
    said = ExperimentSettings.model_validate({**SETTINGS, "num_workers": 3, "max_memory": 2**30})
    assert share_of_machine(said, 4) == {}


def test_a_shard_is_split_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_options: object) -> None:
            commands.append(command)

        def wait(self) -> int:
            return len(commands) - 2

    monkeypatch.setattr(subprocess, "Popen", Process)
    found = embed_on_devices(
        tmp_path / "x.yaml", Shard(2, 3), ["cuda:0", "cuda:1"], ["batch_size=8"]
    )
    assert list(found) == ["4/6", "5/6"]
    for command, part, device in zip(commands, found, ("cuda:0", "cuda:1"), strict=True):
        assert command[command.index("--shard") + 1] == part
        assert command[-4:] == ["--set", "batch_size=8", "--set", f"device={device}"]


@pytest.mark.parametrize(
    ("statuses", "status"), [((0, 0), 0), ((0, 75), 75), ((1, 75), 1), ((0, -9), 9), ((1, 2), 2)]
)
def test_one_exit_status(statuses: tuple[int, int], status: int) -> None:
    assert worst_status(dict(zip("ab", statuses, strict=True)), 75) == status


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such signals")
def test_signals_reach_all_processes() -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes = [subprocess.Popen(sleeping) for _ in range(2)]
    with device_processes._signals_passed_on(processes):
        signal.raise_signal(signal.SIGTERM)
        assert [process.wait(30) for process in processes] == [-signal.SIGTERM] * 2


def test_it_is_for_experiments_with_packs(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["embed", str(tmp_path), "--devices", "cpu"])
    assert done.exit_code == 2
    assert "--devices and --packs are for an experiment" in done.stderr
