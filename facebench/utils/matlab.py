"""MATLAB files that SciPy cannot survive: some damage makes it read where nothing is."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
import warnings
from pathlib import Path

from facebench.errors import InputError

__all__ = ["refuse_crashing_matlab"]


def refuse_crashing_matlab(path: Path) -> None:
    """Refuse a .mat file whose damage would end this process: a forked one reads it first.

    Only on Linux; elsewhere a process of many threads must not be forked.

    Raises
    ------
    InputError
        Naming it.
    """
    if sys.platform != "linux":
        return
    # Imported before, so that the child imports nothing.
    import scipy.io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        # What is wrong and can be told, the parent tells.
        with contextlib.suppress(BaseException):
            faulthandler.disable()
            warnings.simplefilter("ignore")
            scipy.io.loadmat(path)
        os._exit(0)
    _child, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        msg = f"{path} is damaged: it cannot be read without a crash. Save or copy it again."
        raise InputError(msg)
