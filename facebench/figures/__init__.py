"""Figures made from plain records; they know neither tables nor files.

`facebench.plots` turns tables into records and figures into PNGs. Import these modules inside
functions only, because they load matplotlib.
"""
