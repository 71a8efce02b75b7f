"""slurm, status: shards on a cluster, and how far they are."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from facebench.commands.embeddings import TO_BE_REQUEUED
from facebench.commands.frame import talk
from facebench.commands.run import File, Overrides, PackFolder, with_packs
from facebench.errors import InputError

if TYPE_CHECKING:
    from facebench.run.shard_status import ShardStatus

__all__ = ["slurm", "status"]

# What SLURM takes as a time: minutes, minutes:seconds, hours:minutes:seconds, days-hours and so on.
_TIME = re.compile(r"[0-9]+(:[0-9]+){0,2}|[0-9]+-[0-9]+(:[0-9]+){0,2}")
_ARRAY = """\
#!/bin/bash
#SBATCH --job-name={name}-{step}
#SBATCH --array=0-{last}{at_once}
#SBATCH --time={time}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=USR1@120
#SBATCH --output={logs}/{log}-%A_%a.log
{more}
cd {here} || exit 2
{cores}
srun {python} -m facebench {command} {file} --shard "$SLURM_ARRAY_TASK_ID/{count}"{arguments}
status=$?
case "$status" in
  # Ended by a signal, after a whole batch; or by SIGUSR1 or SIGTERM before it began or after its
  # end. It goes on where it stopped.
  {requeue} | 138 | 143) scontrol requeue "$SLURM_JOB_ID" ;;
esac
exit "$status"
"""
# From SLURM 22.05 on, srun does not take the cores of a task from sbatch.
_CORES = """\
if [ -n "$SLURM_CPUS_PER_TASK" ]; then
  export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"
fi"""
# Steps that are arrays: how their logs begin, and what each task runs.
_STEPS = {"shards": ("shard", "embed"), "search": ("search", "identify")}
_REPORT = """\
#!/bin/bash
#SBATCH --job-name={name}-report
#SBATCH --time={time}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output={logs}/report-%j.log
{more}
cd {here} || exit 2
{cores}
srun {python} -m facebench run {file}{arguments}
"""


def slurm(
    file: File,
    shards: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many shards.")] = 16,
    gpus: Annotated[int, typer.Option(min=0, help="GPUs of each job.")] = 0,
    cpus: Annotated[int | None, typer.Option(min=1, help="Cores of each job.")] = None,
    memory: Annotated[str | None, typer.Option("--mem", help="Memory of each, as 16G.")] = None,
    limit: Annotated[str, typer.Option("--time", help="Time of each job.")] = "2:00:00",
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of shards that run at once.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--sbatch", help="A further option, as --partition=gpu; repeatable."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="For scripts, logs. [default: slurm/NAME]"
        ),
    ] = None,
    submit: Annotated[bool, typer.Option("--submit", help="Submit them too.")] = False,
    packs: PackFolder = None,
    overrides: Overrides = None,
) -> None:
    """Write jobs for SLURM: an array of shards, then the run.

    The run waits for the array. It measures and writes the report. If an identification task has
    distractors, a second array searches them, between the two. Shards that are preempted or
    run out of time end after a batch, are queued again and go on. `facebench status` shows how far
    they are.
    """
    from facebench.experiment.config import load_config
    from facebench.store.folder import NO_PACKS
    from facebench.utils.files import safe_name

    own = with_packs(overrides, packs)
    config = load_config(file, own)
    if config.settings.packs is None:
        raise InputError(NO_PACKS)
    if not _TIME.fullmatch(limit):
        msg = f"--time must be in SLURM's format, such as 2:00:00 or 1-12:00. Got {limit!r}."
        raise InputError(msg)
    more = [
        *([f"--gpus={gpus}"] if gpus else []),
        *([f"--cpus-per-task={cpus}"] if cpus else []),
        *([f"--mem={memory}"] if memory else []),
        *(options or []),
    ]
    for option in more:
        if not re.fullmatch(r"--?[A-Za-z][^\s]*", option):
            msg = f"--sbatch must be an option without spaces, as --partition=gpu. Got {option!r}."
            raise InputError(msg)
    name = safe_name(config.settings.name)
    target = (folder or Path("slurm") / name).absolute()
    said = {
        "name": re.sub(r"\s", "-", name),
        "last": shards - 1,
        "count": shards,
        "at_once": f"%{at_once}" if at_once else "",
        "time": limit,
        "logs": _unspaced(target / "logs"),
        "more": "".join(f"#SBATCH {option}\n" for option in more),
        "here": shlex.quote(str(Path.cwd())),
        "python": shlex.quote(sys.executable),
        "file": shlex.quote(str(file.absolute())),
        "arguments": "".join(f" --set {shlex.quote(override)}" for override in own),
        "requeue": TO_BE_REQUEUED,
        "cores": _CORES,
    }
    (target / "logs").mkdir(parents=True, exist_ok=True)
    tasks = config.source.value["tasks"].value.values()
    searches = any("distractors" in task.value for task in tasks)
    steps = ["shards", *(["search"] if searches else []), "report"]
    scripts = [target / f"{step}.sbatch" for step in steps]
    for step, script in zip(steps, scripts, strict=True):
        log, command = _STEPS.get(step, ("", ""))
        text = _ARRAY if step in _STEPS else _REPORT
        script.write_text(text.format(**said, step=step, log=log, command=command))
        talk().result(str(script))
    command = _submission(scripts)
    jobs = _submitted(scripts) if submit else []
    if submit:
        arrays = " and ".join(jobs[:-1])
        talk().say(f"Submitted: array {arrays}, and the report {jobs[-1]} that waits for it.")
    else:
        talk().say(f"Submit them with:\n  {command}")
    talk().data({"scripts": scripts, "submit": command, "jobs": jobs})


def _submission(scripts: list[Path]) -> str:
    """Spell the command that submits each script behind the one before."""
    steps: list[str] = []
    before = ""
    for script in scripts:
        is_last = script is scripts[-1]
        waits = f' --dependency=afterok:"${before}" --kill-on-invalid-dep=yes' if before else ""
        sent = f"sbatch{'' if is_last else ' --parsable'}{waits} {shlex.quote(str(script))}"
        before = script.stem
        steps.append(sent if is_last else f"{before}=$({sent})")
    return " && ".join(steps)


def _submitted(scripts: list[Path]) -> list[str]:
    """Send the arrays, and the report, each behind the one before; gives the numbers of jobs."""
    jobs: list[str] = []
    for script in scripts:
        behind = [f"--dependency=afterok:{jobs[-1]}", "--kill-on-invalid-dep=yes"] if jobs else []
        try:
            done = subprocess.run(
                ["sbatch", "--parsable", *behind, str(script)],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            msg = f"There is no sbatch on this machine. The scripts are in {script.parent}."
            raise InputError(msg) from error
        if done.returncode:
            sent = "".join(f" Array {job} was submitted before; scancel it." for job in jobs)
            msg = f"SLURM refused {script}: {done.stderr.strip()}{sent}"
            raise InputError(msg)
        # On a federation of clusters, the name of the cluster follows.
        jobs.append(done.stdout.strip().partition(";")[0])
    return jobs


def _unspaced(path: Path) -> str:
    """Give a path as a line of #SBATCH can hold it."""
    if re.search(r"[\s%\\]", str(path)):
        msg = f"SLURM takes no spaces, % or \\ in the path of logs, {path}. Give another --output."
        raise InputError(msg)
    return str(path)


def status(file: File, packs: PackFolder = None, overrides: Overrides = None) -> None:
    """Show how far shards are, and searches for distractors."""
    from facebench.experiment.config import load_config
    from facebench.run.shard_status import Step, read_statuses
    from facebench.store.folder import NO_PACKS

    config = load_config(file, with_packs(overrides, packs))
    if config.settings.packs is None:
        raise InputError(NO_PACKS)
    packs, name = config.settings.packs, config.settings.name
    found, searches = (read_statuses(packs, name, step) for step in get_args(Step))
    if not found and not searches:
        talk().result(f"No shard of {name!r} has started in {packs}.")
        talk().data({"shards": 0, "states": {}, "each": []})
        return
    told: dict[str, Any] = {"shards": 0, "states": {}, "images_per_second": 0, "each": []}
    if found:
        states, rate = _shown(found, "embedded", "images")
        told = {
            "shards": found[0].count,
            "states": states,
            "images_per_second": rate,
            "each": [one.model_dump() for one in found],
        }
    if searches:
        states, rate = _shown(searches, "searched", "rows")
        told["searches"] = {
            "shards": searches[0].count,
            "states": states,
            "rows_per_second": rate,
            "each": [one.model_dump() for one in searches],
        }
    talk().data(told)


def _shown(found: list[ShardStatus], done: str, unit: str) -> tuple[dict[str, int], float]:
    """Show the shards of a step; gives how many are in which state, and what they do a second."""
    embeds = unit == "images"
    count = found[0].count
    states = {
        state: sum(one.state == state for one in found)
        for state in ("done", "running", "stopped", "failed", "killed")
    } | {"waiting": count - len(found)}
    running = sum(one.rate for one in found if one.state == "running")
    missing = sum(max(one.n_missing - one.n_forwards, 0) for one in found if one.state == "running")
    talk().table(
        ["shard", "state", "model", *([unit] if embeds else []), done, f"{unit}/s", "where",
         "last heard"],
        [
            (one.number, one.state, one.model, *([f"{one.n_images:,}"] if embeds else []),
             f"{one.n_forwards:,}", f"{one.rate:,.1f}", f"{one.host} {one.job}".strip(),
             f"{one.silent:.0f} s ago")
            for one in found
        ],
    )  # fmt: skip
    told = ", ".join(f"{number} {state}" for state, number in states.items() if number)
    what = "shards" if embeds else "shards of the search"
    talk().result(f"{count} {what}: {told}.")
    if running:
        left = f"; {missing:,} images to go in those that run" if embeds else ""
        talk().result(f"{running:,.1f} {unit}/s now{left}.")
    for one in found:
        if one.error and one.state == "failed":
            talk().complain(f"Shard {one.number}: {one.error}")
    return states, running
