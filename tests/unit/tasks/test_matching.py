"""Choices among alternatives: against loops, simulated observers, and what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial.distance import cosine

from facebench import MatchingTask
from facebench.errors import InputError, PairsError
from facebench.people import Trials


def line_ups(n: int = 30, k: int = 4, absent: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Write line-ups of people p0 … of two images each, whose folders name them."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        foils = rng.choice([p for p in range(n) if p != i], k, replace=False)
        names = [f"p{p}/2.png" for p in foils]
        answer = "none"
        if rng.random() >= absent:
            place = int(rng.integers(k))
            names[place] = answer = f"p{i}/2.png"
        rows.append([f"p{i}/1.png", *names, answer, "ab"[i % 2]])
    columns = ["target", *(f"alt{j + 1}" for j in range(k)), "answer", "condition"]
    return pd.DataFrame(rows, columns=columns)


def embedded(task: MatchingTask, seed: int = 0, noise: float = 1.0) -> np.ndarray:
    """Embed each image as its person's vector and noise, the same for any order of images."""
    found = []
    for name in task.images:
        person, picture = name.split("/")
        own = np.random.default_rng([seed, int(person[1:])]).normal(size=8)
        own = own + noise * np.random.default_rng([seed, int(person[1:]), len(picture)]).normal(
            size=8
        ) * (1 if picture.startswith("2") else -1)
        found.append(own)
    return np.array(found, dtype=np.float32)


def measured(task: MatchingTask, embeddings: np.ndarray) -> pd.DataFrame:
    items = task.compute_items(embeddings).assign(layer_name="fc")
    return task.compute_task_performance(items)


def asked(table: pd.DataFrame, n: int = 20, seed: int = 0, p_correct=0.75, **columns) -> Trials:
    """Have n people answer every line-up, in another order of the alternatives each."""
    rng = np.random.default_rng(seed)
    alternatives = [name for name in table if name.startswith("alt")]
    rows = []
    chances = np.broadcast_to(p_correct, len(table))
    for person in range(n):
        for i, row in enumerate(table.to_dict("records")):
            names = [row[name] for name in rng.permutation(alternatives)]
            others = [name for name in [*names, "none"] if name != row["answer"]]
            if "none" not in set(table["answer"]):
                others.remove("none")
            right = rng.random() < chances[i]
            rows.append(
                {
                    "participant": f"s{person}",
                    "target": row["target"],
                    **dict(zip(alternatives, names, strict=True)),
                    "response": row["answer"] if right else rng.choice(others),
                    "correct": int(right),
                }
            )
    return Trials(pd.DataFrame(rows).assign(**columns), "choice")


@pytest.mark.parametrize("k", [2, 5])
def test_choices_by_a_loop(tmp_path, k: int) -> None:
    table = line_ups(k=k)
    path = tmp_path / "trials.csv"
    table.to_csv(path, index=False)
    task = MatchingTask("m", path, tmp_path, temperature=0.3)
    embeddings = embedded(task)
    rows = measured(task, embeddings)
    place = {name: i for i, name in enumerate(task.images)}
    right, ranks, chances = [], [], []
    for row in table.to_dict("records"):
        target = embeddings[place[row["target"]]].astype(float)
        names = [row[f"alt{j + 1}"] for j in range(k)]
        distances = [cosine(target, embeddings[place[name]].astype(float)) for name in names]
        own = names.index(row["answer"])
        right.append(int(np.argmin(distances)) == own)
        ranks.append(1 + sum(other < distances[own] for other in distances))
        likely = np.exp(-np.array(distances) / 0.3)
        chances.append(likely[own] / likely.sum())
    whole = rows.iloc[0]
    assert list(rows["Condition"]) == ["all trials", "a", "b"]
    assert whole["Accuracy"] == pytest.approx(np.mean(right))
    assert whole["Probability Correct"] == pytest.approx(np.mean(chances), rel=1e-5)
    assert whole["Chance"] == pytest.approx(1 / k)
    if k > 2:
        assert whole["Mean Rank"] == pytest.approx(np.mean(ranks))
    assert_allclose(rows["Accuracy"][1:], [np.mean(right[::2]), np.mean(right[1::2])])
    difference = np.mean(right[::2]) - np.mean(right[1::2])
    assert_allclose(rows["Advantage"][1:], [difference, -difference])
    assert whole["Accuracy CI Low"] < whole["Accuracy"] < whole["Accuracy CI High"]
    assert "people" in whole["CI Method"]
    assert (whole["Trials"], whole["Identities"], whole["Failed"]) == (30, 30, 0)


def test_the_interval_leaves_out_people(tmp_path) -> None:
    table = line_ups(12, 2, seed=3)
    task = MatchingTask("m", table, tmp_path)
    items = task.compute_items(embedded(task, noise=2.0))
    correct = items["correct"].to_numpy()
    sides = table[["target", "alt1", "alt2"]].map(lambda name: name.split("/")[0])
    made = task.left_out(items)
    values = made.values["all trials", "Accuracy"]
    people = sorted(set(sides.to_numpy().ravel()))
    left = [correct[~(sides == person).any(axis=1)].mean() for person in people]
    # To first order: what is left out moves the mean in proportion.
    assert_allclose(np.sort(values), np.sort(left), atol=0.02)
    assert made.by == "identity"


def test_target_absent_trials_are_decided_by_the_criterion(tmp_path) -> None:
    table = line_ups(60, 6, absent=0.4, seed=1)
    for criterion in ("best", "equal error", 0.4):
        task = MatchingTask("m", table, tmp_path, criterion=criterion)
        embeddings = embedded(task)
        items = task.compute_items(embeddings)
        row = task.compute_task_performance(items).iloc[0]
        distances = items.filter(like="distance_").to_numpy()
        chosen = np.where(distances.min(axis=1) <= row["Criterion"], distances.argmin(axis=1), -1)
        names = table.filter(regex=r"^alt\d").to_numpy()
        said = np.array(
            ["none" if c < 0 else names[i, c] for i, c in enumerate(chosen)], dtype=object
        )
        absent = (table["answer"] == "none").to_numpy()
        right = said == table["answer"].to_numpy()
        assert row["Accuracy"] == pytest.approx(right.mean())
        assert row["Hits"] == pytest.approx(right[~absent].mean())
        assert row["Misses"] == pytest.approx((said[~absent] == "none").mean())
        assert row["Hits"] + row["Misses"] + row["Misidentifications"] == pytest.approx(1)
        assert row["Correct Rejections"] == pytest.approx(right[absent].mean())
        assert row["Target-Absent Trials"] == absent.sum()
        assert row["Chance"] == pytest.approx(1 / 7)
        given = criterion == 0.4
        assert row["Criterion From"] == ("given" if given else f"same trials, {criterion}")
        assert (items["chosen"].to_numpy() == said).all()


def test_equal_distances_share_the_choice_and_lost_images_are_counted(tmp_path) -> None:
    table = line_ups(20, 2)
    task = MatchingTask("m", table, tmp_path)
    same = measured(task, np.ones((len(task.images), 3), dtype=np.float32)).iloc[0]
    assert same["Accuracy"] == 0.5
    lost = embedded(task)
    lost[task.images.index("p3/1.png")] = np.nan
    lost[task.images.index("p5/2.png")] = np.nan
    shown = table[["target", "alt1", "alt2"]]
    failed = shown.isin(["p3/1.png", "p5/2.png"]).any(axis=1)
    row = measured(task, lost).iloc[0]
    whole = task.compute_items(embedded(task))["correct"].to_numpy()
    assert row["Failed"] == failed.sum() > 1
    assert row["Accuracy"] == pytest.approx(whole[~failed].mean())
    nothing = measured(task, np.full_like(lost, np.nan)).iloc[0]
    assert np.isnan(nothing["Accuracy"])
    assert nothing["Failed"] == 20


def test_fewer_alternatives_in_some_rows(tmp_path) -> None:
    table = line_ups(20, 4)
    is_short = (table["answer"] != table["alt4"]) & (table.index < 10)
    table.loc[is_short, "alt4"] = np.nan
    row = measured(
        MatchingTask("m", table, tmp_path), embedded(MatchingTask("m", table, "."))
    ).iloc[0]
    assert row["Chance"] == pytest.approx((is_short / 3 + ~is_short / 4).mean())
    numbered = table.assign(
        answer=[
            str([r[f"alt{j}"] for j in range(1, 5)].index(r["answer"]) + 1)
            for r in table.to_dict("records")
        ]
    )
    task = MatchingTask("m", numbered, tmp_path)
    assert measured(task, embedded(task)).iloc[0]["Accuracy"] == row["Accuracy"]


def test_people_beside_the_network(tmp_path) -> None:
    table = line_ups(30, 2)
    task = MatchingTask("m", table, tmp_path, people=(trials := asked(table)))
    items = task.compute_items(embedded(task))
    row = task.compute_task_performance(items).iloc[0]
    answers = trials.table
    by_item = answers.groupby("target")["correct"].mean()[table["target"]].to_numpy()
    expected = stats.spearmanr(items["margin"], by_item).statistic
    assert row["Margin Spearman"] == pytest.approx(expected)
    assert_allclose(items["people_correct"], by_item)
    people = task.people_rows()
    each = answers.groupby("participant")["correct"].mean()
    interval = stats.t.interval(0.95, 19, each.mean(), stats.sem(each))
    assert list(people["people"]) == ["People"] * 3
    whole = people.iloc[0]
    assert (whole["Accuracy"], whole["Participants"]) == (pytest.approx(each.mean()), 20)
    assert (whole["Accuracy CI Low"], whole["Accuracy CI High"]) == pytest.approx(interval)
    name = "Accuracy Difference from People"
    assert row[name] == pytest.approx(row["Accuracy"] - each.mean())
    assert row[f"{name} CI Low"] < row[name] < row[f"{name} CI High"]
    assert row["Log Likelihood Chance"] == pytest.approx(np.log(0.5))
    assert row["Log Likelihood Ceiling Lower"] < row["Log Likelihood Ceiling Upper"]
    declared = {measure.name for measure in task.measures}
    assert declared <= set(row.index)


@pytest.mark.slow
def test_people_who_are_the_network_are_recovered(tmp_path) -> None:
    """Choices drawn from the softmax of the distances have its temperature and likelihood."""
    table = line_ups(80, 2, seed=2)
    bare = MatchingTask("m", table, tmp_path, temperature=0.25)
    items = bare.compute_items(embedded(bare))
    chance = 1 / (1 + np.exp(-items["margin"] / 0.25))
    task = MatchingTask("m", table, tmp_path, people=asked(table, 60, p_correct=chance.to_numpy()))
    row = measured(task, embedded(task)).iloc[0]
    assert row["Temperature"] == pytest.approx(0.25, rel=0.1)
    truth = (chance * np.log(chance) + (1 - chance) * np.log(1 - chance)).mean()
    assert row["Log Likelihood"] == pytest.approx(truth, abs=0.02)
    assert row["Margin Spearman"] / row["Margin Ceiling"] == pytest.approx(1, abs=0.05)
    assert row["Share of Ceiling"] == pytest.approx(1, abs=0.05)


def test_none_is_an_answer_of_people_too(tmp_path) -> None:
    table = line_ups(40, 3, absent=0.5, seed=4)
    task = MatchingTask("m", table, tmp_path, people=(trials := asked(table, 12)))
    people = task.people_rows().iloc[0]
    answers = trials.table.merge(table[["target", "answer"]])
    absent = answers["answer"] == "none"
    said_none = answers["response"] == "none"
    each = answers[absent].groupby("participant")["correct"].mean().mean()
    assert people["Correct Rejections"] == pytest.approx(each)
    missed = said_none[~absent].groupby(answers["participant"]).mean().mean()
    assert people["Misses"] == pytest.approx(missed)
    row = measured(task, embedded(task)).iloc[0]
    assert np.isfinite(row["Log Likelihood"])
    assert row["Log Likelihood"] > np.log(1 / 4) - 1


@pytest.mark.slow
def test_groups_show_their_own_race_advantage(tmp_path) -> None:
    """As in a two-alternative experiment by race of face and of participant."""
    table = line_ups(40, 2).replace({"condition": {"a": "Black", "b": "White"}})
    parts = []
    for group in ("Black", "White"):
        chance = np.where(table["condition"] == group, 0.9, 0.7)
        made = asked(table, 40, seed=len(parts), p_correct=chance, group=group).table
        parts.append(made.assign(participant=made["participant"] + group))
    trials = Trials(pd.concat(parts, ignore_index=True), "choice")
    task = MatchingTask("m", table, tmp_path, people=trials)
    people = task.people_rows().set_index(["people", "Condition"])
    assert people.loc[("Black", "Black"), "Advantage"] == pytest.approx(0.2, abs=0.06)
    assert people.loc[("White", "Black"), "Advantage"] == pytest.approx(-0.2, abs=0.06)
    own = people.loc[("People", "own group")]
    assert own["Advantage"] == pytest.approx(0.2, abs=0.06)
    assert own["Advantage CI Low"] < own["Advantage"] < own["Advantage CI High"]
    assert own["Participants"] == 80
    rows = measured(task, embedded(task)).set_index("Condition")
    assert rows.loc["Black", "Advantage Difference from White"] == pytest.approx(
        rows.loc["Black", "Advantage"] - people.loc[("White", "Black"), "Advantage"]
    )


def test_line_ups_are_taken_from_people(tmp_path) -> None:
    table = line_ups(15, 2)
    trials = asked(table, 6, p_correct=0.5)
    given = MatchingTask("m", table, tmp_path, people=trials)
    taken = MatchingTask("m", None, tmp_path, people=trials)
    assert set(taken.line_ups.rows["answer"]) == set(table["answer"])
    accuracy = [measured(task, embedded(task)).iloc[0]["Accuracy"] for task in (given, taken)]
    assert accuracy[0] == accuracy[1]
    with pytest.raises(PairsError, match="right alternative of the trials"):
        MatchingTask("m", None, ".", people=Trials(trials.table.drop(columns="correct"), "choice"))


def test_folders_that_are_not_people(tmp_path, caplog) -> None:
    table = line_ups(10, 2).map(lambda name: name.replace("/2.png", "x/2.png"))
    with caplog.at_level(logging.WARNING):
        task = MatchingTask("m", table.drop(columns="condition"), tmp_path)
    assert "Intervals are over images" in caplog.text
    assert task.sampling_unit == "images"
    column = {"target_identity": range(10), "alt1_identity": 1, "alt2_identity": 2}
    named = line_ups(10, 2).assign(**column)
    assert MatchingTask("m", named, tmp_path).sampling_unit == "images"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "z.png"}, r"'answer' .*'z.png' in row 1 .*alternatives are 'p\d+/2.png'"),
        ({"alt1": "p0/1.png", "alt2": "p0/1.png"}, r"row 1 .* has the target, 'p0/1.png', twice"),
        ({"alt1": "x.png", "alt3": "x.png"}, "has an alternative, 'x.png', twice"),
        ({"alt1": np.nan, "alt2": np.nan, "alt3": np.nan}, "two alternatives or more"),
        ({"target": np.nan}, "'target' column"),
        ({"answer": "none"}, "all are 'none'"),
        ({"condition": np.nan}, "is empty in row 1"),
    ],
)
def test_bad_tables(change: dict, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        MatchingTask("m", line_ups(8, 4).assign(**change), ".")


def test_bad_parameters_and_people() -> None:
    table = line_ups(8, 2)
    with pytest.raises(PairsError, match="VerificationTask"):
        MatchingTask("m", table.drop(columns="alt2"), ".")
    with pytest.raises(InputError, match="criterion"):
        MatchingTask("m", table, ".", criterion="worst")
    with pytest.raises(InputError, match="temperature"):
        MatchingTask("m", table, ".", temperature=0)
    with pytest.raises(InputError, match="needs 'trials'"):
        MatchingTask("m")
    with pytest.raises(PairsError, match="condition_column"):
        MatchingTask("m", table, ".", condition_column="race")
    trials = asked(table, 3)
    renamed = trials.table.replace(r"\.png$", ".jpg", regex=True)
    with pytest.raises(PairsError, match=r"'p\d+/\d.jpg' is not one .*Did you mean 'p\d+/\d.png'"):
        MatchingTask("m", table, ".", people=Trials(renamed, "choice"))
    unknown = trials.table.assign(response="q.png")
    with pytest.raises(PairsError, match=r"'response' .*'q.png' in row 1"):
        MatchingTask("m", table, ".", people=Trials(unknown, "choice"))
    pairs = trials.table.assign(img1="a", img2="b", response=1)
    with pytest.raises(InputError, match="trials of kind 'choice'"):
        MatchingTask("m", table, ".", people=Trials(pairs, "same-different"))


def test_trials_of_other_line_ups_are_left_out_with_a_word(caplog, tmp_path) -> None:
    table = line_ups(10, 2)
    trials = asked(line_ups(10, 2), 5)
    with caplog.at_level(logging.WARNING):
        task = MatchingTask("m", table.head(8), tmp_path, people=trials)
    assert "10 of 50 trials" in caplog.text
    assert task.people_rows().iloc[0]["Participants"] == 5


def test_names_may_differ_in_their_folders(tmp_path) -> None:
    table = line_ups(10, 2)
    trials = asked(table, 4)
    folders = trials.table.replace(r"^p", r"stimuli\\p", regex=True)
    rows = [
        MatchingTask("m", table, tmp_path, people=people).people_rows()
        for people in (
            trials,
            Trials(folders.assign(participant=trials.table["participant"]), "choice"),
        )
    ]
    pd.testing.assert_frame_equal(*rows)


def test_the_targets_own_image_is_told(caplog) -> None:
    table = line_ups(8, 2)
    with caplog.at_level(logging.WARNING):
        MatchingTask("m", table.assign(target=table["answer"]), ".")
    assert "8 of 8 trials" in caplog.text
