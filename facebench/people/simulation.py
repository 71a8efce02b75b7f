"""Observers with known sensitivity, criterion, lapses and item effects, for tests and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from facebench.errors import InputError
from facebench.people.trials import Trials

if TYPE_CHECKING:
    import pandas as pd

    from facebench.types import Float64Array

__all__ = ["Observers", "simulated_trials"]

_NODES = 81
# Of simulated experiments: people tell faces apart better upright than manipulated.
_BEST, _WORSE = 2.2, 1.5


@dataclass(frozen=True)
class Observers:
    """Participants who compare two images by a decision variable, and answer same or different.

    In a trial of participant p and item i the decision variable is normal with variance 1 and mean
    ±d'_p / 2 (same, different) + the item's effect; "same" is answered above the criterion c_p. In
    a lapse the answer is a coin's. Response times are log-normal, shorter for clear evidence;
    confidence (1 to 4) rises with the distance from the criterion.

    Parameters
    ----------
    dprime : mapping of str to float
        Mean d' in each condition. Every participant sees every item in each.
    criterion : float, default 0.0
        Mean criterion; positive answers "same" more rarely.
    lapse : float, default 0.0
        Share of trials that are guessed.
    sd_dprime, sd_criterion : float, default 0.4, 0.2
        SD of participants' d' and criterion. A participant's deviation of d' is the same in all
        conditions, but for `sd_effect`.
    sd_effect : float, default 0.2
        SD of a participant's deviation in each single condition.
    sd_item : float, default 0.0
        SD of items' effects; an item's effect is the same in all conditions.

    Examples
    --------
    >>> observers = Observers({"upright": 2.0, "inverted": 1.0})
    >>> observers.trials(n_participants=3, n_items=10, seed=1)
    Trials(60 same-different trials of 3 participants)
    """

    dprime: Mapping[str, float] = field(default_factory=lambda: {"all": 1.5})
    criterion: float = 0.0
    lapse: float = 0.0
    sd_dprime: float = 0.4
    sd_criterion: float = 0.2
    sd_effect: float = 0.2
    sd_item: float = 0.0

    def trials(
        self,
        n_participants: int,
        n_items: int = 40,
        *,
        pairs: Sequence[tuple[str, str, int]] | None = None,
        seed: Any = 0,
    ) -> Trials:
        """Draw an experiment.

        Parameters
        ----------
        n_participants : int
            Participants.
        n_items : int, default 40
            Pairs of images, half of them of the same person, where `pairs` does not name them.
        pairs : sequence of (img1, img2, same), optional
            The pairs.
        seed : int or numpy.random.Generator, default 0
            Seed of the draws.

        Returns
        -------
        Trials
            Of kind same-different, with a column ``condition``.
        """
        import pandas as pd

        generator = np.random.default_rng(seed)
        shown = pairs or [(f"{n}a.jpg", f"{n}b.jpg", int(n % 2 == 0)) for n in range(n_items)]
        same = np.array([pair[2] for pair in shown])
        item = generator.normal(0, self.sd_item, len(shown))
        person = generator.normal(0, self.sd_dprime, n_participants)
        bias = self.criterion + generator.normal(0, self.sd_criterion, n_participants)
        parts = []
        for condition, mean in self.dprime.items():
            own = mean + person + generator.normal(0, self.sd_effect, n_participants)
            evidence = generator.normal(
                np.where(same == 1, 0.5, -0.5) * own[:, None] + item, 1
            ) - bias[:, None]  # fmt: skip
            guessed = generator.random(evidence.shape) < self.lapse
            coin = generator.random(evidence.shape) < 0.5
            response = np.where(guessed, coin, evidence > 0).astype(float)
            clarity = np.where(guessed, 0.0, np.abs(evidence))
            rt = 0.3 + np.exp(generator.normal(-0.6 - 0.2 * clarity, 0.35))
            parts.append(
                pd.DataFrame(
                    {
                        "participant": np.repeat(
                            [f"p{n + 1:02d}" for n in range(n_participants)], len(shown)
                        ),
                        "condition": condition,
                        "img1": [pair[0] for pair in shown] * n_participants,
                        "img2": [pair[1] for pair in shown] * n_participants,
                        "response": response.ravel(),
                        "correct": (response == same).astype(float).ravel(),
                        "confidence": 1 + np.minimum(np.floor(clarity.ravel() / 0.6), 3),
                        "rt": rt.ravel().round(4),
                    }
                )
            )
        return Trials(pd.concat(parts, ignore_index=True), "same-different")

    def expected(self, condition: str) -> dict[str, float]:
        """Give what measures of such participants are on average, without sampling error.

        Parameters
        ----------
        condition : str
            One of `dprime`.

        Returns
        -------
        dict
            'Hit Rate', 'False Alarm Rate', 'Accuracy', "d'" and 'Criterion c', over participants
            and items. With lapses and item effects the d' that rates give is less than that within
            an item.
        """
        from scipy.special import ndtr, ndtri

        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        weights = weights / weights.sum()
        sd = np.hypot(self.sd_dprime, self.sd_effect)
        own = (self.dprime[condition] + sd * nodes)[:, None]
        bias = (self.criterion + self.sd_criterion * nodes)[None, :]
        over = weights[:, None] * weights[None, :]

        def rate(mean: Float64Array) -> Float64Array:
            seen: Float64Array = ndtr(mean / np.hypot(1, self.sd_item))
            return (1 - self.lapse) * seen + self.lapse / 2

        hit, false = rate(own / 2 - bias), rate(-own / 2 - bias)
        values = {
            "Hit Rate": hit,
            "False Alarm Rate": false,
            "Accuracy": (hit + 1 - false) / 2,
            "d'": ndtri(hit) - ndtri(false),
            "Criterion c": -(ndtri(hit) + ndtri(false)) / 2,
        }
        return {name: float((value * over).sum()) for name, value in values.items()}


def simulated_trials(
    pairs: pd.DataFrame,
    kind: Literal["same-different", "rating"] = "same-different",
    *,
    n_participants: int = 30,
    seed: int = 0,
) -> pd.DataFrame:
    """Let simulated observers judge a table of pairs, to try an analysis before there are data.

    They tell people apart at a d' of 2.2 in the first condition of the table, and of 1.5 in others.

    Parameters
    ----------
    pairs : DataFrame
        ``img1``, ``img2``, ``same`` and, if there are conditions, ``condition``.
    kind : {'same-different', 'rating'}
        Whether they answer same (1) or different (0), or rate from 1 (surely two people) to 8
        (surely one).
    n_participants : int, default 30
        How many observers.
    seed : int, default 0
        Of all that is drawn.

    Returns
    -------
    DataFrame
        Columns as of `Trials`; every observer judges every pair, in an order of their own.

    Raises
    ------
    InputError
        If the table does not say which pairs show one person.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = pd.DataFrame({"img1": ["a1", "a1"], "img2": ["a2", "b1"], "same": [1, 0]})
    >>> simulated_trials(pairs, "rating", n_participants=4)["response"].between(1, 8).all()
    np.True_
    """
    missing = [name for name in ("img1", "img2", "same") if name not in pairs]
    if missing or not pairs["same"].isin([0, 1]).all():
        msg = (
            "Simulated observers need pairs with the columns img1, img2 and same (1 for one "
            f"person, 0 for two). Missing: {', '.join(missing) or 'a 1 or 0 in every row of same'}."
        )
        raise InputError(msg)
    own = pairs["condition"].astype(str) if "condition" in pairs else None
    names = ["all"] if own is None else list(dict.fromkeys(own))
    dprime = {name: _WORSE if place else _BEST for place, name in enumerate(names)}
    # Places stand for the pairs: one pair may be shown in several conditions.
    places = [(str(place), "", int(same)) for place, same in enumerate(pairs["same"])]
    observers = Observers(dprime, sd_item=0.4, lapse=0.02)
    table = observers.trials(n_participants, pairs=places, seed=seed).table
    place = table["img1"].astype(int).to_numpy()
    if own is None:
        table = table.drop(columns="condition")
    else:
        kept = own.to_numpy()[place] == table["condition"].to_numpy()
        table, place = table[kept], place[kept]
    shown = {side: pairs[side].to_numpy()[place] for side in ("img1", "img2")}
    table = table.assign(**shown)
    if kind == "rating":
        half = 4.5
        sign = np.where(table["response"] == 1, 1, -1)
        table["response"] = (half + sign * (table["confidence"] - 0.5)).astype(int)
        table = table.drop(columns=["correct", "confidence"])
    else:
        whole = ["response", "correct", "confidence"]
        table[whole] = table[whole].astype(int)
    drawn = np.random.default_rng(seed).random(len(table))
    order = np.lexsort([drawn, table["participant"]])
    return table.iloc[order].reset_index(drop=True)
