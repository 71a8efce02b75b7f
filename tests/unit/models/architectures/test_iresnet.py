"""IResNet of insightface and MagFace."""

import pytest
import torch

from facebench.models.architectures.iresnet import iresnet as built
from support.published_networks import Weights, iresnet, randomise


@pytest.mark.slow
@pytest.mark.parametrize("eps", [1e-5, 2e-5])
def test_it_computes_what_the_published_code_does(eps):
    network = randomise(built(18, eps=eps))
    weights = Weights(network.state_dict())
    faces = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        expected = iresnet(weights, faces, (2, 2, 2, 2), eps)
        torch.testing.assert_close(network(faces), expected, rtol=0, atol=1e-5)
    assert not weights.unread


@pytest.mark.parametrize(
    ("depth", "counts", "millions"),
    [(34, (3, 4, 6, 3), 34.14), (50, (3, 4, 14, 3), 43.59), (100, (3, 13, 30, 3), 65.16)],
)
def test_depths_have_the_published_blocks_and_parameters(depth, counts, millions):
    with torch.device("meta"):
        network = built(depth)
    stages = (network.layer1, network.layer2, network.layer3, network.layer4)
    assert tuple(map(len, stages)) == counts
    total = sum(part.numel() for part in network.parameters()) / 1e6
    assert total == pytest.approx(millions, abs=0.01)


def test_embeddings_may_be_of_another_width():
    with torch.device("meta"):
        network = built(18, width=256)
        assert network.eval()(torch.randn(1, 3, 112, 112)).shape == (1, 256)
