"""References on real faces; skipped where the data is not there."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import pairwise, roc_auc_score

from facebench import (
    AccuracyTask,
    DlibResNetModel,
    MultiModelTaskManager,
    VerificationTask,
    check_pairs,
    compare_models,
)
from facebench.data.pairs import find_images
from support.data import data_folder

LFW = data_folder() / "lfw_view1"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not LFW.is_dir(), reason=f"no LFW data at {LFW} (set FACEBENCH_DATA)"),
]
DEV_TRAIN_THRESHOLD = 0.612


class UpsideDownChips(DlibResNetModel):
    """Aligned upright, then turned over: no detector finds faces that are upside-down."""

    def _default_preprocess(self, image):
        return super()._default_preprocess(image).flip(1)


@pytest.fixture(scope="module")
def dev_test(tmp_path_factory):
    task = AccuracyTask(
        "dev-test",
        LFW / "pairs_dev_test.csv",
        LFW / "images",
        pairwise.euclidean_distances,
        true_label="same",
    )
    # The same images, so the same pass; read from LFW's own list.
    protocol = VerificationTask(
        "protocol", LFW / "pairsDevTest.txt", LFW / "images", pairwise.euclidean_distances
    )
    models = [DlibResNetModel(), UpsideDownChips("upside-down")]
    manager = MultiModelTaskManager(models, [task, protocol])
    manager.run_all_tasks_all_models(tmp_path_factory.mktemp("lfw"))
    return manager


def distances(manager, model):
    table = manager.model_task_distances_dfs[model]["dev-test"]
    return table["same"].to_numpy(), table["model_computed_distance"].to_numpy()


def test_auc_upright(dev_test):
    same, distance = distances(dev_test, "dlib-resnet")
    assert roc_auc_score(same, -distance) == pytest.approx(0.9983, abs=0.003)
    auc = dev_test.tasks_performance_dfs["dev-test"].set_index("Model Name")["AUC"]
    assert auc["dlib-resnet"] == pytest.approx(0.9983, abs=0.003)


def test_accuracy_at_the_threshold_of_dev_train(dev_test):
    same, distance = distances(dev_test, "dlib-resnet")
    accuracy = np.mean((distance <= DEV_TRAIN_THRESHOLD) == same)
    assert accuracy == pytest.approx(0.988, abs=0.003)


def test_verification_by_the_protocol(dev_test):
    table = dev_test.tasks_performance_dfs["protocol"].set_index("Model Name")
    found = table.loc["dlib-resnet"]
    assert found["AUC"] == pytest.approx(0.9983, abs=0.0005)
    assert found["AUC CI Low"] < 0.9983 < found["AUC CI High"]
    assert found["Accuracy"] == pytest.approx(0.988, abs=0.005)
    assert found["Oracle Accuracy"] == pytest.approx(0.990, abs=0.003)
    assert found["Accuracy"] <= found["Oracle Accuracy"]
    assert found["Threshold"] == pytest.approx(DEV_TRAIN_THRESHOLD, abs=0.03)
    assert found["Folds"] == "10 folds, stratified, identity-disjoint"
    assert found["CI Method"].startswith("95 % jackknife of people")
    assert (found["Pairs"], found["Failed"]) == (1000, 0)
    assert table.loc["upside-down", "AUC CI High"] < found["AUC CI Low"]


def test_upside_down_is_told_apart_from_upright(dev_test):
    compared = compare_models(dev_test, "protocol", "accuracy")
    assert compared.ranks["Model Name"].tolist() == ["dlib-resnet", "upside-down"]
    assert compared.ranks["Rank Group"].tolist() == ["a", "b"]
    assert compared.pairs["p Holm"][0] < 1e-6


def test_wrong_labels_are_found(dev_test):
    """Three genuine pairs of dev-test show, to the eye, two people."""
    task = dev_test.tasks["protocol"]
    paths = find_images(task.pairs_df, task.images_path, task="protocol")
    same, distance = distances(dev_test, "dlib-resnet")
    found = check_pairs(task.pairs_df, paths, same, distance).to_frame()
    two_people = found[found["Finding"] == "two people under one name?"]
    assert set(two_people["Image 1"].str.split("/").str[0]) == {
        "Janica_Kostelic", "Cristina_Fernandez", "Elisabeth_Schumacher"
    }  # fmt: skip
    assert len(found) <= 6


def test_images_without_a_face_are_counted(dev_test):
    assert dev_test.remarks["dlib-resnet"] == {
        "Images: no face found": 2,
        "dev-test: Pairs Without Face": 2,
        "protocol: Pairs Without Face": 2,
    }
    summary = dev_test.unified_summary()
    assert summary["Images: no face found"].iloc[0] == 2


def test_auc_upside_down(dev_test):
    same, distance = distances(dev_test, "upside-down")
    assert roc_auc_score(same, -distance) == pytest.approx(0.739, abs=0.003)


def test_other_readers_agree_on_the_images(tmp_path):
    """A row of the pairs file means the images it names: checked against a plain loop."""
    pairs = pd.read_csv(LFW / "pairs_dev_test.csv").iloc[::100]
    table = tmp_path / "some.csv"
    pairs.to_csv(table, index=False)
    model = DlibResNetModel(align=False)
    task = AccuracyTask(
        "some", table, LFW / "aligned112", pairwise.euclidean_distances, true_label="same"
    )
    manager = MultiModelTaskManager(model, task)
    manager.run_task("dlib-resnet", "some", tmp_path)
    found = manager.model_task_distances_dfs["dlib-resnet"]["some"]["model_computed_distance"]
    for row, distance in zip(pairs.itertuples(), found, strict=True):
        vectors = [
            model.get_output(
                model.preprocess(Image.open(LFW / "aligned112" / name).convert("RGB"))
            )["default"]
            for name in (row.img1, row.img2)
        ]
        assert distance == pytest.approx(float((vectors[0] - vectors[1]).norm()), abs=1e-5)
