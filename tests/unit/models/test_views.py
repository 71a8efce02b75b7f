"""Mirror images and crops, against passes made one by one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import functional as pictures

from facebench.engine import embed
from facebench.engine.fingerprint import model_fingerprint
from facebench.errors import InputError
from facebench.models.base import BaseModel
from facebench.store import open_store

LAYERS = ("0", "1", "3")


class Net(BaseModel):
    """A convolution, an in-place ReLU and a linear layer: nothing symmetric."""

    def _build_model(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(576, 5)
        )

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        return self.model(input_tensor)

    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        return pictures.to_tensor(Image.open(image_path).convert("RGB"))


class OwnOutput(Net):
    def get_output(self, input_tensor: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"default": input_tensor.flatten(1)}


def net(**views: Any) -> Net:
    return Net("net", extract_layers=list(LAYERS), device="cpu").set_views(**views)  # type: ignore[return-value]


@pytest.fixture
def batch() -> torch.Tensor:
    return torch.rand((3, 3, 12, 12), generator=torch.Generator().manual_seed(1))


def by_hand(batch: torch.Tensor) -> dict[str, np.ndarray]:
    """What the layers give, from a forward without any recorder."""
    network = net().model
    with torch.no_grad():
        first = network[0](batch)
        relu = first.clamp(min=0)
        last = network[3](relu.flatten(1))
    return {
        layer: rows.flatten(1).numpy()
        for layer, rows in zip(LAYERS, (first, relu, last), strict=True)
    }


def expected(batch: torch.Tensor, flip: str | None, crops: int | None) -> dict[str, np.ndarray]:
    def crop(picture: torch.Tensor, top: int, left: int) -> torch.Tensor:
        side = round(12 * 0.875)
        return pictures.resized_crop(picture, top, left, side, side, [12, 12], antialias=False)

    def mean_of(views: list[torch.Tensor]) -> dict[str, np.ndarray]:
        rows = [by_hand(view) for view in views]
        return {layer: np.mean([row[layer] for row in rows], axis=0) for layer in LAYERS}

    rest = 12 - round(12 * 0.875)
    places = [(0, 0), (0, rest), (rest, 0), (rest, rest), (round(rest / 2), round(rest / 2))]
    mirrored = batch.flip(-1)

    def of(picture: torch.Tensor) -> list[torch.Tensor]:
        return [picture] if crops is None else [crop(picture, *place) for place in places]

    upright = of(batch)
    if crops == 10:
        upright += [view.flip(-1) for view in upright]
    first = mean_of(upright)
    if flip is None:
        return first
    second = mean_of(of(mirrored))
    how = {
        "sum": lambda a, b: a + b,
        "mean": lambda a, b: (a + b) / 2,
        "concat": lambda a, b: np.concatenate([a, b], axis=1),
    }[flip]
    return {layer: how(first[layer], second[layer]) for layer in LAYERS}


ASKED = [
    ("sum", None), ("concat", None), ("mean", None), (None, 5), (None, 10), ("sum", 5),
    ("concat", 5),
]  # fmt: skip


class TestNumbers:
    @pytest.mark.parametrize(("flip", "crops"), ASKED)
    def test_are_those_of_passes_by_hand(
        self, flip: str | None, crops: int | None, batch: torch.Tensor
    ) -> None:
        model = net(flip=flip, crops=crops)
        wanted = expected(batch, flip, crops)
        for found in (model.get_output(batch), model.read_layers(batch)):
            assert list(found) == list(LAYERS)
            for layer, rows in found.items():
                np.testing.assert_allclose(rows.flatten(1), wanted[layer], atol=1e-5)

    @pytest.mark.slow
    @pytest.mark.parametrize(("flip", "crops"), ASKED)
    def test_a_run_gives_them_without_a_warning(
        self, flip: str, crops: int, batch: torch.Tensor, tmp_path: Path, caplog: Any
    ) -> None:
        paths = []
        for number, image in enumerate((batch * 255).byte()):
            paths.append(tmp_path / f"{number}.png")
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(paths[-1])
        exact = torch.stack([net().preprocess_image(path) for path in paths])
        wanted = expected(exact, flip, crops)
        store = open_store(tmp_path / "store")
        with caplog.at_level(logging.WARNING):
            # From the network, then from the store; in batches of two and one.
            for _ in range(2):
                found = embed(net(flip=flip, crops=crops), paths, batch_size=2, store=store)
                for layer in LAYERS:
                    np.testing.assert_allclose(found.layers[layer], wanted[layer], atol=1e-5)
        assert not caplog.records

    def test_default_output(self, batch: torch.Tensor) -> None:
        model = Net("net", device="cpu")
        alone, mirrored = (model.get_output(view)["default"] for view in (batch, batch.flip(-1)))
        found = model.set_views("sum").get_output(batch)["default"]
        torch.testing.assert_close(found, alone + mirrored)
        torch.testing.assert_close(model.set_views().get_output(batch)["default"], alone)

    def test_one_image(self, batch: torch.Tensor) -> None:
        assert net(flip="concat").get_output(batch[0])["3"].shape == (1, 10)


class TestKeys:
    def test_every_setting_is_part_of_the_key(self) -> None:
        class Declared(Net):
            fingerprint = "net 1"

        def key(**views: Any) -> str:
            model = Declared("net", device="cpu").set_views(**views)
            return model_fingerprint(model).layer_key("3")

        plain = key()
        keys = [key(flip=flip, crops=crops) for flip, crops in ASKED] + [
            key(crops=5, crop_scale=0.9)
        ]
        assert len({plain, *keys}) == len(keys) + 1
        assert plain == model_fingerprint(Declared("net", device="cpu")).layer_key("3")
        assert key(flip="sum") == keys[0]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("views", "said"),
        [
            ({"flip": "add"}, "'flip' .* 'sum', 'concat', 'mean'"),
            ({"flip": True}, "'flip'"),
            ({"crops": 3}, "'crops' .* 5 .* or 10"),
            ({"crops": True}, "'crops'"),
            ({"crops": 10, "flip": "sum"}, "include mirror images"),
            ({"crops": 5, "crop_scale": 1.5}, "'crop_scale'"),
            ({"crop_scale": 0.5}, "together with 'crops'"),
        ],
    )
    def test_other_values(self, views: dict[str, Any], said: str) -> None:
        with pytest.raises(InputError, match=said):
            net(**views)

    def test_a_class_that_reads_its_layers_itself(self) -> None:
        with pytest.raises(InputError, match="overrides get_output"):
            OwnOutput("own", device="cpu").set_views("sum")

    def test_inputs_that_are_no_pictures(self) -> None:
        with pytest.raises(InputError, match=r"Got inputs of shape \[4\]"):
            net(flip="sum").get_output(torch.rand(2, 4))
