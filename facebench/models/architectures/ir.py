"""IR and IR-SE, residual networks of ``input_layer``, ``body`` and ``output_layer``."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from facebench.models.architectures.start import draw_weights

__all__ = ["IR", "IRBlock", "SqueezeExcitation", "ir"]

_WIDTHS = (64, 128, 256, 512)
_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    152: (3, 8, 36, 3),
}
Output = Literal["raw", "unit", "unit and norm"]


class SqueezeExcitation(nn.Module):
    """A weight for each channel, computed from the means of all channels.

    Parameters
    ----------
    channels : int
        How many.
    """

    outputs_version = "squeeze-excitation-1"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.relu = nn.ReLU()
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Weight the channels of ``[N, channels, H, W]``."""
        weights = self.sigmoid(self.fc2(self.relu(self.fc1(self.avg_pool(x)))))
        y: Tensor = x * weights
        return y


class IRBlock(nn.Module):
    """Two 3 x 3 convolutions, normalised before and after, beside a shortcut.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Of the second convolution and of the shortcut.
    middle_norm : bool
        Whether the first convolution is normalised too, as in AdaFace and CVLFace.
    se : bool
        Whether channels are weighted at the end (squeeze and excitation).
    """

    outputs_version = "ir-block-1"

    def __init__(
        self, inputs: int, outputs: int, stride: int, *, middle_norm: bool, se: bool
    ) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module
        if inputs == outputs:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            *([nn.BatchNorm2d(outputs)] if middle_norm else []),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        if se:
            name = "se_block" if middle_norm else str(len(self.res_layer))
            self.res_layer.add_module(name, SqueezeExcitation(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, inputs, H, W]`` to ``[N, outputs, H / stride, W / stride]``."""
        y: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return y


class IR(nn.Module):
    """An IR network: ``input_layer``, ``body.0`` …, ``output_layer``.

    Parameters
    ----------
    depth : {18, 34, 50, 100, 152}
        Nominal number of layers; 100 is called 101 in some places.
    middle_norm : bool
        Whether the first convolution of a block is normalised, as in AdaFace and CVLFace. Their
        last normalisation then has no weights of its own, as there.
    se : bool
        Whether blocks weight their channels.
    output : {'raw', 'unit', 'unit and norm'}
        What is returned: the embedding, the embedding of length 1, or that and its length before.
    """

    outputs_version = "ir-1"

    def __init__(self, depth: int, *, middle_norm: bool, se: bool, output: Output) -> None:
        super().__init__()
        self.output = output
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        blocks = []
        inputs = 64
        for outputs, count in zip(_WIDTHS, _BLOCKS[depth], strict=True):
            for number in range(count):
                stride = 1 if number else 2
                blocks.append(IRBlock(inputs, outputs, stride, middle_norm=middle_norm, se=se))
                inputs = outputs
        self.body = nn.Sequential(*blocks)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.Dropout(0.4),
            nn.Flatten(),
            nn.Linear(512 * 7 * 7, 512),
            nn.BatchNorm1d(512, affine=not middle_norm),
        )

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Map faces ``[N, 3, 112, 112]`` to embeddings ``[N, 512]``."""
        x = self.output_layer(self.body(self.input_layer(x)))
        if self.output == "raw":
            return x
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x / norm if self.output == "unit" else (x / norm, norm)


def ir(depth: int, *, middle_norm: bool, se: bool = False, output: Output = "raw") -> IR:
    """Build an untrained `IR`."""
    network = IR(depth, middle_norm=middle_norm, se=se, output=output)
    draw_weights(network)
    return network
