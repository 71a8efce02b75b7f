"""A static page over many runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["write_leaderboard"]


def write_leaderboard(runs: Sequence[Path], output: Path) -> Path:
    """Write the leaderboard of many runs.

    Parameters
    ----------
    runs : sequence of Path
        Their folders.
    output : Path
        The file.

    Returns
    -------
    Path
        The file.
    """
    raise NotImplementedError
