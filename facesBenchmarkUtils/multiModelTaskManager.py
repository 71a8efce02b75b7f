"""Documented import path."""

from facebench.run.manager import MultiModelTaskManager as MultiModelTaskManager
