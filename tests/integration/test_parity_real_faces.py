"""References on LFW View 1 with the dlib network; skipped where the data is not there."""

import functools

import numpy as np
import pandas as pd
import pytest
import torch

from facebench import DlibResNetModel
from facebench.data.images import open_image
from facebench.metrics.verification import accuracy_at, auc, best_accuracy
from facebench.parity import cosine_similarities, flip_sum, parity_table, squared_distances
from support.data import data_folder
from support.mutation import NIGHTLY

LFW = data_folder() / "lfw_view1"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not LFW.is_dir(), reason=f"no LFW data at {LFW} (set FACEBENCH_DATA)"),
]


def pairs(part):
    return pd.read_csv(LFW / f"pairs_dev_{part}.csv")


# The faces of dev-train are found in four minutes, those of dev-test in one.
nightly = pytest.mark.skipif(not NIGHTLY, reason="takes minutes (set FACEBENCH_NIGHTLY)")


@functools.cache
def embedded(part):
    """Return a function that gives the embeddings of image names, each image read once.

    The mirror image is that of the chip: alignment is done once, and the same for both.
    """
    model = DlibResNetModel()
    names = sorted({*pairs(part)[["img1", "img2"]].to_numpy().flat})
    upright, mirrored = [], []
    for start in range(0, len(names), 64):
        batch = names[start : start + 64]
        chips = torch.stack([model.preprocess(open_image(LFW / "images" / n)) for n in batch])
        upright.append(model.get_output(chips)["default"].numpy())
        mirrored.append(model.get_output(chips.flip(-1))["default"].numpy())
    place = {name: index for index, name in enumerate(names)}
    vectors = np.concatenate(upright), np.concatenate(mirrored)

    def look_up(column):
        rows = [place[name] for name in column]
        return vectors[0][rows], vectors[1][rows]

    return look_up


def sides(part):
    table = pairs(part)
    (left, left_mirrored), (right, right_mirrored) = (
        embedded(part)(table[column]) for column in ("img1", "img2")
    )
    return table["same"].to_numpy(), left, right, left_mirrored, right_mirrored


@nightly
def test_threshold_of_dev_train_and_accuracy_on_dev_test():
    same, left, right, *_ = sides("train")
    distances = np.sqrt(squared_distances(left, right))
    chosen = best_accuracy(same, distances, higher_is_better=False)
    assert chosen.threshold == pytest.approx(0.612, abs=0.001)
    assert auc(same, distances, higher_is_better=False) == pytest.approx(0.9990, abs=0.0005)
    same, left, right, *_ = sides("test")
    distances = np.sqrt(squared_distances(left, right))
    found = accuracy_at(same, distances, chosen.threshold, higher_is_better=False)
    assert found == pytest.approx(0.988, abs=0.003)
    assert auc(same, distances, higher_is_better=False) == pytest.approx(0.9983, abs=0.0005)


@pytest.mark.parametrize(
    ("part", "oracle"), [("test", 0.990), pytest.param("train", 0.991, marks=nightly)]
)
def test_flip_sum_oracle(part, oracle):
    same, left, right, left_mirrored, right_mirrored = sides(part)
    one, two = flip_sum(left, left_mirrored), flip_sum(right, right_mirrored)
    distances = squared_distances(one, two)
    found = best_accuracy(same, distances, higher_is_better=False)
    assert found.accuracy == pytest.approx(oracle, abs=0.0006)
    # Of unit vectors the cosine orders pairs as the distance does.
    cosine = best_accuracy(same, cosine_similarities(one, two))
    assert cosine.accuracy == found.accuracy


def test_rules_differ_by_single_pairs_on_mixed_folds():
    same, left, right, left_mirrored, right_mirrored = sides("test")
    # The file is sorted by label: dealt out in turn, each of ten folds has 50 of each.
    order = np.argsort(np.arange(len(same)) % 10, kind="stable")
    table = parity_table(
        same[order],
        left[order],
        right[order],
        (left_mirrored[order], right_mirrored[order]),
    ).set_index("Rule")
    assert table.loc["oracle", "Accuracy"] == pytest.approx(0.989, abs=0.002)
    assert (table.loc["oracle", "Accuracy"] >= table.loc[["lfw", "deepface"], "Accuracy"]).all()
    # The angle on facenet's grid has a hundred steps in all, and pays for it.
    fine = table.drop(index="facenet_centred")["Pairs Difference"]
    assert fine.abs().max() <= 4
    assert np.allclose(fine, fine.round())
