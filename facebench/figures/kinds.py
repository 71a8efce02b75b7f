"""The names of the kinds of figures that a saved run can be drawn as; see `Run.plot`."""

from __future__ import annotations

__all__ = ["KINDS", "OF_ALL_TASKS", "OF_A_TASK"]

OF_A_TASK = (
    *("bars", "intervals", "profile", "effect", "series", "roc", "det", "scores", "hardest"),
    *("groups", "discard", "scatter", "cmc", "rdm", "mds", "likeness", "training"),
)
OF_ALL_TASKS = ("map", "families")
KINDS = (*OF_A_TASK, *OF_ALL_TASKS)
