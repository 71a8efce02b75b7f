"""Documented import path."""

from facebench.tasks.accuracy import AccuracyTask as AccuracyTask
