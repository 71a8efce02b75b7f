"""Runs saved and read back: the tidy table, distances, manifest, and what a reader refuses."""

import csv
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facebench import load_run
from facebench.errors import RunFolderError, UnknownNameError
from facebench.metrics.stats import delong
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from facebench.results.schema import RESULTS_COLUMNS, SCHEMA_VERSION
from support.measured import with_estimates
from support.small_run import ALERT, LAYERS, save_small_run, small_manager


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    return save_small_run(
        folder, tmp_path_factory.mktemp("runs"), config={"folds": 5}, seeds={"numpy": 3}
    )


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


def test_every_headline_number_has_an_interval_and_counts(saved):
    headline = load_run(saved).headline()
    assert (headline["ci_low"] <= headline["value"]).all()
    assert (headline["value"] <= headline["ci_high"]).all()
    assert set(headline["ci_method"]) <= {
        f"jackknife by {unit} groups, t quantiles{note}"
        for unit in ("identity, 8", "image, 24")
        for note in ("", "; score intervals next to 0 and 1")
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


def test_distances_come_back_as_they_were(saved):
    run = load_run(saved)
    manager = small_manager(Path(next(iter(run.tasks.values())).images_path))
    for model, by_task in manager.model_task_distances_dfs.items():
        for task, frame in by_task.items():
            found = run.task_distances(model, task)
            pd.testing.assert_frame_equal(found, frame[found.columns], check_dtype=False)
            assert set(found.columns) == set(frame.columns)
    assert len(run.distances) == 4 * 6 * 276
    with pytest.raises(UnknownNameError, match="no task 'tsk'"):
        run.task_distances("plain", "tsk")


def test_tasks_may_disagree_about_a_column(tmp_path):
    manager = small_manager(tmp_path)
    frames = manager.model_task_distances_dfs["plain"]
    frames["rate"]["kind"] = np.arange(276)
    frames["effect"] = frames["effect"].assign(row=1.5, layer="mine", task="theirs")
    frames["effect"].loc[3, "model_computed_distance"] = np.nan
    path = RunFolder.create(tmp_path / "runs", "mixed").save(with_estimates(manager))
    run = load_run(path)
    assert run.task_distances("plain", "rate")["kind"].tolist() == list(map(str, range(276)))
    found = run.task_distances("plain", "effect")
    assert set(found["row"]) == {1.5}
    assert set(found["layer"]) == {"mine"}
    effect = run.results.query("task == 'effect' and model == 'plain'")
    assert set(effect["n_failed"]) == {1}
    assert set(effect["n_pairs"]) == {275}


def test_csv_is_the_table_and_described_for_the_web(saved):
    run = load_run(saved)
    found = pd.read_csv(saved / "results.csv")
    np.testing.assert_allclose(found["value"], run.results["value"])
    metadata = json.loads((saved / "results.csv-metadata.json").read_text())
    assert metadata["@context"] == "http://www.w3.org/ns/csvw"
    with (saved / metadata["url"]).open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    assert [column["titles"] for column in metadata["tableSchema"]["columns"]] == header


def test_manifest_says_where_numbers_come_from(saved):
    manifest = load_run(saved).manifest
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert manifest["config"] == {"folds": 5}
    assert manifest["seeds"] == {"numpy": 3}
    assert manifest["provenance"]["models"]["shallow"]["digest"] == "abc"
    assert set(manifest["versions"]) >= {"facebench", "python", "numpy", "torch"}
    data = manifest["data"]["rate"]
    assert len(data["pairs_digest"]) == 64
    assert data["images"]["n_images"] == 24
    assert data["images"]["n_missing"] == 0


def test_copies_of_a_file_under_two_people_are_leaks(tmp_path):
    manager = small_manager(tmp_path)
    copy = tmp_path / "Bo" / "0.png"
    (tmp_path / ALERT / "1.png").write_bytes(copy.read_bytes())
    (tmp_path / "Cy" / "2.png").unlink()
    path = RunFolder.create(tmp_path / "runs", "leaky").save(manager)
    manifest = load_run(path).manifest
    assert manifest["data"]["rate"]["images"]["n_missing"] == 1
    found = {(one["task"], one["what"]): one for one in manifest["health"]["found"]}
    leaks = found["rate", "Leaks: identical images of different people, by folder"]
    assert (leaks["count"], leaks["detail"]) == (1, f"{ALERT}/1.png – Bo/0.png")
    assert found["rate", "Missing images"]["detail"] == "Cy/2.png"
    assert found["verify <script>alert(2)</script>", "Labels against the names of folders"] == {
        "task": "verify <script>alert(2)</script>",
        "what": "Labels against the names of folders",
        "count": 0,
        "detail": "",
    }
    rows = pd.read_csv(path / "data_health.csv").groupby(["Task Name", "Finding"]).size()
    assert rows["rate", "identical images"] == rows["rate", "missing image"] == 1


def test_data_are_looked_at_when_a_run_is_complete(tmp_path, monkeypatch):
    manager = small_manager(tmp_path)
    Image.open(tmp_path / "Bo" / "0.png").save(tmp_path / "Bo" / "1.png", compress_level=1)
    run = RunFolder.create(tmp_path / "runs", "whole")
    run.save(manager, status="interrupted")
    assert load_run(run.path).manifest["health"] is None
    assert not (run.path / "data_health.csv").exists()
    monkeypatch.setattr("facebench.results.data_health._MOST_DECODED", 5)
    for deep in (False, True):
        run.save(manager, deep=deep)
        health = load_run(run.path).manifest["health"]
        assert (health["n_images"], health["decoded"]) == (24, deep)
        found = {one["what"]: one["count"] for one in health["found"] if one["task"] == "rate"}
        assert found.get("Near duplicates") == (1 if deep else None)


def test_run_is_kept_even_if_its_data_cannot_be_looked_at(tmp_path, caplog):
    manager = small_manager(tmp_path)
    for task in manager.tasks.values():
        task.images_path = tmp_path / "moved"
    run = load_run(RunFolder.create(tmp_path / "runs", "moved").save(manager))
    assert run.status == "finished"
    assert "does not exist" in run.manifest["health"]["error"]
    assert "could not be looked at" in caplog.text
    page = write_report(run.path).read_text(encoding="utf-8")
    assert "The images and pairs could not be looked at: The images folder" in page


def test_log_is_kept(tmp_path):
    run = RunFolder.create(tmp_path, "logged")
    before = logging.getLogger("facebench").handlers[:]
    with run.log() as path:
        logging.getLogger("facebench.engine").info("half of it")
    assert "half of it" in path.read_text()
    assert logging.getLogger("facebench").handlers == before


def test_states_of_a_run(tmp_path):
    run = RunFolder.create(tmp_path / "runs", "a/b")
    assert run.path.parent.parent == tmp_path / "runs"
    fresh = load_run(run.path)
    assert fresh.status == "running"
    assert fresh.results.empty
    assert fresh.headline().empty
    manager = small_manager(tmp_path)
    run.save(manager, status="interrupted")
    assert load_run(run.path).status == "interrupted"
    again = RunFolder.reopen(run.path)
    again.save(manager, status="failed", failures=[("plain / rate", ValueError("no"))])
    found = load_run(run.path)
    assert found.status == "failed"
    assert found.manifest["failures"] == [{"what": "plain / rate", "error": "ValueError: no"}]
    assert found.manifest["created"] == fresh.manifest["created"]
    assert not [path for path in run.path.iterdir() if path.name.startswith(".")]


def test_run_whose_process_is_gone_is_interrupted(tmp_path):
    script = (
        "import os, sys\nfrom pathlib import Path\n"
        "from facebench.results.run_folder import RunFolder\n"
        "print(RunFolder.create(Path(sys.argv[1]), 'killed').path, flush=True)\nos._exit(9)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    run = load_run(done.stdout.strip())
    assert run.manifest["status"] == "running"
    assert run.status == "interrupted"


def test_newer_runs_are_refused_and_older_ones_read(saved, tmp_path):
    manifest = json.loads((saved / "manifest.json").read_text())
    newer = tmp_path / "newer"
    newer.mkdir()
    text = json.dumps({**manifest, "schema_version": SCHEMA_VERSION + 1})
    (newer / "manifest.json").write_text(text)
    with pytest.raises(RunFolderError, match=f"schema version {SCHEMA_VERSION + 1}.*reads up to"):
        load_run(newer)
    with pytest.raises(RunFolderError, match="newer"):
        RunFolder.reopen(newer)
    older = tmp_path / "older"
    older.mkdir()
    (older / "manifest.json").write_text(json.dumps({"schema_version": 0}))
    lean = load_run(saved).results.drop(columns=["n_identities", "ci_method"])
    lean.to_parquet(older / "results.parquet")
    run = load_run(older)
    assert run.results["n_identities"].isna().all()
    assert run.results["value"].tolist() == lean["value"].tolist()
    assert set(run.tasks) == set(lean["task"])


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"schema_version": "x"}'])
def test_what_is_no_run_is_refused_in_one_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(RunFolderError, match="manifest"):
        load_run(tmp_path)


def test_damaged_table_is_refused(saved, tmp_path):
    (tmp_path / "manifest.json").write_bytes((saved / "manifest.json").read_bytes())
    (tmp_path / "results.parquet").write_text("half of i")
    with pytest.raises(RunFolderError, match=r"results\.parquet must be a table"):
        _ = load_run(tmp_path).results


def test_shown_in_notebooks_and_papers(saved):
    run = load_run(saved)
    html = run._repr_html_()
    assert "<script>" not in html
    assert "verify &lt;script&gt;alert(2)" in html
    lines = run.to_markdown().splitlines()
    assert len(lines) == 2 + len(run.headline())
    assert {line.replace("\\|", "").count("|") for line in lines} == {9}
    latex = run.to_latex()
    assert r"\textless{}script\textgreater{}" in latex
    assert latex.count(r"\\") == 1 + len(run.headline())
    assert latex.count("{tabular}") == 2
