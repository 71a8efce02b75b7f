"""FaceNet's network."""

import pytest
import torch

from facebench.models.architectures.inception_resnet_v1 import inception_resnet_v1
from support.published_networks import Weights, facenet, randomise


@pytest.mark.slow
def test_it_computes_what_the_published_code_does():
    network = randomise(inception_resnet_v1())
    weights = Weights(network.state_dict())
    faces = torch.randn(1, 3, 160, 160)
    with torch.no_grad():
        torch.testing.assert_close(network(faces), facenet(weights, faces), rtol=0, atol=1e-5)
    assert not weights.unread
