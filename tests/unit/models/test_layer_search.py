"""Layers are found by name, by the end of a name, by pattern, and as blocks."""

from __future__ import annotations

import pytest
import torch
import torchvision
from hypothesis import strategies as st
from torch import nn

from facebench.errors import UnknownNameError
from facebench.models.layer_search import find_layers, leaf_layers, network_blocks
from facebench.models.layers import LayerRecorder

leaves = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.booleans())


class Attending(nn.Module):
    """A block as torchvision's and timm-like transformers have it, in a list and with attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(x)
        return x + self.attn(y, y, y, need_weights=False)[0]


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.blocks = nn.ModuleList(Attending() for _ in range(2))
        self.encoder.unused = nn.ModuleList()
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.encoder.blocks:
            x = block(x)
        return self.head(x.mean(dim=1))


class TestLayersThatAreNeverCalled:
    def test_all_leaves_can_be_read(self) -> None:
        network = Transformer().eval()
        leaves = leaf_layers(network)
        assert leaves == find_layers(network, ["all"])
        assert leaves == [
            "encoder.blocks.0.norm", "encoder.blocks.0.attn",
            "encoder.blocks.1.norm", "encoder.blocks.1.attn", "head",
        ]  # fmt: skip
        x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
        recorder = LayerRecorder(network, leaves, "net")
        recorder.start(3)
        with torch.no_grad():
            network(x)
            attention = network.encoder.blocks[0]
            y = attention.norm(x)
            expected = attention.attn(y, y, y)[0]
        output = recorder.collect()
        torch.testing.assert_close(output["encoder.blocks.0.attn"], expected.flatten(1))

    def test_patterns_leave_them_out_and_names_may_be_ends(self) -> None:
        network = Transformer()
        assert find_layers(network, ["encoder.**.attn"]) == [
            "encoder.blocks.0.attn", "encoder.blocks.1.attn"
        ]  # fmt: skip
        assert find_layers(network, ["blocks.*"]) == ["encoder.blocks.0", "encoder.blocks.1"]
        assert find_layers(network, ["blocks.1"]) == ["encoder.blocks.1"]
        assert find_layers(network, ["blocks.1.attn.out_proj"]) == ["blocks.1.attn.out_proj"]
        # A full name is taken at its word.
        assert find_layers(network, ["encoder.blocks"]) == ["encoder.blocks"]
        with pytest.raises(UnknownNameError, match=r"'encoder\.blocks\.0\.attn', 'encoder"):
            find_layers(network, ["attn"])


class TestBlocks:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "count", "first"),
        [
            ("resnet18", 8, "layer1.0"),
            ("resnet50", 16, "layer1.0"),
            ("vit_b_32", 12, "encoder.layers.encoder_layer_0"),
            ("swin_t", 12, "features.1.0"),
            ("convnext_tiny", 18, "features.1.0"),
            ("efficientnet_b0", 16, "features.1.0"),
            ("densenet121", 58, "features.denseblock1.denselayer1"),
            ("mobilenet_v2", 17, "features.1"),
            ("vgg16", 5, "features.4"),
        ],
    )
    def test_networks_as_published(self, name: str, count: int, first: str) -> None:
        with torch.device("meta"):
            network = torchvision.models.get_model(name, weights=None)
        blocks = network_blocks(network)
        assert (len(blocks), blocks[0]) == (count, first)

    def test_they_are_asked_for_by_one_word(self) -> None:
        network = Transformer()
        assert find_layers(network, ["blocks", "head"]) == [
            "encoder.blocks.0", "encoder.blocks.1", "head"
        ]  # fmt: skip
        # A list of that name means what is in it.
        assert find_layers(network.encoder, ["blocks"]) == ["blocks.0", "blocks.1"]

    def test_a_network_without_is_told(self) -> None:
        with pytest.raises(UnknownNameError, match="Sequential repeats none"):
            find_layers(nn.Sequential(nn.Linear(2, 2)), ["blocks"])
