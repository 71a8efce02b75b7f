"""JPEGs that a card decodes: nvJPEG stands behind `Card.decode`, here libjpeg-turbo does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from facebench import TorchvisionModel
from facebench.engine import loading
from facebench.engine.model_run import run_model
from facebench.engine.record import ModelRecord
from facebench.engine.request import EmbeddingRequest, digests_of
from facebench.engine.settings import Settings
from facebench.errors import ModelError
from facebench.models.base import BaseModel
from support.forwarded import Small, damage
from support.late_card import LateCard

USUAL = transforms.Compose(
    [transforms.ToTensor(), transforms.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))]
)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> LateCard:
    made = LateCard()
    monkeypatch.setattr(loading, "card_of", lambda _device: made)
    return made


@pytest.fixture
def mixed(tmp_path: Path) -> list[Path]:
    """JPEGs of two sizes, one that lies on its side, a PNG, and one that is cut short."""
    rng = np.random.default_rng(2)
    paths = []
    for number in range(14):
        side = 40 if number % 3 else 48
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        picture = coarse.resize((side, side + 8), Image.Resampling.BICUBIC)
        path = tmp_path / f"{number:02d}.{'png' if number == 4 else 'jpg'}"
        exif = Image.Exif()
        if number == 7:
            exif[0x0112] = 6
        picture.save(path, exif=exif, quality=95)
        paths.append(path)
    damage(paths[9])
    return paths


@pytest.fixture
def model() -> TorchvisionModel:
    resized = {"size": 32, "resize": 36}
    return TorchvisionModel(
        "r", architecture="resnet18", pretrained=False, device="cpu", input=resized
    )


def run(model: BaseModel, paths: list[Path], workers: int) -> tuple[Any, ModelRecord]:
    record = ModelRecord("r")
    request = EmbeddingRequest(
        paths,
        digests=digests_of(paths, None),
        number_of={path: number for number, path in enumerate(paths)},
        row_images=np.arange(len(paths)),
    )
    settings = Settings(4, workers, "skip", decoder="nvjpeg")
    return run_model(model, request, settings, record=record, keep_all=True), record


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_rows_are_near_those_of_pillow(
    mixed: list[Path], model: TorchvisionModel, card: LateCard, workers: int
) -> None:
    found, record = run(model, mixed, workers)
    good = [path for path in mixed if path != mixed[9]]
    assert list(found.bad_images) == [mixed[9]]
    assert card.told.count("decode") == 4
    assert record.sent_as == "JPEG"
    assert record.decoder["decoder"] == "nvjpeg"
    assert record.decoder["images"] == 4
    assert record.decoder["largest"] <= 3
    expected = torch.cat(
        [model.get_output(model.preprocess_image(path))["default"] for path in good]
    ).numpy()
    size = np.linalg.norm(expected, axis=1)
    apart = np.linalg.norm(found.layers["default"] - expected, axis=1) / size
    # Those that Pillow decodes are equal; resizing rounds the others otherwise.
    assert apart.max() < 0.02
    for path in (mixed[4], mixed[7]):
        assert apart[good.index(path)] < 1e-5


def test_what_the_card_cannot_decode_is_pillows(
    mixed: list[Path], model: TorchvisionModel, card: LateCard
) -> None:
    def failing(*_given: object) -> torch.Tensor:
        msg = "nvjpeg error 8"
        raise RuntimeError(msg)

    card.decode = failing  # type: ignore[method-assign]
    found, _record = run(model, mixed[:6], 0)
    expected = torch.cat(
        [model.get_output(model.preprocess_image(path))["default"] for path in mixed[:6]]
    )
    np.testing.assert_allclose(found.layers["default"], expected, rtol=0, atol=1e-4)


def test_other_models_are_refused(forty: list[Path], card: LateCard) -> None:
    with pytest.raises(ModelError, match=r"decoder='nvjpeg' is for models .*not known to be"):
        run(Small(preprocess_function=USUAL), forty, 0)


def test_a_cpu_is_refused(forty: list[Path], model: TorchvisionModel) -> None:
    with pytest.raises(ModelError, match="it runs on cpu"):
        run(model, forty, 0)
