"""CVLFace's vision transformer: no class token, and an embedding made of all patch tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name PyTorch's own documentation uses

__all__ = ["Attention", "Mlp", "PatchEmbed", "VisionTransformer", "VitBlock", "cvlface_vit"]

_SIZE, _PATCH = 112, 8
_N_PATCHES = (_SIZE // _PATCH) ** 2


class PatchEmbed(nn.Module):
    """Patches of an image, each as a token.

    Parameters
    ----------
    width : int
        Numbers in a token.
    """

    outputs_version = "cvlface-patches-1"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, _PATCH, _PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, 3, 112, 112]`` to ``[N, 196, width]``."""
        y: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return y


class Attention(nn.Module):
    """Self-attention.

    Parameters
    ----------
    width, heads : int
        Numbers in a token, and attention heads.
    """

    outputs_version = "cvlface-attention-1"

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, tokens, width]`` to the same shape."""
        images, tokens, width = x.shape
        parts = self.qkv(x).reshape(images, tokens, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.proj(mixed.transpose(1, 2).reshape(images, tokens, width))
        return y


class Mlp(nn.Module):
    """Two linear layers with a ReLU6 between.

    Parameters
    ----------
    width, hidden : int
        Numbers in a token, and between the layers.
    """

    outputs_version = "cvlface-mlp-1"

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.ReLU6()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, tokens, width]`` to the same shape."""
        y: Tensor = self.fc2(self.act(self.fc1(x)))
        return y


class VitBlock(nn.Module):
    """Attention and an MLP, each normalised before and added to its input.

    Parameters
    ----------
    width, heads, mlp_ratio : int
        Numbers in a token, attention heads, and how much wider the MLP is.
    """

    outputs_version = "cvlface-block-1"

    def __init__(self, width: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp_ratio * width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, tokens, width]`` to the same shape."""
        x = x + self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


class VisionTransformer(nn.Module):
    """CVLFace's ViT with patches of 8 pixels; ``feature`` gives the embedding.

    Parameters
    ----------
    depth, heads, mlp_ratio : int
        Blocks, attention heads, and how much wider the MLPs are than the tokens.
    """

    outputs_version = "cvlface-vit-1"

    def __init__(self, depth: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        width = 512
        self.patch_embed = PatchEmbed(width)
        self.pos_embed = nn.Parameter(torch.zeros(1, _N_PATCHES, width))
        self.blocks = nn.ModuleList(VitBlock(width, heads, mlp_ratio) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Sequential(
            nn.Linear(width * _N_PATCHES, width, bias=False),
            nn.BatchNorm1d(width, eps=2e-5),
            nn.Linear(width, 512, bias=False),
            nn.BatchNorm1d(512, eps=2e-5),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map faces ``[N, 3, 112, 112]`` to embeddings ``[N, 512]``."""
        x = self.patch_embed(x) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.feature(self.norm(x).flatten(1))
        return embedding


def cvlface_vit(depth: int, *, heads: int, mlp_ratio: int) -> VisionTransformer:
    """Build an untrained `VisionTransformer`."""
    network = VisionTransformer(depth, heads, mlp_ratio)
    nn.init.trunc_normal_(network.pos_embed, std=0.02)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network
