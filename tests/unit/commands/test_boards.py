"""What leaderboard and compare print: within the terminal, names as written, the page last."""

import json
import sys

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from facebench.cli import app
from facebench.commands.frame import Talk
from facebench.results.report.pages import is_page
from support.copied_run import change_tables, copied_run
from support.small_run import save_small_run

HOSTILE = "\x1b[31mred\x1b[0m [bold]b[/bold] | <i>x</i>"
LONG = "a-network-with-a-name-that-is-longer-than-any-column-of-a-terminal-" * 2


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return save_small_run(tmp_path_factory.mktemp("faces"), tmp_path_factory.mktemp("runs"))


@pytest.fixture
def place(small, tmp_path, monkeypatch):
    """Stand in a folder with two runs, the second with other settings."""
    monkeypatch.chdir(tmp_path)
    copied_run(small, tmp_path / "runs", "first")
    copied_run(small, tmp_path / "runs", "second", lambda m: m.update(config={"folds": 5}))
    return tmp_path


def called(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.stderr
    return done


@pytest.mark.parametrize(
    ("words", "page"),
    [
        (("leaderboard", "runs"), "leaderboard.html"),
        (("compare", "runs/first", "runs/second"), "comparison.html"),
    ],
    ids=["leaderboard", "compare"],
)
class TestPage:
    @pytest.mark.slow
    def test_is_written_by_default_and_named_last(self, place, words, page):
        done = called(*words)
        assert done.stdout.splitlines()[-1] == page
        # A page of facebench's is replaced by a newer one.
        assert is_page(place / page, page.removesuffix(".html"))
        (place / "link.html").symlink_to(place / page)
        assert not is_page(place / "link.html", page.removesuffix(".html"))

    @pytest.mark.slow
    def test_is_not_written_over_anything_else(self, place, words, page):
        (place / page).write_text("mine", encoding="utf-8")
        done = called(*words)
        assert "No page was written" in done.stderr
        assert (place / page).read_text(encoding="utf-8") == "mine"

    @pytest.mark.slow
    def test_can_be_put_elsewhere(self, place, words, page):
        assert called(*words, "-o", "other.html").stdout.splitlines()[-1] == "other.html"
        assert not (place / page).exists()

    @pytest.mark.slow
    def test_json_and_csv_hold_the_numbers(self, place, words, page):
        done = called(*words, "--json", "--csv", "numbers.csv", "--no-page")
        data = json.loads(done.stdout)
        assert done.stderr == ""
        assert not (place / page).exists()
        table = pd.read_csv(place / "numbers.csv")
        assert len(table) == len(data["numbers"])
        assert set(table.columns) == set(data["numbers"][0])


def console(monkeypatch, width):
    monkeypatch.setattr(
        Talk, "out", lambda self: Console(width=width, file=sys.stdout, highlight=False)
    )


def many_tasks(table):
    """Four tasks become twelve, and models get names that no terminal likes."""
    named = table.replace({"model": {"plain": HOSTILE, "shallow": LONG}})
    copies = [named.assign(task=named["task"] + (f" {n}" if n else "")) for n in range(3)]
    return pd.concat(copies, ignore_index=True)


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 120])
def test_every_line_fits_the_terminal(place, small, monkeypatch, width):
    def tasks(manifest):
        for part in ("tasks", "data"):
            manifest[part] |= {
                f"{task} {n}": facts for task, facts in manifest[part].items() for n in (1, 2)
            }

    wide = [copied_run(small, place / "wide", name, tasks) for name in ("one", "two")]
    change_tables(wide[0], many_tasks)
    change_tables(wide[1], lambda table: many_tasks(table.assign(value=table["value"] + 0.1)))
    console(monkeypatch, width)
    done = called("leaderboard", wide[0], "--no-page")
    assert max(map(len, done.stdout.splitlines())) <= width
    assert "\x1b" not in done.stdout + done.stderr
    # Twelve tasks, three conditions of three of them, in as many parts as need be.
    parts = done.stdout.count("Model")
    assert parts > (2 if width == 80 else 1)
    text = "".join(
        part.strip() for line in done.stdout.splitlines() for part in line.split("│")[1:2]
    )
    assert LONG in text
    assert "[bold]b[/bold]" in text
    for task in ("rate 2", "effect 1"):
        assert task in done.stdout
    compared = called("compare", *wide, "--no-page")
    table = [line for line in compared.stdout.splitlines() if line[:1] in "┃│┏┡└"]
    assert table
    assert max(map(len, table)) <= width
    assert "\x1b" not in compared.stdout + compared.stderr


@pytest.mark.slow
def test_what_is_not_comparable_is_warned_of(place, small):
    def euclidean(manifest):
        for facts in manifest["tasks"].values():
            facts["distance"] = "euclidean_distances"
        manifest["status"] = "interrupted"

    other = copied_run(small, place / "runs", "third", euclidean)
    done = called("leaderboard", "runs/first", other)
    assert done.stderr.count("ranked apart") == 4
    assert "Run third is not complete (interrupted)" in done.stderr
    assert "euclidean" in done.stdout
    done = called("compare", "runs/first", other)
    assert "B is not complete (interrupted)." in done.stderr
    assert "distance: cosine_distances → euclidean_distances" in done.stdout
