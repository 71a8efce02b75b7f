"""The example of docs/people_and_networks.md, from stimuli and trials to figures and a report."""

import json
import re
import runpy

import pandas as pd
import pytest
import yaml

from facebench import EffectTask, MultiModelTaskManager, ScoresModel
from facebench.errors import InputError
from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.results.compare import compare_runs
from facebench.results.leaderboard import leaderboard
from facebench.results.reader import load_run
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from support.pages import DOCS, examples
from support.people_worlds import answers_to, pairs_of, trials_of

PAGE = "people_and_networks.md"
pytestmark = pytest.mark.integration


def test_people_are_a_reference_and_old_runs_stay_readable(tmp_path):
    pairs = pairs_of()
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    table, latent = answers_to(pairs)
    models = []
    for name, sign in (("good", 1), ("poor", -1)):
        scores = pairs[["img1", "img2"]].assign(distance=5 + sign * latent)
        scores.to_csv(tmp_path / f"{name}.csv", index=False)
        models.append(ScoresModel(name, tmp_path / f"{name}.csv", "distance"))
    task = EffectTask(
        "accuracy", tmp_path / "pairs.csv", tmp_path, measure="accuracy", people=trials_of(table)
    )
    manager = MultiModelTaskManager(models, [task], cache_dir=None)
    folder = RunFolder.create(tmp_path / "runs", "x")
    manager.run_all_tasks_all_models(folder.path, plots=False)
    folder.save(manager)
    run = load_run(folder.path)
    summary = pd.read_csv(folder.path / "models_unified_results.csv")
    assert summary["Model Name"].tolist() == ["good", "poor", "People"]
    assert run.headline()["model"].isin(["good", "poor"]).all()
    leaderboard([folder.path], tmp_path / "board.html")
    page = (tmp_path / "board.html").read_text(encoding="utf-8")
    assert '"People"' in page
    assert set(compare_runs(folder.path, folder.path).numbers["model"]) == {"good", "poor"}
    manager.add_models(ScoresModel("People", tmp_path / "good.csv", "distance"))
    fresh = MultiModelTaskManager(list(manager.models.values()), [task], cache_dir=None)
    with pytest.raises(InputError, match="A model is called 'People'"):
        fresh.run_all_tasks_all_models(tmp_path / "other")

    # As version 2 wrote it: no source, and no people among the facts.
    manifest = json.loads((folder.path / "manifest.json").read_text())
    manifest |= {"schema_version": 2, "files": {}}
    manifest["tasks"]["accuracy"].pop("people")
    (folder.path / "manifest.json").write_text(json.dumps(manifest))
    old = pd.read_parquet(folder.path / "results.parquet")
    old[old["source"] == "network"].drop(columns="source").to_parquet(
        folder.path / "results.parquet"
    )
    earlier = load_run(folder.path)
    assert earlier.models == ["good", "poor"]
    assert earlier.people.empty
    write_report(folder.path)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Run the page with four people, in place of ten, and give what it left behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACEBENCH_CACHE", str(tmp_path / "cache"))
    made, run = examples(PAGE, "python")
    names = {}
    exec(made.replace("n_people=10", "n_people=4"), names)
    experiment = runpy.run_path(str(DOCS / "people_experiment.py"))["experiment"]
    experiment(pd.read_csv("stimuli/inverted.csv")).to_csv("trials.csv", index=False)
    described, entry = examples(PAGE, "yaml")
    (tmp_path / "trials.yaml").write_text(described)
    exec(run, names)
    return tmp_path, names, entry


def test_the_page_puts_people_beside_a_network(example):
    folder, names, entry = example
    people, layers = names["people"], names["layers"]
    assert people["Model Name"].tolist() == ["People"]
    assert people["Participants"].tolist() == [30]
    assert 0 < people["Difference"][0] < 0.4
    assert layers["Difference from People"].notna().all()
    plots = folder / "results" / "InversionEffect Plots"
    for figure in ("Inversion_effect.png", "Inversion_effect_over_layers.png"):
        assert (plots / figure).exists()
    table = pd.read_csv(plots / "InversionEffect results.csv")
    assert table["Model Name"].tolist() == ["dlib"] * 4 + ["People"]

    run = RunFolder.create(folder / "runs", "x")
    run.save(names["manager"])
    saved = load_run(run.path)
    assert saved.models == ["dlib"]
    own = saved.people.set_index("metric")
    assert own.loc["Difference", "value"] == pytest.approx(people["Difference"][0])
    assert (own["source"] == "people").all()
    assert (own["layer"] == "").all()
    assert saved.tasks["Inversion"].people["participants"] == 30
    page = write_report(run.path).read_text(encoding="utf-8")
    assert re.search(r"Difference: People: \.\d+ \[.*\]; dlib fc: ", page)
    assert "dlib: fc, against people" in page

    # The same in YAML; the trials count in what an experiment is known by.
    models = [{"model": "dlib-resnet", "name": "dlib"}]
    config = folder / "x.yaml"
    config.write_text(yaml.safe_dump({"models": models, **yaml.safe_load(entry)}))
    experiment = build_experiment(load_config(config))
    [task] = experiment.tasks
    assert task.people_rows()["Difference"][0] == pytest.approx(people["Difference"][0])
