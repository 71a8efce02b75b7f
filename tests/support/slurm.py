"""A real SLURM on this machine: two nodes, no root's services, no munge.

Debian's slurmctld, slurmd, slurm-client and slurm-wlm-basic-plugins, installed, or unpacked with
`dpkg -x` into the folder that FACEBENCH_SLURM names.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
AuthInfo=cred_expire=5
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdTimeout=4
KillWait=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[1]} CPUs=2 RealMemory=1000
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[2]} CPUs=2 RealMemory=1000
PartitionName=p Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""
ROOT = Path(os.environ.get("FACEBENCH_SLURM", "/"))
LIBRARIES = ROOT / "usr/lib/x86_64-linux-gnu"


def program(name):
    """Find a program of SLURM's; Debian adds -wlm to the names of daemons."""
    folders = os.pathsep.join(str(ROOT / "usr" / place) for place in ("sbin", "bin"))
    return shutil.which(name, path=folders) or shutil.which(f"{name}-wlm", path=folders)


def absent():
    """Say why there is no SLURM here; '' if there is."""
    lacking = [name for name in ("slurmctld", "slurmd", "slurmstepd", "srun") if not program(name)]
    if lacking:
        return f"SLURM is not installed ({', '.join(lacking)})"
    if not (LIBRARIES / "slurm-wlm/auth_none.so").is_file():
        return "SLURM's plugins are not installed"
    return ""


class Cluster:
    """Two nodes; a context manager, within which SLURM's commands are found."""

    def __init__(self, folder):
        self._folder = folder
        self._daemons = {}

    def __enter__(self):
        for name in ("state", "spool-n1", "spool-n2"):
            (self._folder / name).mkdir(parents=True)
        sockets = [socket.socket() for _ in range(3)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        configuration = self._folder / "slurm.conf"
        configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname().partition(".")[0],
                ports=ports,
                user=getpass.getuser(),
                plugins=LIBRARIES / "slurm-wlm",
                folder=self._folder,
            )
        )
        places = [str(ROOT / "usr" / place) for place in ("sbin", "bin")]
        self.environment = {
            **os.environ,
            "SLURM_CONF": str(configuration),
            "PATH": os.pathsep.join([*places, os.environ["PATH"]]),
            "LD_LIBRARY_PATH": f"{LIBRARIES / 'slurm-wlm'}:{LIBRARIES}"
            if Path("/") != ROOT
            else "",
        }
        self._start("slurmctld", "-D", "-c")
        for node in ("n1", "n2"):
            self._start(node, "-D", "-N", node, "-d", program("slurmstepd"), daemon="slurmd")
        try:
            self.wait(self._is_idle, "two nodes", 120)
        except AssertionError as error:
            self.__exit__()
            pytest.skip(f"SLURM does not start here: {error}")
        return self

    def _is_idle(self):
        done = subprocess.run(
            ["sinfo", "-h", "-o", "%D %t"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() == "2 idle"

    def _start(self, name, *arguments, daemon=None):
        with (self._folder / f"{name}.out").open("wb") as out:
            self._daemons[name] = subprocess.Popen(
                [program(daemon or name), *arguments],
                env=self.environment,
                stdout=out,
                stderr=out,
                cwd=self._folder,
            )

    def __exit__(self, *_error):
        for name in ("n1", "n2"):
            self.kill(name)
        self._daemons["slurmctld"].kill()
        self._daemons["slurmctld"].wait()

    def call(self, *command):
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def kill(self, node):
        """Let a node die: its daemon, and all that runs on it."""
        daemon = self._daemons[node]
        # Steps leave the daemon's process tree, and say in their names or commands whose they are.
        steps = [
            process
            for process in psutil.process_iter(["name", "environ"])
            if (process.info["environ"] or {}).get("SLURM_CONF") == self.environment["SLURM_CONF"]
            and (process.info["environ"] or {}).get("SLURMD_NODENAME") == node
        ]
        keepers = [
            parent
            for process in steps
            for parent in process.parents()
            if parent.name().startswith("slurmstepd")
        ]
        # A job whose keeper outlives it is reported as failed, and not as lost with its node.
        is_alive = daemon.poll() is None
        begun = psutil.Process(daemon.pid).children(recursive=True) if is_alive else []
        dying = dict.fromkeys([daemon.pid, *(one.pid for one in (*keepers, *begun, *steps))])
        for pid in dying:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        daemon.wait()

    def wait(self, holds, what, seconds=60):
        ends = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < ends, f"{what}: waited {seconds} s. {self.log()}"
            time.sleep(0.2)

    def log(self):
        texts = [path.read_text(errors="replace")[-1500:] for path in self._folder.glob("*.log")]
        queue = subprocess.run(
            ["squeue", "-a"], env=self.environment, capture_output=True, text=True, check=False
        )
        return "\n".join([queue.stdout, *texts])
