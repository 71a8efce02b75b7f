"""The command line with a terminal for its standard error, as people have it."""

import contextlib
import os
import pty
import subprocess
import sys
import threading
from types import SimpleNamespace


def call_in_terminal(*arguments, **variables):
    """Run the command line in a process of its own.

    Its standard error is a terminal, its standard output a pipe. It is started anew: in a fork of a
    process that has used torch's threads, torch waits for threads that are not there.
    """
    terminal, stderr = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "facebench", *map(str, arguments)],
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    os.close(stderr)
    talk = bytearray()

    def read():
        # A terminal whose other side is gone ends with an error.
        with contextlib.suppress(OSError):
            while part := os.read(terminal, 65536):
                talk.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate()
    reader.join()
    os.close(terminal)
    return SimpleNamespace(status=process.returncode, out=out, talk=talk.decode())
