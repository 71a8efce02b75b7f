"""CVLFace's vision transformer."""

import pytest
import torch

from facebench.models.architectures.cvlface_vit import cvlface_vit as built
from support.published_networks import Weights, cvlface_vit, randomise


@pytest.mark.slow
def test_it_computes_what_the_published_code_does():
    network = randomise(built(2, heads=16, mlp_ratio=3))
    weights = Weights(network.state_dict())
    faces = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(
            network(faces), cvlface_vit(weights, faces, 2, 16), rtol=0, atol=1e-5
        )
    assert not weights.unread
