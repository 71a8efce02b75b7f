"""EdgeFace: timm's networks, with the published numbers of parameters."""

import pytest
import torch
from torch import nn

from facebench.models.architectures.edgeface import LowRankLinear, edgeface

timm = pytest.importorskip("timm")


def low_rank(module, gamma):
    """Replace linear layers as otroshi/edgeface backbones/timmfr.py does, child by child."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and "head" not in name:
            rank = max(2, int(min(child.in_features, child.out_features) * gamma))
            replaced = nn.Sequential()
            replaced.add_module("linear1", nn.Linear(child.in_features, rank, bias=False))
            replaced.add_module(
                "linear2", nn.Linear(rank, child.out_features, bias=child.bias is not None)
            )
            setattr(module, name, replaced)
        else:
            low_rank(child, gamma)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "gamma", "millions"),
    [
        ("edgenext_base", None, 18.23),
        ("edgenext_small", 0.5, 3.65),
        ("edgenext_x_small", 0.6, 1.77),
        ("edgenext_xx_small", None, 1.24),
    ],
)
def test_it_has_the_published_number_of_parameters(variant, gamma, millions):
    with torch.device("meta"):
        network = edgeface(variant, gamma)
    total = sum(part.numel() for part in network.parameters()) / 1e6
    assert total == pytest.approx(millions, abs=0.006)


@pytest.mark.parametrize("gamma", [None, 0.6])
def test_it_computes_what_the_published_code_does(gamma):
    published = timm.create_model("edgenext_xx_small")
    published.reset_classifier(512)
    if gamma is not None:
        low_rank(published, gamma)
    network = edgeface("edgenext_xx_small", gamma)
    network.load_state_dict(published.state_dict(), strict=True)
    faces = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(faces), published.eval()(faces))
    assert any(isinstance(part, LowRankLinear) for part in network.modules()) is bool(gamma)
