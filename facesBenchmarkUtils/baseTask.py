"""Documented import path."""

from facebench import BaseTask as BaseTask
