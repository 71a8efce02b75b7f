"""Convolutions by Winograd's algorithm give what the definition gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from facebench.engine.winograd import WinogradConvolution, with_winograd
from facebench.models.acceleration import nnpack_is_available

pytestmark = pytest.mark.skipif(not nnpack_is_available(), reason="this torch has no NNPACK")


@pytest.mark.parametrize(
    "shape", [(1, 7, 7), (2, 4, 9), (5, 14, 14), (16, 7, 7), (3, 30, 5), (2, 56, 60), (13, 5, 31)]
)
@pytest.mark.parametrize("has_bias", [True, False])
def test_images_of_any_size_and_number(shape: tuple[int, int, int], has_bias: bool) -> None:
    torch.manual_seed(0)
    n_images, height, width = shape
    weight, bias = torch.randn(40, 32, 3, 3), torch.randn(40) if has_bias else None
    # Images of other brightness beside each other.
    batch = torch.randn(n_images, 32, height, width) * torch.rand(n_images, 1, 1, 1).add(0.1)
    expected = torch.conv2d(batch.double(), weight.double(), None, 1, 1)
    if bias is not None:
        expected += bias.double()[:, None, None]
    found = WinogradConvolution(weight, bias)(batch)
    assert found.shape == expected.shape
    assert found.is_contiguous()
    apart = (found - expected).flatten(1).norm(dim=1) / expected.flatten(1).norm(dim=1)
    assert float(apart.max()) < 3e-5


class Mixed(nn.Module):
    """Convolutions that fit and others, with batch norms before, behind and beside them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv2d(3, 32, 5, stride=2, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(32, affine=place != 1) for place in range(4))
        for norm in self.norms:
            norm.running_mean.uniform_(-1, 1)
            norm.running_var.uniform_(0.5, 2)
        self.same = nn.Conv2d(32, 32, 3, padding=1)
        self.without = nn.Conv2d(32, 32, 3)
        self.dilated = nn.Conv2d(32, 32, 3, padding=2, dilation=2)
        self.grouped = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.mirrored = nn.Conv2d(32, 32, 3, padding=1, padding_mode="reflect")
        self.eval()

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        one = self.norms[0](self.first(batch)).relu_()
        two = self.same(one)
        three = self.norms[1](two)
        # The same weights, elsewhere and behind another batch norm.
        four = self.norms[2](self.same(self.norms[3](three)))
        five = self.mirrored(self.grouped(self.dilated(self.without(four))))
        return one, two, three, four, five


def test_a_network_of_many_kinds_of_convolutions() -> None:
    network, batch = Mixed(), torch.randn(5, 3, 40, 40)
    with torch.no_grad():
        expected = network(batch)
        program = torch.export.export(network, (batch,), strict=False)
        made = with_winograd(program)
        found = made(batch)
    replaced = [module for module in made.modules() if isinstance(module, WinogradConvolution)]
    assert len(replaced) == 2
    targets = [node.target for node in made.graph.nodes]
    # Its input is no convolution, or somebody else wants that.
    assert targets.count(torch.ops.aten.batch_norm.default) == 2
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).norm() / other.norm()) < 1e-5


def test_what_fits() -> None:
    fits: Any = WinogradConvolution.fits
    assert fits([1, 1], [1, 1], [1, 1], 1)
    assert not fits([2, 2], [1, 1], [1, 1], 1)
    assert not fits([1, 1], [0, 0], [1, 1], 1)
    assert not fits([1, 1], [1, 1], [1, 2], 1)
    assert not fits([1, 1], [1, 1], [1, 1], 32)
