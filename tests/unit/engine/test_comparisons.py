"""Each pair once per distance, and every row of every task back at its pair."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from facebench.engine.comparisons import DistanceGroups, PairsOfTask
from facebench.tasks.shared.distance_metric import DistanceMetric

images = st.integers(0, 5)
tables = st.lists(
    st.lists(st.tuples(images, images), min_size=1, max_size=8), min_size=1, max_size=3
)


def one_sided(left: object, right: object) -> float:
    return float(np.asarray(left).sum())


def groups_of(metric: object, pairs: list[list[tuple[int, int]]]) -> DistanceGroups:
    return DistanceGroups(
        [
            PairsOfTask(str(number), DistanceMetric(metric, "task"), *np.array(rows).T)
            for number, rows in enumerate(pairs)
        ]
    )


@given(tables)
def test_rows_find_their_pair_whichever_side_comes_first(
    pairs: list[list[tuple[int, int]]],
) -> None:
    (group,) = groups_of(cosine_distances, pairs).groups
    assert len(np.unique(np.sort(group.pairs, axis=1), axis=0)) == len(group.pairs)
    for number, rows in enumerate(pairs):
        assert np.sort(group.pairs[group.rows[str(number)]], axis=1).tolist() == [
            sorted(pair) for pair in rows
        ]


@given(tables)
def test_a_users_metric_gets_the_sides_as_they_are(pairs: list[list[tuple[int, int]]]) -> None:
    (group,) = groups_of(one_sided, pairs).groups
    for number, rows in enumerate(pairs):
        assert group.pairs[group.rows[str(number)]].tolist() == [list(pair) for pair in rows]


def test_tasks_share_a_group_where_the_distance_is_the_same() -> None:
    metrics = [cosine_distances, euclidean_distances, cosine_distances, one_sided]
    tasks = [
        PairsOfTask(str(number), DistanceMetric(metric, "task"), np.array([0]), np.array([1]))
        for number, metric in enumerate(metrics)
    ]
    assert [list(group.rows) for group in DistanceGroups(tasks).groups] == [
        ["0", "2"],
        ["1"],
        ["3"],
    ]


def test_pairs_that_any_group_lacks_are_needed_once() -> None:
    pairs = np.array([[0, 1], [2, 1]])
    groups = DistanceGroups(
        [
            PairsOfTask("a", DistanceMetric(cosine_distances, "task"), *pairs.T),
            PairsOfTask("b", DistanceMetric(one_sided, "task"), *pairs[:, ::-1].T),
        ]
    )
    nothing = [np.zeros(2, dtype=bool)] * 2
    assert groups.needed(nothing).tolist() == []
    assert groups.needed([np.array([True, False]), np.ones(2, dtype=bool)]).tolist() == [
        [0, 1], [1, 2],
    ]  # fmt: skip
    assert DistanceGroups([]).needed([]).shape == (0, 2)
