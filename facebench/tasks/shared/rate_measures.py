"""Error rates and other numbers of verification, as measures and as columns of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facebench.columns import interval_cells
from facebench.metrics.conditions import ConditionEstimate
from facebench.metrics.uncertainty.proportions import (
    CHOSEN_NOTE,
    conservative_note,
    ties_note,
)
from facebench.metrics.verification_report import Estimate, TarEstimate
from facebench.tasks.measures import Measure

__all__ = [
    "D_PRIME",
    "ORACLE_ACCURACY",
    "columns_of",
    "interval_notes",
    "rate_measures",
    "tar_columns",
]

_ORACLE = "Oracle Accuracy"
D_PRIME = Measure("d'", better="higher", chance=0, label="d′ (standard deviations)")
ORACLE_ACCURACY = Measure(
    _ORACLE,
    better="higher",
    bounds=(0, 1),
    label="Oracle accuracy (threshold chosen on these pairs)",
)


def rate_measures(far: Sequence[float], *, headline: bool = False) -> tuple[Measure, ...]:
    """Declare EER, and TAR at each FAR, with their thresholds.

    Parameters
    ----------
    far : sequence of float
        Targets of the false accept rate.
    headline : bool, default False
        Whether TAR at the first target stands for the task.
    """
    found = [
        Measure("EER", better="lower", chance=0.5, bounds=(0, 1), label="Equal error rate (EER)"),
        Measure("EER Threshold", shown=False),
    ]
    for target in dict.fromkeys(far):
        name = f"TAR@FAR={target:g}"
        stands = headline and target == far[0]
        found += [
            Measure(
                name,
                better="higher",
                headline=stands,
                chance=target,
                bounds=(0, 1),
                label=f"True accept rate (TAR) at FAR = {target:g}",
            ),
            Measure(f"{name} Achieved FAR", bounds=(0, 1), shown=False),
            Measure(f"{name} Threshold", shown=False),
        ]
    return tuple(found)


def columns_of(name: str, estimate: Estimate | ConditionEstimate) -> dict[str, float]:
    """Give a number and its interval their columns."""
    return interval_cells(name, estimate.value, *estimate.interval)


def tar_columns(tar: Sequence[TarEstimate]) -> dict[str, float]:
    """Give TAR at each FAR, the FAR achieved and the threshold their columns."""
    row: dict[str, float] = {}
    for found in tar:
        name = f"TAR@FAR={found.target:g}"
        row.update(columns_of(name, found.tar))
        row[f"{name} Achieved FAR"] = found.far
        row.update(columns_of(f"{name} Threshold", found.threshold))
    return row


def interval_notes(
    found: Mapping[str, Estimate], few_errors: Sequence[str], distances: Any = ()
) -> str:
    """Say which intervals are conservative, and which numbers have none."""
    missing = [
        name
        for name, estimate in found.items()
        if np.isfinite(estimate.value) and np.isnan(estimate.interval.low)
    ]
    note = conservative_note([name for name in few_errors if name not in missing])
    if "EER" in found and "EER" not in (*missing, *few_errors):
        note += ties_note(distances, "EER", "EER Threshold")
    if _ORACLE in found and _ORACLE not in (*missing, *few_errors):
        note += f"{CHOSEN_NOTE} ({_ORACLE})"
    if missing:
        why = "fewer than three people or images, or not defined without one of them"
        note += f"; no interval for {', '.join(missing)}: {why}"
    return note
