"""Documented import path."""

from facebench.figures.plot_helper import PlotHelper as PlotHelper
