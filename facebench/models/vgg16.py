"""VGG16."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from pickle import UnpicklingError

import torch
from PIL import Image
from torchvision.models import VGG, VGG16_Weights, vgg16

from facebench.errors import MissingWeightsError
from facebench.models.base import BaseModel
from facebench.types import StrPath

__all__ = ["Vgg16Model"]

_log = logging.getLogger(__name__)


class Vgg16Model(BaseModel):
    """torchvision's VGG16: trained on ImageNet, on your identities, or not at all.

    Parameters
    ----------
    name, weights_path, extract_layers, preprocess_function, device
        See `BaseModel`. A checkpoint with another number of classes just loads.
    pretrained : bool, default True
        Without `weights_path`: ImageNet weights from torch's own cache or hub. False makes a
        random network, the untrained control of perception studies.
    seed : int, default 0
        Seed of the random network.

    Raises
    ------
    MissingWeightsError
        If pretrained weights are neither cached nor within reach.

    References
    ----------
    K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
    recognition", ICLR 2015.
    """

    outputs_version = "vgg16-1"
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

    def _build_model(self) -> None:
        if self.weights_path is not None:
            # Every weight is replaced by the checkpoint's: no need to draw good random ones.
            self.model = vgg16(init_weights=False, num_classes=self.num_identities or 1000)
        elif self.pretrained:
            self.model = _pretrained()
        else:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                self.model = vgg16()

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(input_tensor)
        return output


def _pretrained() -> VGG:
    weights = VGG16_Weights.IMAGENET1K_V1
    file_name = Path(weights.url).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file_name
    if not cached.exists():
        _log.info("Downloading the ImageNet weights of VGG16 to %s.", cached)
    on_terminal = sys.stderr.isatty()
    try:
        # torch.hub writes to standard error past all logging.
        with nullcontext() if on_terminal else redirect_stderr(io.StringIO()):
            return vgg16(weights=weights, progress=on_terminal)
    except (OSError, RuntimeError, UnpicklingError, EOFError) as error:
        reason = str(error).splitlines()[0]
        msg = (
            f"The pretrained VGG16 weights {file_name} are not in {cached.parent}, or damaged, "
            f"and cannot be downloaded ({reason}). Put the file there, give weights_path a "
            "checkpoint of your own, or use pretrained=False for an untrained network."
        )
        raise MissingWeightsError(msg) from error
