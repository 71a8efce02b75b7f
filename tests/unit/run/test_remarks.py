"""What is said of numbers far below chance, and that nothing is said of networks without a clue."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import spearmanr
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances
from torch import nn
from torchvision.transforms.functional import to_tensor

from facebench import (
    AccuracyTask,
    BaseModel,
    BaseTask,
    CorrelationTask,
    IdentificationTask,
    MultiModelTaskManager,
    SimilarityTask,
    VerificationTask,
    load_run,
)
from facebench.errors import MetricError
from facebench.results.report.run_page import write_report
from facebench.results.run_folder import RunFolder
from facebench.results.task_facts import facts_of
from facebench.run.estimates import Estimator
from facebench.run.measurement import measure_items
from facebench.run.remarks import with_remarks

PEOPLE, IMAGES = 10, 3
NAMES = [f"p{person:02d}/{image}.png" for person in range(PEOPLE) for image in range(IMAGES)]
PAIRS = list(itertools.combinations(NAMES, 2))


class Pixels(BaseModel):
    """Gives a small picture's pixels, all of them and each row's mean."""

    def _build_model(self) -> None:
        self.model = nn.Sequential(nn.Flatten(2), nn.AdaptiveAvgPool1d(8), nn.Flatten())

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """People with faces of their own, and tables whose labels, ratings are right or wrong."""
    rng = np.random.default_rng(0)
    for person in range(PEOPLE):
        face = rng.integers(40, 215, (8, 8, 3))
        for image in range(IMAGES):
            pixels = np.clip(face + rng.integers(-25, 25, (8, 8, 3)), 0, 255).astype(np.uint8)
            path = tmp_path / f"p{person:02d}" / f"{image}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path)
    table = pd.DataFrame(PAIRS, columns=["img1", "img2"])
    same = table["img1"].str[:3] == table["img2"].str[:3]
    table = table.assign(
        same=same.astype(int),
        other=1 - same.astype(int),
        distance=rng.normal(size=len(table)) / 5 + same,
        rating=rng.normal(size=len(table)) / 5 + same,
    )
    table.to_csv(tmp_path / "p.csv", index=False)
    return tmp_path


def run(world: Path, tasks: Any, layers: Any = None) -> MultiModelTaskManager:
    model = Pixels("pixels", extract_layers=layers, preprocess_function=to_tensor, device="cpu")
    manager = MultiModelTaskManager(model, tasks, num_workers=0, cache_dir=None)
    manager.run_all_tasks_all_models(export_path=world / "out", plots=False)
    return manager


@pytest.mark.slow
def test_labels_and_ratings_the_wrong_way_round_are_told(
    world: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = world / "p.csv"
    tasks = [
        AccuracyTask("right", table, world, true_label="same"),
        AccuracyTask("accuracy", table, world, euclidean_distances, "other"),
        VerificationTask("verify", table, world, true_label="other", identity=None),
        CorrelationTask("correlation", table, world),
        SimilarityTask("similar", table, world, ratings="rating"),
    ]
    manager = run(world, tasks, ["0", "2"])
    folder = RunFolder.create(world / "runs", "r").save(manager)
    found = load_run(folder).results.dropna(subset="remark")
    said = found.groupby("task")["remark"].first()
    assert "labels the other way round" in said["accuracy"]
    assert "labels the other way round" in said["verify"]
    assert "values similarities" in said["correlation"]
    assert "other polarity" in said["similar"]
    assert "right" not in said
    for task in ("accuracy", "verify", "correlation"):
        assert f"Task '{task}', model 'pixels', in 2 of 2 layers (0, 2): far below" in caplog.text
    page = write_report(folder).read_text(encoding="utf-8")
    assert "pixels, 0, 2: far below chance: are the labels the other way round" in page


def inner(left: Any, right: Any) -> float:
    return float((left * right).sum())


@pytest.mark.slow
@pytest.mark.parametrize("metric", [cosine_similarity, inner])
def test_a_similarity_given_as_a_distance_is_told(
    world: Path, caplog: pytest.LogCaptureFixture, metric: Any
) -> None:
    task = AccuracyTask("t", world / "p.csv", world, metric, "same")
    assert "Task 't': the distance metric" in caplog.text
    assert "it seems to be a similarity" in caplog.text
    caplog.clear()
    manager = run(world, task)
    assert "it seems to be a similarity" in caplog.text
    assert "similarity" in manager.estimates["t"]["pixels"]["default"].remark


@pytest.mark.parametrize(
    "metric",
    [
        euclidean_distances,
        lambda one, other: 1 - cosine_similarity(one, other),
        lambda one, other: -inner(one, other),
        lambda one, other: float((one - other).abs().max()),
        torch.nn.CosineSimilarity(),
        lambda one, other: np.random.default_rng().random(),
    ],
)
def test_distances_are_not_taken_for_similarities(
    world: Path, caplog: pytest.LogCaptureFixture, metric: Any
) -> None:
    AccuracyTask("t", world / "p.csv", world, metric, "same")
    assert not caplog.records


def test_a_similarity_made_for_one_width_is_told(world: Path) -> None:
    weights = torch.eye(192)
    task = CorrelationTask(
        "t", world / "p.csv", world, lambda one, other: float((one @ weights @ other.T).sum())
    )
    assert not task.distance_metric.is_similarity
    manager = run(world, task, ["0"])
    assert "similarity" in manager.estimates["t"]["pixels"]["0"].remark


def test_plans_try_metrics_on_the_width_of_every_layer(world: Path) -> None:
    weights = torch.eye(192)
    task = AccuracyTask(
        "mahalanobis", world / "p.csv", world, lambda one, other: ((one - other) @ weights).norm(),
        "same",
    )  # fmt: skip

    def plan(layers: list[str]) -> Any:
        model = Pixels("pixels", extract_layers=layers, preprocess_function=to_tensor)
        return MultiModelTaskManager(model, task, num_workers=0, cache_dir=None).plan()

    plan(["0"])
    with pytest.raises(MetricError, match=r"'mahalanobis' cannot measure layer '2'.*24 numbers"):
        plan(["0", "2"])


def found_in(task: BaseTask, distances: np.ndarray) -> str:
    frame = task.pairs_df.assign(layer_name="l", model_computed_distance=distances)
    results = task.compute_task_performance(frame).assign(
        **{"Task Name": task.name, "Model Name": "m", "Layer Name": "l"}
    )
    estimates = Estimator().estimates_of(task, frame, results)
    return with_remarks(task, facts_of(task, results), estimates, frame, results)["l"].remark


def false_alarms(tasks: list[BaseTask], rounds: int) -> dict[str, int]:
    """Count remarks on networks that know nothing, but have ideas of people and of images."""
    rng = np.random.default_rng(1)
    first, second = (np.array([NAMES.index(pair[side]) for pair in PAIRS]) for side in (0, 1))
    count = dict.fromkeys((task.name for task in tasks), 0)
    for _ in range(rounds):
        points = rng.normal(size=(PEOPLE * IMAGES, 4))
        points *= np.exp(rng.normal(size=(PEOPLE, 1)) / 2).repeat(IMAGES, axis=0)
        distances = np.linalg.norm(points[first] - points[second], axis=1)
        for task in tasks:
            count[task.name] += bool(found_in(task, distances))
    return count


def null_tasks(world: Path) -> list[BaseTask]:
    table, few = world / "p.csv", {"n_resamples": 50}
    return [
        AccuracyTask("accuracy", table, world, true_label="same"),
        VerificationTask("verify", table, world, true_label="same", n_resamples=100),
        CorrelationTask("pearson", table, world),
        CorrelationTask("spearman", table, world, correlation_metric=spearmanr),
        SimilarityTask("similar", table, world, ratings="rating", **few),
    ]


@pytest.mark.slow
def test_networks_that_know_nothing_raise_no_alarm(world: Path) -> None:
    assert sum(false_alarms(null_tasks(world), 20).values()) <= 1


@pytest.mark.skipif(
    "FACEBENCH_NIGHTLY" not in os.environ, reason="takes minutes (set FACEBENCH_NIGHTLY)"
)
def test_networks_that_know_nothing_raise_alarms_in_fewer_than_1_percent(world: Path) -> None:
    count = false_alarms(null_tasks(world), 500)
    assert max(count.values()) < 5, count


def test_mates_among_the_farthest_are_told(world: Path) -> None:
    gallery, probes = (
        pd.DataFrame({"image": NAMES[part::IMAGES], "identity": [n[:3] for n in NAMES[::IMAGES]]})
        for part in (0, 1)
    )
    task = IdentificationTask("find", gallery, probes, world, n_resamples=50)
    rng = np.random.default_rng(2)

    class Found:
        names = ("l",)
        given = ""
        rows = np.arange(2 * PEOPLE)

        def __init__(self, sign: float) -> None:
            faces = rng.normal(size=(PEOPLE, 16))
            self.layers = {"l": np.concatenate((faces, sign * faces)).astype(np.float32)}

    def remark(sign: float) -> str:
        measured = measure_items(task, "m", np.arange(2 * PEOPLE), Found(sign))  # type: ignore[arg-type]
        return measured.estimates["l"].remark

    assert "far below chance" in remark(-1)
    assert remark(1) == ""


def test_a_layer_that_gives_all_images_the_same_is_told(
    world: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Constant(Pixels):
        def _forward(self, input_tensor: torch.Tensor) -> Any:
            # As the position embedding of a transformer, in a batch.
            return torch.ones(1, 6).expand(len(input_tensor), 6)

    model = Constant("constant", preprocess_function=to_tensor, device="cpu")
    task = AccuracyTask("t", world / "p.csv", world, true_label="same")
    manager = MultiModelTaskManager(model, task, num_workers=0, cache_dir=None)
    manager.run_all_tasks_all_models(export_path=world / "out", plots=False)
    remark = manager.estimates["t"]["constant"]["default"].remark
    assert remark == "all distances are 0: it gives every image the same numbers"
    assert remark in caplog.text
