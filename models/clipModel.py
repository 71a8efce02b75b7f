"""Documented import path."""

from facebench.models.clip import CLIPModel as CLIPModel
