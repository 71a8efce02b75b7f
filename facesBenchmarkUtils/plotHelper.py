"""Documented import path, and the font sizes that the first implementation had here."""

from facebench import PlotHelper as PlotHelper
from facebench.figures.drawing.style import LABEL, TITLE

SUPTITLE_SIZE, SUBTITLE_SIZE = TITLE, LABEL
