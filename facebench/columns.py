"""The names that tables of results share, as documented."""

from __future__ import annotations

__all__ = ["CONDITION", "DEFAULT_LAYER", "IDENTITY", "LAYER", "MODEL", "TASK"]

TASK, MODEL, LAYER = "Task Name", "Model Name", "Layer Name"
IDENTITY = (TASK, MODEL, LAYER)
# The column that tells several rows of one layer apart.
CONDITION = "Condition"
# What a model without hooked layers returns is kept under this name.
DEFAULT_LAYER = "default"
