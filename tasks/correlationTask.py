"""Documented import path."""

from facebench.tasks.correlation import CorrelationTask as CorrelationTask
