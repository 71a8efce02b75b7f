"""MobileFaceNet, as three public repositories wrote it, each with key names of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from facebench.models.architectures.start import draw_weights

__all__ = [
    "Bottleneck",
    "ConvNorm",
    "FoamliuMobileFaceNet",
    "InsightfaceMobileFaceNet",
    "InvertedResidual",
    "MobileFaceNet",
    "foamliu_mobilefacenet",
    "insightface_mobilefacenet",
    "mobilefacenet",
]


class ConvNorm(nn.Sequential):
    """Convolution, normalisation and, if asked for, PReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel, stride, padding, groups : int
        See `torch.nn.Conv2d`.
    prelu : bool, default True
        Whether a PReLU follows.
    """

    outputs_version = "mobilefacenet-conv-1"

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        *,
        prelu: bool = True,
    ) -> None:
        layers: list[tuple[str, nn.Module]] = [
            (
                "conv",
                nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
            ),
            ("bn", nn.BatchNorm2d(outputs)),
        ]
        if prelu:
            layers.append(("prelu", nn.PReLU(outputs)))
        super().__init__(OrderedDict(layers))


class Bottleneck(nn.Module):
    """A 1 x 1, a depthwise 3 x 3 and a 1 x 1 convolution, added to the input if it keeps its shape.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    groups : int
        Channels in between.
    stride : int, default 1
        Of the depthwise convolution.
    """

    outputs_version = "mobilefacenet-bottleneck-1"

    def __init__(self, inputs: int, outputs: int, groups: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = stride == 1
        self.conv = ConvNorm(inputs, groups)
        self.conv_dw = ConvNorm(groups, groups, 3, stride, 1, groups)
        self.project = ConvNorm(groups, outputs, prelu=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, inputs, H, W]`` to ``[N, outputs, H / stride, W / stride]``."""
        y: Tensor = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.residual else y


class MobileFaceNet(nn.Module):
    """TreB1eN's MobileFaceNet (InsightFace_Pytorch); embeddings have length 1.

    Parameters
    ----------
    width : int
        Numbers in an embedding.
    """

    outputs_version = "mobilefacenet-1"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, 64, 3, 2, 1)
        self.conv2_dw = ConvNorm(64, 64, 3, 1, 1, 64)
        self.conv_23 = Bottleneck(64, 64, 128, 2)
        self.conv_3 = _residuals(64, 4, 128)
        self.conv_34 = Bottleneck(64, 128, 256, 2)
        self.conv_4 = _residuals(128, 6, 256)
        self.conv_45 = Bottleneck(128, 128, 512, 2)
        self.conv_5 = _residuals(128, 2, 256)
        self.conv_6_sep = ConvNorm(128, 512)
        self.conv_6_dw = ConvNorm(512, 512, 7, groups=512, prelu=False)
        self.conv_6_flatten = nn.Flatten()
        self.linear = nn.Linear(512, width, bias=False)
        self.bn = nn.BatchNorm1d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map faces ``[N, 3, 112, 112]`` to embeddings ``[N, width]``."""
        # They are registered in the order in which they are called.
        for layer in self.children():
            x = layer(x)
        y: Tensor = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return y


def _residuals(channels: int, count: int, groups: int) -> nn.Sequential:
    blocks = (Bottleneck(channels, channels, groups) for _ in range(count))
    return nn.Sequential(OrderedDict(model=nn.Sequential(*blocks)))


class InsightfaceMobileFaceNet(nn.Module):
    """insightface's MobileFaceNet (arcface_torch), whose parts are all called ``layers``.

    Parameters
    ----------
    blocks : sequence of int
        Depthwise blocks of the first stage (1 is a single convolution), and bottlenecks of others.
    scale : int
        Channels, in multiples of 64.
    width : int
        Numbers in an embedding.
    """

    outputs_version = "insightface-mobilefacenet-1"

    def __init__(self, blocks: Sequence[int], scale: int, width: int) -> None:
        super().__init__()
        narrow, wide = 64 * scale, 128 * scale
        first = (
            _stacked(narrow, narrow, 3, 1, 1, 64)
            if blocks[0] == 1
            else _stack(narrow, blocks[0], 128)
        )
        self.layers = nn.ModuleList(
            [
                _stacked(3, narrow, 3, 2, 1),
                first,
                StackedBottleneck(narrow, narrow, 128, 2),
                _stack(narrow, blocks[1], 128),
                StackedBottleneck(narrow, wide, 256, 2),
                _stack(wide, blocks[2], 256),
                StackedBottleneck(wide, wide, 512, 2),
                _stack(wide, blocks[3], 256),
            ]
        )
        self.conv_sep = _stacked(wide, 512)
        self.features = _named_layers(
            _stacked(512, 512, 7, groups=512, prelu=False),
            nn.Flatten(),
            nn.Linear(512, width, bias=False),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map faces ``[N, 3, 112, 112]`` to embeddings ``[N, width]``."""
        for layer in self.layers:
            x = layer(x)
        embedding: Tensor = self.features(self.conv_sep(x))
        return embedding


class StackedBottleneck(nn.Module):
    """`Bottleneck` with its three convolutions in a row under ``layers``.

    Parameters
    ----------
    inputs, outputs, groups, stride
        See `Bottleneck`.
    """

    outputs_version = "insightface-bottleneck-1"

    def __init__(self, inputs: int, outputs: int, groups: int, stride: int = 1) -> None:
        super().__init__()
        self.residual = stride == 1
        self.layers = nn.Sequential(
            _stacked(inputs, groups),
            _stacked(groups, groups, 3, stride, 1, groups),
            _stacked(groups, outputs, prelu=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, inputs, H, W]`` to ``[N, outputs, H / stride, W / stride]``."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


def _named_layers(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers=nn.Sequential(*layers)))


def _stacked(
    inputs: int,
    outputs: int,
    kernel: int = 1,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    *,
    prelu: bool = True,
) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return _named_layers(conv, nn.BatchNorm2d(outputs), *([nn.PReLU(outputs)] if prelu else []))


def _stack(channels: int, count: int, groups: int) -> nn.Sequential:
    return _named_layers(*(StackedBottleneck(channels, channels, groups) for _ in range(count)))


class InvertedResidual(nn.Module):
    """MobileNetV2's block, added to the input if it keeps its shape.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Of the depthwise convolution.
    expansion : int
        How many times more channels there are in between.
    """

    outputs_version = "foamliu-inverted-residual-1"

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            _relu6(inputs, middle, 1),
            _relu6(middle, middle, 3, stride, middle),
            nn.Conv2d(middle, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, inputs, H, W]`` to ``[N, outputs, H / stride, W / stride]``."""
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


def _relu6(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


class FoamliuMobileFaceNet(nn.Module):
    """foamliu's MobileFaceNet, with ReLU6 where the others have PReLU.

    Parameters
    ----------
    width : int
        Numbers in an embedding.
    """

    outputs_version = "foamliu-mobilefacenet-1"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _relu6(3, 64, 3, 2)
        self.dw_conv = nn.Sequential(
            OrderedDict(
                depthwise=nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False),
                bn1=nn.BatchNorm2d(64),
                relu1=nn.ReLU(),
                pointwise=nn.Conv2d(64, 64, 1, bias=False),
                bn2=nn.BatchNorm2d(64),
                relu2=nn.ReLU(),
            )
        )
        blocks = []
        inputs = 64
        for expansion, outputs, count, stride in (
            (2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1),
        ):  # fmt: skip
            for number in range(count):
                blocks.append(InvertedResidual(inputs, outputs, 1 if number else stride, expansion))
                inputs = outputs
        self.features = nn.Sequential(*blocks)
        self.conv2 = _relu6(128, 512, 1)
        self.gdconv = nn.Sequential(
            OrderedDict(
                depthwise=nn.Conv2d(512, 512, 7, groups=512, bias=False), bn=nn.BatchNorm2d(512)
            )
        )
        self.conv3 = nn.Conv2d(512, width, 1)
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Map faces ``[N, 3, 112, 112]`` to embeddings ``[N, width]``."""
        # They are registered in the order in which they are called.
        for layer in self.children():
            x = layer(x)
        return x.flatten(1)


def mobilefacenet(*, width: int = 512) -> MobileFaceNet:
    """Build an untrained `MobileFaceNet`."""
    network = MobileFaceNet(width)
    draw_weights(network)
    return network


def insightface_mobilefacenet(
    blocks: Sequence[int] = (1, 4, 6, 2), *, scale: int = 2, width: int = 512
) -> InsightfaceMobileFaceNet:
    """Build an untrained `InsightfaceMobileFaceNet`."""
    network = InsightfaceMobileFaceNet(blocks, scale, width)
    draw_weights(network)
    return network


def foamliu_mobilefacenet(*, width: int = 128) -> FoamliuMobileFaceNet:
    """Build an untrained `FoamliuMobileFaceNet`."""
    network = FoamliuMobileFaceNet(width)
    draw_weights(network)
    return network
