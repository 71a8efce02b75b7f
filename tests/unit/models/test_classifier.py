"""The classifier of a network, and what enters it."""

import pytest
import torch
from torch import nn

from facebench.errors import ModelError
from facebench.models.classifier import entering, last_layer


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 7)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


def test_what_enters_is_what_the_layer_was_given_and_no_hook_is_left():
    network, batch = Net().eval(), torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        expected = network.features(batch).mean((2, 3))
        assert torch.equal(entering(network, network.fc, batch), expected)
    assert not network.fc._forward_pre_hooks


def test_a_classifier_that_is_not_called_is_refused():
    network = Net()
    with pytest.raises(ModelError, match="does not call its classifier"):
        entering(network, network.unused, torch.randn(1, 3, 8, 8))
    assert not network.unused._forward_pre_hooks


def test_the_last_layer_is_linear_else_a_convolution():
    assert last_layer(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 3), nn.Conv2d(1, 1, 1))) == "1"
    assert last_layer(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())) == "0"
    with pytest.raises(ModelError, match="neither"):
        last_layer(nn.Sequential(nn.ReLU()))
