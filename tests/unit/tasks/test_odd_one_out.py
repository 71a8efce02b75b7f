"""Odd-one-out choices against loops, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import expit, logit

from facebench import OddOneOutTask
from facebench.errors import InputError, PairsError
from facebench.metrics import odd_one_out as metrics
from facebench.metrics.uncertainty.choice_errors import choice_estimate

GENERATOR = np.random.default_rng(2)

NAMES = [f"{letter}.png" for letter in "abcdefgh"]

EMBEDDINGS = GENERATOR.normal(size=(8, 3)).astype(np.float32)

ROWS = np.array([GENERATOR.choice(8, 3, replace=False) for _ in range(60)])

ODD = GENERATOR.integers(0, 3, 60)

TABLE = pd.DataFrame(np.array(NAMES)[ROWS], columns=["img1", "img2", "img3"]).assign(
    odd=[NAMES[row[odd]] for row, odd in zip(ROWS, ODD, strict=True)]
)


@pytest.fixture
def make_task(tmp_path):
    def make(table: pd.DataFrame = TABLE, **options) -> OddOneOutTask:
        path = tmp_path / "triplets.csv"
        table.to_csv(path, index=False)
        return OddOneOutTask("odd", path, tmp_path, **options)

    return make


def result(task: OddOneOutTask, embeddings: np.ndarray = EMBEDDINGS) -> dict:
    order = [NAMES.index(image) for image in task.images]
    items = task.compute_items(embeddings[order]).assign(layer_name="fc")
    return task.compute_task_performance(items).iloc[0].to_dict()


def similarity(kind: str, one: np.ndarray, other: np.ndarray) -> float:
    if kind == "dot":
        return float(one @ other)
    if kind == "euclidean":
        return -float(np.linalg.norm(one - other))
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


@pytest.mark.parametrize("kind", ["cosine", "euclidean", "dot"])
def test_agreement_and_likelihood_by_a_loop(make_task, kind: str) -> None:
    found = result(make_task(similarity=kind, temperature=0.7))
    right, logs = [], []
    for (i, j, k), odd in zip(ROWS, ODD, strict=True):
        a, b, c = EMBEDDINGS[[i, j, k]].astype(float)
        s = np.array([similarity(kind, *pair) for pair in ((b, c), (a, c), (a, b))])
        right.append(s.argmax() == odd)
        logs.append(s[odd] / 0.7 - np.log(np.exp(s / 0.7).sum()))
    assert found["Agreement"] == pytest.approx(np.mean(right))
    assert found["Log Likelihood"] == pytest.approx(np.mean(logs))
    assert found["Agreement CI Low"] < found["Agreement"] < found["Agreement CI High"]
    assert (found["Choices"], found["Images"], found["Failed"]) == (60, 8, 0)
    assert (found["Temperature"], found["Temperature From"]) == (0.7, "given")


def test_ceilings_by_a_loop_whatever_the_order_of_images(make_task) -> None:
    rows = []
    choices = {("a", "b", "c"): "aaab", ("c", "d", "e"): "cdd", ("a", "g", "h"): "h"}
    for images, odd in choices.items():
        for letter in odd:
            order = GENERATOR.permutation(3)
            rows.append([*(images[i] + ".png" for i in order), letter + ".png"])
    table = pd.DataFrame(rows, columns=["img1", "img2", "img3", "odd"])
    found = result(make_task(table))
    # aaab: three agree with two others of three, b with none; cdd: c with none, each d ties.
    assert found["Ceiling Lower"] == pytest.approx((3 + 0 + 0 + 0.5 + 0.5) / 7)
    assert found["Ceiling Upper"] == pytest.approx((3 + 2) / 7)
    assert found["Triplets"] == 3
    repeated = make_task(table.head(7))
    assert found["Share of Ceiling"] == pytest.approx(
        result(repeated)["Agreement"] / found["Ceiling Lower"]
    )


def test_ties_share_and_lost_images_are_counted(make_task) -> None:
    assert metrics.agreement([[1.0, 1.0, 1.0]], [2]) == pytest.approx(1 / 3)
    lost = EMBEDDINGS.copy()
    lost[0] = np.nan
    found = result(make_task(), lost)
    assert found["Failed"] == (ROWS == 0).any(axis=1).sum()
    assert found["Choices"] + found["Failed"] == 60
    nothing = result(make_task(), np.full_like(EMBEDDINGS, np.nan))
    assert np.isnan(nothing["Agreement"])


def test_numbers_name_the_odd_one_too(make_task) -> None:
    numbered = TABLE.assign(odd=ODD + 1)
    assert result(make_task(numbered)) == pytest.approx(result(make_task()), nan_ok=True)


def test_intervals_by_loops_that_leave_out_images(make_task) -> None:
    task = make_task()
    order = [NAMES.index(image) for image in task.images]
    agrees = task.compute_items(EMBEDDINGS[order])["agrees"].to_numpy()
    mean = agrees.mean()
    left = [agrees[(image != ROWS).all(axis=1)].mean() for image in range(8)]
    keys = [tuple(sorted(row)) for row in ROWS]
    names = sorted(set(keys))
    sums = [sum(agrees[k] - mean for k in range(60) if keys[k] == name) / 60 for name in names]
    by_triplet = np.sum(np.square(sums)) * len(names) / (len(names) - 1)
    whole = 7 * np.var(left)
    variances = {
        "image": (8 / 7 * max(whole - 2 * by_triplet, whole / 3, by_triplet), 7),
        "triplet": (by_triplet, len(names) - 1),
    }
    for by, (variance, freedom) in variances.items():
        step = np.sqrt(variance) * stats.t.ppf(0.975, freedom) / (mean * (1 - mean))
        expected = expit(logit(mean) + np.array([-step, step]))
        found = result(make_task(resample=by))
        assert_allclose(
            (found["Agreement CI Low"], found["Agreement CI High"]), expected, atol=1e-9
        )


def test_choices_of_one_triplet_count_together(make_task) -> None:
    many = pd.concat([TABLE] * 4)
    once, four = result(make_task(resample="triplet")), result(make_task(many, resample="triplet"))
    width = [found["Agreement CI High"] - found["Agreement CI Low"] for found in (once, four)]
    assert width[1] == pytest.approx(width[0])
    assert four["Triplets"] == once["Triplets"]
    assert four["Ceiling Lower CI Low"] < four["Ceiling Lower"] < four["Ceiling Lower CI High"]
    assert four["Share of Ceiling CI Low"] < four["Share of Ceiling"]


def test_few_images_have_no_interval() -> None:
    found = choice_estimate(0.5, [0.1, -0.1], [[0, 1, 2], [2, 1, 0]])
    assert np.isnan(found[1:]).all()


def test_what_cannot_be_used_is_told(make_task) -> None:
    with pytest.raises(PairsError, match=r"'odd' column.*'z' in row 1 .*'[a-h].png'"):
        make_task(TABLE.assign(odd="z"))
    with pytest.raises(PairsError, match="three different images"):
        make_task(TABLE.assign(img3=TABLE["img1"]))
    with pytest.raises(PairsError, match="'img3'"):
        make_task(TABLE.drop(columns="img3"))
    for options in (
        {"similarity": "l2"},
        {"resample": "pair"},
        {"temperature": 0},
        {"confidence": 2},
    ):
        with pytest.raises(InputError):
            make_task(**options)
    with pytest.raises(ValueError, match="three similarities"):
        metrics.agreement([[1, 2]], [0])
    with pytest.raises(ValueError, match="0, 1 or 2"):
        metrics.agreement([[1, 2, 3]], [3])
