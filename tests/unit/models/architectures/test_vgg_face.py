"""VGG-Face on torchvision's VGG16."""

import pytest
import torch

from facebench.models.architectures.vgg_face import KEYS
from facebench.models.architectures.vgg_face import vgg_face as built
from support.published_networks import Weights, randomise, vgg_face


@pytest.mark.slow
def test_it_computes_what_the_published_code_does():
    network = randomise(built())
    published = {layer: key for key, layer in KEYS.items()}
    state = {}
    for key, tensor in network.state_dict().items():
        layer, _, kind = key.rpartition(".")
        state[f"{published[layer]}.{kind}"] = tensor
    weights = Weights(state)
    faces = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(network(faces), vgg_face(weights, faces), rtol=0, atol=1e-5)
    assert not weights.unread
    assert len(KEYS) == 15
