"""Recognition memory: against loops, simulated participants, and what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from facebench import RecognitionMemoryTask
from facebench.errors import InputError, PairsError
from facebench.people import Trials

N = 24
STUDY = pd.DataFrame({"image": [f"p{i}/{j}.png" for i in range(N // 2) for j in (1, 2)]})
TEST = pd.DataFrame(
    {
        "image": [f"p{i}/3.png" for i in range(N)],
        "old": ["old" if i < N // 2 else "new" for i in range(N)],
        "condition": ["upright" if i % 2 else "inverted" for i in range(N)],
    }
)


def embedded(task: RecognitionMemoryTask, noise: float = 1.0) -> np.ndarray:
    """Embed each image as its person's vector and noise."""
    found = []
    for name in task.images:
        person, picture = int(name.split("/")[0][1:]), int(name.split("/")[1][0])
        own = np.random.default_rng(person).normal(size=6)
        found.append(own + noise * np.random.default_rng([person, picture]).normal(size=6))
    return np.array(found, dtype=np.float32)


def measured(task: RecognitionMemoryTask, embeddings: np.ndarray) -> pd.DataFrame:
    items = task.compute_items(embeddings).assign(layer_name="fc")
    return task.compute_task_performance(items)


def asked(p_old: np.ndarray, n: int = 30, seed: int = 0) -> Trials:
    rng = np.random.default_rng(seed)
    rows = [
        {"participant": f"s{person}", "image": image, "response": int(rng.random() < p)}
        for person in range(n)
        for image, p in zip(TEST["image"], p_old, strict=True)
    ]
    return Trials(pd.DataFrame(rows), "old-new")


@pytest.mark.parametrize("memory", ["exemplar", "nearest", "prototype"])
def test_familiarity_and_rates_by_a_loop(tmp_path, memory: str) -> None:
    for name, table in (("study", STUDY), ("test", TEST)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    task = RecognitionMemoryTask(
        "r", tmp_path / "study.csv", tmp_path / "test.csv", tmp_path, memory=memory, sensitivity=4
    )
    embeddings = embedded(task)
    studied, tested = embeddings[:N].astype(float), embeddings[N:].astype(float)
    if memory == "prototype":
        studied = np.array([studied[i : i + 2].mean(axis=0) for i in range(0, N, 2)])
    distances = cdist(tested, studied, "cosine")
    if memory == "exemplar":
        scale = cdist(studied, studied, "cosine")[~np.eye(N, dtype=bool)].mean()
        expected = np.exp(-4 * distances / scale).sum(axis=1)
    else:
        expected = -distances.min(axis=1)
    items = task.compute_items(embeddings)
    assert_allclose(items["familiarity"], expected, rtol=1e-4, atol=1e-6)
    rows = task.compute_task_performance(items)
    old = (TEST["old"] == "old").to_numpy()
    criterion = rows["Criterion"].iloc[0]
    assert list(rows["Condition"]) == ["all trials", "inverted", "upright"]
    for row, chosen in zip(
        rows.to_dict("records"),
        (np.ones(N, bool), TEST["condition"] == "inverted", TEST["condition"] == "upright"),
        strict=True,
    ):
        said = expected[chosen] >= criterion - 1e-6
        hits, alarms = said[old[chosen]], said[~old[chosen]]
        assert row["Hits"] == pytest.approx(hits.mean())
        assert row["False Alarms"] == pytest.approx(alarms.mean())
        rates = [(k.sum() + 0.5) / (k.size + 1) for k in (hits, alarms)]
        assert row["d'"] == pytest.approx(np.diff(stats.norm.ppf(rates)[::-1])[0])
        assert row["AUC"] == pytest.approx(roc_auc_score(old[chosen], expected[chosen]))
        assert row["AUC CI Low"] < row["AUC"] <= row["AUC CI High"]
    whole = rows.iloc[0]
    assert (whole["Old Items"], whole["Identities"], whole["Failed"]) == (N // 2, N, 0)
    assert "people" in whole["CI Method"]
    # The best criterion is that of the largest difference, as the row says.
    tried = [(expected >= at)[old].mean() - (expected >= at)[~old].mean() for at in expected]
    assert whole["Hits"] - whole["False Alarms"] == pytest.approx(max(tried))
    assert whole["Criterion From"] == "same items, best"


def test_noise_is_swept_and_seeded(tmp_path) -> None:
    options = {"noise": [0, 0.5, 4.0], "repetitions": 6}
    table = TEST.drop(columns="condition")
    task = RecognitionMemoryTask("r", STUDY, table, tmp_path, **options)
    embeddings = embedded(task, 0.3)
    rows, again = measured(task, embeddings), measured(task, embeddings)
    pd.testing.assert_frame_equal(rows, again)
    assert list(rows["Condition"]) == ["all trials", "all trials, noise 0.5", "all trials, noise 4"]
    assert rows["AUC"].is_monotonic_decreasing
    assert rows["AUC"].iloc[0] > 0.95
    assert rows["AUC"].iloc[2] < 0.8
    other = RecognitionMemoryTask("r", STUDY, table, tmp_path, **options, seed=1)
    assert measured(other, embeddings)["AUC"].iloc[2] != rows["AUC"].iloc[2]
    items = task.compute_items(embeddings)
    assert items.groupby("noise")["repetition"].nunique().to_dict() == {0: 1, 0.5: 6, 4: 6}
    exact, tiny = (
        RecognitionMemoryTask("r", STUDY, table, tmp_path, memory="nearest", noise=level)
        for level in (0, 1e-6)
    )
    areas = [measured(task, embeddings)["AUC"].iloc[0] for task in (exact, tiny)]
    assert areas[0] == pytest.approx(areas[1])


def test_lists_are_their_own_memories(tmp_path) -> None:
    lists = pd.concat([STUDY.assign(list="A"), STUDY.assign(list="B")])
    lists = lists[(lists["list"] == "A") | ~lists["image"].str.startswith("p1/")]
    lists = pd.concat([lists, pd.DataFrame({"image": ["p20/1.png"], "list": ["B"]})])
    test = pd.concat([TEST.assign(list="A"), TEST.assign(list="B")], ignore_index=True)
    is_b = test["list"] == "B"
    test.loc[is_b & test["image"].str.startswith("p1/"), "old"] = "new"
    test.loc[is_b & test["image"].str.startswith("p20/"), "old"] = "old"
    task = RecognitionMemoryTask("r", lists, test, tmp_path, memory="nearest")
    embeddings = embedded(task, 0.01)
    items = task.compute_items(embeddings)
    known = items[items["image"] == "p20/3.png"].set_index("list")["familiarity"]
    assert known["B"] > -0.01 > known["A"]
    assert measured(task, embeddings)["AUC"].iloc[0] == 1


def test_people_beside_the_network(tmp_path) -> None:
    bare = RecognitionMemoryTask("r", STUDY, TEST, tmp_path)
    embeddings = embedded(bare, 2.0)
    familiar = bare.compute_items(embeddings)["familiarity"].to_numpy()
    chance = stats.norm.cdf(2 * (familiar - familiar.mean()) / familiar.std())
    trials = asked(chance)
    task = RecognitionMemoryTask("r", STUDY, TEST, tmp_path, people=trials, criterion="people")
    rows = measured(task, embeddings)
    row, people = rows.iloc[0], task.people_rows()
    table = trials.table.merge(TEST, on="image")
    said = table.groupby("image")["response"].mean()[TEST["image"]].to_numpy()
    assert row["Familiarity Spearman"] == pytest.approx(stats.spearmanr(familiar, said).statistic)
    old = (TEST["old"] == "old").to_numpy()
    within = stats.spearmanr(familiar[old], said[old]).statistic
    assert row["Hits Spearman"] == pytest.approx(within)
    assert 0.9 < row["Familiarity Spearman Ceiling"] <= 1
    # As many items are called old as people call old.
    assert (familiar >= row["Criterion"]).mean() == pytest.approx(said.mean(), abs=0.5 / N)
    rates = table.groupby(["participant", "old"])["response"].mean().unstack()
    assert people["Hits"].iloc[0] == pytest.approx(rates["old"].mean())
    assert people["False Alarms"].iloc[0] == pytest.approx(rates["new"].mean())
    area = (1 + rates["old"] - rates["new"]).mean() / 2
    assert people["AUC"].iloc[0] == pytest.approx(area)
    assert list(people["Condition"]) == list(rows["Condition"])
    assert row["d' Difference from People"] == pytest.approx(row["d'"] - people["d'"].iloc[0])
    assert {measure.name for measure in task.measures} <= set(row.index)


def test_confidence_gives_people_an_roc(tmp_path) -> None:
    trials = asked(np.where(TEST["old"] == "old", 0.7, 0.3), 6)
    table = trials.table.assign(
        confidence=np.random.default_rng(5).integers(1, 5, len(trials.table))
    )
    task = RecognitionMemoryTask("r", STUDY, TEST, tmp_path, people=Trials(table, "old-new"))
    table = table.merge(TEST, on="image")
    table["graded"] = np.where(table["response"] == 1, 1, -1) * table["confidence"]
    areas = [
        roc_auc_score(rows["old"] == "old", rows["graded"])
        for _, rows in table.groupby("participant")
    ]
    assert task.people_rows()["AUC"].iloc[0] == pytest.approx(np.mean(areas))


def test_items_without_a_condition_count_in_all(tmp_path) -> None:
    test = TEST.assign(condition=TEST["condition"].where(TEST["old"] == "old"))
    rows = measured(task := RecognitionMemoryTask("r", STUDY, test, tmp_path), embedded(task))
    assert list(rows["New Items"]) == [N // 2] * 3
    assert list(rows["Old Items"]) == [N // 2, N // 4, N // 4]


def test_lost_images_are_counted(tmp_path) -> None:
    task = RecognitionMemoryTask("r", STUDY, TEST, tmp_path, memory="nearest")
    lost = embedded(task)
    lost[0] = np.nan
    lost[N + 3] = np.nan
    row = measured(task, lost).iloc[0]
    assert row["Failed"] == 1
    nothing = measured(task, np.full_like(lost, np.nan)).iloc[0]
    assert np.isnan(nothing["AUC"])
    assert nothing["Failed"] == N


def test_left_out_are_the_people_of_test_items(tmp_path) -> None:
    task = RecognitionMemoryTask("r", STUDY, TEST, tmp_path)
    items = task.compute_items(embedded(task, 2.0))
    made = task.left_out(items)
    familiar, old = items["familiarity"].to_numpy(), (TEST["old"] == "old").to_numpy()
    left = [roc_auc_score(np.delete(old, i), np.delete(familiar, i)) for i in range(N)]
    assert_allclose(np.sort(made.values["all trials", "AUC"]), np.sort(left))


@pytest.mark.parametrize(
    ("study", "test", "message"),
    [
        (STUDY, TEST.assign(old="maybe"), r"old/new.*'maybe' in row 1"),
        (STUDY, TEST.assign(old="old"), "All are of one kind"),
        (STUDY, pd.concat([TEST, TEST]), "tested once"),
        (STUDY, TEST.replace("p20/3.png", "p1/1.png"), "in the study list"),
        (STUDY.assign(list="A"), TEST, "in both tables or in neither"),
        (STUDY.assign(list="A"), TEST.assign(list="B"), "Nothing was studied in the list 'B'"),
        (STUDY.assign(identity="x"), TEST.assign(identity="y"), "labelled old and was not studied"),
        (STUDY.rename(columns={"image": "file"}), TEST, "image_column"),
    ],
)
def test_bad_tables(study: pd.DataFrame, test: pd.DataFrame, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        RecognitionMemoryTask("r", study, test, ".")


def test_bad_parameters(caplog) -> None:
    for option in (
        {"memory": "forgetful"},
        {"noise": -1},
        {"noise": []},
        {"sensitivity": 0},
        {"criterion": "people"},
        {"criterion": "worst"},
        {"repetitions": 0},
    ):
        with pytest.raises(InputError, match=next(iter(option))):
            RecognitionMemoryTask("r", STUDY, TEST, ".", **option)
    study, test = (
        table.assign(image=table["image"].str.replace("/", "_")) for table in (STUDY, TEST)
    )
    with caplog.at_level(logging.WARNING):
        task = RecognitionMemoryTask("r", study, test, ".")
    assert "12 of 12 old items" in caplog.text
    assert task.sampling_unit == "images"
    with pytest.raises(InputError, match="prototypes"):
        RecognitionMemoryTask("r", study, test, ".", memory="prototype")
    people = asked(np.full(N, 0.5), 2).table.assign(image="q.png")
    with pytest.raises(PairsError, match=r"'q\.png' is not one"):
        RecognitionMemoryTask("r", STUDY, TEST, ".", people=Trials(people, "old-new"))
