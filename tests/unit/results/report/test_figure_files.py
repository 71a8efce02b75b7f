"""A report links the figures that lie beside it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from facebench.results.report.figure_files import figure_files
from facebench.results.report.run_page import write_report
from facebench.utils.files import safe_name


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.touch()


def test_figures_by_task_and_format(tmp_path) -> None:
    odd = "a/b: <i>é</i>"
    touch(
        tmp_path / "T Plots" / "a_auc.png", tmp_path / "T Plots" / "a_auc.pdf",
        tmp_path / "T Plots" / "a_b_auc_page_2.png", tmp_path / "T Plots" / "T results.csv",
        tmp_path / "T Plots" / f"{safe_name(odd)}_auc.svg", tmp_path / "Figures" / "a_roc.pdf",
        tmp_path / "Figures" / "map.pdf", tmp_path / "Model Plots" / "a_net_all tasks.png",
        tmp_path / "Elsewhere" / "a_auc.png",
    )  # fmt: skip
    found = figure_files(tmp_path, ["a", "a_b", odd])
    shown = {task: [(one.name, sorted(one.links)) for one in own] for task, own in found.items()}
    assert shown == {
        "": [("map", ["pdf"]), ("a net all tasks", ["png"])],
        "a": [("roc", ["pdf"]), ("auc", ["pdf", "png"])],
        "a_b": [("auc page 2", ["png"])],
        odd: [("auc", ["svg"])],
    }
    for own in found.values():
        for link in (link for one in own for link in one.links.values()):
            assert re.fullmatch(r"[\w%./~-]+", link)


@pytest.mark.slow
def test_links_are_only_on_a_page_beside_the_figures(saved, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(saved, run)
    touch(run / "CorrelationTask Plots" / "rate_scatters.png")
    beside = write_report(run).read_text(encoding="utf-8")
    assert '<a href="CorrelationTask%20Plots/rate_scatters.png">PNG</a>' in beside
    elsewhere = write_report(run, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "rate_scatters.png" not in elsewhere
