"""From tables to records that `facebench.figures` draws; `facebench.plots` is the door.

Nothing here loads matplotlib, pandas or SciPy before the first picture.
"""
