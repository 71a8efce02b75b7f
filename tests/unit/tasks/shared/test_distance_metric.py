"""Known metrics are computed all at once and unknown ones pair by pair, to the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from sklearn.metrics import pairwise
from torch.nn import CosineSimilarity, PairwiseDistance
from torch.nn import functional as F  # noqa: N812

from facebench.errors import MetricError
from facebench.metrics import distances
from facebench.tasks.shared.distance_metric import (
    DistanceMetric,
    batch_cosine_distance,
    metric_name,
)

KNOWN: dict[str, Callable] = {
    "sklearn cosine": pairwise.cosine_distances,
    "sklearn euclidean": pairwise.euclidean_distances,
    "sklearn manhattan": pairwise.manhattan_distances,
    "batch_cosine_distance": batch_cosine_distance,
    "cdist": torch.cdist,
    **{f"cdist p={p}": functools.partial(torch.cdist, p=p) for p in (0, 1, 1.5, 2.0, 3, 7.0)},
    "cdist p=inf": functools.partial(torch.cdist, p=float("inf")),
    "cdist mode": functools.partial(torch.cdist, p=2, compute_mode="donot_use_mm_for_euclid_dist"),
    "PairwiseDistance": PairwiseDistance(),
    **{f"PairwiseDistance p={p}": PairwiseDistance(p=p) for p in (1, 3.0, float("inf"))},
    "PairwiseDistance eps": PairwiseDistance(eps=0.1),
    "PairwiseDistance p eps": PairwiseDistance(p=1, eps=0.5),
    "PairwiseDistance keepdim": PairwiseDistance(keepdim=True),
    "pairwise_distance": F.pairwise_distance,
    "pairwise_distance p eps": functools.partial(F.pairwise_distance, p=3, eps=0.2),
    "CosineSimilarity": CosineSimilarity(),
    "CosineSimilarity last": CosineSimilarity(dim=-1),
    "cosine_similarity": F.cosine_similarity,
}
# Further spellings that must be known as similarities, recognised or not.
SIMILARITIES = {
    "cosine_similarity dim": functools.partial(F.cosine_similarity, dim=1),
    "CosineSimilarity eps": CosineSimilarity(eps=0.5),
    "cosine_similarity eps": functools.partial(F.cosine_similarity, eps=0.5),
}

every_known = pytest.mark.parametrize("function", KNOWN.values(), ids=KNOWN)


def embeddings(rows: int = 8, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def all_pairs(rows: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.meshgrid(np.arange(rows), np.arange(rows))
    return first.ravel(), second.ravel()


def by_hand(function: Callable, table: np.ndarray, first, second, sign: int = 1) -> np.ndarray:
    """Return what a user gets who calls their own function on every pair, in float64."""
    tensor = torch.from_numpy(table.astype(np.float64))
    values = [
        float(np.mean(np.asarray(function(tensor[i : i + 1], tensor[j : j + 1]))))
        for i, j in zip(first, second, strict=True)
    ]
    return np.array(values) if sign > 0 else 1 - np.array(values)


def is_similarity(function: Callable) -> bool:
    base = getattr(function, "func", function)
    return base is F.cosine_similarity or isinstance(base, CosineSimilarity)


def expected(function: Callable, table: np.ndarray, first, second) -> np.ndarray:
    values = by_hand(function, table, first, second, sign=-1 if is_similarity(function) else 1)
    if is_cosine(function):
        # A vector of zeros has no direction; scikit-learn and torch say 1.
        is_zero = (table == 0).all(axis=1)
        values = np.where(is_zero[first] | is_zero[second], np.nan, values)
    return values


def is_cosine(function: Callable) -> bool:
    return "cosine" in getattr(function, "__name__", type(function).__name__).lower() or (
        isinstance(function, functools.partial) and is_cosine(function.func)
    )


class TestKnownMetrics:
    @every_known
    def test_all_at_once_equals_pair_by_pair(self, function: Callable) -> None:
        table = embeddings()
        first, second = all_pairs(len(table))
        found = DistanceMetric(function, "T").between(table, first, second)
        assert found.dtype == np.float64
        # scikit-learn's Euclidean distance of identical rows is a root of rounding, about 1e-7.
        assert_allclose(found, expected(function, table, first, second), rtol=1e-6, atol=2e-6)

    @pytest.mark.slow
    @every_known
    @settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
    @given(
        table=arrays(
            np.float32,
            st.tuples(st.integers(2, 4), st.integers(1, 6)),
            elements=st.integers(-50, 50).map(lambda k: k / 8),
        )
    )
    def test_any_table_gives_the_same_both_ways(
        self, function: Callable, table: np.ndarray
    ) -> None:
        first, second = all_pairs(len(table))
        found = DistanceMetric(function, "T").between(table, first, second)
        assert_allclose(found, expected(function, table, first, second), rtol=1e-6, atol=2e-6)

    @every_known
    def test_one_pair_equals_that_pair_among_many(self, function: Callable) -> None:
        table = embeddings()
        metric = DistanceMetric(function, "T")
        tensor = torch.from_numpy(table)
        one = metric(tensor[2:3], tensor[5:6])
        assert isinstance(one, float)
        [among] = metric.between(table, np.array([2]), np.array([5]))
        assert_allclose(one, among, rtol=1e-6)

    @every_known
    def test_the_known_are_never_called(
        self, function: Callable, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            pytest.fail("a known metric was called for a pair")

        metric = DistanceMetric(function, "T")
        monkeypatch.setattr(metric, "function", refuse)
        assert len(metric.between(embeddings(), *all_pairs(8))) == 64

    # torch's pairwise distances are left out: they add eps to every difference.
    @pytest.mark.parametrize("name", [name for name in KNOWN if "airwise" not in name])
    def test_identical_rows_are_not_apart(self, name: str) -> None:
        function = KNOWN[name]
        rows = np.arange(8)
        found = DistanceMetric(function, "T").between(embeddings(width=512), rows, rows)
        assert (found >= 0).all()
        assert_allclose(found, 0, atol=1e-6)

    @every_known
    def test_zero_rows_have_no_cosine_and_else_what_the_function_gives(
        self, function: Callable
    ) -> None:
        table = embeddings(4)
        table[1] = table[2] = 0
        first, second = all_pairs(4)
        found = DistanceMetric(function, "T").between(table, first, second)
        assert_allclose(found, expected(function, table, first, second), rtol=1e-6, atol=2e-6)

    @every_known
    def test_distances_are_never_negative(self, function: Callable) -> None:
        table = np.concatenate([embeddings(6, 3), -embeddings(6, 3), embeddings(6, 3) * 3])
        found = DistanceMetric(function, "T").between(table, *all_pairs(18))
        assert (found >= 0).all()

    @pytest.mark.parametrize("function", SIMILARITIES.values(), ids=SIMILARITIES)
    def test_similarities_become_distances_with_every_option(self, function: Callable) -> None:
        table = embeddings(width=3) / 4
        first, second = all_pairs(len(table))
        found = DistanceMetric(function, "T").between(table, first, second)
        assert_allclose(found, expected(function, table, first, second), rtol=1e-6, atol=2e-6)

    @pytest.mark.parametrize("function", [CosineSimilarity(), pairwise.cosine_distances])
    def test_the_cosine_of_short_vectors_is_that_of_their_direction(
        self, function: Callable
    ) -> None:
        table = embeddings() * np.float32(1e-6)
        found = DistanceMetric(function, "T").between(table, *all_pairs(8))
        want = DistanceMetric(function, "T").between(embeddings(), *all_pairs(8))
        assert_allclose(found, want, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize(
        "function",
        [pairwise.cosine_distances, pairwise.euclidean_distances, pairwise.manhattan_distances],
    )
    def test_100_000_dimensions_agree_with_scikit_learn_in_float64(
        self, function: Callable
    ) -> None:
        table = 1 + embeddings(6, 100_000)
        first, second = np.array([0, 1, 2, 3, 4]), np.array([1, 2, 3, 4, 5])
        found = DistanceMetric(function, "T").between(table, first, second)
        exact = table.astype(np.float64)
        assert_allclose(found, function(exact[first], exact[second]).diagonal(), rtol=1e-5)

    def test_many_blocks_are_put_together_in_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        table = embeddings(10, 4)
        first, second = all_pairs(10)
        metric = DistanceMetric(torch.cdist, "T")
        whole = metric.between(table, first, second)
        monkeypatch.setattr("facebench.metrics.distances._BLOCK_VALUES", 12)
        np.testing.assert_array_equal(metric.between(table, first, second), whole)

    def test_no_pairs_have_no_distances(self) -> None:
        none = np.array([], dtype=np.intp)
        for function in (torch.cdist, lambda a, b: (a - b).abs().sum()):
            assert DistanceMetric(function, "T").between(embeddings(), none, none).shape == (0,)

    @pytest.mark.parametrize(
        "function", [CosineSimilarity(), torch.cdist, lambda a, b: (a * b).sum()]
    )
    def test_a_metric_made_of_a_metric_is_the_same(self, function: Callable) -> None:
        inner = DistanceMetric(function, "T")
        outer = DistanceMetric(inner, "T")
        args = embeddings(), *all_pairs(8)
        assert_allclose(outer.between(*args), inner.between(*args))
        assert outer.name == inner.name

    @pytest.mark.parametrize(
        "function",
        [
            functools.partial(torch.cdist, p=-1),
            functools.partial(torch.cdist, p="far"),
            functools.partial(torch.cdist, p=None),
            functools.partial(torch.cdist, q=2),
        ],
        ids=["negative", "text", "none", "unknown"],
    )
    def test_an_option_that_torch_refuses_is_refused_at_once(self, function: Callable) -> None:
        with pytest.raises(MetricError, match="cdist"):
            DistanceMetric(function, "T")

    def test_an_order_that_only_torch_takes_is_left_to_torch(self) -> None:
        function = PairwiseDistance(p=-1, eps=0.0)
        table = embeddings(3)
        first, second = np.array([0, 1]), np.array([1, 2])
        found = DistanceMetric(function, "T").between(table, first, second)
        assert_allclose(found, by_hand(function, table, first, second), rtol=1e-5)


class TestUnknownMetrics:
    def test_each_pair_is_called_once_in_order_with_its_rows(self) -> None:
        seen = []

        def metric(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            seen.append((left.clone(), right.clone()))
            return (left - right).abs().max()

        distance = DistanceMetric(metric, "T")
        seen.clear()
        table = embeddings()
        first, second = np.array([3, 0, 3, 7]), np.array([1, 2, 1, 7])
        found = distance.between(table, first, second)
        assert_allclose(found, np.abs(table[first] - table[second]).max(axis=1))
        assert len(seen) == 4
        for (left, right), i, j in zip(seen, first, second, strict=True):
            assert isinstance(left, torch.Tensor)
            np.testing.assert_array_equal(left, table[i : i + 1])
            np.testing.assert_array_equal(right, table[j : j + 1])

    @pytest.mark.parametrize(
        "shape",
        [
            lambda value: value,
            lambda value: float(value),
            lambda value: value.numpy(),
            lambda value: value.reshape(1, 1),
            lambda value: [float(value)],
            lambda value: torch.stack([value - 1, value + 1]),
            lambda value: np.array([[value - 2, value + 2], [value, value]]),
            lambda value: value.clone().requires_grad_(),
            lambda value: value.double(),
            lambda value: value.to(torch.float32).item(),
        ],
    )
    def test_whatever_is_returned_is_averaged(self, shape: Callable) -> None:
        def metric(left: torch.Tensor, right: torch.Tensor) -> object:
            return shape((left - right).abs().sum().detach())

        table = embeddings()
        first, second = all_pairs(8)
        found = DistanceMetric(metric, "T").between(table, first, second)
        assert_allclose(found, np.abs(table[first] - table[second]).sum(axis=1), atol=1e-5)

    def test_integers_and_truth_values_count_as_numbers(self) -> None:
        table, pair = embeddings(), (np.array([0]), np.array([1]))
        assert DistanceMetric(lambda a, b: 3, "T").between(table, *pair) == [3.0]
        assert DistanceMetric(lambda a, b: bool((a != b).any()), "T").between(table, *pair) == [1.0]

    def test_a_wrapped_known_metric_gives_the_same_numbers(self) -> None:
        args = embeddings(), *all_pairs(8)
        for function in (torch.cdist, pairwise.cosine_distances, PairwiseDistance(p=3)):
            wrapped = DistanceMetric(lambda a, b, function=function: function(a, b), "T")
            known = DistanceMetric(function, "T")
            assert_allclose(wrapped.between(*args), known.between(*args), rtol=1e-6, atol=1e-6)

    def test_a_metric_with_a_fixed_width_is_judged_on_the_real_embeddings(self) -> None:
        generator = np.random.default_rng(1)
        root = generator.normal(size=(16, 16)).astype(np.float32)
        inverse = torch.from_numpy(root @ root.T)

        def mahalanobis(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            difference = left - right
            return (difference @ inverse @ difference.T).sqrt()

        table = embeddings(6, 16)
        first, second = np.array([0, 2, 4]), np.array([1, 3, 5])
        found = DistanceMetric(mahalanobis, "T").between(table, first, second)
        difference = (table[first] - table[second]).astype(np.float64)
        wanted = np.sqrt(np.einsum("ij,jk,ik->i", difference, inverse.numpy(), difference))
        assert_allclose(found, wanted, rtol=1e-5)
        with pytest.raises(MetricError, match=r"mahalanobis.*\[1, 32\]"):
            DistanceMetric(mahalanobis, "T").between(embeddings(), first, second)

    @pytest.mark.parametrize(
        "weights", [np.arange(16, dtype=np.float32), torch.arange(16.0)], ids=["numpy", "torch"]
    )
    def test_weights_of_a_fixed_width_are_accepted(self, weights) -> None:
        def weighted(left: torch.Tensor, right: torch.Tensor) -> object:
            if isinstance(weights, np.ndarray):
                return np.abs(left.numpy() - right.numpy()) @ weights
            return ((left - right).abs() * weights).sum()

        assert len(DistanceMetric(weighted, "T").between(embeddings(4, 16), *all_pairs(4))) == 16

    def test_a_metric_that_works_in_place_spoils_no_other_pair(self) -> None:
        def in_place(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            left -= right
            return left.abs().sum()

        table = embeddings()
        before = table.copy()
        first, second = np.array([0, 0, 0]), np.array([1, 2, 1])
        found = DistanceMetric(in_place, "T").between(table, first, second)
        assert_allclose(found, np.abs(before[first] - before[second]).sum(axis=1), rtol=1e-5)
        np.testing.assert_array_equal(table, before)

    def test_read_only_embeddings_are_taken_in_silence(self) -> None:
        table = embeddings()
        table.flags.writeable = False
        found = DistanceMetric(lambda a, b: (a - b).abs().sum(), "T").between(
            table, np.array([0]), np.array([0])
        )
        assert found.tolist() == [0.0]


class TestInvalidMetrics:
    @pytest.mark.parametrize("value", [None, "cosine", 3, [torch.cdist]])
    def test_what_cannot_be_called_is_told(self, value: object) -> None:
        with pytest.raises(MetricError, match="'distance_metric' parameter of LFWTask") as caught:
            DistanceMetric(value, "LFWTask")
        assert repr(value) in str(caught.value)

    @pytest.mark.parametrize(
        "result",
        [None, "far", b"far", {}, {"distance": 1}, [], np.array([]), torch.empty(0), object()],
        ids=lambda result: type(result).__name__,
    )
    def test_what_returns_no_number_is_told_with_what_it_was_given(self, result: object) -> None:
        def metric(left: object, right: object) -> object:
            return result

        with pytest.raises(MetricError, match=r"metric of LFWTask.*shape \[1, 8\]") as caught:
            DistanceMetric(metric, "LFWTask")
        assert repr(result) in str(caught.value)
        assert type(result).__name__ in str(caught.value)

    def test_what_raises_is_told_with_its_reason(self) -> None:
        def metric(left: object, right: object) -> object:
            msg = "no such thing"
            raise LookupError(msg)

        with pytest.raises(MetricError, match=r"metric.*LookupError: no such thing") as caught:
            DistanceMetric(metric, "T")
        assert isinstance(caught.value.__cause__, LookupError)

    @pytest.mark.parametrize(
        "function", [lambda: 1.0, lambda a: 1.0, lambda a, b, c: 1.0, lambda *, a, b: 1.0]
    )
    def test_a_wrong_number_of_arguments_is_told(self, function: Callable) -> None:
        with pytest.raises(MetricError, match="TypeError"):
            DistanceMetric(function, "T")

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan"))])
    def test_what_is_never_finite_is_told_at_once(self, value: object) -> None:
        with pytest.raises(MetricError, match=r"nan|inf"):
            DistanceMetric(lambda a, b: value, "T")

    def test_a_pair_without_finite_distance_is_told_with_its_place(self) -> None:
        def of_first_entry(left: torch.Tensor, right: torch.Tensor) -> float:
            return float("nan") if left[0, 0] == 0 else 1.0

        table = embeddings()
        table[3, 0] = 0
        rows = np.array([0, 3, 1, 3])
        with pytest.raises(MetricError, match=r"of_first_entry of T gave 2 of 4 .* nan for pair 2"):
            DistanceMetric(of_first_entry, "T").between(table, rows, rows)

    def test_what_fails_only_on_real_embeddings_is_told_there(self) -> None:
        def fussy(left: torch.Tensor, right: torch.Tensor) -> float | None:
            return 1.0 if left.shape[1] == 8 else None

        with pytest.raises(MetricError, match=r"fussy of T.*\[1, 32\].*None"):
            DistanceMetric(fussy, "T").between(embeddings(), np.array([0]), np.array([1]))


class TestBatchCosineDistance:
    def test_agrees_with_scikit_learn(self) -> None:
        left, right = embeddings(seed=1), embeddings(seed=2)
        assert_allclose(
            batch_cosine_distance(left, right),
            pairwise.cosine_distances(left, right).diagonal(),
            atol=1e-6,
        )

    def test_tensors_stay_tensors(self) -> None:
        left, right = torch.from_numpy(embeddings(seed=1)), torch.from_numpy(embeddings(seed=2))
        found = batch_cosine_distance(left, right)
        assert isinstance(found, torch.Tensor)
        assert found.shape == (8,)
        assert found.dtype == left.dtype

    def test_arrays_stay_arrays(self) -> None:
        found = batch_cosine_distance(embeddings(), embeddings())
        assert isinstance(found, np.ndarray)
        assert found.shape == (8,)

    def test_tensors_and_arrays_agree(self) -> None:
        left, right = embeddings(seed=1), embeddings(seed=2)
        tensors = batch_cosine_distance(torch.from_numpy(left), torch.from_numpy(right))
        assert_allclose(tensors.numpy(), batch_cosine_distance(left, right), atol=1e-6)

    @pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
    def test_a_zero_row_is_at_1(self, kind: Callable) -> None:
        left, right = kind([[0.0, 0.0], [0.0, 0.0]]), kind([[1.0, 2.0], [0.0, 0.0]])
        assert np.asarray(batch_cosine_distance(left, right)).tolist() == [1.0, 1.0]

    def test_identical_rows_are_0_and_opposite_ones_2(self) -> None:
        table = embeddings()
        assert_allclose(batch_cosine_distance(table, table), 0, atol=1e-6)
        assert_allclose(batch_cosine_distance(table, -table), 2, atol=1e-6)
        assert (batch_cosine_distance(table, table) >= 0).all()

    def test_gradients_flow(self) -> None:
        left = torch.from_numpy(embeddings()).requires_grad_()
        batch_cosine_distance(left, torch.ones_like(left)).sum().backward()
        assert torch.isfinite(left.grad).all()


class TestNames:
    @pytest.mark.parametrize(
        ("function", "name"),
        [
            (pairwise.cosine_distances, "cosine_distances"),
            (batch_cosine_distance, "batch_cosine_distance"),
            (torch.cdist, "cdist"),
            (functools.partial(torch.cdist, p=1), "cdist(p=1)"),
            (functools.partial(functools.partial(torch.cdist, p=1), p=2), "cdist(p=2)"),
            (PairwiseDistance(), "PairwiseDistance"),
            (CosineSimilarity(), "CosineSimilarity"),
            (functools.partial(distances.minkowski, p=3), "minkowski(p=3)"),
            (functools.partial(max, key=abs), "max(key=abs)"),
        ],
    )
    def test_a_metric_is_called_as_its_author_would(self, function: Callable, name: str) -> None:
        assert metric_name(function) == name

    def test_a_class_instance_has_the_name_of_its_class(self) -> None:
        class Chord:
            def __call__(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
                return (left - right).norm()

        metric = DistanceMetric(Chord(), "T")
        assert metric.name == "Chord"
        assert repr(metric) == "DistanceMetric(Chord)"
