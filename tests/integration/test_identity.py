"""One person in train/ann and test/ann, through a whole run: everything agrees on who is who."""

from __future__ import annotations

import shutil
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image

from facebench import AccuracyTask, GroupErrorTask, MultiModelTaskManager, VerificationTask
from facebench.figures.records.error_curves import roc_figure
from facebench.figures.records.scores import each_layer
from facebench.results.reader import load_run
from facebench.results.run_folder import RunFolder

PEOPLE = ("ann", "bo", "cy", "dee", "eve", "flo")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Six people with a photograph for training, one for testing, and one under a backslash."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(1)
    names = []
    for person in PEOPLE:
        base = rng.integers(0, 160, (30, 30, 3))
        for part in ("train", "test", "more/test"):
            name = f"{part}/{person}/{len(names)}.png"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            noisy = base + rng.integers(0, 96, base.shape)
            Image.fromarray(noisy.astype(np.uint8)).save(folder / name)
            names.append(name)
    rows = [(a, b, int(a.split("/")[-2] == b.split("/")[-2])) for a, b in combinations(names, 2)]
    pairs = pd.DataFrame(rows, columns=["img1", "img2", "same"])
    pairs.to_csv(folder / "pairs.csv", index=False)
    return folder


def test_everything_agrees_on_who_is_who(faces, small_net, tmp_path):
    given = (faces / "pairs.csv", faces)
    groups = {person: "one" if person < "d" else "two" for person in PEOPLE}
    tasks = [
        VerificationTask("verify", *given, n_resamples=50, folds=2),
        GroupErrorTask("groups", *given, groups=groups, threshold=0.1, n_resamples=50),
        AccuracyTask("accuracy", *given, true_label="same"),
    ]
    manager = MultiModelTaskManager(small_net(), tasks)
    # A plot that fails makes the run fail.
    manager.run_all_tasks_all_models(tmp_path / "tables")
    assert list((tmp_path / "tables" / "VerificationTask Plots").glob("*_roc.png"))

    run = load_run(RunFolder.create(tmp_path / "runs", "nested").save(manager))
    assert run.status == "finished"
    results = run.results
    assert set(results.loc[results["task"] != "groups", "n_identities"]) == {len(PEOPLE)}
    everybody = results.query("task == 'groups' and condition == 'all groups'")
    assert set(everybody["n_identities"]) == {len(PEOPLE)}
    methods = results.query("ci_low.notna()").groupby("task")["ci_method"].first()
    assert "people" in methods["verify"]
    assert "people" in methods["groups"]
    assert "identity" in methods["accuracy"]

    table = manager.tasks_performance_dfs["verify"]
    layers = list(each_layer(table, manager.model_task_distances_dfs, "same", "a test"))
    figure = roc_figure(layers, "verify", "folder", 20)
    assert "bootstraps of identities" in " ".join(text.get_text() for text in figure.findobj(Text))

    found = {one["what"]: one["count"] for one in run.manifest["health"]["found"]}
    assert found["Labels against the names of folders"] == 0
    assert not any(what.startswith("Leaks") and count for what, count in found.items())


def test_folders_of_conditions_are_nobody(faces, small_net, tmp_path):
    pairs = pd.read_csv(faces / "pairs.csv")
    # The same images, but in folders that say nothing of who they show.
    for name in pd.unique(pairs[["img1", "img2"]].to_numpy().ravel()):
        part, person, file = name.rsplit("/", 2)
        path = tmp_path / part.replace("/", "-") / f"{person}{file}"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(faces / name, path)
        pairs = pairs.replace(name, path.relative_to(tmp_path).as_posix())
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    tasks = [
        VerificationTask("verify", tmp_path / "pairs.csv", tmp_path, n_resamples=50),
        AccuracyTask("accuracy", tmp_path / "pairs.csv", tmp_path, true_label="same"),
    ]
    manager = MultiModelTaskManager(small_net(), tasks)
    manager.run_all_tasks_all_models(tmp_path / "tables", plots=False)
    run = load_run(RunFolder.create(tmp_path / "runs", "conditions").save(manager))
    assert run.status == "finished"
    assert run.results["n_identities"].isna().all()
    methods = run.results.query("ci_low.notna()").groupby("task")["ci_method"].first()
    assert "of images" in methods["verify"]
    assert "by image" in methods["accuracy"]
