"""Manipulations of grey levels: grey, contrast-negated, pixelated, with noise.

All work on the gamma-encoded values of the file, as most face studies do, and state contrast as RMS
contrast: the standard deviation of luminance on a scale of 0 … 1 (Peli, E. (1990). Contrast in
complex images. Journal of the Optical Society of America A, 7(10), 2032-2040).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from facebench.errors import StimulusError
from facebench.faces.pictures import (
    Field,
    Picture,
    checked_picture,
    require_positive,
    rounded,
)
from facebench.stimuli.geometry import face_width
from facebench.stimuli.parts import part_mask
from facebench.stimuli.rendered.parameters import require_seed

_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's mode L
_NOISE_STREAM = 701
_HALF = 0.5
_TRIALS, _MOST_GAIN = 12, 50.0
_FLAT = 1e-6  # grey levels; a uniform picture has no contrast to be raised


def to_grey(image: ArrayLike) -> Picture:
    """Take the colour out: luma (ITU-R BT.601) in all three channels.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8

    Returns
    -------
    ndarray [height, width, 3], uint8

    Examples
    --------
    >>> to_grey(np.array([[[255, 0, 0]]], np.uint8)).tolist()
    [[[76, 76, 76]]]
    """
    return rounded(np.repeat(luma(checked_picture(image))[..., None], 3, axis=2))


def negate(image: ArrayLike) -> Picture:
    """Reverse the contrast, as in a photographic negative: every channel becomes 255 less it.

    People recognise negatives of faces poorly, because shading and pigmentation are reversed. Hue
    is reversed as well, which by itself does little harm (Kemp et al. 1996); apply `to_grey` first
    to leave it out.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8

    Returns
    -------
    ndarray [height, width, 3], uint8

    References
    ----------
    Galper, R. E. (1970). Recognition of faces in photographic negative. Psychonomic Science, 19(4),
    207-208.
    Kemp, R., Pike, G., White, P., & Musselman, A. (1996). Perception and recognition of normal and
    negative faces: the role of shape from shading and pigmentation cues. Perception, 25(1), 37-52.

    Examples
    --------
    >>> negate(np.array([[[255, 0, 100]]], np.uint8)).tolist()
    [[[0, 255, 155]]]
    """
    return 255 - checked_picture(image)


def pixelate(image: ArrayLike, landmarks: ArrayLike, pixels_across: float = 16.0) -> Picture:
    """Show a face in coarse square blocks, each of the mean colour of what it covers.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    pixels_across : float
        How many blocks make the width of the face (see `face_width`), up to the rounding that lets
        whole blocks fill the picture. Two blocks carry one cycle.

    Returns
    -------
    ndarray [height, width, 3], uint8

    References
    ----------
    Harmon, L. D., & Julesz, B. (1973). Masking in visual recognition: effects of two-dimensional
    filtered noise. Science, 180(4091), 1194-1197.
    Bachmann, T. (1991). Identification of spatially quantised tachistoscopic images of faces: how
    many pixels does it take to carry identity? European Journal of Cognitive Psychology, 3(1),
    87-103.
    """
    picture = checked_picture(image)
    require_positive("pixels_across", pixels_across, "blocks across the face")
    block = face_width(landmarks) / pixels_across
    height, width = picture.shape[:2]
    grid = (min(max(round(width / block), 1), width), min(max(round(height / block), 1), height))
    coarse = Image.fromarray(picture).resize(grid, Image.Resampling.BOX)
    return np.array(coarse.resize((width, height), Image.Resampling.NEAREST))


def add_noise(image: ArrayLike, snr: float = 1.0, seed: int = 0) -> Picture:
    """Add white Gaussian luminance noise.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    snr : float
        RMS contrast of the picture divided by RMS contrast of the noise (a ratio of amplitudes, not
        of power), before values are cut off at black and white.
    seed : int
        From 0 up. The same seed gives the same noise.

    Returns
    -------
    ndarray [height, width, 3], uint8

    References
    ----------
    Näsänen, R. (1999). Spatial frequency bandwidth used in the recognition of facial images. Vision
    Research, 39(23), 3824-3833.
    """
    picture = checked_picture(image)
    require_positive("snr", snr, "RMS contrast of the picture over that of the noise")
    require_seed("noise", "seed", seed)
    sd = 255 * rms_contrast(picture) / snr
    rng = np.random.default_rng([_NOISE_STREAM, seed])
    return rounded(picture + sd * rng.standard_normal((*picture.shape[:2], 1)))


def rms_contrast(image: ArrayLike) -> float:
    """Return the RMS contrast: the standard deviation of luma, where white is 1 (Peli 1990).

    Parameters
    ----------
    image : array_like [height, width, 3], uint8

    Examples
    --------
    >>> rms_contrast(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8))
    0.5
    """
    return float(luma(checked_picture(image)).std() / 255)


def set_contrast(image: ArrayLike, landmarks: ArrayLike, contrast: float = 0.12) -> Picture:
    """Bring a face to a given RMS contrast, keeping its mean colour.

    Pictures whose frequencies are compared are usually equated in mean luminance and RMS contrast
    (Willenbockel et al. 2010), because a face of low contrast is hard to see in any case.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    contrast : float
        The standard deviation of luma within the face (see `part_mask`), where white is 1. All of
        the picture is stretched by the factor that gives it (at most 50), also the background.

    Returns
    -------
    ndarray [height, width, 3], uint8

    References
    ----------
    Willenbockel, V., Sadr, J., Fiset, D., Horne, G. O., Gosselin, F., & Tanaka, J. W. (2010).
    Controlling low-level image properties: the SHINE toolbox. Behavior Research Methods, 42(3),
    671-684.
    """
    picture = checked_picture(image)
    return rounded(with_contrast(picture.astype(np.float64), landmarks, contrast))


def reduce_contrast(image: ArrayLike, landmarks: ArrayLike, gain: float = 0.5) -> Picture:
    """Reduce the contrast of a picture to a share of what it is.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    gain : float
        1 leaves the picture as it is, 0 leaves the mean colour of the face (see `part_mask`) alone.

    Returns
    -------
    ndarray [height, width, 3], uint8

    Raises
    ------
    StimulusError
        If the gain is not from 0 to 1: more would be cut off at black and white.
    """
    picture = checked_picture(image)
    if isinstance(gain, bool) or not isinstance(gain, int | float) or not 0 <= gain <= 1:
        msg = f"The 'gain' must be a number from 0 to 1. Got {gain!r} instead."
        raise StimulusError(msg)
    middle = _pixels_of_face(picture, landmarks).mean(axis=0)
    return rounded(middle + gain * (picture - middle))


def with_contrast(values: Field, landmarks: ArrayLike, contrast: float | None) -> Field:
    """Give unrounded pixels [height, width, 3] a contrast; see `set_contrast`."""
    if contrast is None:
        return values
    require_positive("contrast", contrast, "RMS contrast, where white is 1")
    pixels = _pixels_of_face(values, landmarks)
    middle = pixels.mean(axis=0)
    gain = 1.0
    for _ in range(_TRIALS):
        # What is cut off at black and white takes contrast away: raised a little more instead.
        spread = float(luma(np.clip(middle + gain * (pixels - middle), 0, 255)).std())
        if spread < _FLAT:
            return values
        gain = min(gain * 255 * contrast / spread, _MOST_GAIN)
    return np.asarray(middle + gain * (values - middle))


def _pixels_of_face(values: Picture | Field, landmarks: ArrayLike) -> Picture | Field:
    """Return the pixels [n, 3] of a face, or of the picture if the face lies beyond its edge."""
    face = part_mask(landmarks, "face", values.shape) > _HALF
    return values[face] if face.any() else values.reshape(-1, 3)


def luma(picture: Picture | Field) -> Field:
    """Return luma [height, width] of colours [height, width, 3] (ITU-R BT.601)."""
    return np.asarray(picture @ _LUMA)
