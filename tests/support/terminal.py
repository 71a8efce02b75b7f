"""The command line with a terminal for its standard error, as people have it."""

import contextlib
import os
import pty
import threading
from types import SimpleNamespace

from support.forked import CommandProcess


def call_in_terminal(*arguments, **variables):
    """Run the command line; its standard error is a terminal, its standard output a file."""
    terminal, stderr = pty.openpty()
    screen = {"TERM": "xterm-256color", "COLUMNS": "120"}
    process = CommandProcess(*arguments, terminal=os.ttyname(stderr), **(screen | variables))
    talk = bytearray()

    def read():
        # A terminal whose other side is gone ends with an error.
        with contextlib.suppress(OSError):
            while part := os.read(terminal, 65536):
                talk.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    done = process.end()
    os.close(stderr)
    reader.join()
    os.close(terminal)
    return SimpleNamespace(status=done.status, out=done.out, talk=talk.decode())
