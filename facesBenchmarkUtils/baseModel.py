"""Documented import path."""

from facebench.models.base import BaseModel as BaseModel
