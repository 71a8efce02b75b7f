"""The unified table, made from scratch or again and again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from facebench.results import exports
from facebench.results.exports import export_distances, unified_summary


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


def distances_of(n_rows: int) -> pd.DataFrame:
    """Give the distances of two layers: texts with gaps, mixed values, numbers, NaN."""
    one = pd.DataFrame(
        {
            "img1": [f"ann/{row}.jpg" for row in range(n_rows)],
            "note": pd.Series(["ä", None] * n_rows, dtype="str").iloc[:n_rows],
            "code": pd.Series([1, "1", True, None] * n_rows, dtype=object).iloc[:n_rows],
            "same": np.arange(n_rows) % 2,
            "layer_name": "fc6",
            "model_computed_distance": np.linspace(0, 1 / 3, n_rows),
        }
    )
    one.loc[1, "model_computed_distance"] = np.nan
    other = one.assign(layer_name="fc7", model_computed_distance=0.5)
    return pd.concat([one, other], ignore_index=True)


@pytest.mark.parametrize(
    ("form", "limit", "suffix"),
    [
        ("auto", 8, "csv"),
        ("auto", 7, "parquet"),
        ("csv", 7, "csv"),
        ("parquet", 8, "parquet"),
    ],
)
def test_tables_of_many_rows_are_parquet_unless_asked_otherwise(
    tmp_path, monkeypatch, form, limit, suffix
) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS_OF_CSV", limit)
    distances = distances_of(8)
    # What an earlier run left in the other format is of other numbers.
    export_distances(tmp_path, "m", "t", distances.assign(same=5), form="csv")
    export_distances(tmp_path, "m", "t", distances.assign(same=5), form="parquet")
    export_distances(tmp_path, "m", "t", distances, form=form)
    files = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    folder = tmp_path / "Computed Metrics" / "m"
    assert files == [folder / "fc6" / f"t.{suffix}", folder / "fc7" / f"t.{suffix}"]
    read = pd.read_csv(files[0]) if suffix == "csv" else pd.read_parquet(files[0])
    wanted = distances[distances["layer_name"] == "fc6"]
    assert read.columns.tolist() == wanted.columns.tolist()
    exact = ["img1", "same", "layer_name", "model_computed_distance"]
    pd.testing.assert_frame_equal(read[exact], wanted[exact], check_dtype=False)
    for column in ("note", "code"):
        written = [str(cell) for cell in wanted[column].dropna()]
        assert read[column].dropna().astype(str).tolist() == written
