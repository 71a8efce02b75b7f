"""Documented import path."""

from facebench import CorrelationTask as CorrelationTask
