"""Experiments with people: what participants saw and answered, and what follows from it.

A table of trials holds a row per answer (`Trials`). Exclusions are counted, never silent. Measures
are taken per participant first, then over participants; intervals are over participants, items or
both crossed. Tasks ask people what they ask networks, through ``people=``.

Conventions: a response to a same-different trial is 1 for "same"; to an old-new trial 1 for "old";
to a rating trial the rating; to a choice the name of the image that was chosen. Confidence rises
with certainty. Response times are in seconds.
"""

from facebench.utils.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
