"""A package of others brings a task, a model and a metric: facebench shows them like its own."""

import json
import os
import re

import numpy as np
import pandas as pd
import pytest

from facebench import load_run
from support.forked import CommandProcess

MODULE = '''
"""A package of a lab: a network, a task and a distance."""

import pandas as pd
import torch
from torch import nn

from facebench import BaseModel, BaseTask, Measure, PlotHelper


class Scrambled(nn.Module):
    def forward(self, x):
        return torch.sin(1e4 * x)


class LabNet(BaseModel):
    """Colours of an image, which its last layer scrambles."""

    def __init__(self, name, extract_layers=None, *, grid: int = 4, device=None):
        self.grid = grid
        super().__init__(name, extract_layers=extract_layers, device=device)

    def _build_model(self):
        self.model = nn.Sequential(nn.AdaptiveAvgPool2d(self.grid), nn.Flatten(), Scrambled())

    def _forward(self, input_tensor):
        return self.model(input_tensor)


class TopOne(BaseTask):
    """Is the nearest partner of an image of the same person?"""

    measures = (
        Measure("Top-1 Accuracy", better="higher", headline=True, chance=0.2, bounds=(0, 1)),
        Measure("Top-1 Misses", better="lower", headline=True),
        Measure("Zz Spread"),
    )
    sampling_unit = "people"
    true_label = "same"

    def compute_task_performance(self, pairs_distances_df):
        nearest = pairs_distances_df.loc[
            pairs_distances_df.groupby("img1")["model_computed_distance"].idxmin()
        ]
        hits = nearest["same"] == 1
        return pd.DataFrame({
            "Top-1 Misses": [float((~hits).sum())],
            "Top-1 Accuracy": [hits.mean()],
            "Zz Spread": [pairs_distances_df["model_computed_distance"].std()],
        })

    @staticmethod
    def plot(output_dir, performances, *optional):
        PlotHelper.bar_plot(performances, "Top-1 Accuracy", "Hits", "Top-1", output_dir, "top_1")


def largest_gap(a, b):
    return abs(a - b).max()
'''
ENTRY_POINTS = """
[facebench.models]
lab-net = facebench_lab:LabNet
[facebench.tasks]
lab-top-1 = facebench_lab:TopOne
[facebench.metrics]
lab-gap = facebench_lab:largest_gap
"""
EXPERIMENT = """
name: lab
images: {images}
distance: lab-gap
models:
  fine: {{model: lab-net, grid: {grid}, layers: ["0", "2"]}}
  coarse: {{model: lab-net, grid: 1, layers: ["0", "2"]}}
tasks:
  nearest: {{task: lab-top-1, pairs: pairs.csv}}
"""


@pytest.fixture(scope="module")
def lab(world, tmp_path_factory):
    """Install the package as pip lays one out, and give the command line that finds it."""
    site, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("lab")
    (site / "facebench_lab.py").write_text(MODULE)
    info = site / "facebench_lab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: facebench-lab\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    names = sorted(str(path.relative_to(world.images)) for path in world.images.glob("*/*.png"))
    pairs = [(a, b) for a in names for b in names if a != b]
    same = [int(a.split("/")[0] == b.split("/")[0]) for a, b in pairs]
    pd.DataFrame(pairs, columns=["img1", "img2"]).assign(same=same).to_csv(
        folder / "pairs.csv", index=False
    )

    def call(*arguments):
        done = CommandProcess(
            *arguments, cwd=folder, PYTHONPATH=site, FACEBENCH_CACHE=folder / "store"
        ).end()
        assert done.status == 0, f"{done.out}\n{done.talk}"
        return done.out

    call.folder = folder
    return call


@pytest.fixture(scope="module")
def runs(lab, world):
    for grid in (6, 2):
        file = lab.folder / f"grid{grid}.yaml"
        file.write_text(EXPERIMENT.format(images=world.images, grid=grid))
        lab("run", file.name, "--quiet")
    found = sorted((lab.folder / "runs" / "lab").glob("2*/manifest.json"), key=os.path.getmtime)
    return [path.parent for path in found]


def table_of(page, name):
    text = page.read_text(encoding="utf-8")
    html, data = re.search(rf'id="{name}"(.*?)json">(.*?)</script>', text, re.DOTALL).groups()
    titles = re.findall(r'<th scope="col".*?>(.*?)</th>', html, re.DOTALL)
    # Small print below a heading says what else a cell holds.
    names = [re.sub("<small.*|<.*?>", "", title, flags=re.DOTALL).strip() for title in titles]
    data = json.loads(data)
    return pd.DataFrame(data["rows"], columns=names).assign(hidden=np.array(data["extra"]) == 1)


def test_its_names_are_listed(lab):
    for command, name in (("models", "lab-net"), ("tasks", "lab-top-1"), ("metrics", "lab-gap")):
        assert name in lab(command)


def test_directions_headline_and_best_layer_are_those_it_declares(runs):
    run = load_run(runs[0])
    ways = run.results.drop_duplicates("metric").set_index("metric")["higher_is_better"]
    assert ways["Top-1 Accuracy"]
    assert not ways["Top-1 Misses"]
    assert pd.isna(ways["Zz Spread"])
    headline = run.headline()
    # Not the last column, and not the last layer.
    assert list(dict.fromkeys(headline["metric"])) == ["Top-1 Accuracy", "Top-1 Misses"]
    assert set(headline["layer"]) == {"0"}
    values = run.results.query("metric == 'Top-1 Accuracy'").set_index(["model", "layer"])["value"]
    assert values["fine", "0"] > values["fine", "2"]
    assert run.tasks["nearest"].sampling_unit == "people"
    [declared] = run.manifest["tasks"]["nearest"]["measures"][:1]
    assert declared == {
        "name": "Top-1 Accuracy", "better": "higher", "headline": True, "chance": 0.2,
        "bounds": [0, 1], "ceiling": [], "shown": True, "label": "",
    }  # fmt: skip


def test_the_report_has_its_section(lab, runs):
    lab("report", runs[0])
    page = runs[0] / "report.html"
    text = page.read_text(encoding="utf-8")
    assert "Is the nearest partner of an image of the same person?" in text
    assert "TopOne, people sampled" in text
    table = table_of(page, "headline-table")
    assert set(table[~table["hidden"]]["Layer"]) == {"0"}
    data = json.loads(re.search(r'id="task-0-data">(.*?)</script>', text, re.DOTALL).group(1))
    assert [one["measure"] for one in data["profiles"]][:2] == ["Top-1 Accuracy", "Top-1 Misses"]
    [chance] = data["profiles"][0]["levels"]
    assert (chance["kind"], chance["value"]) == ("chance", 0.2)
    # The labels it names give it error curves.
    assert data["verification"]


def test_the_leaderboard_ranks_by_its_direction(lab, runs):
    lab("leaderboard", *runs, "--output", "board.html")
    table = table_of(lab.folder / "board.html", "board")
    shown = table[~table["hidden"]]
    assert set(shown["Measure"]) == {"Top-1 Accuracy", "Top-1 Misses"}
    for measure, falls in (("Top-1 Accuracy", True), ("Top-1 Misses", False)):
        own = shown[shown["Measure"] == measure].sort_values("Rank")
        values = own["Value"].str[0] if falls else -own["Value"].str[0]
        assert values.is_monotonic_decreasing
        assert own["Rank"].notna().all()


def test_two_runs_are_compared_by_its_headline(lab, runs):
    lab("compare", *runs, "--output", "compared.html")
    table = table_of(lab.folder / "compared.html", "numbers-table")
    shown = table[~table["hidden"]]
    assert set(shown["Measure"]) == {"Top-1 Accuracy", "Top-1 Misses"}
    assert set(shown["Layer"]) == {"0"}
    fine = shown[(shown["Model"] == "fine") & (shown["Measure"] == "Top-1 Accuracy")].iloc[0]
    [apart] = [name for name in table if name.startswith("B − A")]
    assert fine[apart][0] == pytest.approx(fine["B"] - fine["A"])
