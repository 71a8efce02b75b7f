"""Runs on the same pairs are ranked together."""

import json
import re

import pandas as pd
import pytest

from facebench.errors import InputError
from facebench.results.leaderboard import write_leaderboard
from support.small_run import draw_pairs, save_small_run


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
    # Letters go from the best on, by the test that the report makes.
    letters = [row[-1] for row in auc]
    assert letters[0].startswith("a")
    assert "chosen on the same pairs" in page
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


def test_a_run_that_its_manifest_names_otherwise_is_ranked(tmp_path):
    run = save_small_run(tmp_path, tmp_path / "runs", 0)
    path = run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "run": "another"}), encoding="utf-8")
    page = write_leaderboard([run], tmp_path / "board.html").read_text(encoding="utf-8")
    assert '"AUC"' in page
