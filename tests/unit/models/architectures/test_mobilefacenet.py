"""MobileFaceNet, three times."""

import pytest
import torch

from facebench.models.architectures import mobilefacenet
from support import published_networks as published
from support.published_networks import Weights, randomise


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "options", "function", "arguments"),
    [
        ("mobilefacenet", {}, "mobilefacenet", ()),
        ("mobilefacenet", {"width": 128}, "mobilefacenet", ()),
        ("insightface_mobilefacenet", {}, "insightface_mobilefacenet", ()),
        (
            "insightface_mobilefacenet",
            {"blocks": (2, 8, 12, 4), "scale": 4},
            "insightface_mobilefacenet",
            ((2, 8, 12, 4),),
        ),
        ("foamliu_mobilefacenet", {}, "foamliu_mobilefacenet", ()),
    ],
)
def test_it_computes_what_the_published_code_does(build, options, function, arguments):
    network = randomise(getattr(mobilefacenet, build)(**options))
    weights = Weights(network.state_dict())
    faces = torch.randn(1, 3, 112, 112)
    with torch.no_grad():
        expected = getattr(published, function)(weights, faces, *arguments)
        torch.testing.assert_close(network(faces), expected, rtol=0, atol=1e-5)
    assert not weights.unread
