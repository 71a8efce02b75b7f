"""Outputs that cannot be used are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from facebench.engine import embed
from facebench.errors import LayerOutputError, ModelError
from support.forwarded import Small


class Broken(Small):
    """Gives a wrong output where an image's first pixel is pure red."""

    wrong = float("nan")

    def _forward(self, input_tensor: torch.Tensor) -> Any:
        output = super()._forward(input_tensor)
        output[input_tensor[:, 0, 0, 0] == 1.0, 2] = self.wrong
        return output


class TestOutputErrors:
    @pytest.fixture
    def paths(self, image_folder: Any) -> list[Path]:
        paths = image_folder(6)
        image = Image.open(paths[3])
        for x in range(32):
            image.putpixel((x, 0), (255, 0, 0))
        image.save(paths[3])
        return paths

    @pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
    @pytest.mark.parametrize("batch_size", [1, 4, 6])
    def test_values_that_are_no_numbers_name_model_layer_and_image(
        self, paths: list[Path], wrong: float, batch_size: int
    ) -> None:
        model = Broken("broken")
        model.wrong = wrong
        with pytest.raises(LayerOutputError) as caught:
            embed(model, paths, batch_size=batch_size, num_workers=0)
        message = str(caught.value)
        for part in ("'broken'", "'default'", str(paths[3])):
            assert part in message
        assert not any(str(path) in message for path in paths if path != paths[3])

    def test_in_a_hooked_layer_too(self, paths: list[Path]) -> None:
        model = Small(extract_layers=["0", "4"])
        with torch.no_grad():
            model.model[4].bias[0] = float("nan")
        with pytest.raises(LayerOutputError, match="Layer '4' of model 'small'"):
            embed(model, paths, num_workers=0)

    def test_layers_of_changing_size_are_an_error(self, paths: list[Path]) -> None:
        class Growing(Small):
            def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
                return super()._forward(input_tensor).repeat(1, len(self.batches))

        with pytest.raises(ModelError, match=r"'default' of model 'small' must have one size"):
            embed(Growing(), paths, batch_size=4, num_workers=0)

    @pytest.mark.parametrize("batch_size", [1, 2])
    def test_images_of_different_shapes_are_an_error(self, tmp_path: Path, batch_size: int) -> None:
        paths = [tmp_path / f"{side}.png" for side in (20, 24)]
        for path, side in zip(paths, (20, 24), strict=True):
            Image.new("RGB", (side, side)).save(path)
        with pytest.raises(ModelError, match=r"one shape.*\[3, 20, 20\].*24\.png.*\[3, 24, 24\]"):
            embed(Small(), paths, batch_size=batch_size, num_workers=0)

    def test_layers_that_come_and_go_are_an_error(self, paths: list[Path]) -> None:
        class Fickle(Small):
            def get_output(self, input_tensor: torch.Tensor) -> dict[str, torch.Tensor]:
                output = super().get_output(input_tensor)
                if len(self.batches) == 2:
                    output["extra"] = output["default"]
                return output

        with pytest.raises(LayerOutputError, match="'extra'"):
            embed(Fickle(), paths, batch_size=2, num_workers=0)
