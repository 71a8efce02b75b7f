"""The command line with a terminal for its standard error, as people have it."""

import contextlib
import os
import pty
import sys
import threading
from types import SimpleNamespace


def call_in_terminal(*arguments, **variables):
    """Run the command line in a forked process: what it needs is imported already.

    Its standard error is a terminal, its standard output a pipe.
    """
    from facebench.cli import app

    terminal, stderr = pty.openpty()
    reader, stdout = os.pipe()
    process = os.fork()
    if process == 0:
        status = 70
        try:
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115
            os.environ.update({"TERM": "xterm-256color", "COLUMNS": "120"} | variables)
            try:
                app([str(argument) for argument in arguments])
                status = 0
            except SystemExit as end:
                status = int(end.code or 0)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    os.close(stderr)
    os.close(stdout)
    seen = {terminal: b"", reader: b""}

    def read(descriptor):
        # A terminal whose other side is gone ends with an error.
        with contextlib.suppress(OSError):
            while part := os.read(descriptor, 65536):
                seen[descriptor] += part
        os.close(descriptor)

    threads = [threading.Thread(target=read, args=(one,)) for one in seen]
    for thread in threads:
        thread.start()
    _, ended = os.waitpid(process, 0)
    for thread in threads:
        thread.join()
    out, talk = seen[reader].decode(), seen[terminal].decode()
    return SimpleNamespace(status=os.waitstatus_to_exitcode(ended), out=out, talk=talk)
