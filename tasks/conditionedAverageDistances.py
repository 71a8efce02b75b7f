"""Documented import path."""

from facebench import ConditionedAverageDistances as ConditionedAverageDistances
