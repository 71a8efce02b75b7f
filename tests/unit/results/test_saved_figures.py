"""Figures of a saved run: drawn from its folder, with the numbers that were saved."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from facebench import load_run
from facebench.errors import InputError, UnknownNameError
from facebench.figures.kinds import OF_A_TASK
from facebench.figures.records.run_facts import (
    effects_of,
    facts_of,
    humans_of,
    levels_of,
)
from facebench.results.figure_kinds import DRAWN_BY
from facebench.results.saved_figures import draw_run
from facebench.results.saved_tables import task_table
from facebench.results.schema import RESULTS_COLUMNS
from facebench.results.task_facts import TaskFacts
from facebench.tasks.measures import Measure
from support.small_run import LAYERS, small_manager

VERIFY = "verify <script>alert(2)</script>"


@pytest.fixture(scope="module")
def run(saved):
    return load_run(saved)


@pytest.mark.slow
def test_tables_are_those_of_the_manager(run, tmp_path) -> None:
    manager = small_manager(tmp_path)
    for task, whole in manager.unrounded_performance_dfs.items():
        found = task_table(run, task)
        keys = [name for name in ("Model Name", "Layer Name", "Condition") if name in whole]
        assert found[keys].astype(str).values.tolist() == whole[keys].astype(str).values.tolist()
        shared = [name for name in whole.select_dtypes("number") if name in found]
        assert {"AUC", "Mean Value", "Correlation Score", "Relative Difference"} & set(shared)
        for name in shared:
            assert found[name].tolist() == pytest.approx(whole[name].tolist(), nan_ok=True)


def test_tables_know_layers_controls_measures_and_people() -> None:
    def row(model: str, metric: str, value: float, source: str = "network", **more: object):
        return {"model": model, "layer": "" if source == "people" else "fc", "task": "inv",
                "task_type": "E", "metric": metric, "value": value, "ci_low": value - 0.1,
                "ci_high": value + 0.1, "source": source, **more}  # fmt: skip

    results = pd.DataFrame(
        [
            row("net", "up AUC", 0.9), row("net", "down AUC", 0.7), row("net", "Difference", 0.2),
            row("net", "Ceiling", 0.95), row("net", "Equal", 0.5, ci_low=None, ci_high=None),
            row("People", "Difference", 0.1, "people"),
        ]
    ).reindex(columns=list(RESULTS_COLUMNS)).astype(RESULTS_COLUMNS)  # fmt: skip
    measures = (
        Measure("Difference", headline=True, chance=0),
        Measure("up AUC", better="higher", chance=0.5, ceiling=("Ceiling",), label="Upright"),
    )
    facts = TaskFacts(
        "E", measures=measures, effect={"up": "up AUC", "down": "down AUC"},
        references=[{"what": "Difference, faces", "value": 0.3, "source": "Yin 1969"},
                    {"what": "Difference", "value": None, "source": "No number"}],
    )  # fmt: skip
    run = SimpleNamespace(
        networks=results[results["source"] == "network"],
        people=results[results["source"] == "people"],
        tasks={"inv": facts},
        manifest={"models": {"net": {"layers": ["conv", "fc"]}, "net 0": {"controls": "net"}}},
    )
    table = task_table(run, "inv")  # type: ignore[arg-type]
    assert table["up AUC CI High"].tolist() == [1.0]
    assert "Equal CI Low" not in table
    assert facts_of(table).layers == {"net": ["conv", "fc"], "net 0": []}
    assert facts_of(table).controls == {"net": ["net 0"]}
    assert effects_of(table) == ({"up": "up AUC", "down": "down AUC"}, ["Difference"])
    assert levels_of(table, "up AUC") == [("chance", 0.5, 0.5), ("noise ceiling", 0.95, 0.95)]
    assert [human[:2] for human in humans_of(table, "Difference")] == [
        ("People", 0.1), ("Yin 1969 (faces)", 0.3)
    ]  # fmt: skip


@pytest.mark.slow
def test_kinds_of_a_task_show_the_saved_numbers(run) -> None:
    (bars,) = run.plot("bars", VERIFY, measure="AUC", title="", ylim=(0, 1))
    axes = bars.axes[0]
    table = task_table(run, VERIFY)
    lengths = [max(bar.get_width(), bar.get_height()) for bar in axes.patches]
    assert axes.get_title() == ""
    assert len(lengths) == len(table) == sum(map(len, LAYERS.values()))
    assert [text.get_text() for text in axes.texts][: len(table)] == [
        f"{value:.3f}" for value in table["AUC"]
    ]
    (profile,) = run.plot("profile", VERIFY, models="shallow")
    assert len(profile.axes) == 1
    for kind, count in (("roc", 6), ("scores", 6), ("intervals", 1)):
        pages = run.plot(kind, VERIFY, models=["shallow", "deep <b>", "plain"])
        assert len(pages[0].axes) in (1, count)
    (scatter,) = run.plot("scatter", "rate", models="shallow", layers=["conv1", "conv3"])
    assert len(scatter.axes) == 2
    # Without a name the only task that can be drawn so is taken.
    assert "data:image/png;base64," in run.plot("det", models="plain")._repr_html_()


def test_every_kind_is_drawn_by_something() -> None:
    assert set(DRAWN_BY) == set(OF_A_TASK)


def test_kinds_of_all_tasks(run) -> None:
    (whole,) = run.plot("map", models=["shallow"])
    assert "conv2" in [label.get_text() for label in whole.axes[0].get_yticklabels()]
    pages = run.plot("families", models="plain")
    assert len(pages) == 1
    assert "conditions" in [axes.get_title(loc="left") for axes in pages[0].axes]


@pytest.mark.slow
def test_a_file_of_the_format_that_its_name_says(run, tmp_path) -> None:
    run.plot("bars", "effect", output=tmp_path / "new" / "effect v1.2.PDF")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["effect v1.2.pdf"]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"kind": "rok"}, InputError, "Did you mean 'roc'"),
        ({"kind": "roc", "task": "rate"}, InputError, "needs labels of identity"),
        ({"kind": "bars"}, InputError, "Give the 'task' to draw as 'bars'"),
        ({"kind": "bars", "task": "rates"}, UnknownNameError, "Did you mean 'rate'"),
        ({"kind": "bars", "task": "rate", "models": "shalow"}, UnknownNameError, "'shallow'"),
        ({"kind": "bars", "task": "rate", "layers": "conv9"}, UnknownNameError, "conv1, conv2"),
        ({"kind": "bars", "task": "rate", "models": []}, InputError, "Got none"),
        ({"kind": "bars", "task": "rate", "measure": "AUC"}, InputError, "Correlation Score"),
        ({"kind": "bars", "task": "rate", "titel": ""}, InputError, "Did you mean 'title'"),
        ({"kind": "bars", "task": "rate", "y": "AUC"}, InputError, "has no option 'y'"),
        ({"kind": "discard", "task": VERIFY}, InputError, "Give the 'quality'"),
        ({"kind": "map", "models": "shalow"}, UnknownNameError, "Did you mean 'shallow'"),
        ({"kind": "bars", "task": "rate", "output": "x.jpg"}, InputError, r"ends in \.png"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(run, asked, error, message) -> None:
    with pytest.raises(error, match=message):
        run.plot(**asked)


@pytest.mark.slow
def test_all_figures_of_a_run_that_are_asked_for(run, tmp_path) -> None:
    kinds = ["bars", "roc", "map"]
    written = draw_run(run, tmp_path, ["svg"], kinds=kinds, models=["plain"])
    names = sorted(path.name for path in written)
    assert [name for name in names if "_bars" in name] == [
        "conditions_bars.svg", "effect_bars.svg", "rate_bars.svg",
        next(name for name in names if name.startswith("verify") and "bars" in name),
    ]  # fmt: skip
    assert sum("_roc" in name for name in names) == 1
    assert "map.svg" in names
    assert sorted(tmp_path.iterdir()) == sorted(written)
    with pytest.raises(InputError, match="can be drawn as cmc"):
        draw_run(run, tmp_path, ["svg"], kinds=["cmc"])


@pytest.mark.slow
def test_no_network_library_is_loaded(saved) -> None:
    code = (
        "import sys; from facebench import load_run; "
        f"load_run({str(saved)!r}).plot('bars', 'rate'); "
        "print([m for m in ('torch', 'torchvision', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
