"""Following a TorchScript graph: branches, several outputs, modules that run twice."""

import warnings

import pytest
import torch
from torch import nn

from facebench.models.script_graph import read_values


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.pair = Pair()

    def forward(self, x):
        x = self.second(x) if float(x.sum()) > 0 else self.first(x)
        left, right = self.pair(x)
        largest, _ = torch.max(left, 1, keepdim=True)
        return self.second(right * largest + 1)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(x), x.neg()


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    network = Branching()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return network, torch.jit.script(network)


@pytest.mark.parametrize("sign", [1, -1])
def test_values_are_those_of_hooks(networks, sign):
    network, script = networks
    batch = torch.full((2, 4), 0.5 * sign)
    expected = {}
    layers = ["first", "second", "pair", "pair.relu"]
    handles = [
        network.get_submodule(layer).register_forward_hook(
            lambda _module, _inputs, output, layer=layer: expected.update(
                {layer: (output[0] if isinstance(output, tuple) else output).clone()}
            )
        )
        for layer in layers
    ]
    with torch.no_grad():
        own = network(batch.clone())
        output, values = read_values(script, batch.clone(), layers)
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(output, own)
    # Only the branch taken is reached, and what a module gives last is read.
    assert values.keys() == expected.keys()
    assert ("first" in values) == (sign < 0)
    for layer, value in values.items():
        torch.testing.assert_close(value, expected[layer])
