"""Documented import path."""

from facebench import DinoModel as DinoModel
