"""Batches are loaded by worker processes on every platform."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms.functional import to_tensor

from facebench.engine import embed, loading
from facebench.errors import ModelError
from facebench.models.vgg16 import Vgg16Model
from support.forwarded import Small, one_by_one, raising


class TestWorkersAfterAnError:
    @pytest.mark.slow
    @pytest.mark.parametrize("fault", ["preprocessing", "output"])
    def test_none_is_left_while_the_error_is_kept(self, forty: list[Path], fault: str) -> None:
        # The manager keeps a model's error and goes on with the next model. Workers left behind
        # would be inherited by that one's forks, which then stall and break each other's queues.
        model = Small(preprocess_function=raising(ValueError("no eyes")))
        if fault == "output":
            model = Small()
            with torch.no_grad():
                model.model[4].bias[0] = float("nan")
        before = set(multiprocessing.active_children())
        with pytest.raises(ModelError) as caught:
            embed(model, forty, batch_size=2, num_workers=2)
        left = set(multiprocessing.active_children()) - before
        assert caught.value.__traceback__ is not None
        assert not left


@pytest.mark.slow
def test_workers_end_with_the_last_image_and_start_again_for_a_damaged_one(
    forty: list[Path],
) -> None:
    files = [loading.ImageFile(path) for path in forty]
    before = set(multiprocessing.active_children())
    with loading.Loader(Small(), 2, 40) as loader:
        batches = loader.batches([files[:20], files[20:]])
        loaded = [next(batches)]
        assert loader._pool is None
        loaded += [*batches, *loader.batches([files[:1]])]
    assert [len(batch.paths) for batch in loaded] == [20, 20, 1]
    assert not set(multiprocessing.active_children()) - before


class OfTwoTypes(Small):
    """Gives bytes for every other image."""

    def preprocess_image(self, image_path: Any) -> torch.Tensor:
        pixels = super().preprocess_image(image_path)
        return pixels if int(Path(image_path).stem[-2:]) % 2 else pixels.mul(9).to(torch.uint8)


@pytest.mark.slow
def test_values_do_not_take_the_type_of_another_workers_images(forty: list[Path]) -> None:
    alone, workers = (embed(OfTwoTypes(), forty, batch_size=40, num_workers=n) for n in (0, 2))
    assert np.array_equal(alone.layers["default"], workers.layers["default"])


def no_fork(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "mac":
        monkeypatch.setattr(loading, "_is_mac", lambda: True)
    else:
        monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])


class TestOtherPlatforms:
    def test_forked_workers_share_the_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(loading, "_is_mac", lambda: False)
        if "fork" not in multiprocessing.get_all_start_methods():
            pytest.skip("this platform does not fork")
        model = Small(preprocess_function=lambda image: to_tensor(image))
        assert loading.for_workers(model) == (model, "fork")

    @pytest.mark.parametrize("how", ["mac", "windows"])
    def test_spawned_workers_get_a_copy_without_the_network(
        self, monkeypatch: pytest.MonkeyPatch, how: str, forty: list[Path]
    ) -> None:
        no_fork(monkeypatch, how)
        model = Small(extract_layers=["0"])
        model.model.add_module("heavy", nn.Linear(1000, 1000))
        light, context = loading.for_workers(model)
        assert context == "spawn"
        pickled = pickle.dumps(light)
        assert len(pickled) < 10_000
        arrived = pickle.loads(pickled)
        assert torch.equal(arrived.preprocess_image(forty[0]), model.preprocess_image(forty[0]))
        assert arrived.take_image_notes() == []
        assert isinstance(model.model, nn.Module)

    @pytest.mark.parametrize("how", ["mac", "windows"])
    def test_what_cannot_be_pickled_is_preprocessed_here(
        self, monkeypatch: pytest.MonkeyPatch, how: str, forty: list[Path], caplog: Any
    ) -> None:
        no_fork(monkeypatch, how)
        model = Small(preprocess_function=lambda image: to_tensor(image))
        caplog.set_level(logging.INFO, logger="facebench")
        assert loading.for_workers(model) == (model, None)
        assert "without workers" in caplog.text
        result = embed(model, forty, num_workers=2)
        np.testing.assert_allclose(
            result.layers["default"], one_by_one(forty)["default"], rtol=0, atol=1e-5
        )

    @pytest.mark.slow
    @pytest.mark.usefixtures("tiny_vgg16")
    def test_a_spawned_worker_gives_the_same_numbers(
        self, monkeypatch: pytest.MonkeyPatch, image_folder: Any
    ) -> None:
        no_fork(monkeypatch, "windows")
        paths = image_folder(6)
        model = Vgg16Model("vgg", None, "avgpool", to_tensor, pretrained=False)
        spawned = embed(model, paths, batch_size=2, num_workers=1)
        here = embed(model, paths, batch_size=2, num_workers=0)
        assert np.array_equal(spawned.layers["avgpool"], here.layers["avgpool"])
        assert spawned.row_of == here.row_of
