"""dlib's face recognition network, rebuilt in PyTorch so that every layer can be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image

from facebench.faces import NO_FACE, WhichFace
from facebench.faces.chips import face_chip
from facebench.faces.detection import check_which_face
from facebench.models.aligning import AligningModel
from facebench.models.dlib.network import INPUT_SIZE, DlibResNet, pixels_to_input

__all__ = ["DlibResNetModel"]

_PADDING = 0.25


class DlibResNetModel(AligningModel):
    """A face network of 29 layers, trained on three million faces, whose weights pip installs.

    Its 128 numbers are meant for Euclidean distance; people photographed in everyday conditions
    are separated at about 0.6.

    Parameters
    ----------
    name : str, default 'dlib-resnet'
        Display name.
    extract_layers
        See `BaseModel`: 'conv1' … 'layer1.0.relu2' … 'layer5.0' … 'avgpool', 'fc'.
    align : bool, optional
        True finds the face (dlib's frontal detector, upsampled once if need be) and cuts the
        aligned 150-pixel chip the network was trained on. An image in which no face is found is
        cut around its centre and counted as a failure to process; see ``on_no_face`` of
        `MultiModelTaskManager`. False takes images as they are, resized to 150 x 150: for
        ready-made chips, or inverted faces that no detector finds. None, the default, is True, but
        False in tasks whose images `facebench.stimuli.make_conditions` made.
    which_face : {'nearest-centre', 'most-certain', 'largest'}
        Of several faces in an image: the one nearest its centre, the one the detector is most
        certain of, or the largest.
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
    chip = (INPUT_SIZE, _PADDING)
    which_face: WhichFace = "nearest-centre"

    def __init__(
        self,
        name: str = "dlib-resnet",
        extract_layers: str | Iterable[str] | None = None,
        *,
        align: bool | None = None,
        which_face: WhichFace = "nearest-centre",
        pretrained: bool = True,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        check_which_face(which_face)
        self.aligns_by_default = align is None
        self.align = align is not False
        if self.align and which_face != type(self).which_face:
            # Only where it differs: what is stored under the default is still found.
            self.which_face = which_face
        self.pretrained = pretrained
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained else seed
        self.expected_notes = (NO_FACE,) if self.align else ()
        super().__init__(name, extract_layers=extract_layers, device=device)

    @property
    def alignment(self) -> dict[str, Any] | None:
        """How faces are aligned; None where images are taken as they are."""
        found = super().alignment
        return None if found is None else {**found, "which_face": self.which_face}

    def _build_model(self) -> None:
        self.model = (
            DlibResNet.from_dlib_file() if self.pretrained else DlibResNet.untrained(self.seed)
        )

    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        if self.align:
            chip = face_chip(np.asarray(image), INPUT_SIZE, _PADDING, self.which_face)
            if not chip.found:
                self.note_image(NO_FACE)
            pixels = chip.pixels
        else:
            if image.size != (INPUT_SIZE, INPUT_SIZE):
                image = image.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)
            pixels = np.asarray(image)
        return pixels_to_input(torch.tensor(pixels)[None])[0]

    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(input_tensor)
        return output
