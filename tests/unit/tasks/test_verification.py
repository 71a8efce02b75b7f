"""Cross-validated verification with intervals, through the task and through a run."""

from __future__ import annotations

import io
import logging
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from PIL import Image
from sklearn.metrics import roc_auc_score

from facebench import MultiModelTaskManager, VerificationTask
from facebench.data.pairs import pairs_from_folder
from facebench.errors import FacebenchError, InputError, PairsError
from facebench.metrics import verification as v
from support.small_net import SmallNet, small_transform

MakeTask = Callable[..., VerificationTask]
MEASURES = ["Accuracy", "Threshold", "Oracle Accuracy", "Oracle Threshold", "AUC", "EER",
            "EER Threshold", "d'", "TAR@FAR=0.1", "TAR@FAR=0.1 Threshold"]  # fmt: skip


def lfw_like(n_people: int = 40, fold: int | None = None) -> pd.DataFrame:
    """People in couples: two genuine pairs each, and two impostor pairs of each couple."""
    rows = []
    for person in range(n_people):
        partner = person ^ 1
        for number in (1, 2):
            rows.append((f"P{person}/1.jpg", f"P{person}/{number + 1}.jpg", 1, person // 2))
            rows.append((f"P{person}/{number}.jpg", f"P{partner}/{number + 2}.jpg", 0, person // 2))
    table = pd.DataFrame(rows, columns=["img1", "img2", "same", "couple"])
    return table if fold is None else table.assign(fold=table["couple"] % fold)


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    def make(table: pd.DataFrame | str, name: str = "pairs.csv", **options) -> VerificationTask:
        path = tmp_path / name
        if isinstance(table, str):
            path.write_text(table)
        else:
            table.to_csv(path, index=False)
        options.setdefault("n_resamples", 100)
        return VerificationTask("LFW", path, tmp_path, **options)

    return make


def distances_of(task: VerificationTask, seed: int = 0, gap: float = 1.5) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    same = task.pairs_df[task.true_label].to_numpy()
    return task.pairs_df.assign(
        layer_name="default", model_computed_distance=generator.normal(size=len(same)) - gap * same
    )


def measured(task: VerificationTask, frame: pd.DataFrame) -> dict:
    [row] = task.compute_unrounded_performance(frame).to_dict("records")
    return row


class TestMeasures:
    def test_numbers_are_the_exact_ones(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like(fold=5), fold_column="fold")
        frame = distances_of(task)
        same, distance = frame["same"].to_numpy(), frame["model_computed_distance"].to_numpy()
        found = measured(task, frame)
        crossed = v.kfold_accuracy(same, distance, frame["fold"], higher_is_better=False)
        assert found["Accuracy"] == crossed.mean
        assert found["Accuracy SE"] == crossed.standard_error
        assert found["Threshold"] == crossed.thresholds.mean()
        assert_allclose(found["AUC"], roc_auc_score(same, -distance))
        assert found["d'"] == v.dprime(same, distance, higher_is_better=False)
        tar = v.tar_at_far(same, distance, 0.1, higher_is_better=False)
        assert found["TAR@FAR=0.1"] == tar.tar
        assert found["TAR@FAR=0.1 Achieved FAR"] == tar.far <= 0.1
        oracle = found["Oracle Threshold"]
        assert np.mean((distance <= oracle) == same) == found["Oracle Accuracy"]

    def test_every_measure_lies_in_its_interval(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like())
        found = measured(task, distances_of(task))
        for name in MEASURES:
            assert found[f"{name} CI Low"] <= found[name] <= found[f"{name} CI High"], name
            assert found[f"{name} CI Low"] < found[f"{name} CI High"], name

    def test_the_threshold_of_folds_lies_in_its_interval(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like(), n_resamples=5)
        frame = distances_of(task)
        for gap in (0.0, 1.0, 5.0):
            moved = frame["model_computed_distance"] - gap * frame["same"]
            found = measured(task, frame.assign(model_computed_distance=moved))
            assert found["Threshold CI Low"] <= found["Threshold"] <= found["Threshold CI High"]

    def test_no_jump_at_a_perfect_area(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like())
        frame = distances_of(task)
        lows = []
        for gap in (0.5, 1, 1.5, 2, 3):
            moved = frame["model_computed_distance"] - gap * frame["same"]
            found = measured(task, frame.assign(model_computed_distance=moved))
            lows.append(found["AUC CI Low"])
        assert found["AUC"] == 1
        assert 0.9 < lows[-1] < 1
        assert lows[-2] == pytest.approx(lows[-1], abs=0.05)

    def test_counts_and_notes(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like(), far=(0.1, 0.001))
        found = measured(task, distances_of(task))
        counts = {name: found[name] for name in ("Pairs", "Images", "Identities", "Failed")}
        assert counts == {"Pairs": 160, "Images": 160, "Identities": 40, "Failed": 0}
        assert found["Not Resolvable"] == "FAR 0.001 of 80 impostor pairs"
        assert np.isnan(found["TAR@FAR=0.001"])
        assert found["CI Method"].startswith("95 % jackknife of people (40 groups)")
        assert found["Threshold From"] == "other folds"
        assert found["Distance Metric"] == "cosine_distances"

    def test_reported_with_5_decimals(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like())
        frame = distances_of(task)
        whole, short = measured(task, frame), task.compute_task_performance(frame)
        assert short["AUC"][0] == round(whole["AUC"], 5)

    def test_the_same_run_gives_the_same_numbers(self, make_task: MakeTask) -> None:
        frame = distances_of(make_task(lfw_like()))
        once, again = (make_task(lfw_like()).compute_unrounded_performance(frame) for _ in range(2))
        pd.testing.assert_frame_equal(once, again)

    def test_order_of_rows_and_sides_change_nothing(self, make_task: MakeTask) -> None:
        table = lfw_like()
        task = make_task(table)
        frame = distances_of(task)
        expected = measured(task, frame)
        order = np.random.default_rng(1).permutation(len(table))
        shuffled = frame.iloc[order].reset_index(drop=True)
        turned = shuffled.rename(columns={"img1": "img2", "img2": "img1"})
        other = make_task(turned[["img1", "img2", "same", "couple"]])
        found = measured(other, turned)
        for name in MEASURES:
            assert found[name] == pytest.approx(expected[name], rel=1e-12), name

    def test_monotone_distances_rank_alike(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like())
        frame = distances_of(task)
        bent = frame.assign(model_computed_distance=np.exp(frame["model_computed_distance"]))
        one, other = measured(task, frame), measured(task, bent)
        for name in ("AUC", "AUC CI Low", "EER", "EER CI High", "TAR@FAR=0.1"):
            assert one[name] == other[name]

    def test_the_worked_example(self, make_task: MakeTask) -> None:
        table = pd.DataFrame(
            {"img1": [f"a{i}" for i in range(12)], "img2": [f"b{i}" for i in range(12)],
             "same": [1] * 6 + [0] * 6}
        )  # fmt: skip
        task = make_task(table, far=(0.1, 0.2))
        similarity = [0.9, 0.8, 0.7, 0.7, 0.6, 0.5, 0.7, 0.7, 0.6, 0.4, 0.3, 0.2]
        frame = table.assign(model_computed_distance=1 - np.array(similarity))
        found = task.compute_task_performance(frame).iloc[0]
        expected = {"AUC": 0.79167, "EER": 0.33333, "TAR@FAR=0.1": 0.33333,
                    "TAR@FAR=0.2": 0.33333, "d'": 1.19573, "Oracle Accuracy": 0.75}  # fmt: skip
        assert found[list(expected)].to_dict() == pytest.approx(expected, abs=1e-5)
        assert found["Not Resolvable"] == "FAR 0.1 of 6 impostor pairs"


class TestFailures:
    @pytest.mark.parametrize("left_out", [True, False])
    def test_failed_pairs_are_rejected_and_counted(self, make_task: MakeTask, left_out) -> None:
        task = make_task(lfw_like(fold=5), fold_column="fold")
        frame = distances_of(task)
        frame.loc[[3, 8, 90], "model_computed_distance"] = np.nan
        given = frame.dropna().reset_index(drop=True) if left_out else frame
        found = measured(task, given)
        assert (found["Failed"], found["Pairs"]) == (3, 160)
        same = frame["same"].to_numpy()
        worst = frame["model_computed_distance"].fillna(99)
        assert_allclose(found["AUC"], roc_auc_score(same, -worst))

    def test_no_pair_of_a_class_is_left(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like())
        frame = distances_of(task)
        with pytest.raises(PairsError, match="both classes"):
            measured(task, frame[frame["same"] == 1])

    def test_other_pairs_are_refused(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like())
        with pytest.raises(PairsError, match="other pairs"):
            measured(task, distances_of(task).iloc[::-1])


class TestFolds:
    def test_made_folds_part_people(self, make_task: MakeTask, caplog) -> None:
        task = make_task(lfw_like())
        assert not caplog.records
        folds = task.pairs_df.assign(fold=task.folds)
        people = pd.concat(
            [folds[["fold"]].assign(who=folds[side].str.split("/").str[0]) for side in
             ("img1", "img2")]
        )  # fmt: skip
        assert (people.groupby("who")["fold"].nunique() == 1).all()
        assert measured(task, distances_of(task))["Folds"].startswith("10 folds, stratified")

    def test_shared_people_are_told(self, make_task: MakeTask, caplog) -> None:
        table = lfw_like().assign(fold=lambda t: np.arange(len(t)) // 2 % 4)
        task = make_task(table, fold_column="fold")
        assert "40 people are in several folds" in caplog.text
        note = measured(task, distances_of(task))["Folds"]
        assert note == "4 from column 'fold'; 40 people are in several folds"

    def test_a_sorted_file_cut_by_position_is_told(self, make_task: MakeTask, caplog) -> None:
        table = lfw_like().sort_values("same", ignore_index=True)
        task = make_task(table.assign(fold=np.arange(160) // 40), fold_column="fold")
        assert "4 folds hold one class; the file is sorted by label" in caplog.text
        assert "4 folds hold one class" in measured(task, distances_of(task))["Folds"]

    def test_a_sorted_file_is_not_cut_by_position(self, make_task: MakeTask) -> None:
        table = lfw_like().sort_values("same", ignore_index=True)
        counts = pd.crosstab(make_task(table).folds, table["same"])
        assert (counts > 0).all(axis=None)

    def test_folds_that_must_share_people_say_so_in_the_results_only(
        self, make_task: MakeTask, tmp_path: Path, caplog
    ) -> None:
        for person in "abcdef":
            (tmp_path / person).mkdir()
            for number in range(4):
                (tmp_path / person / f"{number}.jpg").touch()
        with caplog.at_level(logging.WARNING):
            task = make_task(pairs_from_folder(tmp_path))
        assert caplog.text == ""
        assert task._fold_note == "10 folds, stratified, not identity-disjoint"

    def test_folds_that_need_not_share_people_are_told(self, make_task: MakeTask, caplog) -> None:
        # Three worlds of three people each, in which everybody is compared with everybody.
        rows = [
            (f"{w}{a}/{i}.jpg", f"{w}{b}/{i + 4}.jpg", int(a == b))
            for w in "uvw" for a in "abc" for b in "abc" for i in range(4)
        ]  # fmt: skip
        table = pd.DataFrame(rows, columns=["img1", "img2", "same"])
        with caplog.at_level(logging.WARNING):
            make_task(table)
        assert "its 10 folds share people" in caplog.text
        assert "pass folds=3 to keep them apart" in caplog.text
        caplog.clear()
        assert "identity-disjoint" in make_task(table, folds=3)._fold_note
        assert caplog.text == ""

    def test_no_threshold_without_both_classes(self, make_task: MakeTask) -> None:
        table = lfw_like()
        with pytest.raises(PairsError, match=r"fold_column .* Outside of fold 0 .* 0 different"):
            make_task(table.assign(fold=table["same"]), fold_column="fold")
        with pytest.raises(PairsError, match=r"'fold_column' parameter .* Got 'set' instead"):
            make_task(table, fold_column="set")

    def test_few_pairs_make_few_folds(self, make_task: MakeTask) -> None:
        task = make_task(lfw_like(4).iloc[:9])
        assert set(task.folds) == {1, 2, 3, 4}
        with pytest.raises(PairsError, match="two pairs of each class"):
            make_task(lfw_like().iloc[:3])
        with pytest.raises(PairsError, match="two folds"):
            make_task(lfw_like(), folds=1)

    def test_lfw_s_own_folds_are_the_protocol(self, make_task: MakeTask) -> None:
        rows = [f"A{f} 1 {i}\nA{f} 1 B{f} {i}" for f in range(3) for i in range(2, 6)]
        text = "3 4\n" + "\n".join(rows)
        task = make_task(text, "pairs.txt")
        assert task.folds.tolist() == [1] * 8 + [2] * 8 + [3] * 8
        assert measured(task, distances_of(task))["Folds"] == "3 from column 'fold'"
        dev = make_task("\n".join(rows), "pairsDevTest.txt")
        assert dev._fold_note.startswith("10 folds, stratified")


class TestIdentity:
    def test_columns(self, make_task: MakeTask) -> None:
        table = lfw_like()
        people = {side: table[f"img{side}"].str.split("/").str[0] for side in "12"}
        flat = table.replace({"/": "_"}, regex=True).assign(who1=people["1"], who2=people["2"])
        task = make_task(flat, identity=("who1", "who2"))
        by_folder = measured(make_task(table), distances_of(make_task(table)))
        assert measured(task, distances_of(task))["AUC CI Low"] == by_folder["AUC CI Low"]
        flat.loc[5, "who1"] = "nobody"
        wrong = flat.loc[5, "same"]
        with pytest.raises(PairsError, match=r"row 6 \(line 7\)"):
            make_task(flat.assign(same=flat["same"].where(flat.index != 5, 1)),
                      identity=("who1", "who2"))  # fmt: skip
        assert wrong == 0

    @pytest.mark.parametrize("identity", [None, "folder"])
    def test_images_where_people_are_unknown(self, make_task: MakeTask, identity) -> None:
        flat = lfw_like().replace({"/": "_"}, regex=True)
        found = measured(make_task(flat, identity=identity), distances_of(make_task(flat)))
        assert found["CI Method"].startswith("95 % jackknife of images")
        assert np.isnan(found["Identities"])

    def test_folders_that_are_no_people(self, make_task: MakeTask, caplog) -> None:
        table = lfw_like()
        table.loc[2, "same"] = 1 - table.loc[2, "same"]
        task = make_task(table)
        assert "row 3 (line 4)" in caplog.text
        assert "images" in measured(task, distances_of(task))["CI Method"]

    @pytest.mark.parametrize("identity", ["name", ("a",), ("a", "b", "c"), ()])
    def test_anything_else_is_refused(self, make_task: MakeTask, identity) -> None:
        with pytest.raises(InputError, match="'identity' parameter of VerificationTask"):
            make_task(lfw_like(), identity=identity)


@pytest.mark.parametrize(
    "options",
    [{"far": 0.1}, {"far": [0]}, {"far": ["x"]}, {"far": [2]}, {"folds": 0}, {"folds": 2.5},
     {"n_resamples": 0}, {"n_resamples": True}, {"images_path": None}],
)  # fmt: skip
def test_parameters_are_checked(tmp_path: Path, options: dict) -> None:
    lfw_like().to_csv(tmp_path / "pairs.csv", index=False)
    [name] = options
    with pytest.raises(FacebenchError, match=f"'{name}' parameter"):
        VerificationTask("t", tmp_path / "pairs.csv", **{"images_path": "images", **options})


@pytest.mark.slow
def test_a_pack_through_a_run(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    images, same = [], []
    for pair in range(12):
        for _ in range(2):
            stream = io.BytesIO()
            pixels = generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(stream, "jpeg")
            images.append(stream.getvalue())
        same.append(pair % 2 == 0)
        if same[-1]:
            images[-1] = images[-2]
    (tmp_path / "some.bin").write_bytes(pickle.dumps((images, same), protocol=2))
    task = VerificationTask("pack", tmp_path / "some.bin", n_resamples=50)
    model = SmallNet("small", preprocess_function=small_transform)
    manager = MultiModelTaskManager(model, task, num_workers=2)
    manager.run_all_tasks_all_models(tmp_path / "results")
    found = manager.tasks_performance_dfs["pack"].iloc[0]
    assert (found["AUC"], found["Failed"], found["Images"]) == (1, 0, 24)
    assert found["AUC CI Low"] < 1
    plots = tmp_path / "results" / "VerificationTask Plots"
    assert {path.stem for path in plots.glob("*.png")} == {
        f"pack_{name}" for name in ("verification_accuracy", "verification_auc", "roc", "det",
                                    "scores", "hardest_pairs")
    }  # fmt: skip


def test_a_lost_image_through_a_run(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    table = lfw_like(6)
    for name in set(table["img1"]) | set(table["img2"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pixels = generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / table["img2"][0]).write_bytes(b"no image")
    lost = int(((table["img1"] == table["img2"][0]) | (table["img2"] == table["img2"][0])).sum())
    table.to_csv(tmp_path / "pairs.csv", index=False)
    task = VerificationTask("v", tmp_path / "pairs.csv", tmp_path, n_resamples=50)
    model = SmallNet("small", preprocess_function=small_transform)
    manager = MultiModelTaskManager(model, task, num_workers=0, on_bad_image="skip")
    manager.run_all_tasks_all_models(tmp_path / "results", plots=False)
    found = manager.tasks_performance_dfs["v"].iloc[0]
    assert (found["Failed"], found["Pairs"]) == (lost, 24)
