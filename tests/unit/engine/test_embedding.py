"""From image files to embeddings: the same numbers however it is done, and nothing dropped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torchvision.transforms.functional import to_tensor

from facebench.engine import Embeddings, embed
from support.forwarded import Small, one_by_one

LAYERS = ["0", "1", "4"]


@pytest.fixture(scope="module")
def forty_rows(forty: list[Path]) -> np.ndarray:
    return one_by_one(forty)["default"]


class TestSameNumbers:
    @pytest.mark.slow
    @pytest.mark.parametrize("num_workers", [0, 2])
    @pytest.mark.parametrize("batch_size", [1, 7, 32])
    def test_whatever_batches_and_workers(
        self, forty: list[Path], batch_size: int, num_workers: int
    ) -> None:
        model = Small(extract_layers=[*reversed(LAYERS)])
        result = embed(model, forty, batch_size=batch_size, num_workers=num_workers)
        expected = one_by_one(forty, LAYERS)
        assert list(result.layers) == LAYERS
        for layer in LAYERS:
            assert result.layers[layer].dtype == np.float32
            np.testing.assert_allclose(result.layers[layer], expected[layer], rtol=0, atol=1e-5)
        assert [result.row_of[path] for path in forty] == list(range(40))
        assert not result.bad_images
        assert not result.notes

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_each_image_is_forwarded_once(self, forty: list[Path], num_workers: int) -> None:
        model = Small(extract_layers=LAYERS)
        embed(model, forty, batch_size=7, num_workers=num_workers)
        assert model.batches == [7, 7, 7, 7, 7, 5]

    def test_without_layers(self, forty: list[Path]) -> None:
        result = embed(Small(), forty[:5], num_workers=0)
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(forty[:5])["default"], rtol=0, atol=1e-5
        )

    def test_the_number_of_workers_may_be_left_open(self, forty: list[Path]) -> None:
        assert embed(Small(), forty[:5]).layers["default"].shape == (5, 5)

    def test_no_images_give_no_rows(self) -> None:
        assert embed(Small(), []) == Embeddings()

    def test_the_model_is_asked_for_the_path_it_was_given(self, forty: list[Path]) -> None:
        seen = []

        class Own(Small):
            def preprocess_image(self, image_path: Any) -> torch.Tensor:
                seen.append(image_path)
                return torch.full((3, 8, 8), float(Path(image_path).stem[-2:]))

        result = embed(Own(extract_layers=["0"]), forty[:3], num_workers=0)
        # The first images are preprocessed twice, to learn whether chance is at work.
        assert [Path(path) for path in dict.fromkeys(seen)] == forty[:3]
        assert len(np.unique(result.layers["0"], axis=0)) == 3

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_lambda_preprocesses_with_workers_too(
        self, forty: list[Path], num_workers: int
    ) -> None:
        model = Small(preprocess_function=lambda image: to_tensor(image) * 2 - 1)
        result = embed(model, forty[:8], batch_size=3, num_workers=num_workers)
        expected = [model.get_output(model.preprocess_image(path))["default"] for path in forty[:8]]
        np.testing.assert_allclose(
            result.layers["default"], torch.cat(expected).numpy(), rtol=0, atol=1e-5
        )

    @pytest.mark.parametrize("num_workers", [0, 2])
    def test_a_batch_of_one_from_the_preprocessing_counts_as_an_image(
        self, forty: list[Path], num_workers: int
    ) -> None:
        model = Small(preprocess_function=lambda image: to_tensor(image)[None])
        result = embed(model, forty[:5], batch_size=2, num_workers=num_workers)
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(forty[:5])["default"], rtol=0, atol=1e-5
        )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(bad=st.sets(st.integers(0, 11)), batch_size=st.integers(1, 13))
def test_any_bad_images_are_left_out_and_every_other_keeps_its_row(
    forty: list[Path], forty_rows: np.ndarray, tmp_path_factory: Any, bad: set[int], batch_size: int
) -> None:
    folder = tmp_path_factory.mktemp("some-bad")
    paths = [folder / path.name for path in forty[:12]]
    for index, (path, source) in enumerate(zip(paths, forty, strict=False)):
        path.write_bytes(b"" if index in bad else source.read_bytes())
    model = Small()
    result = embed(model, paths, batch_size=batch_size, num_workers=0, on_bad_image="skip")
    good = [index for index in range(12) if index not in bad]
    assert set(result.bad_images) == {paths[index] for index in bad}
    assert [result.row_of[paths[index]] for index in good] == list(range(len(good)))
    assert sum(model.batches) == len(good)
    if good:
        expected = forty_rows[good]
        np.testing.assert_allclose(result.layers["default"], expected, rtol=0, atol=1e-5)
        assert len(result.layers["default"]) == len(good)
