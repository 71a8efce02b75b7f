"""Documented import path."""

from facebench.tasks.base import BaseTask as BaseTask
