"""Participants who rated similarity beside networks: who predicts the others' mean better?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from facebench.columns import CI_METHOD, comparable_name
from facebench.metrics.correlation import correlate
from facebench.metrics.noise_ceiling import (
    ceilings,
    mean_rating,
    pool_for,
    pooled_ratings,
    split_half,
)
from facebench.metrics.uncertainty.spread import Spread
from facebench.metrics.uncertainty.stratified_jackknife import StratifiedJackknife
from facebench.tasks.shared.people import (
    ONE_BY_ONE,
    OVER_PARTICIPANTS,
    PARTICIPANTS,
    PEOPLE,
    compared_with_people,
    mean_of_participants,
    spread_of_participants,
    sum_of_spreads,
)
from facebench.tasks.shared.people_items import with_interval
from facebench.types import Float64Array

__all__ = ["RatersBeside"]


class _Group(NamedTuple):
    """The ratings of one group, [N, participants], and what they leave of each participant."""

    ratings: Float64Array
    # Each participant's correlation with the mean of the others, and without each image.
    own: Float64Array
    without: Float64Array
    # The mean of the others, [participants, N].
    others: Float64Array


class RatersBeside:
    """Single participants and layers, both as predictors of the mean rating of the others.

    Parameters
    ----------
    groups : mapping of str to array, shape [N, participants]
        Ratings as dissimilarities, NaN where missing, by the name of the row.
    pairs : DataFrame
        Their img1 and img2.
    measure : str
        The correlation; `name` is what it is called.
    name : str
        See `measure`.
    pool : str or None
        How raters are averaged; None takes what predicts single raters best.
    margin : float, optional
        The smallest difference from people that would matter.
    """

    def __init__(
        self,
        groups: Mapping[str, Float64Array],
        pairs: pd.DataFrame,
        measure: str,
        name: str,
        pool: str | None,
        margin: float | None,
    ) -> None:
        self._ratings = dict(groups)
        self._measure, self._name = measure, name
        self._pool = pool_for(measure) if pool is None else pool
        self._margin = margin
        names = np.concatenate([pairs[side].astype(str).to_numpy() for side in ("img1", "img2")])
        first, second = np.split(np.unique(names.astype(np.str_), return_inverse=True)[1], 2)
        self._jackknife = StratifiedJackknife(first, second, np.zeros(first.size, dtype=np.intp))
        self._weights = self._jackknife.kept.T.astype(float)

    @cached_property
    def _groups(self) -> dict[str, _Group]:
        return {group: self._prepared(ratings) for group, ratings in self._ratings.items()}

    def _prepared(self, ratings: Float64Array) -> _Group:
        counts = np.ones((1, ratings.shape[1]))
        ones = np.ones((1, len(ratings)))
        own = ceilings(ratings, self._measure, ones, counts, self._pool)[0][0]
        without = ceilings(ratings, self._measure, self._weights, counts, self._pool)[0]
        seen = ~np.isnan(ratings)
        values = np.where(seen, pooled_ratings(ratings, self._pool), 0.0)
        others = mean_rating(
            values.sum(axis=1)[:, None] - values, (seen.sum(axis=1)[:, None] - seen).astype(float)
        )
        return _Group(ratings, own, without, others.T)

    def rows(self) -> pd.DataFrame:
        """Measure people: a row per group."""
        rows = []
        for group, known in self._groups.items():
            halves = split_half(known.ratings, self._measure)
            rows.append(
                {
                    PEOPLE: group,
                    **mean_of_participants(comparable_name(self._name), known.own),
                    "Split Half Reliability": halves.reliability,
                    PARTICIPANTS: known.ratings.shape[1],
                    "Trials": int((~np.isnan(known.ratings)).sum()),
                    "Pairs": int((~np.isnan(known.ratings)).any(axis=1).sum()),
                    "People Index": self._index,
                    CI_METHOD: OVER_PARTICIPANTS,
                }
            )
        return pd.DataFrame(rows)

    @property
    def _index(self) -> str:
        return (
            f"{self._name} correlation with the mean rating of the other participants, of single "
            "participants and of the layer"
        )

    def against(self, distances: Float64Array) -> dict[str, Any]:
        """Compare a layer with people.

        Parameters
        ----------
        distances : array, shape [N]
            The layer's; NaN where it has none.

        Returns
        -------
        dict of str to Any
            See `compared_with_people`.
        """
        row: dict[str, Any] = {}
        for group, known in self._groups.items():
            layer = np.array([correlate(distances, one, self._measure) for one in known.others])
            drawn = np.stack(
                [correlate(distances, one, self._measure, self._weights) for one in known.others],
                axis=1,
            )
            valid = np.isfinite(layer) & np.isfinite(known.own)
            if valid.sum() < 2:
                continue
            value = float(layer[valid].mean())
            units = (drawn - known.without)[:, valid].mean(axis=1)
            spread = sum_of_spreads(
                Spread(*self._jackknife.error(units)),
                spread_of_participants((layer - known.own)[valid]),
            )
            if not row:
                error = Spread(*self._jackknife.error(drawn[:, valid].mean(axis=1)))
                row |= with_interval(comparable_name(self._name), value, error, "fisher")
            row |= compared_with_people(
                self._name, group, value, known.own[valid], spread, margin=self._margin
            )
        return row | {"People Index": self._index, "People CI Method": ONE_BY_ONE}
