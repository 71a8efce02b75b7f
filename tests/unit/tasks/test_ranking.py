"""Orders of similarity: against SciPy and loops, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial.distance import cosine

from facebench import RankingTask
from facebench.errors import InputError, PairsError
from facebench.people import Trials

ALTERNATIVES = ["alt1", "alt2", "alt3", "alt4"]


def shown(n: int = 12, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        foils = rng.choice([p for p in range(2 * n) if p != i], 4, replace=False)
        rows.append([f"p{i}/1.png", *(f"p{p}/1.png" for p in foils), "ab"[i % 2]])
    return pd.DataFrame(rows, columns=["target", *ALTERNATIVES, "condition"])


def embedded(task: RankingTask) -> np.ndarray:
    people = [int(name.split("/")[0][1:]) for name in task.images]
    return np.array([np.random.default_rng(p).normal(size=5) for p in people], dtype=np.float32)


def distances(table: pd.DataFrame) -> np.ndarray:
    vector = {
        name: np.random.default_rng(int(name.split("/")[0][1:])).normal(size=5)
        for name in pd.unique(table[["target", *ALTERNATIVES]].to_numpy().ravel())
    }
    return np.array(
        [
            [cosine(vector[row["target"]], vector[row[name]]) for name in ALTERNATIVES]
            for row in table.to_dict("records")
        ]
    )


def ordered(table: pd.DataFrame, n: int, noise: float, seed: int = 1) -> pd.DataFrame:
    """Have n people order every line-up by distance and noise, each shown in another order."""
    rng = np.random.default_rng(seed)
    parts = []
    for person in range(n):
        seen = distances(table) + noise * rng.normal(size=(len(table), 4))
        names = table[ALTERNATIVES].to_numpy()
        response = ["|".join(row[np.argsort(d)]) for row, d in zip(names, seen, strict=True)]
        mixed = pd.DataFrame(rng.permuted(names, axis=1), columns=ALTERNATIVES)
        parts.append(
            mixed.assign(
                target=table["target"],
                condition=table["condition"],
                participant=f"s{person}",
                response=response,
            )
        )
    return pd.concat(parts, ignore_index=True)


def measured(task: RankingTask) -> pd.DataFrame:
    items = task.compute_items(embedded(task)).assign(layer_name="fc")
    return task.compute_task_performance(items)


def test_orders_by_a_loop(tmp_path) -> None:
    table = shown()
    people = ordered(table, 5, 0.6)
    task = RankingTask("o", None, tmp_path, people=Trials(people, "order"))
    rows = measured(task)
    network = dict(zip(table["target"], distances(table), strict=True))
    names = dict(zip(table["target"], table[ALTERNATIVES].to_numpy(), strict=True))
    ranks = {}
    for row in people.to_dict("records"):
        order = row["response"].split("|")
        own = [order.index(name) for name in names[row["target"]]]
        ranks[row["target"], row["participant"]] = np.array(own)
    tau, first, lower, upper = [], [], [], []
    for (target, person), own in ranks.items():
        tau.append(stats.kendalltau(own, network[target]).statistic)
        first.append(own.argmin() == network[target].argmin())
        all_of_them = [ranks[target, f"s{k}"] for k in range(5)]
        others = [ranks[target, f"s{k}"] for k in range(5) if f"s{k}" != person]
        lower.append(stats.kendalltau(own, np.mean(others, axis=0)).statistic)
        upper.append(stats.kendalltau(own, np.mean(all_of_them, axis=0)).statistic)
    whole = rows.iloc[0]
    assert list(rows["Condition"]) == ["all trials", "a", "b"]
    assert whole["Kendall Tau-b"] == pytest.approx(np.mean(tau))
    assert whole["Top-1 Agreement"] == pytest.approx(np.mean(first))
    assert whole["Concordance"] == pytest.approx((1 + np.mean(tau)) / 2)
    assert whole["Noise Ceiling Lower"] == pytest.approx(np.nan_to_num(lower).mean())
    assert whole["Noise Ceiling Upper"] == pytest.approx(np.nan_to_num(upper).mean())
    assert whole["Share of Ceiling"] == pytest.approx(
        np.mean(tau) / np.nan_to_num(lower).mean(), rel=1e-3
    )
    assert whole["Kendall Tau-b CI Low"] < whole["Kendall Tau-b"] < whole["Kendall Tau-b CI High"]
    w = [
        stats.friedmanchisquare(*np.array([ranks[t, f"s{k}"] for k in range(5)]).T).statistic / 15
        for t in table["target"]
    ]
    assert whole["Kendall W"] == pytest.approx(np.mean(w))
    assert (whole["Trials"], whole["Line-ups"], whole["Participants"]) == (60, 12, 5)
    each = task.people_rows().iloc[0]
    assert each["Participants"] == 5
    assert each["Kendall Tau-b"] == pytest.approx(np.nan_to_num(lower).mean(), abs=0.02)
    name = "Kendall Tau-b Difference from People"
    assert whole[name] == pytest.approx(whole["Kendall Tau-b"] - each["Kendall Tau-b"])
    assert {measure.name for measure in task.measures} <= set(whole.index)


def test_a_table_of_orders(tmp_path) -> None:
    table = shown()
    people = ordered(table, 3, 0.5)
    path = tmp_path / "orders.csv"
    people.rename(columns={"response": "order"}).to_csv(path, index=False)
    from_file = measured(RankingTask("o", path, tmp_path)).iloc[0]
    task = RankingTask("o", table, tmp_path, people=Trials(people, "order"))
    given = measured(task).iloc[0]
    assert from_file["Kendall Tau-b"] == given["Kendall Tau-b"]
    nameless = people.rename(columns={"response": "order"}).drop(columns="participant")
    alone = measured(RankingTask("o", nameless, tmp_path)).iloc[0]
    assert alone["Noise Ceiling Lower"] == given["Noise Ceiling Lower"]
    assert alone["Participants"] == 3


def test_the_network_itself_is_at_the_top(tmp_path) -> None:
    table = shown()
    task = RankingTask("o", None, tmp_path, people=Trials(ordered(table, 2, 0.0), "order"))
    row = measured(task).iloc[0]
    for name in ("Kendall Tau-b", "Top-1 Agreement", "Concordance", "Noise Ceiling Lower"):
        assert row[name] == pytest.approx(1)
    assert row["Kendall W"] == pytest.approx(1)
    made = task.left_out(task.compute_items(embedded(task)))
    assert made.by == "identity"
    assert_allclose(made.values["all trials", "Kendall Tau-b"], 1)


def test_orders_that_name_some_tie_the_others_behind(tmp_path) -> None:
    table = shown(4)
    order = ["|".join(row[np.argsort(d)][:2]) for row, d in
             zip(table[ALTERNATIVES].to_numpy(), distances(table), strict=True)]  # fmt: skip
    row = measured(RankingTask("o", table.assign(order=order), tmp_path)).iloc[0]
    expected = stats.kendalltau([1, 2, 3, 4], [1, 2, 3.5, 3.5]).statistic
    assert row["Kendall Tau-b"] == pytest.approx(expected)
    assert row["Concordance"] == 1


def test_lost_images_are_counted(tmp_path) -> None:
    table = shown()
    task = RankingTask("o", None, tmp_path, people=Trials(ordered(table, 2, 0.2), "order"))
    lost = embedded(task)
    lost[task.images.index("p0/1.png")] = np.nan
    row = task.compute_task_performance(task.compute_items(lost)).iloc[0]
    assert row["Failed"] == table[["target", *ALTERNATIVES]].eq("p0/1.png").any(axis=1).sum()
    assert np.isfinite(row["Kendall Tau-b"])


def test_what_cannot_be_used_is_told() -> None:
    table = shown(4)
    people = ordered(table, 2, 0.1)
    for response, message in (
        ("q.png", r"only.*'q.png' in row 1"),
        ("{0}|{0}", "each once"),
    ):
        bad = people.assign(response=[response.format(name) for name in people["alt1"]])
        with pytest.raises(PairsError, match=message):
            RankingTask("o", None, ".", people=Trials(bad, "order"))
    with pytest.raises(InputError, match="one source"):
        RankingTask("o", table, ".")
    with pytest.raises(InputError, match="needs 'trials'"):
        RankingTask("o")
    with pytest.raises(PairsError, match="condition_column"):
        RankingTask("o", None, ".", people=Trials(people, "order"), condition_column="race")
