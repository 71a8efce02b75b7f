"""What pages say, without a browser: ties, samples, health, comparison, leaderboard."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from facebench import load_run
from facebench.errors import InputError, RunFolderError
from facebench.metrics.bootstrap import paired_bootstrap
from facebench.metrics.roc_curve import roc
from facebench.metrics.verification import auc
from facebench.results.compare import compare_runs
from facebench.results.comparison.paired import Evidence, tie_groups
from facebench.results.leaderboard import write_leaderboard
from facebench.results.pair_rows import PairRows
from facebench.results.report.chart_data import curve_data, effect_data, slider_data
from facebench.results.report.pages import embedded_json
from facebench.results.report.pair_samples import gallery_data, group_rates, scatter_data
from facebench.results.report.run_page import write_report
from facebench.results.report.thumbnails import Thumbnails
from facebench.results.run_folder import RunFolder
from facebench.results.task_facts import TaskFacts
from facebench.tasks.measures import headline, higher_is_better
from support.measured import with_estimates
from support.small_run import ALERT, draw_pairs, save_small_run, small_manager


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    root = tmp_path_factory.mktemp("runs")
    return (
        save_small_run(folder, root, 0, config={"folds": 5}),
        save_small_run(folder, root, 1, config={"folds": 10}),
    )


VOID = {"meta", "input", "br", "img", "link", "hr"}


class Nesting(HTMLParser):
    """Checks that tags are closed in order and ids are used once."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.faults = [], [], []

    def handle_starttag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))


def pairs_of(labels, distances, n_people=40, seed=0):
    rng = np.random.default_rng(seed)
    people = rng.integers(0, n_people, len(labels))
    others = np.where(labels, people, (people + rng.integers(1, n_people, len(labels))) % n_people)
    frame = pd.DataFrame(
        {
            "img1": [f"p{p}/{i}" for i, p in enumerate(people)],
            "img2": [f"p{p}/x{i}" for i, p in enumerate(others)],
            "same": labels,
            "model_computed_distance": distances,
        }
    )
    facts = TaskFacts("AccuracyTask", label_column="same", influences={"AUC": "auc"})
    return PairRows(frame, facts)


@pytest.mark.parametrize("page", ["report", "compare", "leaderboard"])
def test_pages_are_well_formed_and_name_no_address(runs, tmp_path, page):
    target = tmp_path / "page.html"
    if page == "report":
        write_report(runs[0], target)
    elif page == "compare":
        compare_runs(*runs, target)
    else:
        write_leaderboard(runs, target)
    text = target.read_text(encoding="utf-8")
    parser = Nesting()
    parser.feed(text)
    assert parser.faults == []
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert "<script>alert" not in text
    # What the W3C's validators take for errors (see test_validators.py, where they are installed).
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL).group(1)
    assert not re.search(r"aspect-ratio|gradient\(var", style)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_effect_shows_its_conditions_and_what_people_do(tmp_path):
    manager = small_manager(tmp_path)
    effect = manager.tasks["effect"]
    effect.human_references = (
        ("Difference: positive", float("nan"), "Ada <1843>"),
        ("accuracy", 0.9753, "Bo 2009"),
    )
    run = RunFolder.create(tmp_path / "runs", "effect").save(manager)
    facts = load_run(run).tasks["effect"]
    assert facts.effect == {"down": "down Mean", "up": "up Mean"}
    results = load_run(run).results.query("task == 'effect'")
    data = effect_data(results, "effect", facts)
    assert (data["measure"], data["conditions"]) == ("Mean", ["down", "up"])
    means = results.query("model == 'shallow' and layer == 'conv3'").set_index("metric")["value"]
    shallow = next(one for one in data["series"] if one["model"] == "shallow")
    assert shallow["value"] == [means["down Mean"], means["up Mean"]]
    text = write_report(run).read_text(encoding="utf-8")
    assert "Difference: positive (Ada &lt;1843&gt;)" in text
    assert "accuracy: 0.9753 (Bo 2009)" in text


def test_report_of_a_run_without_results_or_pictures(runs, tmp_path):
    empty = RunFolder.create(tmp_path / "runs", "nothing yet")
    page = write_report(empty.path)
    assert page == empty.path / "report.html"
    assert "not complete: running" in page.read_text()
    bare = tmp_path / "bare"
    shutil.copytree(runs[0], bare)
    (bare / "distances.parquet").unlink()
    manifest = json.loads((bare / "manifest.json").read_text())
    for task in manifest["tasks"].values():
        task["images_path"] = str(tmp_path / "gone")
    (bare / "manifest.json").write_text(json.dumps(manifest))
    assert "0.9" in write_report(bare).read_text()
    with pytest.raises(RunFolderError, match="not a run folder"):
        write_report(tmp_path)


def test_json_in_a_page_cannot_end_its_script():
    value = {"a": ["</script><script>", "<!--", "\u2028&"], "b": np.array([1.0, np.nan])}
    text = str(embedded_json(value))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": value["a"], "b": [1, None]}


def test_ties_agree_with_the_bootstrap():
    rng = np.random.default_rng(0)
    labels = np.arange(500) % 2
    common = rng.normal(size=500)
    models = {
        "best": pairs_of(labels, common - 2.2 * labels),
        "as good": pairs_of(labels, common - 2.2 * labels + rng.normal(0, 0.05, 500)),
        "worse": pairs_of(labels, rng.normal(size=500) - labels),
    }
    evidence = {
        name: Evidence("AUC", None, auc(labels, pairs.distances, higher_is_better=False), pairs)
        for name, pairs in models.items()
    }
    assert tie_groups(evidence) == {"best": "a", "as good": "a", "worse": "b"}
    one, other = models["best"], models["worse"]
    reference = paired_bootstrap(
        labels, one.distances, other.distances, higher_is_better=False, n_resamples=200
    )
    assert reference.p_value < 0.05
    assert tie_groups({"best": evidence["best"]}) == {}
    unknown = {name: Evidence("my own", None, 1.0, pairs) for name, pairs in models.items()}
    assert tie_groups(unknown) == {}


def test_slider_and_curve_are_exact():
    rng = np.random.default_rng(1)
    labels = np.arange(3000) % 2
    distances = np.round(rng.normal(size=3000) - 2 * labels, 3)
    distances[[5, 6, 7]] = np.nan
    pairs = pairs_of(labels, distances)
    data = slider_data(pairs)
    stops = np.linspace(data["low"], data["high"], len(data["genuine"]))
    for stop in (0, 17, 200, 399, 400):
        for name, value in (("genuine", 1), ("impostor", 0)):
            within = distances[labels == value] <= stops[stop]
            assert data[name][stop] == within.sum()
    assert data["totals"] == [1500, 1500]
    curve = curve_data(pairs)
    exact = roc(labels, distances, higher_is_better=False)
    points = set(zip(exact.false_matches, exact.n_genuine - exact.true_matches, strict=True))
    drawn = list(zip(curve["false_matches"], curve["misses"], strict=True))
    assert set(drawn) <= points
    assert len(drawn) < 250
    # On log axes no step is wider than a tenth of a decade.
    wide = np.diff(np.log10([x for x, _ in drawn if x > 30]))
    assert wide.max() < 0.1


def test_a_comparison_of_very_different_runs_lists_the_pairs_that_moved_most(
    runs, tmp_path, monkeypatch
):
    monkeypatch.setattr("facebench.results.report.comparison_page._PAIRS_LISTED", 6)
    made = compare_runs(*runs, tmp_path / "page.html")
    changed = made.changed_pairs
    assert len(changed) > 6
    text = made.path.read_text(encoding="utf-8")
    assert f"Listed are 6 of {len(changed):,} pairs" in text
    script = re.search(r'id="changed-table".*?application/json">(.*?)</script>', text, re.DOTALL)
    rows = json.loads(script.group(1))["rows"]
    moved = (changed["distance_b"] - changed["distance_a"]).abs()
    most = moved.groupby([changed["task"], changed["model"], changed["layer"]]).idxmax()
    listed = {tuple(row[:5]) for row in rows}
    assert len(rows) == len(listed) == 6
    best = changed.loc[most, ["task", "model", "layer", "img1", "img2"]]
    assert set(best.itertuples(index=False, name=None)) <= listed


def test_comparison_finds_what_differs(runs):
    made = compare_runs(*runs)
    assert made.path is None
    assert made.settings["setting"].tolist() == ["config › folds"]
    assert made.settings.iloc[0][["a", "b"]].tolist() == ["5", "10"]
    one, other = (load_run(run).results for run in runs)
    assert len(made.numbers) == len(one)
    row = made.numbers.query("metric == 'AUC' and model == 'plain'").iloc[0]
    values = [t.query("metric == 'AUC' and model == 'plain'")["value"].item() for t in (one, other)]
    assert [row["value_a"], row["value_b"]] == values
    assert row["difference"] == pytest.approx(values[1] - values[0])
    assert row["ci_low"] < row["difference"] < row["ci_high"]
    assert (row["p_value"] < 0.05) == (not row["ci_low"] < 0 < row["ci_high"])
    task = row["task"]
    frames = [load_run(run).task_distances("plain", task) for run in runs]
    reference = paired_bootstrap(
        frames[0]["same"],
        frames[1]["model_computed_distance"],
        frames[0]["model_computed_distance"],
        higher_is_better=False,
    )
    assert row["ci_high"] - row["ci_low"] == pytest.approx(reference.high - reference.low, rel=0.35)
    changed = made.changed_pairs
    assert (changed["accepted_a"] != changed["accepted_b"]).all()
    right = np.where(changed["right_in"] == "a", changed["accepted_a"], changed["accepted_b"])
    assert (right == changed["same"]).all()
    assert "numbers" in str(made)


def test_rounding_is_no_difference(runs):
    made = compare_runs(*runs)
    assert len(made.differing) > 0
    near = made.numbers.assign(
        value_b=made.numbers["value_a"] * (1 + 1e-8),
        difference=made.numbers["value_a"] * 1e-8,
    )
    same = replace(made, numbers=near)
    assert same.differing.empty
    assert "0 differ (0 at p < 0.05)" in str(same)


def test_run_compared_with_itself_or_reordered_does_not_differ(runs, tmp_path):
    made = compare_runs(runs[0], runs[0])
    assert (made.numbers["difference"].dropna() == 0).all()
    assert made.changed_pairs.empty
    assert made.settings.empty
    manager = small_manager(tmp_path)
    shuffled = small_manager(tmp_path)
    for by_task in shuffled.model_task_distances_dfs.values():
        for task, frame in by_task.items():
            by_task[task] = frame.sample(frac=1, random_state=3).sort_values(
                "layer_name", kind="stable", key=lambda names: names.map(list(names.unique()).index)
            )
    paths = [
        RunFolder.create(tmp_path / "runs", name).save(with_estimates(each))
        for name, each in (("one", manager), ("two", shuffled))
    ]
    again = compare_runs(*paths)
    paired = again.numbers.dropna(subset=["p_value"])
    assert len(paired) > 10
    assert (paired["p_value"] == 1).all()
    assert again.changed_pairs.empty


def test_runs_with_other_models_compare_side_by_side_only(runs, tmp_path):
    manager = small_manager(tmp_path)
    for tables in (manager.tasks_performance_dfs, manager.unrounded_performance_dfs):
        for task, table in tables.items():
            tables[task] = table.replace({"Model Name": {"plain": "other"}})
    manager.model_task_distances_dfs["other"] = manager.model_task_distances_dfs.pop("plain")
    path = RunFolder.create(tmp_path / "runs", "two").save(with_estimates(manager))
    numbers = compare_runs(runs[0], path).numbers
    assert numbers.query("model == 'other'")["value_a"].isna().all()
    assert numbers.query("model == 'plain'")["value_b"].isna().all()


def test_leaderboard_ranks_all_runs(runs, tmp_path):
    page = write_leaderboard(runs, tmp_path / "board.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="board".*?json">(.*?)</script>', page, re.DOTALL).group(1))
    auc = [
        row
        for row, extra in zip(data["rows"], data["extra"], strict=True)
        if row[1] == "AUC" and not extra
    ]
    assert [row[3] for row in auc] == [1, 2, 3, 4, 5, 6]
    values = [row[6] for row in auc]
    assert values == sorted(values, reverse=True)
    assert len({row[10] for row in auc}) == 2
    with pytest.raises(InputError, match="one run or more"):
        write_leaderboard([], tmp_path / "none.html")


def test_leaderboard_ranks_other_pairs_apart(tmp_path):
    """A task of one name on other pairs is another task."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = save_small_run(tmp_path / "a", tmp_path / "runs", 0)
    pairs = pd.read_csv(tmp_path / "a" / "pairs.csv")
    draw_pairs(tmp_path / "b")
    pairs.iloc[::-1].to_csv(tmp_path / "b" / "pairs.csv", index=False)
    other = save_small_run(tmp_path / "b", tmp_path / "runs", 0)
    page = write_leaderboard([one, other], tmp_path / "board.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="board".*?json">(.*?)</script>', page, re.DOTALL).group(1))
    tasks = {row[0] for row in data["rows"] if row[1] == "AUC"}
    assert len(tasks) == 2
    assert all(" (data " in task for task in tasks)


def test_groups_that_restate_the_label_have_no_rates():
    labels = np.array([1, 0] * 30)
    pairs = pairs_of(labels, np.linspace(0, 1, 60))
    pairs.frame["kind"] = np.where(labels, "same person", "other person")
    pairs.frame["light"] = np.where(np.arange(60) < 30, "day", "night")
    found = group_rates([("m", "default", PairRows(pairs.frame, pairs.facts))])
    assert [one["column"] for one in found] == ["light"]


def test_people_s_mean_ratings_are_drawn_and_have_hardest_pairs(tmp_path):
    draw_pairs(tmp_path)
    frame = pd.read_csv(tmp_path / "pairs.csv").iloc[:50]
    rng = np.random.default_rng(0)
    frame = frame.drop(columns="distance").assign(
        ann=rng.random(50), bob=rng.random(50), model_computed_distance=rng.random(50)
    )
    facts = TaskFacts(
        "SimilarityTask", images_path=str(tmp_path), rating_columns=["ann", "bob"],
        rates_similarity=True,
    )  # fmt: skip
    series = [("m", "default", PairRows(frame, facts))]
    drawn = scatter_data(series, Thumbnails(10**6, []))
    np.testing.assert_allclose(drawn["given"], -frame[["ann", "bob"]].mean(axis=1))
    [own] = gallery_data(series, Thumbnails(10**6, []))
    assert own["groups"][0]["pairs"][0]["given"] is not None


def test_health_counts_what_is_wrong(tmp_path):
    manager = small_manager(tmp_path)
    for frame in manager.model_task_distances_dfs["plain"].values():
        frame.loc[0, "model_computed_distance"] = np.nan
    path = RunFolder.create(tmp_path / "runs", "ill").save(
        with_estimates(manager),
        failures=[("deep / rate", ValueError("<b>no</b>"))],
        status="failed",
    )
    page = write_report(path).read_text(encoding="utf-8")
    assert "not complete: failed" in page
    data = re.search(r'id="health-table".*?json">(.*?)</script>', page, re.DOTALL).group(1)
    found = {(row[0], row[1]): row[2] for row in json.loads(data)["rows"]}
    assert found["whole run", "shallow: Images: no face found"] == 2
    assert found["whole run", "Failed: deep / rate"] == 1
    assert found["rate", "Missing images"] == 0
    assert found["rate", "Pairs given more than once"] == 0


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        ("AUC", True),
        ("TAR@FAR=1e-3", True),
        ("Rank-20", True),
        ("EER", False),
        ("FNMR @ FMR 0.01", False),
        ("Optimal Threshold", None),
        ("Mean Value", None),
        ("my own", None),
    ],
)
def test_direction_by_name(metric, better):
    assert higher_is_better(metric) is better


def test_headline_of_unknown_measures_is_the_last():
    assert headline(["this", "that"]) == ["that"]
    assert headline(["this", "EER"]) == ["EER"]
    assert ALERT not in headline([ALERT, "AUC"])
