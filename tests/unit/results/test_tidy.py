"""Every number of a run is in the tidy table."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench import load_run
from facebench.metrics.stats import delong
from facebench.results.schema import RESULTS_COLUMNS
from support.small_run import LAYERS, small_manager


def test_every_number_is_in_the_tidy_table_unrounded(saved):
    run = load_run(saved)
    manager = small_manager(Path(next(iter(run.tasks.values())).images_path))
    assert list(run.results.columns) == list(RESULTS_COLUMNS)
    expected = 0
    for task, table in manager.unrounded_performance_dfs.items():
        measures = table.select_dtypes("number").columns
        expected += len(measures) * len(table)
        own = run.results[run.results["task"] == task]
        for row in own.itertuples():
            there = (table["Model Name"] == row.model) & (table["Layer Name"] == row.layer)
            if not pd.isna(row.condition):
                there &= table["Condition"].astype(str) == row.condition
            assert table.loc[there, row.metric].item() == row.value
    assert len(run.results) == expected
    assert set(run.results["run"]) == {f"small & <b>fine</b>/{saved.name}"}
    for model, layers in LAYERS.items():
        own = run.results[run.results["model"] == model]
        assert own.drop_duplicates("layer")["layer_index"].tolist() == list(range(len(layers)))


_SCORE = "; score intervals next to 0 and 1"
_SHARED = "; both means share people: conservative"
_CONSERVATIVE = ("few errors", "threshold chosen on the same pairs")


def test_every_headline_number_has_an_interval_and_counts(saved):
    headline = load_run(saved).headline()
    assert (headline["ci_low"] <= headline["value"]).all()
    assert (headline["value"] <= headline["ci_high"]).all()
    methods = headline["ci_method"].str.replace(r"; (low|high) end for the [23].*", "", regex=True)
    # Where one way is better, the best of two or three layers was chosen on these pairs.
    assert (methods != headline["ci_method"]).any()
    assert set(methods) <= {
        f"jackknife by {unit} groups, t quantiles{note}"
        for unit in ("identity, 8", "image, 24")
        for note in (
            "",
            _SCORE,
            _SHARED,
            *(f"{_SCORE}; {why}: conservative" for why in _CONSERVATIVE),
        )
    }
    whole = headline[headline["condition"].isna()]
    assert set(whole["n_pairs"]) == {276}
    assert set(whole["n_images"]) == {24}
    assert set(whole["n_identities"]) == {8}
    assert set(whole["n_failed"]) == {0}
    assert set(headline[headline["condition"].notna()]["n_pairs"]) == {92}


def test_interval_knows_of_people(saved):
    run = load_run(saved)
    task = next(iter(run.tasks))
    row = run.headline().iloc[0]
    frame = run.task_distances(row["model"], task)
    frame = frame[frame["layer_name"] == row["layer"]]
    reference = delong(frame["same"], frame["model_computed_distance"], higher_is_better=False)
    assert row["metric"] == "AUC"
    assert row["value"] == pytest.approx(reference.auc)
    # Noise is drawn per pair here, so that knowing of people must change little.
    width = (row["ci_high"] - row["ci_low"]) / 2 / 1.96
    assert width == pytest.approx(np.sqrt(reference.variance), rel=0.5)


def test_csv_is_the_table_and_described_for_the_web(saved):
    run = load_run(saved)
    found = pd.read_csv(saved / "results.csv")
    np.testing.assert_allclose(found["value"], run.results["value"])
    metadata = json.loads((saved / "results.csv-metadata.json").read_text())
    assert metadata["@context"] == "http://www.w3.org/ns/csvw"
    with (saved / metadata["url"]).open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    assert [column["titles"] for column in metadata["tableSchema"]["columns"]] == header
