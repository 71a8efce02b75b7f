"""Documented import path."""

from facebench.plots import PlotHelper as PlotHelper
