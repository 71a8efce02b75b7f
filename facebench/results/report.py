"""One page that shows a run to the group."""

from __future__ import annotations

from pathlib import Path

from facebench.results.schema import REPORT_FILE

__all__ = ["write_report"]


def write_report(run: Path, output: Path | None = None) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    run : Path
        The run's folder.
    output : Path, optional
        The file; None writes ``report.html`` into the folder.

    Returns
    -------
    Path
        The file.
    """
    target = Path(run) / REPORT_FILE if output is None else Path(output)
    raise NotImplementedError(target)
