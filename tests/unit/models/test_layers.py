"""Recording what layers return: any network of in-place modules, any choice of layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from facebench.errors import LayerOutputError, UnknownNameError
from facebench.models.layers import LayerRecorder, first_tensor, flat_copy


class AddInPlace(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.add_(1.0)


class ScaleView(nn.Module):
    """Returns a view of memory that it has changed."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul_(-0.5).view_as(x)


class Flip(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flip(-1)


MODULES = [
    lambda: nn.ReLU(inplace=True),
    lambda: nn.LeakyReLU(0.3, inplace=True),
    lambda: nn.Hardtanh(-1.5, 1.5, inplace=True),
    nn.Identity,
    AddInPlace,
    ScaleView,
    Flip,
]


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kinds=st.lists(st.sampled_from(MODULES), min_size=1, max_size=8))
def test_any_layers_give_their_own_outputs_in_network_order(data: Any, kinds: list[Any]) -> None:
    network = nn.Sequential(*(kind() for kind in kinds)).eval()
    every = [str(index) for index in range(len(kinds))]
    asked = data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=10))
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)) * 2
    expected, value = {}, x.clone()
    for name, module in zip(every, network, strict=True):
        value = module(value.clone()).clone()
        expected[name] = value
    recorder = LayerRecorder(network, asked, "net")
    recorder.start(3)
    network(x.clone())
    outputs = recorder.collect()
    assert list(outputs) == [name for name in every if name in asked] == recorder.layers
    for name, output in outputs.items():
        assert torch.equal(output, expected[name])


leaves = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.booleans())

containers = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(containers, containers)
def test_the_first_tensor_is_found_however_deep(before: Any, after: Any) -> None:
    tensor, second = torch.zeros(1), torch.ones(1)
    assert first_tensor((before, after)) is None
    assert first_tensor([before, {"a": before, "b": (tensor, second)}, after, second]) is tensor


def test_a_text_is_no_container() -> None:
    assert first_tensor("features") is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_flat_copies_keep_the_values_of_each_image_in_order(shape: list[int], random: Any) -> None:
    tensor = torch.arange(float(torch.tensor(shape).prod())).reshape(shape)
    order = list(range(1, len(shape)))
    random.shuffle(order)
    # The same tensor, with its axes in another order in memory.
    back = [0, *(1 + order.index(axis) for axis in range(1, len(shape)))]
    strided = tensor.permute(0, *order).contiguous().permute(back)
    assert torch.equal(strided, tensor)
    flat = flat_copy(strided, "here", shape[0])
    assert flat.shape == (shape[0], tensor[0].numel())
    assert torch.equal(flat, tensor.reshape(shape[0], -1))
    assert flat.data_ptr() != strided.data_ptr()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_other_batch_sizes_are_refused(count: int) -> None:
    with pytest.raises(LayerOutputError, match=rf"here returned .*\[3, 2\] for {count} images"):
        flat_copy(torch.zeros(3, 2), "here", count)


def nested() -> nn.Module:
    block = nn.ModuleDict({"attention": nn.Linear(2, 2), "mlp": nn.Linear(2, 2)})
    return nn.ModuleDict({"encoder": nn.ModuleList([block]), "head": nn.Linear(2, 2)})


def test_unknown_name_tells_where_a_short_name_is_found() -> None:
    with pytest.raises(UnknownNameError, match=r"encoder\.0\.mlp"):
        LayerRecorder(nested(), ["mlp"], "net")


def test_unknown_name_counts_all_layers() -> None:
    network = nested()
    count = len(list(network.named_modules())) - 1
    with pytest.raises(UnknownNameError, match=f"lists all {count}"):
        LayerRecorder(network, ["zzz"], "net")


@pytest.mark.parametrize("layer", [5, None, ("head",)])
def test_names_that_are_no_text_are_unknown(layer: Any) -> None:
    with pytest.raises(UnknownNameError):
        LayerRecorder(nested(), [layer], "net")


def test_nothing_is_hooked_when_a_name_is_unknown() -> None:
    network = nested()
    with pytest.raises(UnknownNameError):
        LayerRecorder(network, ["head", "none"], "net")
    assert not network["head"]._forward_hooks


def test_unreached_layers_are_all_named() -> None:
    network = nested()
    recorder = LayerRecorder(network, ["head", "encoder.0.mlp", "encoder.0.attention"], "net")
    recorder.start(1)
    network["head"](torch.zeros(1, 2))
    with pytest.raises(LayerOutputError, match=r"encoder\.0\.attention, encoder\.0\.mlp"):
        recorder.collect()
