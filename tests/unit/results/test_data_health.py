"""Data are looked at when a run is complete."""

import pandas as pd
import pytest
from PIL import Image

from facebench import load_run
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from support.small_run import ALERT, small_manager


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_run_is_kept_even_if_its_data_cannot_be_looked_at(tmp_path, caplog):
    manager = small_manager(tmp_path)
    for task in manager.tasks.values():
        task.images_path = tmp_path / "moved"
    run = load_run(RunFolder.create(tmp_path / "runs", "moved").save(manager))
    assert run.status == "finished"
    assert "does not exist" in run.manifest["health"]["error"]
    assert "could not be checked" in caplog.text
    page = write_report(run.path).read_text(encoding="utf-8")
    assert "The images and pairs could not be checked: The images folder" in page
