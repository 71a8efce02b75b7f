from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facebench.errors import InputError, PairsError
from facebench.tasks.probe import ProbeTask

N_PEOPLE, N_IMAGES, WIDTH = 24, 5, 60
WHO = np.repeat(np.arange(N_PEOPLE), N_IMAGES)


def faces() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "image": [f"p{p:02d}/{k}.png" for p in range(N_PEOPLE) for k in range(N_IMAGES)],
            "sex": np.array(["f", "m"])[WHO % 2],
            "age": 20.5 + WHO,
            "yaw": np.tile([-60, -30, 0, 30, 60], N_PEOPLE),
            "coin": rng.choice(["a", "b"], WHO.size),
            "day": np.tile(["mon", "mon", "tue", "tue", "wed"], N_PEOPLE),
        }
    )


def embeddings(task: ProbeTask, table: pd.DataFrame, **coded: np.ndarray) -> np.ndarray:
    """Give embeddings of people and photographs, with some labels coded in single features."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_PEOPLE, WIDTH))[WHO] + 0.7 * rng.normal(size=(WHO.size, WIDTH))
    for place, values in enumerate(coded.values()):
        rows[:, 10 * place : 10 * place + 10] += values[:, None]
    order = {name: row for row, name in enumerate(table["image"])}
    return rows[[order[name] for name in task.images]].astype(np.float32)


def measured(task: ProbeTask, rows: np.ndarray) -> dict[str, Any]:
    return task.compute_task_performance(task.compute_items(rows)).iloc[0].to_dict()


def make(target: str = "sex", table: pd.DataFrame | None = None, **options: Any) -> ProbeTask:
    return ProbeTask("probe", faces() if table is None else table, "faces", target, **options)


def test_what_is_coded_is_read_out_in_people_not_trained_on() -> None:
    table = faces()
    task = make(shuffles=2, penalties=[0.1])
    found = measured(task, embeddings(task, table, sex=6.0 * (WHO % 2)))
    assert found["Balanced Accuracy"] > 0.9
    assert found["AUC"] > 0.95
    assert found["Selectivity CI Low"] > 0.2
    assert found["Balanced Accuracy CI Low"] < found["Balanced Accuracy"]
    assert found["Balanced Accuracy"] <= found["Balanced Accuracy CI High"] <= 1
    age = make("age", shuffles=2)
    found = measured(age, embeddings(age, table, age=WHO / 2.0))
    assert found["R²"] > 0.5
    assert found["R² CI Low"] < found["R²"] < found["R² CI High"] < 1
    assert found["r"] > 0.7
    assert found["Shuffled R²"] < 0.1


@pytest.mark.slow
def test_a_label_that_only_says_who_it_is_is_not_read_out() -> None:
    # Every person has a place of their own and a label drawn at random: only an image of the same
    # person in training could tell.
    values = []
    for seed in range(6):
        table = faces()
        drawn = np.random.default_rng(seed).permutation(np.arange(N_PEOPLE) % 2)
        table["sex"] = np.array(["f", "m"])[drawn[WHO]]
        task = make(table=table, shuffles=0, penalties=[1.0], seed=seed)
        values.append(measured(task, embeddings(task, table))["Balanced Accuracy"])
        if seed == 0:
            leaky = make(table=table, identity=None, shuffles=0, penalties=[1.0])
            assert measured(leaky, embeddings(leaky, table))["Balanced Accuracy"] > 0.75
    assert abs(np.mean(values) - 0.5) < 0.08


def test_random_labels_are_at_chance() -> None:
    task = make("coin", shuffles=3, penalties=[1.0])
    found = measured(task, embeddings(task, faces()))
    assert found["Balanced Accuracy CI Low"] < 0.5 < found["Balanced Accuracy CI High"]
    assert found["Selectivity CI Low"] < 0 < found["Selectivity CI High"]


def test_identity_is_decoded_from_other_images_and_other_sessions() -> None:
    table = faces()
    task = make("identity", shuffles=1, penalties=[0.1])
    items = task.compute_items(embeddings(task, table))
    assert task.compute_task_performance(items)["Balanced Accuracy"].iloc[0] > 0.9
    assert len(task.classes) == N_PEOPLE
    by_day = make("identity", table, session="day", shuffles=0, penalties=[0.1])
    items = by_day.compute_items(embeddings(by_day, table))
    day = items["image"].map(table.set_index("image")["day"])
    assert items.groupby(day)["fold"].nunique().max() == 1
    assert "sessions" in by_day.compute_task_performance(items)["Read-Out"].iloc[0]


def test_two_photographs_of_a_person_are_two_folds() -> None:
    table = faces().groupby(WHO).head(2)
    task = make("identity", table, shuffles=0)
    order = {name: row for row, name in enumerate(table["image"])}
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_PEOPLE, WIDTH))[np.repeat(np.arange(N_PEOPLE), 2)]
    rows = rows[[order[name] for name in task.images]] + 0.1
    found = measured(task, rows.astype(np.float32))
    assert found["Folds"] == 2
    assert found["Balanced Accuracy"] == 1
    # One photograph per person is left to train on: none to choose the penalty by.
    assert "too few images to choose it" in found["Read-Out"]
    assert found["Balanced Accuracy CI Low"] < 1


def test_infinite_embeddings_are_refused() -> None:
    task = make(shuffles=0)
    with pytest.raises(InputError, match="embedding of finite numbers"):
        task.compute_items(np.full((len(task.images), 3), np.inf, dtype=np.float32))


def test_the_order_of_rows_changes_nothing() -> None:
    table = faces()
    mixed = table.sample(frac=1, random_state=3)
    found = [
        measured(task, embeddings(task, table))
        for task in (make(table=one, shuffles=2, penalties=[1.0]) for one in (table, mixed))
    ]
    assert found[0] == pytest.approx(found[1], nan_ok=True)


@pytest.mark.slow
def test_without_a_group_is_measuring_what_is_left() -> None:
    task = make(shuffles=1, penalties=[1.0])
    items = task.compute_items(embeddings(task, faces(), sex=2.0 * (WHO % 2)))
    drawn = task.left_out(items)
    person = sorted(set(items["identity"]))
    expected = sorted(
        float(task.compute_task_performance(items[items["identity"] != p])["AUC"].iloc[0])
        for p in person
    )
    assert sorted(drawn.values[None, "AUC"]) == pytest.approx(expected, abs=1e-5)
    assert drawn.by == "identity"


def test_what_is_left_out_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    table = faces()
    table.loc[table["image"].str.startswith("p03/"), "sex"] = "other"
    table.loc[[0, 7], "sex"] = np.nan
    table = pd.concat([table, table.iloc[[20]]])
    with caplog.at_level(logging.WARNING):
        task = make(table=table, shuffles=0, penalties=[1.0])
    assert "2 of 121 images of the 'table' table have no sex" in caplog.text
    assert "1 classes of sex (other) have images of one person only" in caplog.text
    assert "1 rows of the 'table' table repeat an image" in caplog.text
    rows = embeddings(task, faces())
    rows[4] = np.nan
    rows[:, 9] = 1.0
    found = measured(task, rows)
    counts = ["Unlabelled Images", "Images of Rare Classes", "Images", "Failed"]
    assert [found[name] for name in counts] == [2, 5, N_PEOPLE * N_IMAGES - 7, 1]
    assert found["Constant Features"] == 1


@pytest.mark.slow
def test_constant_embeddings_know_nothing_and_say_so() -> None:
    task = make(shuffles=1)
    found = measured(task, np.ones((len(task.images), WIDTH), dtype=np.float32))
    assert found["Balanced Accuracy"] == pytest.approx(0.5, abs=0.1)
    assert "all features are constant" in found["Undefined"]


def test_hundreds_of_classes_take_ridge_and_have_no_auc() -> None:
    task = make("identity", classifier="ridge", shuffles=1, penalties=[0.1])
    found = measured(task, embeddings(task, faces()))
    assert found["Balanced Accuracy"] > 0.9
    assert "AUC" not in found
    assert found["Read-Out"].startswith("ridge classifier")


def test_a_ceiling_follows_from_reliability_or_repeated_ratings() -> None:
    table, rng = faces(), np.random.default_rng(0)
    truth = rng.normal(size=WHO.size)
    for k in range(4):
        table[f"rater{k}"] = truth + rng.normal(size=WHO.size)
    raters = [f"rater{k}" for k in range(4)]
    table["mean"] = table[raters].mean(axis=1)
    task = make("mean", table, repeats=raters, shuffles=0, penalties=[1.0])
    parts, whole = table[raters].var().sum(), table[raters].sum(axis=1).var()
    assert task.reliability == pytest.approx(4 / 3 * (1 - parts / whole))
    again = make("rater0", table, repeats=["rater1"], shuffles=0)
    assert again.reliability == pytest.approx(table["rater0"].corr(table["rater1"]))
    given = make("mean", table, reliability=0.5, shuffles=0, penalties=[1.0])
    found = measured(given, embeddings(given, table, mean=truth))
    assert found["Share of Ceiling"] == pytest.approx(found["R²"] / 0.5, abs=2e-5)
    assert found["Ceiling r"] == pytest.approx(0.5**0.5, abs=1e-5)


@pytest.mark.parametrize(
    ("target", "options", "kind", "told"),
    [
        ("sexx", {}, PairsError, "did you mean|has no column|'sexx'"),
        ("yaw", {}, InputError, "5 different whole numbers .* Say kind: classes or kind: number"),
        ("sex", {"kind": "number"}, PairsError, "must hold numbers"),
        ("sex", {"folds": 1}, InputError, "'folds' parameter of ProbeTask must be 2 or more"),
        ("sex", {"penalties": [0]}, InputError, "'penalties' parameter"),
        ("sex", {"session": "day"}, InputError, "is for decoding identity"),
        ("sex", {"reliability": 0.5}, InputError, "of numbers only"),
        ("age", {"reliability": 1.5}, InputError, "above 0 and up to 1"),
        ("age", {"classifier": "svm"}, InputError, "must be one of 'logistic', 'ridge'"),
    ],
)
def test_bad_input_is_one_clear_error(
    target: str, options: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind, match=told):
        make(target, **options)


def test_folders_that_are_the_label_are_no_people() -> None:
    table = faces().assign(image=lambda t: t["sex"] + "/" + t["image"].str.replace("/", "_"))
    with pytest.raises(PairsError, match=r"each of two people or more.*identity: null"):
        make(table=table)


def test_an_image_has_one_label() -> None:
    table = faces()
    table = pd.concat([table, table.iloc[[0]].assign(sex="m")])
    with pytest.raises(PairsError, match=r"one sex. 'p00/0.png' has 'f' and 'm'"):
        make(table=table)


def test_a_class_that_is_unreadable_is_named() -> None:
    table = faces()
    table.loc[WHO < 2, "sex"] = "x"
    task = make(table=table, shuffles=0, penalties=[1.0])
    rows = embeddings(task, table)
    rows[WHO == 0] = np.nan
    with pytest.raises(InputError, match="no image of sex 'x' left to train on"):
        task.compute_items(rows)


@pytest.mark.slow
def test_the_figure_has_a_file(tmp_path: Any) -> None:
    task = make(shuffles=1, penalties=[1.0])
    found = task.compute_task_performance(task.compute_items(embeddings(task, faces())))
    rows = [found.assign(**{"Layer Name": f"l{k}"}) for k in range(3)]
    table = pd.concat(rows).assign(**{"Task Name": "probe", "Model Name": "net"})
    task.plot(str(tmp_path), table)
    assert {path.name for path in tmp_path.iterdir()} == {
        "probe_probe.png",
        "probe_probe_over_layers.png",
    }
