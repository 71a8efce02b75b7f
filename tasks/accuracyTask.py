"""Documented import path."""

from facebench import AccuracyTask as AccuracyTask
