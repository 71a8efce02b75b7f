"""The input of a network: how an image becomes a tensor, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from facebench.errors import InputError
from facebench.models.network_input import network_input


@pytest.fixture
def photograph():
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_equals_torchvision(photograph):
    theirs = transforms.Compose(
        [
            transforms.Resize(64),
            transforms.CenterCrop((64, 48)),
            transforms.ToTensor(),
            transforms.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)),
        ]
    )
    ours = network_input(
        {"size": [64, 48], "resize": 64, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    )
    assert torch.allclose(ours(photograph), theirs(photograph), atol=1e-6)


def test_mean_and_sd_are_of_the_channels_as_the_network_has_them(photograph):
    ours = network_input(
        {"size": 8, "channels": "bgr", "max_value": 255, "mean": [1, 2, 3], "std": 2}
    )
    resized = np.asarray(photograph.resize((8, 8), Image.Resampling.BILINEAR), float)
    expected = (resized[..., ::-1] - np.array([1, 2, 3])) / 2
    assert np.allclose(ours(photograph).numpy(), expected.transpose(2, 0, 1), atol=1e-4)


def test_grey_is_one_channel(photograph):
    given = network_input({"size": 40, "mean": 0.4, "channels": "grey"})
    found = given(photograph)
    luma = np.asarray(photograph.convert("L").resize((40, 40), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(found[0], (luma / 255 - 0.4) / 0.5, atol=1e-6)
    assert found.shape == (1, 40, 40)
    assert network_input({"size": 40, "channels": "grey"}).mean == (0.5,)
    with pytest.raises(InputError, match="'mean' in the 'input' of a network must be one number"):
        network_input({"size": 40, "channels": "grey", "mean": [0.1, 0.2, 0.3]})


def test_what_is_not_given_comes_from_the_base():
    base = network_input({"size": 112, "channels": "bgr"})
    assert network_input({"mean": 0.2}, base).channels == "bgr"
    assert network_input(base) is base


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"size": 112, "chanels": "rgb"}, "channels"),
        ({"mean": 0.5}, "needs a 'size'"),
        ({"size": "112"}, "size"),
        ({"size": 11.5}, "size"),
        ({"size": [1, 2, 3]}, "size"),
        ({"size": 8, "mean": [1, 2]}, "mean"),
        ({"size": 8, "std": 0}, "std"),
        ({"size": 8, "channels": "grb"}, "'rgb', 'bgr' or 'grey'"),
        ({"size": 8, "interpolation": "cubic"}, "bicubic"),
        ({"size": 8, "resize": 4}, "resize"),
        ({"size": 8, "max_value": 0}, "max_value"),
        (112, "mapping"),
    ],
)
def test_wrong_settings_are_named(settings, named):
    with pytest.raises(InputError, match=named):
        network_input(settings)
