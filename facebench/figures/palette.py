"""Colours of models: one rule for the report and for all figures."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["HATCHES", "PALETTE", "PEOPLE_COLORS", "model_colors"]

# Okabe & Ito's palette for all kinds of colour vision, its black replaced by a grey and its yellow
# by one that is seen on white.
PALETTE = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#8c8c8c",
    "#b8a800",
)
HATCHES = ("", "////", "....", "xxxx")
# Of people: a reference, not models.
PEOPLE_COLORS = ("#b5651d", "#7a3e9d", "#2e7d32", "#ad1457")


def model_colors(models: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Give every model a colour and a hatch.

    A model has one colour in all charts and figures of a run if `models` is all models of the run,
    in the run's order. The ninth model has the first colour again, with another hatch.

    Parameters
    ----------
    models : iterable of str
        Names, in order; repeated ones count once.

    Returns
    -------
    dict of str to (str, str)
        Colour and hatch by model.

    Examples
    --------
    >>> model_colors(["vgg16", "dlib"])["dlib"]
    ('#e69f00', '')
    """
    return {
        model: (PALETTE[i % len(PALETTE)], HATCHES[i // len(PALETTE) % len(HATCHES)])
        for i, model in enumerate(dict.fromkeys(models))
    }
