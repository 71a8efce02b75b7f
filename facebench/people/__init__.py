"""Experiments with people: what participants saw and answered, and what follows from it.

A table of trials holds a row per answer (`Trials`). Exclusions are counted, never silent. Measures
are taken per participant first, then over participants; intervals are over participants, items or
both crossed. Tasks ask people what they ask networks, through ``people=``.

Conventions: a response to a same-different trial is 1 for "same"; to an old-new trial 1 for "old";
to a rating trial the rating; to a choice the name of the image that was chosen. Confidence rises
with certainty. Response times are in seconds.
"""

from __future__ import annotations

from facebench.people.intervals import mean_over, means_over, over_participants, paired_over
from facebench.people.measures import item_measures, person_measures
from facebench.people.names import with_names_of
from facebench.people.reading import people_of, read_trials
from facebench.people.trials import KINDS, TrialKind, Trials

__all__ = [
    "KINDS",
    "TrialKind",
    "Trials",
    "item_measures",
    "mean_over",
    "means_over",
    "over_participants",
    "paired_over",
    "people_of",
    "person_measures",
    "read_trials",
    "with_names_of",
]
