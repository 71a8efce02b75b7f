"""doctor: what there is on this machine."""

from __future__ import annotations

import typer

from facebench.commands.frame import SOME_FAILED, talk

__all__ = ["doctor"]


def doctor() -> None:
    """Tell versions, devices, cache, free memory and disk, and what is missing.

    Exit status 1 if something that facebench cannot do without is missing.
    """
    from facebench.run.diagnosis import MISSING, diagnose

    findings = diagnose()
    talk().table(
        ["what", "state", "detail"], [(item.what, item.state, item.detail) for item in findings]
    )
    talk().data([vars(item) for item in findings])
    if any(item.state == MISSING for item in findings):
        raise typer.Exit(SOME_FAILED)
