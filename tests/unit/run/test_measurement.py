"""What becomes of embeddings that have no cosine distance."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import to_tensor

from facebench import (
    AccuracyTask,
    BaseModel,
    BaseTask,
    MultiModelTaskManager,
    RsaTask,
    SimilarityTask,
    VerificationTask,
)
from facebench.errors import FacebenchError, MissingImageError

LITTLE = 400_000


class Dark(BaseModel):
    """Gives zeros for dark pictures; its layer '3' gives nothing else."""

    def _build_model(self) -> None:
        self.model = nn.Sequential(
            nn.AdaptiveAvgPool2d(64), nn.Flatten(), nn.Threshold(0.4, 0.0), nn.Threshold(9.0, 0.0)
        )

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for image in range(8):
        low, high = (0, 60) if image < 2 else (120, 256)
        Image.fromarray(rng.integers(low, high, (16, 16, 3), dtype=np.uint8)).save(
            tmp_path / f"{image}.png"
        )
    rows = [(f"{a}.png", f"{b}.png", (a + b) % 2) for a in range(8) for b in range(a + 1, 8)]
    pd.DataFrame(rows, columns=["img1", "img2", "same"]).to_csv(tmp_path / "p.csv", index=False)
    return tmp_path


def run(world: Path, task: Any, layers: Any = None, **given: Any) -> MultiModelTaskManager:
    model = Dark("dark", extract_layers=layers, preprocess_function=to_tensor, device="cpu")
    given.setdefault("cache_dir", None)
    manager = MultiModelTaskManager(model, task, num_workers=0, **given)
    manager.run_all_tasks_all_models(export_path=world / "out")
    return manager


@pytest.mark.slow
@pytest.mark.parametrize("max_memory", [None, LITTLE], ids=["in memory", "wide"])
def test_pairs_with_zeros_are_left_out_and_counted(
    world: Path, caplog: pytest.LogCaptureFixture, max_memory: int | None
) -> None:
    task = AccuracyTask("t", world / "p.csv", world, true_label="same")
    with caplog.at_level(logging.WARNING, logger="facebench"):
        manager = run(world, task, ["2", "3"], max_memory=max_memory)
    frame = manager.model_task_distances_dfs["dark"]["t"].set_index("layer_name")
    distances = frame.loc["2", "model_computed_distance"]
    is_dark = frame.loc["2", ["img1", "img2"]].isin(["0.png", "1.png"]).any(axis=1)
    assert (distances.isna() == is_dark).all()
    assert frame.loc["3", "model_computed_distance"].isna().all()
    assert "13 of 28 in '2', 28 of 28 in '3'" in caplog.text
    how = set(manager.records["dark"].layers.values())
    assert ("kept" in how) == (max_memory is None)
    performance = manager.tasks_performance_dfs["t"].set_index("Layer Name")
    assert list(performance.index) == ["2", "3"]
    assert 0 <= performance.loc["2", "AUC"] <= 1
    assert np.isnan(performance.loc["3", "AUC"])


@pytest.mark.slow
def test_what_is_found_in_the_store_is_the_same(world: Path) -> None:
    task = AccuracyTask("t", world / "p.csv", world, true_label="same")
    found = [
        run(world, task, ["2"], cache_dir=world / "store", max_memory=memory)
        .model_task_distances_dfs["dark"]["t"]
        for memory in (LITTLE, LITTLE, None)
    ]  # fmt: skip
    for other in found[1:]:
        pd.testing.assert_frame_equal(other, found[0], rtol=1e-5)


@pytest.mark.slow
def test_verification_counts_them_as_failed(world: Path) -> None:
    task = VerificationTask("t", world / "p.csv", world, true_label="same")
    (row,) = run(world, task, ["2"]).tasks_performance_dfs["t"].to_dict("records")
    assert row["Failed"] == 13


def test_dissimilarities_too(world: Path) -> None:
    task = RsaTask("t", world, images=[f"{image}.png" for image in range(8)], distance="cosine")
    (row,) = run(world, task, ["2"]).tasks_performance_dfs["t"].to_dict("records")
    assert (row["Failed"], row["Images"], row["Pairs"]) == (2, 6, 15)


def test_a_network_of_zeros_is_told(world: Path) -> None:
    task = AccuracyTask("t", world / "p.csv", world, true_label="same")
    with pytest.raises(FacebenchError, match="embeddings of zeros only"):
        run(world, task, ["3"])


def test_a_plot_that_takes_the_dict_for_a_table_is_told(world: Path) -> None:
    class Plain(BaseTask):
        def compute_task_performance(self, pairs_distances_df: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"Mean": [pairs_distances_df["model_computed_distance"].mean()]})

        def plot(self, output_dir: str, performances: pd.DataFrame, *optional: Any) -> None:
            optional[0].groupby("layer_name")

    with pytest.raises(FacebenchError, match=r"distances\[model\]\[task\]"):
        run(world, Plain("t", world / "p.csv", world), ["2"])


@pytest.mark.slow
@pytest.mark.parametrize("long", [False, True])
def test_unrated_pairs_are_counted_and_nothing_else(
    world: Path, caplog: pytest.LogCaptureFixture, long: bool
) -> None:
    rng = np.random.default_rng(1)
    pairs = [(f"{a}.png", f"{b}.png") for a in range(2, 8) for b in range(a + 1, 8)]
    # An image of unrated pairs only, which is not even there; and one that is there twice.
    rows = [("gone.png", "2.png"), *pairs, ("0.png", "1.png"), ("2.png", "3.png")]
    table = pd.DataFrame(rows, columns=["img1", "img2"])
    for rater in range(3):
        table[f"rater_{rater}"] = rng.normal(size=len(rows))
    table.loc[[0, len(rows) - 2], ["rater_0", "rater_1", "rater_2"]] = np.nan
    table.loc[1, "rater_0"] = np.nan
    if long:
        table = table[:-1].melt(["img1", "img2"], var_name="rater", value_name="rating")
    table.to_csv(world / "r.csv", index=False)
    task = SimilarityTask("s", world / "r.csv", world, n_resamples=20, n_permutations=99)
    assert "2 of the" in caplog.text
    assert len(task.pairs_df) == len(table)
    n_pairs = len(pairs) + (0 if long else 1)
    manager = run(world, task, "2")
    row = manager.tasks_performance_dfs["s"].iloc[0]
    assert (row["Unrated Pairs"], row["Pairs"], row["Images"]) == (2, n_pairs, 6)
    assert row["Missing Ratings"] == 1 + 2 * 3
    assert "gone" not in str(manager.model_task_distances_dfs["dark"]["s"]["img1"].tolist())
    plan = manager.plan()
    assert plan.tasks[0].n_images == 6
    assert not plan.tasks[0].missing
    assert manager.records["dark"].n_images == 6
    estimate = manager.estimates["s"]["dark"]["2"].estimates[0]
    assert (estimate.n_pairs, estimate.n_images) == (n_pairs, 6)
    if not long:
        assert plan.tasks[0].n_pairs == n_pairs
        [twice] = manager.data_health().findings.query("Finding == 'repeated pair'")["Rows"]
        assert twice == f"2 {len(rows)}"
    # Rows that are missing keep their line in the file.
    (world / "7.png").unlink()
    with pytest.raises(MissingImageError, match=r"'7.png' in row 6 \(line 7\)"):
        manager.run_all_tasks_all_models(export_path=world / "again")
