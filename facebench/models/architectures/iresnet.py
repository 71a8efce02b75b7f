"""IResNet of insightface and MagFace: ``conv1``, ``layer1`` to ``layer4``, ``features``."""

from __future__ import annotations

from torch import Tensor, nn

from facebench.models.architectures.start import draw_weights

__all__ = ["IResNet", "IResNetBlock", "iresnet"]

_WIDTHS = (64, 128, 256, 512)
_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    200: (6, 26, 60, 6),
}


class IResNetBlock(nn.Module):
    """Two 3 x 3 convolutions between three normalisations, beside a shortcut.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        Of the second convolution and of the shortcut.
    eps : float
        Added to the variance by every normalisation.
    """

    outputs_version = "iresnet-block-1"

    def __init__(self, inputs: int, outputs: int, stride: int, eps: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs, eps=eps)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs, eps=eps)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs, eps=eps)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs, eps=eps),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, inputs, H, W]`` to ``[N, outputs, H / stride, W / stride]``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        y: Tensor = self.bn3(self.conv2(x)) + shortcut
        return y


class IResNet(nn.Module):
    """An IResNet; ``features``, a normalisation, gives the embedding.

    Parameters
    ----------
    depth : {18, 34, 50, 100, 200}
        Nominal number of layers.
    eps : float, default 1e-5
        Added to the variance by every normalisation; 2e-5 in MagFace.
    width : int, default 512
        Numbers in an embedding.
    """

    outputs_version = "iresnet-1"

    def __init__(self, depth: int, eps: float = 1e-5, width: int = 512) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64, eps=eps)
        self.prelu = nn.PReLU(64)
        inputs = 64
        stages = []
        for outputs, count in zip(_WIDTHS, _BLOCKS[depth], strict=True):
            first = IResNetBlock(inputs, outputs, 2, eps)
            others = (IResNetBlock(outputs, outputs, 1, eps) for _ in range(count - 1))
            stages.append(nn.Sequential(first, *others))
            inputs = outputs
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.bn2 = nn.BatchNorm2d(512, eps=eps)
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(512 * 7 * 7, width)
        self.features = nn.BatchNorm1d(width, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Map faces ``[N, 3, 112, 112]`` to embeddings ``[N, width]``."""
        x = self.prelu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        x = self.dropout(self.bn2(x).flatten(1))
        embedding: Tensor = self.features(self.fc(x))
        return embedding


def iresnet(depth: int, *, eps: float = 1e-5, width: int = 512) -> IResNet:
    """Build an untrained `IResNet`."""
    network = IResNet(depth, eps, width)
    draw_weights(network)
    return network
