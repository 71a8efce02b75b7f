"""The unified table, made from scratch or again and again."""

from __future__ import annotations

import pandas as pd

from facebench.results.exports import unified_summary


def results(task: str, values: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"Task Name": task, "Model Name": model, "Layer Name": str(layer), "AUC": value}
            for model, column in values.items()
            for layer, value in enumerate(column)
        ]
    )


def test_a_row_per_model_and_layer_a_column_per_measure() -> None:
    conditions = results("c", {"m": [1.0]}).assign(Condition="x", Note="text")
    performances = {"a": results("a", {"m": [0.5, 0.6], "n": [0.7]}), "c": conditions}
    found = unified_summary(performances, {"m": {"Images: no face": 2}})
    assert found.columns.tolist() == [
        "Model Name", "Layer Name", "a: AUC", "c - x: AUC", "Images: no face",
    ]  # fmt: skip
    assert found["a: AUC"].tolist() == [0.5, 0.6, 0.7]
    assert found["c - x: AUC"].isna().tolist() == [False, True, True]
    assert found["Images: no face"].isna().tolist() == [False, False, True]


def test_rows_of_one_name_are_numbered() -> None:
    twice = pd.concat([results("a", {"m": [0.5]}), results("a", {"m": [0.9]})])
    found = unified_summary({"a": twice}, {}).iloc[0]
    assert (found["a: AUC"], found["a [2]: AUC"]) == (0.5, 0.9)
