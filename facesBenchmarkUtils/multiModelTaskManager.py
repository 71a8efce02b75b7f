"""Documented import path."""

from facebench import MultiModelTaskManager as MultiModelTaskManager
