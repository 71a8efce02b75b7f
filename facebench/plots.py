"""The figures of a run; the documented path of `facebench.figures.plot_helper`."""

from facebench.figures.plot_helper import PlotHelper

__all__ = ["PlotHelper"]
