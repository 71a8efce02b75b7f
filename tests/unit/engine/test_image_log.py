"""Images that cannot be read, and remarks on images, are counted and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from facebench.engine import embed
from facebench.errors import ImageError
from support.forwarded import Small, damage, one_by_one


class TestBadImages:
    @pytest.fixture
    def paths(self, image_folder: Any) -> list[Path]:
        paths = image_folder(10)
        for index in (4, 7, 8):
            damage(paths[index])
        return paths

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_stop_counts_and_names_them_all(self, paths: list[Path], num_workers: int) -> None:
        with pytest.raises(ImageError) as caught:
            embed(Small(), paths, batch_size=2, num_workers=num_workers)
        message = str(caught.value)
        assert message.startswith("3 of 10 images cannot be read.")
        for index, path in enumerate(paths):
            assert (path.name in message) == (index in (4, 7, 8))
        assert "on_bad_image='skip'" in message

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_stop_forwards_nothing_after_the_first(
        self, paths: list[Path], num_workers: int
    ) -> None:
        model = Small()
        with pytest.raises(ImageError):
            embed(model, paths, batch_size=2, num_workers=num_workers, on_bad_image="stop")
        assert model.batches == [2, 2]

    @pytest.mark.slow
    @pytest.mark.parametrize("num_workers", [0, 2])
    @pytest.mark.parametrize("batch_size", [1, 3, 32])
    def test_skip_leaves_them_out_and_reports_them(
        self,
        paths: list[Path],
        batch_size: int,
        num_workers: int,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        result = embed(
            Small(), paths, batch_size=batch_size, num_workers=num_workers, on_bad_image="skip"
        )
        good = [path for index, path in enumerate(paths) if index not in (4, 7, 8)]
        assert list(result.row_of) == good
        assert set(result.bad_images) == {paths[4], paths[7], paths[8]}
        assert all(path.name in reason for path, reason in result.bad_images.items())
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(good)["default"], rtol=0, atol=1e-5
        )
        assert "3 of 10 images" in caplog.text

    def test_a_missing_file_is_a_bad_image(self, paths: list[Path]) -> None:
        paths[0].unlink()
        result = embed(Small(), paths, num_workers=0, on_bad_image="skip")
        assert "does not exist" in result.bad_images[paths[0]]

    def test_more_than_five_are_counted_but_not_all_told(self, image_folder: Any) -> None:
        paths = image_folder(8)
        for path in paths:
            damage(path)
        model = Small()
        with pytest.raises(ImageError) as caught:
            embed(model, paths, batch_size=3, num_workers=0)
        assert str(caught.value).startswith("8 of 8 images")
        assert [path.name in str(caught.value) for path in paths] == [True] * 5 + [False] * 3
        assert model.batches == []

    def test_all_bad_and_skipped_give_no_rows(self, image_folder: Any) -> None:
        paths = image_folder(3)
        for path in paths:
            damage(path)
        result = embed(Small(), paths, num_workers=0, on_bad_image="skip")
        assert result.layers == {}
        assert len(result.bad_images) == 3


class Noting(Small):
    def preprocess(self, image: Image.Image) -> torch.Tensor:
        if image.getpixel((0, 0))[0] % 2:
            self.note_image("odd")
        self.note_image("seen")
        return super().preprocess(image)


class TestNotes:
    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_notes_are_counted(
        self, forty: list[Path], num_workers: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        result = embed(Noting(), forty, batch_size=7, num_workers=num_workers)
        odd = sum(Image.open(path).getpixel((0, 0))[0] % 2 for path in forty)
        assert 0 < odd < 40
        assert result.notes == {"odd": odd, "seen": 40}
        assert f"'small': odd in {odd} of 40 images" in caplog.text

    def test_notes_from_before_are_not_counted(self, forty: list[Path]) -> None:
        model = Noting()
        model.preprocess_image(forty[0])
        assert embed(model, forty[:4], num_workers=0).notes["seen"] == 4
