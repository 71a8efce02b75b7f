"""Libraries that only some installations have."""

from __future__ import annotations

import importlib
from typing import Any

from facebench.errors import ModelError

__all__ = ["import_extra"]


def import_extra(module: str, extra: str, what: str) -> Any:
    """Import a library that one of facebench's extras installs.

    Parameters
    ----------
    module : str
        The library.
    extra : str
        The extra's name.
    what : str
        What needs it, for the message.

    Returns
    -------
    module

    Raises
    ------
    ModelError
        If it is not installed; the message tells how to install it.

    Examples
    --------
    >>> import_extra("json", "json", "Reading JSON").loads("[1]")
    [1]
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module.partition(".")[0]:
            raise
        msg = (
            f"{what} needs the package {module}, which is not installed: "
            f"pip install 'facebench[{extra}]'."
        )
        raise ModelError(msg) from error
