"""The names that tables of results share, as documented."""

from __future__ import annotations

__all__ = [
    "CI_HIGH",
    "CI_LOW",
    "CI_METHOD",
    "CONDITION",
    "CONTROLS",
    "DEFAULT_LAYER",
    "DISTANCE_METRIC",
    "IDENTITY",
    "KEY_COLUMNS",
    "LAYER",
    "MODEL",
    "NETWORK_LAYERS",
    "N_FAILED",
    "N_IDENTITIES",
    "N_IMAGES",
    "N_PAIRS",
    "REMARK",
    "TASK",
    "TRAINING_SERIES",
    "UNDEFINED",
    "comparable_name",
    "interval_cells",
    "interval_columns",
    "is_of_measure",
]

TASK, MODEL, LAYER = "Task Name", "Model Name", "Layer Name"
KEY_COLUMNS = (TASK, MODEL, LAYER)
# An older name.
IDENTITY = KEY_COLUMNS
# The column that tells several rows of one layer apart.
CONDITION = "Condition"
# Of a run's models, in its manifest: what untrained copies are called together, all layers in
# network order, and where checkpoints stand in a training (of, x, label and log).
CONTROLS, NETWORK_LAYERS, TRAINING_SERIES = "controls", "layers", "series"
# What a model without hooked layers returns is kept under this name.
DEFAULT_LAYER = "default"
# What a task measures distances with, or what they are where they were given.
DISTANCE_METRIC = "Distance Metric"
# A measure 'AUC' with an interval has it in 'AUC CI Low' and 'AUC CI High'; how it was made, and
# what it is based on, holds for the whole row.
CI_LOW, CI_HIGH, CI_METHOD = " CI Low", " CI High", "CI Method"
N_PAIRS, N_IMAGES, N_IDENTITIES, N_FAILED = "Pairs", "Images", "Identities", "Failed"
# Why a measure of the row is NaN; empty where none is.
UNDEFINED = "Undefined"
# What is odd about the row, or why a number of it is NaN; empty where all is well.
REMARK = "Remark"


def comparable_name(measure: str) -> str:
    """Name the column of a measure on an index that means the same of people and networks.

    Examples
    --------
    >>> comparable_name("AUC"), comparable_name("Interaction Difference")
    ('Comparable AUC', 'Interaction Comparable Difference')
    """
    before, _, last = measure.rpartition(" ")
    return f"{before} Comparable {last}".strip()


def is_of_measure(what: str, measure: str) -> bool:
    """Tell whether a published value is one of a measure: what it is begins with its name.

    Examples
    --------
    >>> is_of_measure("accuracy, LFW, upright", "Accuracy")
    True
    """
    return what.partition(",")[0].strip().casefold() == measure.casefold()


def interval_columns(measure: str) -> tuple[str, str, str]:
    """Name the columns of a measure and of the low and high end of its interval."""
    return measure, f"{measure}{CI_LOW}", f"{measure}{CI_HIGH}"


def interval_cells(measure: str, value: float, low: float, high: float) -> dict[str, float]:
    """Give a number and its interval their columns; `facebench.data.estimates` reads them."""
    return dict(zip(interval_columns(measure), (value, low, high), strict=True))
