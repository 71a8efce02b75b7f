"""Manipulations of spatial frequencies: low-pass, high-pass and phase-scrambled pictures.

Frequencies are cycles per face width (see `face_width`), so that they mean the same at any size and
distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft
from scipy.ndimage import gaussian_filter

from facebench.errors import StimulusError
from facebench.faces.pictures import Field, Picture, checked_picture, require_positive, rounded
from facebench.stimuli.geometry import face_width
from facebench.stimuli.rendered.parameters import require_seed
from facebench.stimuli.tones import with_contrast

_MIDDLE_GREY = 128.0
_SCRAMBLE_STREAM = 702


def low_pass(
    image: ArrayLike,
    landmarks: ArrayLike,
    cycles_per_face: float = 8.0,
    contrast: float | None = None,
) -> Picture:
    """Keep the coarse structure of a face.

    The filter is a Gaussian that passes half of the amplitude at the cutoff. People recognise faces
    from a band about two octaves wide around 8 to 13 cycles per face (Näsänen 1999); what lies
    below 8 carries holistic perception (Goffaux & Rossion 2006).

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    cycles_per_face : float
        The cutoff.
    contrast : float, optional
        The RMS contrast of the face afterwards, see `set_contrast`; by default what the filter
        leaves. Of photographs from the news, 8 cycles and less keep an RMS contrast of 0.13 in the
        face, 16 and more 0.016: filtered faces differ in contrast as much as in frequency unless
        it is set. The conditions of `make_conditions` set it.

    Returns
    -------
    ndarray [height, width, 3], uint8

    References
    ----------
    Näsänen, R. (1999). Spatial frequency bandwidth used in the recognition of facial images. Vision
    Research, 39(23), 3824-3833.
    Goffaux, V., & Rossion, B. (2006). Faces are "spatial": holistic face perception is supported by
    low spatial frequencies. Journal of Experimental Psychology: Human Perception and Performance,
    32(4), 1023-1039.
    """
    coarse = _coarse(checked_picture(image), landmarks, cycles_per_face)
    return rounded(with_contrast(coarse, landmarks, contrast))


def high_pass(
    image: ArrayLike,
    landmarks: ArrayLike,
    cycles_per_face: float = 16.0,
    contrast: float | None = None,
) -> Picture:
    """Keep the fine structure of a face, on middle grey (128).

    What `low_pass` takes away at the same cutoff: the sum of both, less 128, is the picture, up to
    rounding and what is cut off at black and white, unless the contrast is set. Goffaux & Rossion
    (2006) cut off at 32 cycles; a face of 100 pixels holds no more than 50, and photographs
    enlarged to it hold fewer.

    Parameters, result and references are those of `low_pass`.
    """
    picture = checked_picture(image)
    fine = picture - _coarse(picture, landmarks, cycles_per_face) + _MIDDLE_GREY
    return rounded(with_contrast(fine, landmarks, contrast))


def _coarse(picture: Picture, landmarks: ArrayLike, cycles_per_face: float) -> Field:
    require_positive("cycles_per_face", cycles_per_face, "the cutoff in cycles per face width")
    cycles_per_pixel = cycles_per_face / face_width(landmarks)
    # The Fourier transform of a Gaussian of this width is 1/2 at the cutoff.
    sigma = np.sqrt(np.log(2) / 2) / (np.pi * cycles_per_pixel)
    values = picture.astype(np.float64)
    return np.asarray(gaussian_filter(values, (sigma, sigma, 0), mode="reflect"))


def blur(image: ArrayLike, landmarks: ArrayLike, sigma: float = 0.02) -> Picture:
    """Blur a picture with a Gaussian.

    The same filter as `low_pass`, by its width instead of its cutoff, from no blur on; contrast is
    what it leaves.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    sigma : float
        Standard deviation of the Gaussian, as a share of the face's width; 0 leaves the picture as
        it is. Half of the amplitude is left at 0.187 / sigma cycles per face.

    Returns
    -------
    ndarray [height, width, 3], uint8

    Raises
    ------
    StimulusError
        If sigma is negative or not finite.
    """
    picture = checked_picture(image)
    is_number = isinstance(sigma, int | float) and not isinstance(sigma, bool)
    if not is_number or not 0 <= sigma < np.inf:
        msg = f"The 'sigma' must be a number of at least 0 (of the face's width). Got {sigma!r}."
        raise StimulusError(msg)
    pixels = sigma * face_width(landmarks)
    values = picture.astype(np.float64)
    return rounded(gaussian_filter(values, (pixels, pixels, 0), mode="reflect"))


def scramble_phase(image: ArrayLike, seed: int = 0) -> Picture:
    """Destroy all structure but the amplitude spectrum: a control without a face.

    To every phase of the picture's Fourier transform, that of white noise is added, the same in all
    channels, so that colours stay together. Amplitudes stay as they are, up to rounding and what is
    cut off at black and white.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    seed : int
        From 0 up. The same seed gives the same phases.

    Returns
    -------
    ndarray [height, width, 3], uint8

    References
    ----------
    Dakin, S. C., Hess, R. F., Ledgeway, T., & Achtman, R. L. (2002). What causes non-monotonic
    tuning of fMRI response to noisy images? Current Biology, 12(14), R476-R477.
    Sadr, J., & Sinha, P. (2004). Object recognition and random image structure evolution. Cognitive
    Science, 28(2), 259-287.
    """
    picture = checked_picture(image)
    require_seed("phase scrambling", "seed", seed)
    rng = np.random.default_rng([_SCRAMBLE_STREAM, seed])
    phase = np.angle(fft.fft2(rng.standard_normal(picture.shape[:2])))
    phase[0, 0] = 0  # the mean colour stays
    spectrum = fft.fft2(picture.astype(np.float64), axes=(0, 1)) * np.exp(1j * phase)[..., None]
    return rounded(fft.ifft2(spectrum, axes=(0, 1)).real)
