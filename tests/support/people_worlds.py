"""Small experiments of people beside a network, for the tests of people."""

from __future__ import annotations

import numpy as np
import pandas as pd

from facebench.people import Trials

CONDITIONS = ("upright", "inverted")


def pairs_of(n_people: int = 8, conditions=CONDITIONS) -> pd.DataFrame:
    """For each of some people one pair of the same person and one with the next, by condition."""
    rows = []
    for condition in conditions:
        for one in range(n_people):
            a, b = f"p{one}", f"p{(one + 1) % n_people}"
            rows.append((f"{condition}/{a}/1.png", f"{condition}/{a}/2.png", 1, condition, a, a))
            rows.append((f"{condition}/{a}/1.png", f"{condition}/{b}/2.png", 0, condition, a, b))
    columns = ["img1", "img2", "same", "condition", "identity1", "identity2"]
    return pd.DataFrame(rows, columns=columns)


def answers_to(
    pairs: pd.DataFrame,
    n_participants: int = 6,
    *,
    effect: float = 1.0,
    seed: int = 0,
    strength: float = 2.0,
    sd_item: float = 0.5,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw same-different trials, and what all participants see alike: larger is less alike."""
    rng = np.random.default_rng(seed)
    first = pairs["condition"].iloc[0]
    sign = np.where(pairs["same"] == 1, -1.0, 1.0)
    seen = strength - effect * (pairs["condition"] != first).to_numpy()
    latent = sign * seen / 2 + rng.normal(0, sd_item, len(pairs))
    parts = []
    for number in range(n_participants):
        own = latent + rng.normal(0, 1, len(pairs)) + sign * rng.normal(0, 0.2)
        own = own - rng.normal(0, 0.2)
        parts.append(
            pairs[["img1", "img2"]].assign(
                participant=f"s{number}",
                response=(own < 0).astype(float),
                confidence=1 + np.minimum(3, (np.abs(own) * 2).astype(int)),
            )
        )
    return pd.concat(parts, ignore_index=True), latent


def trials_of(table: pd.DataFrame, kind="same-different") -> Trials:
    return Trials(table, kind, "trials.csv")
