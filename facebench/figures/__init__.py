"""Figures: from result tables to PNG files.

`plot_helper.PlotHelper` is the entry point. `records` turns tables into plain records, and
`drawing` turns records into figures; drawing knows neither tables nor files. Only modules of
`drawing` load matplotlib, so they are imported inside functions.
"""
