"""Pairs as a report gets them."""

import numpy as np
import pandas as pd

from facebench.results.pair_rows import PairRows
from facebench.results.task_facts import TaskFacts


def pairs_of(labels, distances, n_people=40, seed=0):
    rng = np.random.default_rng(seed)
    people = rng.integers(0, n_people, len(labels))
    others = np.where(labels, people, (people + rng.integers(1, n_people, len(labels))) % n_people)
    frame = pd.DataFrame(
        {
            "img1": [f"p{p}/{i}" for i, p in enumerate(people)],
            "img2": [f"p{p}/x{i}" for i, p in enumerate(others)],
            "same": labels,
            "model_computed_distance": distances,
        }
    )
    facts = TaskFacts("AccuracyTask", label_column="same", influences={"AUC": "auc"})
    return PairRows(frame, facts)
