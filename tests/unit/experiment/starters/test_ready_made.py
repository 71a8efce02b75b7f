"""The experiments of ``experiments/`` run on small made data, with recorded embeddings."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

import facebench
from facebench.errors import InputError, UnknownNameError
from facebench.experiment.building import build_experiment
from facebench.experiment.config import load_config
from facebench.experiment.registry import MODELS, TASKS
from facebench.experiment.starters.ready_made import READY_MADE, text_of, write_ready_made
from support.made_set import embeddings_of, made_set

ROOT = Path(facebench.__file__).parents[1]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Write what the experiments say they need, below the names that they give by default."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "LFW",
        "LFW_PAIRS",
        "FACES",
        "PAIRS",
        "STIMULI",
        "RATINGS",
        "GROUPS_FILE",
        "RACES",
    ):
        monkeypatch.delenv(name, raising=False)
    effects = ["inverted", "thatcherised", "composite", "eyes-replaced", "eye-distance"]
    conditions = [*effects, "mouth-replaced", "mouth-height"]
    made = made_set(tmp_path / "stimuli", conditions)
    people = [f"p{who:02d}" for who in range(12)]
    names = {who: [f"{who}/{who}_{k:04d}.jpg" for k in (1, 2, 3)] for who in people}
    images = [name for own in names.values() for name in own]
    rows = [
        (one, other, int(one[:3] == other[:3]), one[:3], other[:3])
        for place, one in enumerate(images)
        for other in images[place + 1 :]
    ]
    pairs = pd.DataFrame(rows, columns=["img1", "img2", "same", "identity1", "identity2"])
    pairs.to_csv("pairs.csv", index=False)
    group = {who: "own" if place % 2 else "other" for place, who in enumerate(people)}
    pd.DataFrame({"person": people, "group": list(group.values())}).to_csv(
        "groups.csv", index=False
    )
    within = pairs["identity1"].map(group) == pairs["identity2"].map(group)
    races = pairs[within].assign(condition=pairs["identity1"].map(group))
    races.to_csv("races.csv", index=False)
    pairs[["img1", "img2"]].assign(
        rater_1=1.0 - pairs["same"] + pairs.index % 7, rater_2=2.0 - pairs["same"] + pairs.index % 5
    ).to_csv("ratings.csv", index=False)
    lines = ["10\t1"]
    for fold in range(10):
        one, other = people[fold], people[fold + 1]
        lines += [f"{one}\t1\t2", f"{one}\t1\t{other}\t2"]
    Path("pairs.txt").write_text("\n".join(lines) + "\n")
    tables = [*made.tables.values(), pairs]
    return embeddings_of(tables, tmp_path / "v.npz")


@pytest.mark.slow
@pytest.mark.parametrize("name", READY_MADE)
def test_runs_on_a_small_tree(name, data, tmp_path):
    path = write_ready_made(name)
    # The networks are there, with their arguments and layers.
    said = yaml.safe_load(text_of(name))
    assert {entry["model"] for entry in said["models"].values()} <= {*MODELS.names()}
    assert {entry["task"] for entry in said["tasks"].values()} <= {*TASKS.names()}
    overrides = [f"models={{m: {{model: embeddings, file: {data}}}}}", "cache=false"]
    if name == "lfw":
        # 10 impostor pairs show no rate below a tenth.
        overrides.append("tasks.view-2.far=[0.1]")
    experiment = build_experiment(load_config(path, overrides))
    manager = experiment.manager()
    manager.run_all_tasks_all_models(plots=False)
    assert {*manager.tasks_performance_dfs} == {*said["tasks"]}
    assert all(
        len(table) == 1 or name == "fairness" for table in manager.tasks_performance_dfs.values()
    )


def test_the_repository_has_them_under_experiments():
    folder = ROOT / "experiments"
    if not folder.exists():
        pytest.skip("no clone")
    assert {path.stem for path in folder.glob("*.yaml")} == {*READY_MADE}
    assert all((folder / f"{name}.yaml").read_text() == text_of(name) for name in READY_MADE)


def test_networks_of_them_can_be_made():
    wanted = {
        (entry["model"], tuple(entry["layers"]))
        for name in READY_MADE
        for entry in yaml.safe_load(text_of(name))["models"].values()
        if "layers" in entry
    }
    for model, layers in wanted:
        MODELS.get(model)("m", extract_layers=layers, pretrained=False)


def test_copying(tmp_path):
    (tmp_path / "my $faces").mkdir()
    path = write_ready_made("lfw", tmp_path / "x.yaml", images=tmp_path / "my $faces")
    assert load_config(path).settings.images == tmp_path / "my $faces"
    with pytest.raises(InputError, match="already exists"):
        write_ready_made("lfw", path)
    write_ready_made("lfw.yaml", path, replace=True)
    with pytest.raises(InputError, match="does not exist"):
        write_ready_made("lfw", tmp_path / "y.yaml", images=tmp_path / "none")
    with pytest.raises(UnknownNameError, match="Did you mean 'layers'"):
        write_ready_made("layer")
