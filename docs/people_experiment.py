"""Write a made-up inversion experiment, as a program for experiments would export it.

    python docs/people_experiment.py stimuli/inverted.csv trials.csv

Thirty simulated observers say of each pair whether it shows one person. They tell people apart
better upright than inverted; pairs differ in difficulty, observers in skill and criterion.
"""

import sys
from pathlib import Path

import pandas as pd

from facebench.people.simulation import Observers

PARTICIPANTS = 30
OBSERVERS = Observers({"upright": 2.2, "inverted": 1.5}, sd_item=0.4, lapse=0.02)


def experiment(pairs: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """Draw the trials of an experiment with the pairs of a table of stimuli."""
    # The same items in the same order in either condition.
    by_condition = {name: own.reset_index(drop=True) for name, own in pairs.groupby("condition")}
    same = by_condition["upright"]["same"]
    items = [(str(item), str(item), int(label)) for item, label in enumerate(same)]
    trials = OBSERVERS.trials(PARTICIPANTS, pairs=items, seed=seed).table
    for side in ("img1", "img2"):
        trials[side] = [
            by_condition[condition].loc[int(item), side]
            for condition, item in zip(trials["condition"], trials[side], strict=True)
        ]
    return pd.DataFrame(
        {
            "subject": trials["participant"],
            "left": trials["img1"],
            "right": trials["img2"],
            "key": trials["response"].map({1.0: "f", 0.0: "j"}),
            "confidence": trials["confidence"].astype(int),
            "rt_ms": (1000 * trials["rt"]).round().astype(int),
        }
    )


if __name__ == "__main__":
    table, target = map(Path, sys.argv[1:])
    experiment(pd.read_csv(table)).to_csv(target, index=False)
