"""Outputs that cannot be used are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from facebench.engine import embed, forward
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


def sizes_of_passes(model: Small) -> list[int]:
    """Count those of trials too, which the model forgets."""
    sizes: list[int] = []
    model.model.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    return sizes


class TestFixedCost:
    """What a run sends through the network besides its images."""

    @pytest.mark.parametrize(
        ("contiguous", "channels_last", "batches"),
        [
            # Two images by themselves, and half of the first batch in the other layout.
            (1.0, 2.0, [2, 2]),
            # Nearly as fast: once more, since it was the first in its layout, and back again.
            (1.0, 0.9, [2, 2, 4, 4]),
            # What was measured last is the result.
            (1.0, 0.5, [2, 2, 4]),
        ],
    )
    def test_of_a_long_run_in_either_layout(
        self,
        image_folder: Any,
        monkeypatch: pytest.MonkeyPatch,
        contiguous: float,
        channels_last: float,
        batches: list[int],
    ) -> None:
        timed = forward.Forward._timed

        def told(self: forward.Forward, *given: Any) -> Any:
            layers, _ = timed(self, *given)
            is_last = self.model.memory_format == torch.channels_last
            seconds = (channels_last if is_last else contiguous) * len(given[0])
            return layers, forward._Cost(seconds, seconds)

        monkeypatch.setattr(forward.Forward, "_timed", told)
        monkeypatch.setattr(forward, "_SECONDS_WORTH_TRYING", 0.0)
        model = Small()
        sent = sizes_of_passes(model)
        embed(model, image_folder(64), batch_size=4, num_workers=0)
        assert model.memory_format == (
            torch.channels_last if channels_last <= 0.85 else torch.contiguous_format
        )
        assert sent == [*batches, *[4] * 16]

    def test_of_a_short_run_is_two_images(self, image_folder: Any) -> None:
        model = Small()
        sent = sizes_of_passes(model)
        embed(model, image_folder(8), batch_size=4, num_workers=0)
        assert sent == [2, 4, 4]

    def test_a_loaded_machine_does_not_decide_the_layout(self) -> None:
        # Only one of the two clocks says that the other layout is faster.
        own = forward._Cost(1.0, 1.0)
        assert forward._Cost(0.5, 0.5).is_within(0.85, own)
        assert not forward._Cost(0.5, 1.0).is_within(0.85, own)
        assert not forward._Cost(1.0, 0.5).is_within(0.85, own)
