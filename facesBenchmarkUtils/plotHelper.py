"""Documented import path."""

from facebench import PlotHelper as PlotHelper
