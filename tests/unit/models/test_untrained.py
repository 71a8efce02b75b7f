"""Random networks as controls."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from facebench import Vgg16Model, untrained_copies
from facebench.errors import InputError


def test_copies_differ_by_seed_alone(tiny_vgg16) -> None:
    factory = partial(Vgg16Model, extract_layers=["avgpool"], device="cpu")
    copies = untrained_copies(factory, 3, name="VGG16 untrained")
    assert [model.name for model in copies] == [f"VGG16 untrained {seed}" for seed in range(3)]
    assert [model.seed for model in copies] == [0, 1, 2]
    again = untrained_copies(factory, 2)
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    first, second, repeated = (
        model.get_output(images)["avgpool"] for model in (copies[0], copies[1], again[0])
    )
    assert torch.equal(first, repeated)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("n_seeds", [0, -1, True, 1.5])
def test_numbers_of_copies(n_seeds) -> None:
    with pytest.raises(InputError, match="n_seeds"):
        untrained_copies(Vgg16Model, n_seeds)


def test_factories_must_take_the_name(tiny_vgg16) -> None:
    def deaf(name: str, pretrained: bool, seed: int) -> Vgg16Model:
        return Vgg16Model("mine", pretrained=pretrained, seed=seed)

    with pytest.raises(InputError, match="Asked for 'untrained 0', it made 'mine'"):
        untrained_copies(deaf, 1)
    with pytest.raises(InputError, match="it made 'int'"):
        untrained_copies(lambda **_: 3, 1)
