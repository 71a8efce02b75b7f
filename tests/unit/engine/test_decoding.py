"""Whether the image or the preprocessing is to blame, and how it is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import to_tensor

from facebench.engine import embed
from facebench.errors import ImageError, ModelError
from support.forwarded import Small, damage, one_by_one, raising


class Plain(Small):
    """Reads images with Pillow itself, as a user would write it."""

    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        with Image.open(image_path) as image:
            return to_tensor(image.convert("RGB"))


class Buggy(Small):
    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        with Image.open(image_path) as image:
            if Path(image_path).stem.endswith("3"):
                image = image.crop(None, 5)  # type: ignore[call-arg]
            return to_tensor(image)


class TestOwnPreprocessing:
    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bad_file_is_the_images_fault(self, image_folder: Any, num_workers: int) -> None:
        paths = image_folder(6)
        damage(paths[2])
        paths[4].unlink()
        result = embed(Plain(), paths, batch_size=4, num_workers=num_workers, on_bad_image="skip")
        assert set(result.bad_images) == {paths[2], paths[4]}
        good = [paths[index] for index in (0, 1, 3, 5)]
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(good)["default"], rtol=0, atol=1e-5
        )

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bug_is_the_preprocessings_fault(self, image_folder: Any, num_workers: int) -> None:
        paths = image_folder(6)
        with pytest.raises(ModelError) as caught:
            embed(Buggy(), paths, num_workers=num_workers, on_bad_image="skip")
        message = str(caught.value)
        assert "preprocessing of model 'small'" in message
        assert str(paths[3]) in message
        assert "raised TypeError" in message
        assert not isinstance(caught.value, ImageError)


def third(wrong: Callable[[torch.Tensor], Any]) -> Callable[[Image.Image], Any]:
    """Preprocess rightly but for the image whose first pixel is pure red."""

    def preprocess(image: Image.Image) -> Any:
        tensor = to_tensor(image)
        return wrong(tensor) if image.getpixel((0, 0)) == (255, 0, 0) else tensor

    return preprocess


class UnusualError(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"code {code}: {reason}")


class TestPreprocessingErrors:
    @pytest.fixture
    def paths(self, image_folder: Any) -> list[Path]:
        paths = image_folder(6)
        image = Image.open(paths[3])
        image.putpixel((0, 0), (255, 0, 0))
        image.save(paths[3])
        return paths

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            (lambda tensor: tensor.numpy(), "ndarray"),
            (lambda _tensor: None, "NoneType"),
            (lambda tensor: tensor[0], "[32, 32]"),
            (lambda tensor: tensor[None, None], "[1, 1, 3, 32, 32]"),
            (lambda tensor: torch.stack([tensor, tensor]), "[2, 3, 32, 32]"),
            (lambda tensor: tensor[:, :20], "[3, 20, 32]"),
            (raising(ValueError("no eyes")), "ValueError: no eyes"),
            (raising(ModelError("no eyes")), "no eyes"),
            (raising(KeyError("left_eye")), "left_eye"),
            (raising(RuntimeError("first line\nsecond line")), "first line"),
            (raising(UnusualError(5, "no eyes")), "UnusualError: code 5: no eyes"),
        ],
        ids=[
            "array", "none", "two axes", "five axes", "two images", "shape", "ValueError",
            "ModelError", "KeyError", "two lines", "own error",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_the_image_is_named_in_one_sentence(
        self, paths: list[Path], wrong: Any, told: str, num_workers: int
    ) -> None:
        model = Small(preprocess_function=third(wrong))
        with pytest.raises(ModelError) as caught:
            embed(model, paths, num_workers=num_workers)
        message = str(caught.value)
        assert str(paths[3]) in message
        assert "'small'" in message
        assert told in message
        assert "Traceback" not in message
        assert message.startswith("The preprocessing of model 'small' must")

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_bug_is_not_skipped_as_a_bad_image(self, paths: list[Path], num_workers: int) -> None:
        model = Small(preprocess_function=third(raising(OSError("no such mask"))))
        with pytest.raises(ModelError, match="no such mask"):
            embed(model, paths, num_workers=num_workers, on_bad_image="skip")
