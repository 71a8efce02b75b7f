"""IR and IR-SE, in the layouts of AdaFace/CVLFace and of TreB1eN/face.evoLVe."""

import pytest
import torch

from facebench.models.architectures.ir import ir
from support.published_networks import Weights, adaface, randomise, treb1en, unit

COUNTS = (2, 2, 2, 2)
LAYOUTS = [(True, adaface), (False, treb1en)]


@pytest.mark.slow
@pytest.mark.parametrize("se", [False, True])
@pytest.mark.parametrize(("middle_norm", "published"), LAYOUTS)
def test_it_computes_what_the_published_code_does(middle_norm, published, se):
    network = randomise(ir(18, middle_norm=middle_norm, se=se))
    weights = Weights(network.state_dict())
    faces = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(
            network(faces), published(weights, faces, COUNTS, se), rtol=0, atol=1e-5
        )
    assert not weights.unread


@pytest.mark.slow
def test_embeddings_are_returned_as_each_repository_does():
    raw = randomise(ir(18, middle_norm=True))
    faces = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        embeddings = raw(faces)
        raw.output = "unit"
        torch.testing.assert_close(raw(faces), unit(embeddings))
        raw.output = "unit and norm"
        feature, norm = raw(faces)
    torch.testing.assert_close(feature * norm, embeddings)
    assert norm.shape == (2, 1)


@pytest.mark.parametrize(("depth", "millions"), [(50, 43.59), (100, 65.15)])
def test_depths_have_the_published_numbers_of_parameters(depth, millions):
    with torch.device("meta"):
        network = ir(depth, middle_norm=True)
    assert sum(part.numel() for part in network.parameters()) / 1e6 == pytest.approx(
        millions, abs=0.01
    )


def test_152_layers_have_50_blocks():
    with torch.device("meta"):
        assert len(ir(152, middle_norm=False).body) == 50
