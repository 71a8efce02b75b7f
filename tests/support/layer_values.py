"""Results of layers, as a run has them."""

from __future__ import annotations

import pandas as pd


def table(values, model: str = "net", task: str = "t", **columns) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Task Name": task,
            "Model Name": model,
            "Layer Name": [f"layer{i}" for i in range(len(values))],
            "AUC": values,
            **columns,
        }
    )
