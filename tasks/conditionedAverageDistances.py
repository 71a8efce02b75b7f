"""Documented import path."""

from facebench.tasks.conditioned_average import (
    ConditionedAverageDistances as ConditionedAverageDistances,
)
