"""A network as a stranger's repository has it: a file, its helper beside it, and a checkpoint."""

import sys
from pathlib import Path

import torch

from facebench.utils.importing import import_file, importable

__all__ = ["NETWORK", "stranger_network", "write_stranger"]

BLOCKS = """
from torch import nn


class Flatten(nn.Module):
    def forward(self, x):
        return x.view(x.size(0), -1)


class ConvBlock(nn.Module):
    def __init__(self, inp, oup, k, s, p, dw=False, linear=False):
        super().__init__()
        self.linear = linear
        groups = inp if dw else 1
        self.conv = nn.Conv2d(inp, oup, k, s, p, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(oup)
        if not linear:
            self.prelu = nn.PReLU(oup)

    def forward(self, x):
        x = self.bn(self.conv(x))
        return x if self.linear else self.prelu(x)
"""
NETWORK = """
import torch
from torch import nn

from blocks import ConvBlock, Flatten


class Bottleneck(nn.Module):
    def __init__(self, inp, oup, stride, expansion):
        super().__init__()
        self.connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(
            ConvBlock(inp, inp * expansion, 1, 1, 0),
            ConvBlock(inp * expansion, inp * expansion, 3, stride, 1, dw=True),
            ConvBlock(inp * expansion, oup, 1, 1, 0, linear=True),
        )

    def forward(self, x):
        return x + self.conv(x) if self.connect else self.conv(x)


class MobileFaceNet(nn.Module):
    def __init__(self, embedding_size=32):
        super().__init__()
        self.conv1 = ConvBlock(3, 8, 3, 2, 1)
        self.dw_conv1 = ConvBlock(8, 8, 3, 1, 1, dw=True)
        self.blocks = nn.Sequential(
            Bottleneck(8, 8, 2, 2), Bottleneck(8, 8, 1, 2), Bottleneck(8, 16, 2, 2)
        )
        self.linear7 = ConvBlock(16, 16, (14, 14), 1, 0, dw=True, linear=True)
        self.linear1 = ConvBlock(16, embedding_size, 1, 1, 0, linear=True)
        self.flatten = Flatten()

    def forward(self, x):
        x = self.blocks(self.dw_conv1(self.conv1(x)))
        return self.flatten(self.linear1(self.linear7(x)))


class Several(MobileFaceNet):
    def forward(self, x):
        feature = super().forward(x)
        norm = feature.norm(dim=1, keepdim=True)
        return norm, feature / norm

    def embed(self, x):
        return {"norm": self(x)[0], "feature": self(x)[1]}


class Classifying(MobileFaceNet):
    def __init__(self, n_classes=5):
        super().__init__()
        self.logits = nn.Linear(32, n_classes)

    def forward(self, x):
        return self.logits(super().forward(x))


class NeedsDepth(nn.Module):
    def __init__(self, depth):
        super().__init__()


def mobilefacenet(width=32):
    return MobileFaceNet(width)


def no_network():
    return {"a": 1}


def fails():
    raise KeyError("depth")
"""


def write_stranger(folder: Path) -> Path:
    """Write the network's files into a folder; give the one that defines it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "blocks.py").write_text(BLOCKS)
    (folder / "my_net.py").write_text(NETWORK)
    return folder / "my_net.py"


def stranger_network(file: Path, name: str = "MobileFaceNet", seed: int = 0, **arguments):
    """Build a network of the file in Python alone, with batch statistics as after training."""
    # Of another folder, its classes could not be pickled by name.
    sys.modules.pop("blocks", None)
    with importable(file.parent):
        made = getattr(import_file(file), name)
        torch.manual_seed(seed)
        network = made(**arguments).eval()
    for module in network.modules():
        if hasattr(module, "running_var"):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return network
