"""The table of all rules, and its errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facebench.parity import (
    RULES,
    deepface,
    facenet,
    facexzoo,
    flip_sum,
    insightface,
    lfw,
    parity_table,
)


def vectors(seed: int) -> tuple[Any, ...]:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(30) % 2)
    left = random.normal(1, 1, (30, 4))
    right = np.where(labels[:, None], left + random.normal(0, 0.7, (30, 4)), left[::-1])
    return labels, left, right, left + random.normal(0, 0.3, (30, 4)), right + 0.1


def test_the_table_tells_the_difference_in_pairs() -> None:
    labels, left, right, left_mirrored, right_mirrored = vectors(10)
    table = parity_table(labels, left, right, (left_mirrored, right_mirrored), folds=3)
    assert list(table["Rule"]) == list(RULES)
    rows = table.set_index("Rule")
    assert rows.loc["lfw", "Pairs Difference"] == 0
    distances = np.linalg.norm(left - right, axis=1)
    assert rows.loc["lfw", "Accuracy"] == lfw(labels, distances, 3).accuracy
    assert rows.loc["deepface", "Accuracy"] == deepface(labels, distances).accuracy
    expected = (rows["Accuracy"] - rows.loc["lfw", "Accuracy"]) * 30
    assert rows["Pairs Difference"].to_numpy() == pytest.approx(expected)
    assert np.allclose(rows["Pairs Difference"], rows["Pairs Difference"].round())
    column = parity_table(labels, left, right, folds=np.arange(30) // 10, rules=["lfw"])
    assert column["Accuracy"][0] == rows.loc["lfw", "Accuracy"]


def test_the_table_of_distances_is_that_of_unit_vectors() -> None:
    labels, left, right, *_ = vectors(11)
    left, right = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (left, right))
    distances = np.linalg.norm(left - right, axis=1)
    alone = parity_table(labels, distances=distances, folds=5)
    assert list(alone["Rule"]) == [
        "lfw", "facenet", "facexzoo", "faces_benchmark", "deepface", "oracle",
    ]  # fmt: skip
    whole = parity_table(labels, left, right, folds=5, rules=list(alone["Rule"]))
    assert alone["Accuracy"].to_numpy() == pytest.approx(whole["Accuracy"].to_numpy())


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: facenet([1, 1], [0.1, 0.2], folds=2), "both classes"),
        (lambda: facenet([1, 0], [0.1, np.nan], folds=2), "1 of 2 scores are NaN"),
        (lambda: facenet([1, 0], [0.1, 0.2]), "from 2 to the number of pairs, 2. Got 10"),
        (lambda: facexzoo([1, 1, 0, 0], [1, 2, 3, 4], folds=2), "hold one class only"),
        (lambda: insightface([1, 0], [[1.0]] * 2, [[1.0]] * 2, [[1.0]] * 2), "Got one side"),
        (lambda: flip_sum([[1.0]], [[1.0, 2.0]]), r"Got shapes \(1, 1\) and \(1, 2\)"),
        (lambda: flip_sum([1.0], [1.0]), r"must have the shape \[N, D\]"),
        (lambda: parity_table([1, 0], [[1.0]] * 2, [[1.0]] * 2, rules=["x"]), "Got 'x'"),
        (lambda: parity_table([1, 0]), "embeddings of both sides of each pair, or the distances"),
        (
            lambda: parity_table([1, 0] * 2, distances=[1, 2] * 2, folds=2, rules=["insightface"]),
            "'insightface' needs the embeddings",
        ),
    ],
)
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
