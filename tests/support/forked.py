"""The command line in processes of its own, which are forked from one that has imported it.

Starting Python and importing torch takes seconds, and is not what these tests are about. The
process that is forked has used none of torch's threads: where some were, torch waits for them.
"""

import atexit
import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "facebench.cli", "facebench.experiment.execution", "facebench.run.manager",
        "facebench.tasks.accuracy", "facebench.tasks.correlation", "facebench.results.run_folder",
        "matplotlib.pyplot", "pyarrow.parquet", "scipy.stats", "sklearn.metrics", "torchvision",
    ]
)  # fmt: skip


class CommandProcess:
    """A command that runs, as `subprocess.Popen` gives one; `terminal` names its standard error."""

    def __init__(self, *arguments, cwd=".", terminal=None, **variables):
        self._files = [tempfile.NamedTemporaryFile("w+") for _ in range(2)]  # noqa: SIM115
        out, talk = (file.name for file in self._files)
        environment = os.environ | {name: str(value) for name, value in variables.items()}
        said = [*map(str, arguments)], Path(cwd).absolute(), dict(environment)
        self._process = SERVER.Process(target=_call, args=(*said, out, terminal or talk))
        self._process.start()
        self.pid = self._process.pid

    def poll(self):
        return self._process.exitcode

    def end(self):
        """Wait, and give its exit status and what it printed."""
        self._process.join()
        out, talk = (file.read() for file in self._files)
        for file in self._files:
            file.close()
        return SimpleNamespace(status=self.poll(), out=out, talk=talk)


def _call(arguments, cwd, variables, out, err):
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    for number, name in enumerate((os.devnull, out, err)):
        opened = os.open(name, os.O_RDWR | os.O_NOCTTY)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False, errors="backslashreplace")
    # Where the tests themselves run in the background, it is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path[:0] = [
        folder for folder in variables.get("PYTHONPATH", "").split(os.pathsep) if folder
    ]
    sys.argv = ["facebench", *arguments]
    from facebench.cli import main

    try:
        main()
    finally:
        atexit._run_exitfuncs()
