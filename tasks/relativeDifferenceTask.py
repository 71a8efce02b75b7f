"""Documented import path."""

from facebench import RelativeDifferenceTask as RelativeDifferenceTask
