"""Runs on the same pairs are ranked together."""

import json
import re

import pandas as pd
import pytest
from scipy.stats import rankdata

from facebench import leaderboard, load_run
from facebench.errors import InputError
from facebench.results.comparison.paired import Evidence, tie_groups
from facebench.results.pair_rows import saved_layers
from support.copied_run import change_tables, copied_run
from support.small_run import draw_pairs, save_small_run


@pytest.mark.slow
def test_leaderboard_ranks_all_runs(runs, tmp_path):
    page = leaderboard(runs, tmp_path / "board.html").path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="board".*?json">(.*?)</script>', page, re.DOTALL).group(1))
    auc = [
        row
        for row, extra in zip(data["rows"], data["extra"], strict=True)
        if row[1] == "AUC" and not extra
    ]
    assert [row[3] for row in auc] == [1, 2, 3, 4, 5, 6]
    values = [row[6][0] for row in auc]
    assert values == sorted(values, reverse=True)
    assert len({row[9] for row in auc}) == 2
    # Letters go from the best on, by the test that the report makes.
    letters = [row[6][4] for row in auc]
    assert letters[0].startswith("a")
    assert "chosen on the same pairs" in page
    with pytest.raises(InputError, match="one run or more"):
        leaderboard([], tmp_path / "none.html")


@pytest.mark.slow
def test_leaderboard_ranks_other_pairs_apart(tmp_path):
    """A task of one name on other pairs is another task."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = save_small_run(tmp_path / "a", tmp_path / "runs", 0)
    pairs = pd.read_csv(tmp_path / "a" / "pairs.csv")
    draw_pairs(tmp_path / "b")
    pairs.iloc[::-1].to_csv(tmp_path / "b" / "pairs.csv", index=False)
    other = save_small_run(tmp_path / "b", tmp_path / "runs", 0)
    page = leaderboard([one, other], tmp_path / "board.html").path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="board".*?json">(.*?)</script>', page, re.DOTALL).group(1))
    tasks = {row[0] for row in data["rows"] if row[1] == "AUC"}
    assert len(tasks) == 2
    assert all(" (data " in task for task in tasks)


@pytest.mark.slow
def test_a_run_that_its_manifest_names_otherwise_is_ranked(tmp_path):
    run = save_small_run(tmp_path, tmp_path / "runs", 0)
    path = run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "run": "another"}), encoding="utf-8")
    page = leaderboard([run], tmp_path / "board.html").path.read_text(encoding="utf-8")
    assert '"AUC"' in page


@pytest.mark.slow
def test_ranks_agree_with_scipy_and_letters_with_the_report(runs):
    board = leaderboard(runs)
    for _, rows in board.numbers[board.numbers["rank"].notna()].groupby(
        ["task", "metric", "condition"], dropna=False
    ):
        sign = -1 if rows["higher_is_better"].iloc[0] else 1
        assert rows["rank"].tolist() == rankdata(sign * rows["value"], method="min").tolist()
    # Of one run, the letters are those of its report.
    own = leaderboard([runs[0]]).numbers
    auc = own[own["metric"] == "AUC"].set_index("model")
    run = load_run(runs[0])
    [task] = auc["task"].unique()
    evidence = {
        row.model: Evidence(
            "AUC",
            None,
            row.value,
            saved_layers(run, task, row.model)[row.layer],
            run.left_out.get((task, row.model, row.layer)),
        )
        for row in run.headline().query("metric == 'AUC'").itertuples()
    }
    assert auc["tie_group"].to_dict() == tie_groups(evidence)


@pytest.mark.slow
def test_models_of_one_name_are_never_merged_silently(runs):
    board = leaderboard(runs)
    assert len(board.models) == 6
    matrix = board.matrix()
    assert matrix.index.is_unique
    assert set(matrix.index) == set(board.models)
    assert len(board.numbers) == len(leaderboard([runs[0]]).numbers) * 2
    # Each value is that of its run.
    for number, path in enumerate(runs):
        own = load_run(path).headline().query("metric == 'AUC'")
        values = set(board.numbers.query("metric == 'AUC'")["value"])
        assert set(own["value"]) <= values, number


@pytest.mark.slow
def test_other_statistics_distances_and_images_are_ranked_apart(runs, tmp_path):
    changes = {
        "statistics": lambda manifest: manifest.update(statistics_version=0),
        "images": lambda manifest: [
            known["images"].update(digest="0" * 64) for known in manifest["data"].values()
        ],
        "distance": lambda manifest: [
            known.update(distance="euclidean_distances") for known in manifest["tasks"].values()
        ],
    }
    paths = [runs[0], *(copied_run(runs[0], tmp_path, n, change) for n, change in changes.items())]
    board = leaderboard(paths)
    auc = board.numbers.query("metric == 'AUC'")
    assert auc["task"].nunique() == 4
    assert (auc.groupby("task")["rank"].max() == 3).all()
    for name in changes:
        assert any(name in note for note in board.notes), name


@pytest.mark.slow
def test_what_is_not_complete_is_told(runs, tmp_path):
    def fail(manifest):
        manifest |= {"status": "failed", "failures": [{"what": "deep / rate", "error": "no"}]}

    board = leaderboard([copied_run(runs[0], tmp_path, "ill", fail), runs[1]])
    assert "Run ill is not complete (failed: deep / rate failed)." in board.notes
    empty = copied_run(runs[0], tmp_path, "empty", fail)
    change_tables(empty, lambda table: table.head(0), lambda table: table.head(0))
    with pytest.raises(InputError, match=r"None of the runs has a number.*Run empty is not"):
        leaderboard([empty])


@pytest.mark.slow
def test_chance_and_ceiling_stand_beside_numbers(runs, tmp_path):
    def declare(manifest):
        for measure in manifest["tasks"]["rate"]["measures"]:
            if measure["headline"]:
                measure["ceiling"] = ["Lower Ceiling", "Upper Ceiling"]

    folder = copied_run(runs[0], tmp_path, "rated", declare)

    def add(table):
        first = table[(table["task"] == "rate") & table["metric"].str.contains("Corr")]
        more = [
            first.assign(metric=name, value=value)
            for name, value in (("Lower Ceiling", 0.79), ("Upper Ceiling", 0.83))
        ]
        return pd.concat([table, *more], ignore_index=True)

    change_tables(folder, add)
    board = leaderboard([folder], tmp_path / "board.html")
    rated = board.numbers.query("task == 'rate' and headline")
    assert set(rated["ceiling_low"]) == {0.79}
    assert set(rated["ceiling_high"]) == {0.83}
    assert "ceiling 0.7900 – 0.8300" in board.path.read_text(encoding="utf-8")
    assert set(board.numbers.query("metric == 'AUC'")["chance"]) == {0.5}


@pytest.mark.slow
def test_people_are_a_reference_of_their_condition(runs, tmp_path):
    def add(table):
        own = table[(table["task"] == "conditions") & (table["model"] == "plain")]
        return pd.concat(
            [table, own.assign(source="people", model="People", layer="")], ignore_index=True
        )

    folders = [change_tables(copied_run(runs[0], tmp_path, name), add) for name in ("a", "b")]
    numbers = leaderboard(folders).numbers
    people = numbers[numbers["source"] == "people"]
    # Once, though two runs say it, and beside their own condition only.
    assert not people.duplicated(["task", "metric", "condition"]).any()
    assert set(people["condition"]) == set(
        numbers.query("task == 'conditions' and source == 'network'")["condition"]
    )
    assert people["rank"].isna().all()


@pytest.mark.slow
def test_of_many_models_the_best_are_tested(runs, monkeypatch):
    monkeypatch.setattr("facebench.results.leaderboard.MOST_TESTED", 4)
    board = leaderboard(runs)
    auc = board.numbers.query("metric == 'AUC'")
    assert (auc["tie_group"].fillna("") != "").tolist() == [True] * 4 + [False] * 2
    assert any("4 best models" in sentence for sentence in board.reading)


@pytest.mark.slow
def test_the_table_is_written_as_csv(runs, tmp_path):
    board = leaderboard(runs)
    table = pd.read_csv(board.to_csv(tmp_path / "board.csv"))
    assert table["value"].tolist() == pytest.approx(board.numbers["value"].tolist(), nan_ok=True)
    assert table.columns.tolist() == board.to_frame().columns.tolist()
    assert str(board) == "6 models, 4 tasks, 2 runs"
