"""VGG16."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from PIL import Image
from torchvision.models import VGG16_Weights, vgg16
from typing_extensions import override

from facebench.models.base import BaseModel
from facebench.models.torchvision import downloaded_network
from facebench.types import StrPath

__all__ = ["Vgg16Model"]


class Vgg16Model(BaseModel):
    """torchvision's VGG16: trained on ImageNet, on your identities, or not at all.

    Parameters
    ----------
    name, weights_path, extract_layers, preprocess_function, device
        See `BaseModel`. A checkpoint may have any number of classes.
    pretrained : bool, default True
        Without `weights_path`: ImageNet weights from torch's own cache or hub. False makes a
        random network, the untrained control of perception studies.
    seed : int, default 0
        Seed of the random network.

    Raises
    ------
    MissingWeightsError
        If pretrained weights are neither cached nor can be downloaded.

    References
    ----------
    K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
    recognition", ICLR 2015.
    """

    outputs_version = "vgg16-1"
    citations = ("simonyan2015vgg", "torchvision2016")
    classifier = "classifier.6"
    memory_format = torch.channels_last

    def __init__(
        self,
        name: str,
        weights_path: StrPath | None = None,
        extract_layers: str | Iterable[str] | None = None,
        preprocess_function: Callable[[Image.Image], torch.Tensor] | None = None,
        *,
        pretrained: bool = True,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.pretrained = pretrained
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained or weights_path is not None else seed
        super().__init__(name, weights_path, extract_layers, preprocess_function, device=device)

    @override
    def _build_model(self) -> None:
        if self.weights_path is not None:
            # Every weight is replaced by the checkpoint's: no need to draw good random ones.
            self.model = vgg16(init_weights=False, num_classes=self.num_identities or 1000)
        elif self.pretrained:
            self.model = downloaded_network(
                vgg16, VGG16_Weights.IMAGENET1K_V1, "VGG16", "weights_path"
            )
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                self.model = vgg16()

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(input_tensor)
        return output
