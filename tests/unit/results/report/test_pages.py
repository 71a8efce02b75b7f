"""What pages say, without a browser: ties, samples, health, comparison, leaderboard."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, t

from facebench import load_run
from facebench.errors import InputError
from facebench.metrics.bootstrap import paired_bootstrap
from facebench.metrics.verification import auc
from facebench.results.compare import compare_runs
from facebench.results.comparison.paired import Evidence, tie_groups
from facebench.results.report.pages import embedded_json
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from facebench.tasks.measures import headline, higher_is_better
from support.measured import with_estimates
from support.pairs_of import pairs_of
from support.small_run import ALERT, small_manager


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
    # A model that nothing is known of has no letter, and takes none from the others.
    alone = {**evidence, "alone": Evidence("AUC", None, 0.5, None)}
    assert tie_groups(alone) == {"best": "a", "as good": "a", "worse": "b"}
    unknown = {name: Evidence("my own", None, 1.0, pairs) for name, pairs in models.items()}
    assert tie_groups(unknown) == {}


@pytest.mark.slow
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


@pytest.mark.slow
def test_comparison_tests_equivalence_all_layers_and_over_tasks(runs):
    made = compare_runs(*runs, margin=0.5, fdr=True).numbers
    tested = made[made["p_value"].notna()]
    assert (tested["p_layers"] >= tested["p_value"]).all()
    assert (tested["p_models_layers"] >= tested["p_value"]).all()
    assert (tested["detectable"] >= (tested["ci_high"] - tested["ci_low"]) / 2).all()
    # The 90 % interval within the margin is within the 95 % interval.
    inside = tested[(tested["ci_low"] > -0.5) & (tested["ci_high"] < 0.5)]
    assert len(inside)
    assert (inside["p_equivalent"] < 0.05).all()
    adjusted = made[made["p_fdr"].notna()]
    assert len(adjusted)
    assert (adjusted["p_fdr"] >= adjusted["p_value"]).all()
    assert not adjusted.duplicated(["task", "model", "condition"]).any()
    with pytest.raises(InputError, match="'margin' parameter"):
        compare_runs(*runs, margin=-1)


@pytest.mark.slow
def test_comparison_finds_what_differs(runs):
    made = compare_runs(*runs)
    assert made.path is None
    assert made.settings["setting"].tolist() == ["config › folds"]
    assert made.settings.iloc[0][["a", "b"]].tolist() == ["5", "10"]
    one, other = (load_run(run).results for run in runs)
    assert len(made.numbers) == len(one)
    row = made.numbers.query("metric == 'AUC' and model == 'plain'").iloc[0]
    values = [
        table.query("metric == 'AUC' and model == 'plain'")["value"].item()
        for table in (one, other)
    ]
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
    # The bootstrap takes pairs as independent; of few people, the t quantile is larger.
    wider = t.ppf(0.975, one["n_identities"].max() - 1) / norm.ppf(0.975)
    width = wider * (reference.high - reference.low)
    assert row["ci_high"] - row["ci_low"] == pytest.approx(width, rel=0.35)
    changed = made.changed_pairs
    assert (changed["accepted_a"] != changed["accepted_b"]).all()
    right = np.where(changed["right_in"] == "a", changed["accepted_a"], changed["accepted_b"])
    assert (right == changed["same"]).all()
    assert "numbers" in str(made)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    # Checks that found nothing are folded.
    assert not any(count == 0 for count in found.values())
    folded = re.search(r"<summary>\d+ checks found nothing</summary>(.*?)</details>", page, re.S)
    not_found = dict(
        re.findall(r'<tr><td class="text">(.*?)</td><td class="where">(.*?)</td>', folded[1])
    )
    assert "rate" in not_found["Missing images"].split(", ")
    assert "rate" in not_found["Pairs given more than once"].split(", ")
    # What makes numbers less than they seem comes before all of them.
    warning = page[page.index("There are problems") : page.index('id="found"')]
    assert "Failed: deep / rate: ValueError: &lt;b&gt;no&lt;/b&gt;." in warning
    assert re.search(r"Task &#39;rate&#39;: plain has no distance for 1 of \d+ pairs", warning)


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
