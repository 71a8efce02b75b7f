"""Documented import path."""

from facebench.manager import MultiModelTaskManager as MultiModelTaskManager
