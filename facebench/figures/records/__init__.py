"""From result tables to the records that `facebench.figures.drawing` draws.

Nothing here loads matplotlib, pandas or SciPy before the first figure is drawn.
"""
