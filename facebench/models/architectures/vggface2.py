"""VGGFace2's ResNet-50 and SENet-50, as Caffe computes them.

Keys and shapes of the ResNet-50 are torchvision's, but the stride of a stage is on the first
1 x 1 convolution of its first block (torchvision: on the 3 x 3 one), and max-pooling pads nothing
and rounds up.
"""

from __future__ import annotations

from torch import Tensor, nn

from facebench.models.architectures.start import draw_weights

__all__ = ["CaffeBottleneck", "CaffeResNet50", "vggface2_resnet50"]


class CaffeBottleneck(nn.Module):
    """A bottleneck of ResNet-50 whose first convolution has the stride.

    Parameters
    ----------
    inputs, middle : int
        Channels of the input, and of the convolutions within; the output has four times those.
    stride : int
        Of the first convolution.
    se : bool
        Whether channels are weighted at the end (squeeze and excitation, ``conv4``, ``conv5``).
    """

    outputs_version = "caffe-bottleneck-1"

    def __init__(self, inputs: int, middle: int, stride: int, *, se: bool) -> None:
        super().__init__()
        outputs = 4 * middle
        self.conv1 = nn.Conv2d(inputs, middle, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(middle, middle, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(middle, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.se = se
        if se:
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.conv4 = nn.Conv2d(outputs, outputs // 16, 1)
            self.relu4 = nn.ReLU()
            self.conv5 = nn.Conv2d(outputs // 16, outputs, 1)
            self.sigmoid = nn.Sigmoid()
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.relu3 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, inputs, H, W]`` to ``[N, 4 middle, H / stride, W / stride]``."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.relu2(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        if self.se:
            weights = self.conv5(self.relu4(self.conv4(self.avgpool(x))))
            x = self.sigmoid(weights) * x
        y: Tensor = self.relu3(x + shortcut)
        return y


class CaffeResNet50(nn.Module):
    """VGGFace2's ResNet-50 or SENet-50 without its classifier.

    Parameters
    ----------
    se : bool
        Whether it is the SENet-50.
    """

    outputs_version = "caffe-resnet50-1"

    def __init__(self, *, se: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, padding=0, ceil_mode=True)
        inputs = 64
        stages = []
        for middle, count, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            first = CaffeBottleneck(inputs, middle, stride, se=se)
            inputs = 4 * middle
            others = (CaffeBottleneck(inputs, middle, 1, se=se) for _ in range(count - 1))
            stages.append(nn.Sequential(first, *others))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """Map faces ``[N, 3, 224, 224]`` to embeddings ``[N, 2048]``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        embedding: Tensor = self.avgpool(x).flatten(1)
        return embedding


def vggface2_resnet50(*, se: bool = False) -> CaffeResNet50:
    """Build an untrained `CaffeResNet50`."""
    network = CaffeResNet50(se=se)
    draw_weights(network)
    return network
