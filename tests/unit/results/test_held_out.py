"""Layers chosen on other people: against brute force, without the bias of the best of many."""

import json
import re

import numpy as np
import pytest

from facebench import load_run
from facebench.errors import InputError
from facebench.metrics.uncertainty.influence import auc_influence, linear_replicates
from facebench.metrics.uncertainty.jackknife import JackknifeGroups
from facebench.metrics.uncertainty.spread import Replicates
from facebench.results.held_out import HELD_OUT_COLUMNS, held_out_replicates
from facebench.results.leaderboard import leaderboard
from facebench.results.report.run_page import write_report
from support.small_run import LAYERS, save_small_run


def test_a_mean_is_judged_on_the_half_that_did_not_choose():
    values = np.array([[1.0, 5.0, 2.0, 0.0, 3.0], [2.0, 2.0, 2.5, 2.0, 1.0]])
    layers = [Replicates(row.mean(), (row.sum() - row) / 4) for row in values]
    for sign in (1, -1):
        made, chosen = held_out_replicates(layers, layers, sign)
        # Every half that may choose: two or three groups; the same as often as it was drawn.
        rng = np.random.default_rng(0)
        drawn = [rng.permutation(5)[:2] for _ in range(50)]
        halves = [*drawn, *(np.setdiff1d(range(5), half) for half in drawn)]
        judged: list[list[float]] = [[] for _ in range(5)]
        for half, layer in zip(halves, chosen, strict=True):
            assert layer == int(np.argmax(sign * values[:, half].mean(axis=1)))
            for group in np.setdiff1d(range(5), half):
                judged[group].append(values[layer, group])
        expected = [np.mean(each) for each in judged]
        assert made.value == pytest.approx(np.mean(expected))
        # The standard error of a mean of independent numbers, a little wider.
        assert made.spread.error == pytest.approx(1.1 * np.std(expected, ddof=1) / 2)


def test_the_best_of_equal_layers_is_not_flattered():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(14), 2)
    first, second = np.triu_indices(people.size, 1)
    labels = people[first] == people[second]
    groups = JackknifeGroups(people[first], people[second])
    best, held_out, mean = [], [], []
    for _ in range(60):
        layers = []
        for _ in range(12):
            seen = rng.normal(size=(14, 4))[people] + 1.2 * rng.normal(size=(people.size, 4))
            distances = np.linalg.norm(seen[first] - seen[second], axis=1)
            influence = auc_influence(labels, distances, higher_is_better=False)
            layers.append(linear_replicates(influence, groups.shared))
        values = [layer.value for layer in layers]
        best.append(max(values))
        mean.append(np.mean(values))
        held_out.append(held_out_replicates(layers, layers, 1)[0].value)
    bias = np.mean(best) - np.mean(mean)
    assert bias > 0.08
    assert abs(np.mean(held_out) - np.mean(mean)) < 0.3 * bias


@pytest.mark.slow
def test_the_report_gives_layers_chosen_on_other_people(tmp_path):
    (tmp_path / "faces").mkdir()
    small_run = save_small_run(tmp_path / "faces", tmp_path / "runs")
    run = load_run(small_run)
    table = run.held_out()
    assert list(table.columns) == list(HELD_OUT_COLUMNS)
    several = {model for model, layers in LAYERS.items() if len(layers) > 1}
    assert set(table["model"]) == several
    assert (table["ci_low"] <= table["value"]).all()
    assert (table["value"] <= table["ci_high"]).all()
    n_layers = {model: len(layers) for model, layers in LAYERS.items()}
    assert (table["n_layers"] == table["model"].map(n_layers)).all()
    page = write_report(small_run, tmp_path / "a.html", layer_choice="held-out").read_text()
    assert "chosen on other people than they are judged on" in page
    told = re.findall(r'<div class="told">\s*<p>(.*?)</p>', page)
    assert any("held-out: in layers chosen on other people" in sentence for sentence in told)
    cells = json.loads(
        re.search(r'id="headline-table".*?json">(.*?)</script>', page, re.S).group(1)
    )
    shown = [row for row, extra in zip(cells["rows"], cells["extra"], strict=True) if not extra]
    of_model = {row[3]: row for row in shown if row[1] == "AUC"}
    for row in table[table["metric"] == "AUC"].itertuples():
        assert of_model[row.model][4][0] == pytest.approx(row.value, abs=1e-6)
        assert f"held-out of {row.n_layers}" in of_model[row.model]
    # A threshold that is chosen anew makes pseudo-values of accuracy wild.
    assert "Accuracy" not in set(table["metric"])
    # Layers that were judged on their own pairs are still there.
    assert len(cells["rows"]) > len(run.results.query("metric == 'AUC'"))
    assert "held-out-table" not in write_report(small_run, tmp_path / "b.html").read_text()
    with pytest.raises(InputError, match="'layer_choice' parameter"):
        write_report(small_run, layer_choice="best")


@pytest.mark.slow
def test_headlines_everywhere_take_layers_chosen_on_other_people(tmp_path):
    (tmp_path / "faces").mkdir()
    small_run = save_small_run(tmp_path / "faces", tmp_path / "runs")
    run = load_run(small_run)
    held = run.held_out().set_index(["task", "model", "metric"])["value"]
    same, other = run.headline(), run.headline("held-out")
    assert list(same.index) == list(other.index)
    for before, after in zip(same.itertuples(), other.itertuples(), strict=True):
        key = (before.task, before.model, before.metric)
        if key in held:
            assert after.value == held[key]
            assert after.layer.startswith("held-out of ")
            assert "other people" in after.ci_method
        else:
            assert after[:13] == before[:13]
    board = leaderboard([small_run], tmp_path / "b.html", layer_choice="held-out").path.read_text()
    cells = json.loads(re.search(r'id="board".*?json">(.*?)</script>', board, re.S).group(1))
    shown = [row for row, extra in zip(cells["rows"], cells["extra"], strict=True) if not extra]
    for row in shown:
        if (row[0], row[4], row[1]) in held:
            assert row[6][0] == pytest.approx(held[row[0], row[4], row[1]], abs=1e-6)
    assert "judged on" in board
    for function in (
        run.headline,
        lambda layer_choice: leaderboard([small_run], "x", layer_choice=layer_choice),
    ):
        with pytest.raises(InputError, match="'layer_choice' parameter"):
            function("best")
