"""From result tables to the records that `facebench.figures.drawing` draws.

A module for each family of figures, as a mixin of `PlotHelper`. `tables` reads columns and names
rows, `run_facts` what is known beyond them, `layer_choice` chooses the layers that fit on a page.
Nothing here loads matplotlib, pandas or SciPy before the first figure is drawn.
"""
