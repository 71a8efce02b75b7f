"""VGGFace2's networks, which are not torchvision's."""

import pytest
import torch
from torchvision.models import resnet50

from facebench.models.architectures.vggface2 import vggface2_resnet50
from support.published_networks import Weights, randomise, vggface2


@pytest.mark.slow
@pytest.mark.parametrize("se", [False, True])
def test_it_computes_what_the_published_code_does(se):
    network = randomise(vggface2_resnet50(se=se))
    weights = Weights(network.state_dict())
    faces = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(network(faces), vggface2(weights, faces, se), rtol=0, atol=1e-5)
    assert not weights.unread


@pytest.mark.slow
def test_torchvision_takes_its_weights_and_computes_something_else():
    network = randomise(vggface2_resnet50())
    other = resnet50(num_classes=8631)
    other.fc = torch.nn.Identity()
    other.load_state_dict(network.state_dict(), strict=True)
    faces = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert not torch.allclose(network(faces), other.eval()(faces), rtol=0.05)
