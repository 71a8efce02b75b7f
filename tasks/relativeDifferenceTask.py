"""Documented import path."""

from facebench.tasks.relative_difference import RelativeDifferenceTask as RelativeDifferenceTask
