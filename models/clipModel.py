"""Documented import path."""

from facebench import CLIPModel as CLIPModel
