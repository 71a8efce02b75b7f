"""Documented import path."""

from facebench import BaseModel as BaseModel
