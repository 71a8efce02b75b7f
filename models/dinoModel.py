"""Documented import path."""

from facebench.models.dino import DinoModel as DinoModel
