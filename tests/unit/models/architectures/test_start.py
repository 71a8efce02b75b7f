"""Random weights to begin with."""

import pytest
import torch
from torch import nn

from facebench.models.architectures.iresnet import iresnet
from facebench.models.architectures.start import draw_weights


def test_layers_keep_the_size_of_their_input():
    torch.manual_seed(0)
    network = nn.Sequential(*(part for _ in range(6) for part in (nn.Linear(400, 400), nn.ReLU())))
    draw_weights(network)
    x = torch.randn(200, 400)
    with torch.no_grad():
        y = network(x)
    assert 0.5 < float(y.square().mean() / x.square().mean()) < 2
    assert not any(bool(layer.bias.any()) for layer in network if isinstance(layer, nn.Linear))


@pytest.mark.slow
def test_an_untrained_network_of_many_layers_gives_finite_values():
    torch.manual_seed(0)
    with torch.no_grad():
        assert bool(iresnet(50).eval()(torch.randn(1, 3, 112, 112)).isfinite().all())
