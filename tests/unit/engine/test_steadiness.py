"""A run tries a few images twice, and says what its numbers hang on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn
from torchvision import transforms
from torchvision.transforms.functional import hflip, to_tensor

from facebench import AccuracyTask, MultiModelTaskManager
from facebench.engine import embed
from facebench.errors import LayerOutputError
from facebench.models.base import BaseModel
from facebench.store import EmbeddingStore


class Chance(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.2)


class Net(BaseModel):
    def __init__(self, middle: Callable[[], nn.Module] = nn.Identity, **given: Any) -> None:
        self.middle = middle
        given.setdefault("preprocess_function", to_tensor)
        super().__init__("net", device="cpu", **given)

    def _build_model(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.model = nn.Sequential(
                nn.Conv2d(3, 8, 7, stride=4), self.middle(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
            )

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("batch_size", [1, 2, 32])
@pytest.mark.parametrize(
    ("middle", "cause"),
    [
        (lambda: nn.BatchNorm2d(8, track_running_stats=False), "statistics of the batch"),
        (Chance, "random numbers in eval mode"),
        (lambda: nn.BatchNorm2d(8), None),
        (lambda: nn.Dropout(0.5), None),
    ],
)
def test_batches_and_chance_are_warned_of(
    image_folder: Any,
    caplog: pytest.LogCaptureFixture,
    middle: Any,
    cause: str | None,
    batch_size: int,
) -> None:
    embed(Net(middle), image_folder(5), batch_size=batch_size, num_workers=0)
    if cause is None:
        assert not told(caplog)
    else:
        (warning,) = told(caplog)
        assert cause in warning


UNSTEADY = {
    "by the batch": (lambda: Net(lambda: nn.BatchNorm2d(8, track_running_stats=False)), "batch"),
    "by chance": (lambda: Net(Chance), "chance"),
    "preprocessing": (lambda: Net(preprocess_function=by_chance), "chance"),
}


by_chance = transforms.Compose([transforms.ToTensor(), transforms.RandomErasing(p=1)])


@pytest.mark.slow
@pytest.mark.parametrize("what", UNSTEADY)
def test_stored_rows_that_depend_on_more_than_their_image_are_told_again(
    image_folder: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    make, cause = UNSTEADY[what]
    images = image_folder(6)
    names = [path.name for path in images]
    table = pd.DataFrame({"img1": names[:3], "img2": names[3:], "same": [1, 0, 1]})
    table.to_csv(tmp_path / "pairs.csv", index=False)
    task = AccuracyTask("t", tmp_path / "pairs.csv", images[0].parent, true_label="same")
    layer = "" if what == "preprocessing" else "default"

    def run() -> tuple[MultiModelTaskManager, list[str]]:
        caplog.clear()
        manager = MultiModelTaskManager(make(), task, cache_dir=tmp_path / "store", num_workers=0)
        manager.run_all_tasks_all_models(tmp_path / "out", plots=False)
        return manager, told(caplog)

    for n_forwards in (6, 0):
        manager, (warning,) = run()
        assert manager.records["net"].n_forwards == n_forwards
        assert ("numbers of an earlier run" in warning) == (n_forwards == 0)
        assert manager.records["net"].unsteady == {layer: cause}
        assert manager.provenance["models"]["net"]["unsteady"] == {layer: cause}
        (remark,) = (column for column in manager.unified_summary() if "Depend" in column)
        assert manager.unified_summary()[remark].tolist() == [1]
    # Of some images whose rows are there and one that is new, it is told once.
    more = embed(
        make(), [*images, *image_folder(1, seed=9)], num_workers=0,
        store=EmbeddingStore(tmp_path / "store"),
    )  # fmt: skip
    assert len(more.rows) == 7
    assert len(told(caplog)) == 2


def test_a_steady_network_has_nothing_to_tell_of_its_stored_rows(
    image_folder: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store").mkdir()
    images = image_folder(3)
    for _ in range(2):
        embed(Net(), images, num_workers=0, store=EmbeddingStore(tmp_path / "store"))
    assert not told(caplog)


def test_the_random_draws_of_a_run_stay_what_they_were(image_folder: Any) -> None:
    state = torch.get_rng_state()
    embed(Net(lambda: nn.Dropout(0.5)), image_folder(3), num_workers=0)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_preprocessing_by_chance_is_warned_of(
    image_folder: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def sometimes(image: Any) -> torch.Tensor:
        seen.append(0)
        return to_tensor(hflip(image) if len(seen) % 2 else image)

    embed(Net(preprocess_function=sometimes), image_folder(3), num_workers=0)
    assert "preprocessing depends on chance" in told(caplog)[0]


def declaring(model: Net, how: str) -> Net:
    if how == "model":
        model.input_size = (112, 96)
    elif how == "network":
        model.model.image_size = [112, 96]
    else:
        model.model.default_cfg = {"input_size": (3, 112, 96)}
    return model


@pytest.mark.parametrize("how", ["model", "network", "timm"])
@pytest.mark.parametrize("size", [(96, 112), (64, 64)])
def test_another_size_than_declared_is_warned_of(
    image_folder: Any, caplog: pytest.LogCaptureFixture, how: str, size: tuple[int, int]
) -> None:
    embed(declaring(Net(), how), image_folder(2, size=size), num_workers=0)
    if size == (96, 112):
        assert not told(caplog)
    else:
        assert (
            "made for images of 112 x 96 pixels (height x width), and gets 64 x 64" in caplog.text
        )


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_tokens_are_never_taken_for_images(image_folder: Any, batch_size: int) -> None:
    class Tokens(Net):
        def _forward(self, input_tensor: torch.Tensor) -> Any:
            return self.model[0](input_tensor).flatten(2).permute(2, 0, 1)

    paths: list[Path] = image_folder(16, size=(19, 19))  # 4 x 4 tokens
    with pytest.raises(LayerOutputError, match="_forward of model 'net'"):
        embed(Tokens(), paths, batch_size=batch_size, num_workers=0)


class AllToAll(Net):
    def _forward(self, input_tensor: torch.Tensor) -> Any:
        rows = self.model(input_tensor)
        return rows @ rows.T


@pytest.mark.parametrize("batch_size", [1, 2, 4, 8])
def test_a_width_that_depends_on_the_batch_is_refused(image_folder: Any, batch_size: int) -> None:
    with pytest.raises(LayerOutputError, match=r"[348] numbers in a batch of [348] and 2 "):
        embed(AllToAll(), image_folder(8), batch_size=batch_size, num_workers=0)
    with pytest.raises(LayerOutputError, match="numbers in a batch of"):
        AllToAll().get_output(torch.rand(batch_size, 3, 19, 19))


@pytest.mark.parametrize("change", [torch.fft.fft, torch.Tensor.to_sparse])
def test_what_holds_no_row_of_numbers_is_refused(image_folder: Any, change: Any) -> None:
    class Odd(Net):
        def _forward(self, input_tensor: torch.Tensor) -> Any:
            return change(self.model(input_tensor))

    with pytest.raises(LayerOutputError, match=r"returned (complex|a sparse).*no row of numbers"):
        embed(Odd(), image_folder(2), num_workers=0)
