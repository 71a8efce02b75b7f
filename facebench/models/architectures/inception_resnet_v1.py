"""Inception-ResNet v1, the network of FaceNet, under the names of facenet-pytorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from facebench.models.architectures.start import draw_weights

__all__ = [
    "BasicConv2d",
    "InceptionResidual",
    "InceptionResnetV1",
    "Reduction",
    "inception_resnet_v1",
]

Kernel = int | tuple[int, int]


class BasicConv2d(nn.Module):
    """Convolution, normalisation and ReLU.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel, stride, padding
        See `torch.nn.Conv2d`.
    """

    outputs_version = "inception-conv-1"

    def __init__(
        self, inputs: int, outputs: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        # TensorFlow's, where these weights are from.
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, inputs, H, W]`` to ``[N, outputs, H', W']``."""
        y: Tensor = self.relu(self.bn(self.conv(x)))
        return y


class InceptionResidual(nn.Module):
    """Branches side by side, joined by a convolution, scaled, and added to the input.

    Parameters
    ----------
    branches : list of nn.Module
        They are called ``branch0``, ``branch1`` …
    joined : int
        Channels of all branches together.
    channels : int
        Channels of input and output.
    scale : float
        What the joined branches are multiplied with.
    relu : bool, default True
        Whether a ReLU follows.
    """

    outputs_version = "inception-residual-1"

    def __init__(
        self,
        branches: list[nn.Module],
        joined: int,
        channels: int,
        scale: float,
        *,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.n_branches = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)
        self.conv2d = nn.Conv2d(joined, channels, 1)
        self.relu = nn.ReLU() if relu else None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, channels, H, W]`` to the same shape."""
        parts = [self.get_submodule(f"branch{number}")(x) for number in range(self.n_branches)]
        y: Tensor = self.conv2d(torch.cat(parts, 1)) * self.scale + x
        return y if self.relu is None else self.relu(y)


class Reduction(nn.Module):
    """Branches side by side that halve the resolution.

    Parameters
    ----------
    branches : list of nn.Module
        They are called ``branch0``, ``branch1`` …; a max-pooling comes last.
    """

    outputs_version = "inception-reduction-1"

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.n_branches = len(branches) + 1
        for number, branch in enumerate([*branches, nn.MaxPool2d(3, 2)]):
            self.add_module(f"branch{number}", branch)

    def forward(self, x: Tensor) -> Tensor:
        """Give the channels of all branches."""
        parts = [self.get_submodule(f"branch{number}")(x) for number in range(self.n_branches)]
        return torch.cat(parts, 1)


class InceptionResnetV1(nn.Module):
    """FaceNet's network; embeddings have length 1."""

    outputs_version = "inception-resnet-v1-1"

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = BasicConv2d(3, 32, 3, 2)
        self.conv2d_2a = BasicConv2d(32, 32, 3)
        self.conv2d_2b = BasicConv2d(32, 64, 3, padding=1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = BasicConv2d(64, 80, 1)
        self.conv2d_4a = BasicConv2d(80, 192, 3)
        self.conv2d_4b = BasicConv2d(192, 256, 3, 2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = Reduction(
            [
                BasicConv2d(256, 384, 3, 2),
                nn.Sequential(
                    BasicConv2d(256, 192, 1),
                    BasicConv2d(192, 192, 3, padding=1),
                    BasicConv2d(192, 256, 3, 2),
                ),
            ]
        )
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = Reduction(
            [
                nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 384, 3, 2)),
                nn.Sequential(BasicConv2d(896, 256, 1), BasicConv2d(256, 256, 3, 2)),
                nn.Sequential(
                    BasicConv2d(896, 256, 1),
                    BasicConv2d(256, 256, 3, padding=1),
                    BasicConv2d(256, 256, 3, 2),
                ),
            ]
        )
        self.repeat_3 = nn.Sequential(*(_block8(0.2) for _ in range(5)))
        self.block8 = _block8(1.0, relu=False)
        self.avgpool_1a = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.6)
        self.last_linear = nn.Linear(1792, 512, bias=False)
        self.last_bn = nn.BatchNorm1d(512, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Map faces ``[N, 3, 160, 160]`` to embeddings ``[N, 512]``."""
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_3b(self.maxpool_3a(x))
        x = self.conv2d_4b(self.conv2d_4a(x))
        x = self.mixed_6a(self.repeat_1(x))
        x = self.mixed_7a(self.repeat_2(x))
        x = self.block8(self.repeat_3(x))
        x = self.dropout(self.avgpool_1a(x))
        return F.normalize(self.last_bn(self.last_linear(x.flatten(1))))


def _block35() -> InceptionResidual:
    branches = [
        BasicConv2d(256, 32, 1),
        nn.Sequential(BasicConv2d(256, 32, 1), BasicConv2d(32, 32, 3, padding=1)),
        nn.Sequential(
            BasicConv2d(256, 32, 1),
            BasicConv2d(32, 32, 3, padding=1),
            BasicConv2d(32, 32, 3, padding=1),
        ),
    ]
    return InceptionResidual(branches, 96, 256, 0.17)


def _block17() -> InceptionResidual:
    branches = [
        BasicConv2d(896, 128, 1),
        nn.Sequential(
            BasicConv2d(896, 128, 1),
            BasicConv2d(128, 128, (1, 7), padding=(0, 3)),
            BasicConv2d(128, 128, (7, 1), padding=(3, 0)),
        ),
    ]
    return InceptionResidual(branches, 256, 896, 0.1)


def _block8(scale: float, *, relu: bool = True) -> InceptionResidual:
    branches = [
        BasicConv2d(1792, 192, 1),
        nn.Sequential(
            BasicConv2d(1792, 192, 1),
            BasicConv2d(192, 192, (1, 3), padding=(0, 1)),
            BasicConv2d(192, 192, (3, 1), padding=(1, 0)),
        ),
    ]
    return InceptionResidual(branches, 384, 1792, scale, relu=relu)


def inception_resnet_v1() -> InceptionResnetV1:
    """Build an untrained `InceptionResnetV1`."""
    network = InceptionResnetV1()
    draw_weights(network)
    return network
