"""The error rates that tasks of verification report, as measures."""

from __future__ import annotations

from collections.abc import Sequence

from facebench.tasks.measures import Measure

__all__ = ["rate_measures"]


def rate_measures(far: Sequence[float], *, headline: bool = False) -> tuple[Measure, ...]:
    """Declare EER, and TAR at each FAR, with their thresholds.

    Parameters
    ----------
    far : sequence of float
        Targets of the false accept rate.
    headline : bool, default False
        Whether TAR at the first target stands for the task.

    Returns
    -------
    tuple of Measure
    """
    found = [
        Measure("EER", better="lower", chance=0.5, bounds=(0, 1)),
        Measure("EER Threshold"),
    ]
    for target in dict.fromkeys(far):
        name = f"TAR@FAR={target:g}"
        stands = headline and target == far[0]
        found += [
            Measure(name, better="higher", headline=stands, chance=target, bounds=(0, 1)),
            Measure(f"{name} Achieved FAR", bounds=(0, 1)),
            Measure(f"{name} Threshold"),
        ]
    return tuple(found)
