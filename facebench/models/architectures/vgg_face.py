"""VGG-Face: torchvision's VGG16 up to the layer before the classifier."""

from __future__ import annotations

from torch import nn
from torchvision.models import VGG, vgg16

__all__ = ["KEYS", "vgg_face"]

_CONVOLUTIONS = {
    "conv1": (0, 2),
    "conv2": (5, 7),
    "conv3": (10, 12, 14),
    "conv4": (17, 19, 21),
    "conv5": (24, 26, 28),
}
# What the published weights call torchvision's layers.
KEYS = {
    f"{stage}_{number}": f"features.{place}"
    for stage, places in _CONVOLUTIONS.items()
    for number, place in enumerate(places, 1)
} | {"fc6": "classifier.0", "fc7": "classifier.3"}


def vgg_face() -> VGG:
    """Build an untrained VGG16 that ends with the ReLU and dropout after 'fc7'.

    Its layers are called as in torchvision, 'features.0' … 'classifier.5', so that VGG-Face and an
    ImageNet network are compared layer by layer.
    """
    network: VGG = vgg16()
    network.classifier[6] = nn.Identity()
    return network
