"""Images without a face in whole runs: counted by condition, stopped, kept or skipped."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facebench import (
    AccuracyTask,
    ConditionedAverageDistances,
    IdentificationTask,
    MultiModelTaskManager,
    load_run,
)
from facebench.errors import InputError
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from support.aligner import Aligner, write_conditions, write_images
from support.small_net import SmallNet, small_transform

pytestmark = pytest.mark.integration


def average(folder: Path, name: str = "conditions") -> ConditionedAverageDistances:
    return ConditionedAverageDistances(name, folder / "pairs.csv", folder / "images")


def manager_of(model, tasks, **options) -> MultiModelTaskManager:
    return MultiModelTaskManager(model, tasks, **{"num_workers": 0, "cache_dir": None, **options})


def run(model, tasks, output: Path, **options) -> MultiModelTaskManager:
    manager = manager_of(model, tasks, **options)
    manager.run_all_tasks_all_models(output, plots=False)
    return manager


def failed_of(manager: MultiModelTaskManager, condition: str) -> list[int]:
    table = manager.failures_to_process
    row = table[table["condition"] == condition].iloc[0]
    return [int(row[name]) for name in ("n_pairs", "n_failed", "n_images", "n_images_failed")]


def test_a_task_stops_whose_conditions_differ_and_others_go_on(tmp_path, caplog):
    write_conditions(tmp_path)
    even = tmp_path / "even"
    write_conditions(even, inverted_lost=0)
    net = Aligner()
    manager = manager_of([net, SmallNet("plain", preprocess_function=small_transform)],
                         [average(tmp_path), average(even, "even")])  # fmt: skip
    with pytest.raises(InputError, match="8 of 8 images of condition 'inverted'") as info:
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
    assert "aligner / conditions" in info.value.__notes__[0]
    # The other task, and the model that does not look for faces, are finished.
    assert manager.tasks_performance_dfs["conditions"]["Model Name"].unique().tolist() == ["plain"]
    assert set(manager.tasks_performance_dfs["even"]["Model Name"]) == {"aligner", "plain"}
    assert failed_of(manager, "inverted") == [8, 8, 8, 8]
    assert failed_of(manager, "upright") == [8, 0, 8, 0]
    assert set(manager.failures_to_process["model"]) == {"aligner"}
    written = pd.read_csv(tmp_path / "out" / "failures_to_process.csv")
    assert written["n_failed"].tolist() == manager.failures_to_process["n_failed"].tolist()


def test_keep_goes_on_and_skip_leaves_pairs_out(tmp_path, caplog):
    write_conditions(tmp_path, inverted_lost=4)
    cache = tmp_path / "cache"
    keeping, skipping = Aligner(), Aligner()
    kept = run(keeping, average(tmp_path), tmp_path / "a", on_no_face="keep", cache_dir=cache)
    skipped = run(skipping, average(tmp_path), tmp_path / "b", on_no_face="skip", cache_dir=cache)
    # What is embedded is the same, and nothing is embedded twice.
    assert (keeping.images_seen, skipping.images_seen) == (16, 0)
    one, other = (
        manager.model_task_distances_dfs["aligner"]["conditions"]["model_computed_distance"]
        for manager in (kept, skipped)
    )
    lost = other.isna().to_numpy()
    assert lost.sum() == failed_of(kept, "inverted")[1] > 0
    assert not one.isna().any()
    np.testing.assert_array_equal(one[~lost], other[~lost])
    assert skipped.remarks["aligner"]["conditions: Pairs Lost"] == lost.sum()
    for manager in (kept, skipped):
        assert manager.remarks["aligner"]["conditions: Pairs Without Face"] == lost.sum()
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert sum("no face was found in 4 of 8 images" in message for message in told) == 2


def test_skip_with_layers_that_are_compared_in_passing(tmp_path):
    """Stored distances of wide layers come without rows; the remarks are there all the same."""
    write_conditions(tmp_path, inverted_lost=4)
    options = {"max_memory": 12_000, "cache_dir": tmp_path / "cache", "on_no_face": "skip"}
    frames = []
    for out in "ab":
        net = Aligner(extract_layers=["0"])
        manager = run(net, average(tmp_path), tmp_path / out, **options)
        assert manager.records["aligner"].layers["0"] != "kept"
        assert failed_of(manager, "inverted")[3] == 4
        frames.append(manager.model_task_distances_dfs["aligner"]["conditions"])
    assert net.images_seen == 0
    pd.testing.assert_frame_equal(*frames)
    whole = run(Aligner(extract_layers=["0"]), average(tmp_path), tmp_path / "c", on_no_face="skip")
    column = "model_computed_distance"
    expected = whole.model_task_distances_dfs["aligner"]["conditions"][column]
    np.testing.assert_allclose(frames[0][column], expected, atol=1e-6)


def test_remarks_that_a_store_lacks_are_made_again(tmp_path):
    import sqlite3

    write_conditions(tmp_path, inverted_lost=4)
    options = {"cache_dir": tmp_path / "cache", "on_no_face": "keep"}
    run(Aligner(), average(tmp_path), tmp_path / "a", **options)
    with sqlite3.connect(tmp_path / "cache" / "index.sqlite3") as connection:
        assert connection.execute("DELETE FROM notes").rowcount == 16
    manager = run(Aligner(), average(tmp_path), tmp_path / "b", **options)
    assert failed_of(manager, "inverted")[3] == 4


def test_stop_stops_at_any_and_a_wrong_word_is_refused(tmp_path):
    write_conditions(tmp_path, upright_lost=1, inverted_lost=1)
    assert run(Aligner(), average(tmp_path), tmp_path / "a").tasks_performance_dfs
    with pytest.raises(InputError, match="no face was found in 2 of 16 images"):
        run(Aligner(), average(tmp_path), tmp_path / "b", on_no_face="stop")
    with pytest.raises(InputError, match="'on_no_face' parameter must be None or 'keep'"):
        manager_of(Aligner(), average(tmp_path), on_no_face="drop")


def test_a_plan_says_what_is_known_to_stop(tmp_path):
    write_conditions(tmp_path)
    options = {"cache_dir": tmp_path / "cache"}
    new = manager_of(Aligner(), average(tmp_path), **options)
    assert new.plan().warnings == []
    with pytest.raises(InputError):
        new.run_all_tasks_all_models(tmp_path / "out", plots=False)
    plan = manager_of(Aligner(), average(tmp_path), **options).plan()
    assert plan.models[0].n_to_embed == 0
    assert len(plan.warnings) == 1
    assert plan.warnings[0].startswith("This task will be stopped. Task 'conditions'")
    assert plan.warnings[0] in str(plan)
    keeping = manager_of(Aligner(), average(tmp_path), on_no_face="keep", **options).plan()
    assert keeping.warnings[0].startswith("Task 'conditions', model 'aligner': no face was found")


def test_galleries_and_probes_are_conditions_too(tmp_path):
    names = [f"{who}/{i}.png" for who in "abcd" for i in range(2)]
    write_images(tmp_path, names, {name for name in names if name.endswith("1.png")})
    tables = [
        pd.DataFrame({"image": [f"{who}/{i}.png" for who in "abcd"], "identity": list("abcd")})
        for i in range(2)
    ]
    task = IdentificationTask("find", *tables, tmp_path)
    with pytest.raises(InputError, match="4 of 4 images of role 'probe'"):
        run(Aligner(), task, tmp_path / "out")
    kept = run(Aligner(), task, tmp_path / "out", on_no_face="keep")
    assert kept.remarks["aligner"]["find: Images Without Face"] == 4
    assert kept.failures_to_process["n_pairs"].isna().all()


def manifest(folder: Path, chip: dict | None) -> None:
    """Say of a folder that `make_conditions` made it."""
    settings = {"conditions": [{"label": "inverted"}], "chip": chip, "which_face": "largest"}
    content = {"format": 1, "complete": True, "settings": settings, "versions": {"facebench": "1"}}
    (folder / "manifest.json").write_text(json.dumps(content))


def test_made_stimuli_are_taken_as_they_are_and_photographs_are_aligned(tmp_path, caplog):
    """One model, two tasks, each as a run of its own would have it; the images are shared."""
    made, photographs = tmp_path / "made", tmp_path / "photographs"
    for folder in (made, photographs):
        write_conditions(folder, upright_lost=2, inverted_lost=2)
    manifest(made / "images", {"size": 32, "padding": 0.25})
    tasks = [average(made, "made"), average(photographs, "photographs")]
    cache = tmp_path / "cache"
    net = Aligner()
    both = run(net, tasks, tmp_path / "both", cache_dir=cache, on_no_face="keep")
    assert net.images_seen == 32
    assert net.align
    assert (both.records["aligner"].n_images, both.records["aligner"].n_forwards) == (32, 32)
    alone = {
        "made": run(Aligner(align=False), tasks[0], tmp_path / "m"),
        "photographs": run(Aligner(align=True), tasks[1], tmp_path / "p", on_no_face="keep"),
    }
    for task, manager in alone.items():
        pd.testing.assert_frame_equal(
            manager.model_task_distances_dfs["aligner"][task],
            both.model_task_distances_dfs["aligner"][task],
        )
    first, second = (frame["Mean Value"] for frame in both.tasks_performance_dfs.values())
    assert not np.allclose(first, second)
    assert set(both.failures_to_process["task"]) == {"photographs"}
    plan = manager_of(Aligner(), tasks, cache_dir=cache, on_no_face="keep").plan()
    assert [(model.n_images, model.n_to_embed) for model in plan.models] == [(16, 0), (16, 0)]
    assert plan.warnings == []
    assert not [record for record in caplog.records if "made stimuli" in record.message]


@pytest.mark.parametrize(
    ("align", "chip", "expected"),
    [
        (True, {"size": 32, "padding": 0.25}, "Leave 'align' out to take stimuli as they are"),
        (None, None, "whole photographs, not aligned"),
        (False, {"size": 20, "padding": 0.4}, "faces of 20 pixels with a padding of 0.4"),
        (None, {"size": 32, "padding": 0.25}, None),
    ],
)
def test_alignment_that_does_not_suit_is_told(tmp_path, caplog, align, chip, expected):
    write_conditions(tmp_path, inverted_lost=0)
    manifest(tmp_path / "images", chip)
    manager = run(Aligner(align=align), average(tmp_path), tmp_path / "out")
    told = [r.message for r in caplog.records if r.message.startswith("Model 'aligner', task")]
    assert manager.plan().warnings == told
    assert len(told) == (expected is not None)
    assert expected is None or expected in told[0]


def test_photographs_beside_made_stimuli_are_told(tmp_path, caplog):
    table = write_conditions(tmp_path, inverted_lost=0)
    manifest(tmp_path / "images" / "inverted", None)
    run(Aligner(), average(tmp_path), tmp_path / "out")
    assert "8 of 16 images are made stimuli" in caplog.text
    assert len(table) == 16


def test_the_run_folder_tells_it_first(tmp_path):
    write_conditions(tmp_path, upright_lost=1, inverted_lost=6)
    verify = AccuracyTask("verify", tmp_path / "pairs.csv", tmp_path / "images", true_label="same")
    manager = manager_of(Aligner(), [average(tmp_path), verify], on_no_face="keep")
    folder = RunFolder.create(tmp_path / "runs", "faces")
    manager.run_all_tasks_all_models(folder.path, plots=False)
    folder.save(manager)
    found = load_run(folder.path)
    pd.testing.assert_frame_equal(found.failures_to_process, manager.failures_to_process)
    for condition in ("inverted", "upright"):
        own = found.results[found.results["condition"] == condition]
        assert set(own["n_no_face"]) == {failed_of(manager, condition)[1]}
    total = int(manager.failures_to_process["n_failed"].iloc[0])
    assert set(found.results[found.results["task"] == "verify"]["n_no_face"]) == {total}
    page = write_report(folder.path).read_text(encoding="utf-8")
    warning = page.index("6 of 8 images of condition")
    assert warning < page.index('id="failures-to-process"') < page.index('id="headline"')
    assert "were kept, cut around their centre (on_no_face: keep)" in page


def test_a_report_of_a_stopped_task_says_why(tmp_path):
    write_conditions(tmp_path)
    manager = manager_of(Aligner(), average(tmp_path))
    folder = RunFolder.create(tmp_path / "runs", "faces")
    with pytest.raises(InputError) as info:
        manager.run_all_tasks_all_models(folder.path, plots=False)
    folder.save(manager, status="failed", failures=[("aligner / conditions", info.value)])
    page = write_report(folder.path).read_text(encoding="utf-8")
    assert "8 of 8 images of condition" in page
    assert load_run(folder.path).results.empty


def test_models_that_look_for_no_faces_report_none(tmp_path):
    write_conditions(tmp_path)
    folder = RunFolder.create(tmp_path / "runs", "plain")
    plain = SmallNet("plain", preprocess_function=small_transform)
    manager = run(plain, average(tmp_path), folder.path)
    folder.save(manager)
    assert not (folder.path / "failures_to_process.csv").exists()
    found = load_run(folder.path)
    assert found.failures_to_process.empty
    assert found.results["n_no_face"].isna().all()
    assert "failures-to-process" not in write_report(folder.path).read_text(encoding="utf-8")


def test_a_file_says_what_is_to_be_done_and_the_terminal_tells(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from facebench.cli import app

    write_conditions(tmp_path, inverted_lost=6)
    support = Path(__file__).parents[1] / "support" / "aligner.py"
    (tmp_path / "x.yaml").write_text(
        f"images: images\nmodels: {{net: {{model: {support}:Aligner}}}}\n"
        "tasks: {conditions: {task: conditioned-average, pairs: pairs.csv}}\n"
        "cache: cache\nnum_workers: 0\nplots: false\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: str):
        return CliRunner().invoke(app, [*arguments, "x.yaml"])

    stopped = call("run")
    assert stopped.exit_code == 1
    assert "6 of 8 images of condition 'inverted'" in stopped.stderr
    checked = call("validate")
    assert checked.exit_code == 0
    assert "This task will be stopped." in checked.stdout
    assert "is valid; see the warnings above" in checked.stderr
    kept = call("run", "--json", "--set", "on_no_face=keep")
    assert kept.exit_code == 0
    assert "Warning: Task 'conditions', model 'net': no face was found in 6 of 8" in kept.stderr
    told = json.loads(kept.stdout)["failures_to_process"]
    assert [row["n_images_failed"] for row in told if row["condition"] == "inverted"] == [6]
    shown = call("run", "--set", "on_no_face=skip")
    assert "Warning: Task 'conditions', model 'net': no face was found in 6 of 8" in shown.stderr
