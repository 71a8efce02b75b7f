"""From plain records to matplotlib figures: one module per kind of figure.

`style` holds what all of them share: sizes, fonts, colours, and writing a PNG. Every module loads
matplotlib, so it is imported where a figure is drawn.
"""
