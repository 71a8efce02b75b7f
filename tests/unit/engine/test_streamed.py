"""Distances of outputs that are in memory for a moment are those of the rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine, euclidean
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from facebench.engine.comparisons import DistanceGroup
from facebench.engine.spill import Spills
from facebench.engine.streamed import Streamer
from facebench.errors import LayerOutputError
from facebench.tasks.shared.distance_metric import DistanceMetric
from support import runs

N_IMAGES, SHAPE = 6, (3, 4, 4)
OUTPUTS = torch.randn(N_IMAGES, *SHAPE, generator=torch.Generator().manual_seed(1))
PATHS = [Path(f"{number}.png") for number in range(N_IMAGES)]
PAIRS = np.array([[0, 1], [0, 4], [2, 3], [3, 5]])


def group_of(function: object, pairs: np.ndarray = PAIRS) -> DistanceGroup:
    return DistanceGroup(DistanceMetric(function, "task"), pairs, {"task": np.arange(len(pairs))})


COSINE, EUCLIDEAN = group_of(cosine_distances), group_of(euclidean_distances)


def expected(distance: object, outputs: torch.Tensor = OUTPUTS) -> list[float]:
    rows = outputs.reshape(len(outputs), -1).double().numpy()
    return [distance(rows[first], rows[second]) for first, second in PAIRS.tolist()]


def streamer_of(*groups: DistanceGroup, spilled: Spills | None = None) -> Streamer:
    files = {} if spilled is None else spilled.layers
    return Streamer(runs.make_model(["0"]), groups, ["0"], files)


def take(streamer: Streamer, numbers: list[int], outputs: torch.Tensor = OUTPUTS) -> None:
    streamer.take({"0": outputs[numbers]}, numbers, [PATHS[number] for number in numbers])


def test_partners_meet_across_batches() -> None:
    with streamer_of(COSINE, EUCLIDEAN) as streamer:
        take(streamer, [0, 1, 2])
        assert [found.tolist() for found in streamer.meet(PAIRS[:1])] == [[0], [0]]
        streamer.leave([0, 2])
        take(streamer, [3, 4, 5])
        streamer.meet(PAIRS[1:])
        np.testing.assert_allclose(streamer.distances["0"][0], expected(cosine), rtol=1e-6)
        np.testing.assert_allclose(streamer.distances["0"][1], expected(euclidean), rtol=1e-6)


def test_only_what_met_has_a_distance() -> None:
    with streamer_of(COSINE) as streamer:
        take(streamer, [0, 1])
        streamer.meet(PAIRS[:1])
        assert np.isnan(streamer.distances["0"][0]).tolist() == [False, True, True, True]


def test_a_metric_of_the_user_sees_the_values_in_the_order_of_their_axes() -> None:
    weights = np.arange(np.prod(SHAPE), dtype=float)

    def weighted(one: np.ndarray, other: np.ndarray) -> float:
        return float((weights * np.abs(np.asarray(one) - np.asarray(other))[0]).sum())

    model = runs.make_model(["0"])
    model.use_memory_format(torch.channels_last)
    outputs = OUTPUTS.to(memory_format=torch.channels_last)
    with Streamer(model, [group_of(weighted)], ["0"], {}) as streamer:
        take(streamer, list(range(N_IMAGES)), outputs)
        streamer.meet(PAIRS)
        by_hand = expected(lambda one, other: weighted(one[None], other[None]))
        np.testing.assert_allclose(streamer.distances["0"][0], by_hand, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2])
def test_rows_that_wait_do_not_change_when_the_network_uses_its_memory_again(size: int) -> None:
    buffer = torch.empty(size, *SHAPE)
    with streamer_of(EUCLIDEAN) as streamer:
        for first in range(0, N_IMAGES, size):
            numbers = list(range(first, first + size))
            streamer.take({"0": buffer.copy_(OUTPUTS[numbers])}, numbers, PATHS[first:][:size])
            streamer.leave(range(N_IMAGES))
        streamer.meet(PAIRS)
        np.testing.assert_allclose(streamer.distances["0"][0], expected(euclidean), rtol=1e-6)


@pytest.mark.parametrize("group", [COSINE, EUCLIDEAN], ids=["cosine", "euclidean"])
@pytest.mark.parametrize("is_spilled", [False, True])
def test_nan_names_its_layer_and_image(
    group: DistanceGroup, is_spilled: bool, tmp_path: Path
) -> None:
    outputs = OUTPUTS.clone()
    outputs[3, 0, 0, 0] = float("nan")
    with Spills({"0": OUTPUTS[0].numel()} if is_spilled else {}, N_IMAGES, tmp_path) as spills:

        def run() -> None:
            with streamer_of(group, spilled=spills) as streamer:
                take(streamer, list(range(N_IMAGES)), outputs)
                streamer.meet(PAIRS)

        with pytest.raises(LayerOutputError, match=r"Layer '0'.*3\.png"):
            run()


@pytest.mark.parametrize("group", [COSINE, EUCLIDEAN], ids=["cosine", "euclidean"])
def test_rows_on_disk_give_the_same_distances(group: DistanceGroup, tmp_path: Path) -> None:
    distance = cosine if group is COSINE else euclidean
    with (
        Spills({"0": OUTPUTS[0].numel()}, N_IMAGES, tmp_path) as spills,
        streamer_of(group, spilled=spills) as streamer,
    ):
        take(streamer, [5, 3, 1])
        take(streamer, [0, 2, 4])
        streamer.finish_spilled([np.arange(len(PAIRS))])
        np.testing.assert_allclose(streamer.distances["0"][0], expected(distance), rtol=1e-6)
