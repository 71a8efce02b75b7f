"""Workers end when the process that started them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import time
from concurrent.futures import ProcessPoolExecutor
from facebench.utils.processes import end_with_parent

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, initializer=end_with_parent)
    assert list(pool.map(abs, [-1, 2])) == [1, 2]
    print("ready", flush=True)
    time.sleep(300)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here")
def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == "ready\n"
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        # The pipe ends when the last process that has it is gone.
        assert parent.stdout.read() == ""
