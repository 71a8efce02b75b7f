"""Faces of one luminance: mean and contrast, or the whole histogram, equal over a set.

The values of the face count (see `part_mask`), not those of hair and background, which differ more.
Everything is luma of the gamma-encoded file, where white is 1.

References
----------
Willenbockel, V., Sadr, J., Fiset, D., Horne, G. O., Gosselin, F., & Tanaka, J. W. (2010).
Controlling low-level image properties: the SHINE toolbox. Behavior Research Methods, 42(3),
671-684.
Coltuc, D., Bolon, P., & Chassery, J.-M. (2006). Exact histogram specification. IEEE Transactions on
Image Processing, 15(5), 1143-1152.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import uniform_filter

from facebench.errors import StimulusError
from facebench.faces.pictures import Field, Picture, checked_picture, rounded
from facebench.stimuli.parts import part_mask
from facebench.stimuli.tones import luma

_HALF = 0.5
_QUANTILES = 256
_TRIALS = 60
# Aimed at before values are rounded, and the most that is accepted afterwards: where a picture is
# only shifted, all its values are rounded alike.
_CLOSE, _TOLERANCE = 0.01 / 255, 0.55 / 255


@dataclass(frozen=True)
class Luminance:
    """The luminance of a face, or of a set of faces.

    Attributes
    ----------
    mean, contrast : float
        Mean and standard deviation of luma within the face, where white is 1.
    quantiles : tuple of float
        Luma at 256 evenly spaced quantiles, from the darkest to the brightest.
    """

    mean: float
    contrast: float
    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, image: ArrayLike, landmarks: ArrayLike) -> Luminance:
        """Measure a picture, within the face."""
        picture = checked_picture(image)
        values = luma(picture)[_within(picture, landmarks)] / 255
        shares = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        quantiles = np.quantile(values, shares, method="hazen")
        return cls(float(values.mean()), float(values.std()), tuple(quantiles.tolist()))

    @classmethod
    def average(cls, faces: Sequence[Luminance]) -> Luminance:
        """Average the measures of a set, to six decimals."""
        quantiles: Field = np.mean([one.quantiles for one in faces], axis=0)
        return cls(
            round(float(np.mean([one.mean for one in faces])), 6),
            round(float(np.mean([one.contrast for one in faces])), 6),
            tuple(np.round(quantiles, 6).tolist()),
        )

    def with_given(self, mean: float | None, contrast: float | None) -> Luminance:
        """Put what is given in place of the set's, to match mean and contrast alone."""
        return Luminance(
            self.mean if mean is None else mean,
            self.contrast if contrast is None else contrast,
            (),
        )

    def of_histogram(self) -> Luminance:
        """Take the contrast of the quantiles, to match the whole distribution."""
        return replace(self, contrast=round(float(np.std(self.quantiles)), 6))


def match_luminance(
    image: ArrayLike, landmarks: ArrayLike, mean: float, contrast: float
) -> Picture:
    """Bring a face to a mean luminance and an RMS contrast.

    All channels of the whole picture are multiplied and shifted alike. What is cut off at black and
    white takes contrast away: values are moved a little further until the face has both.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    mean, contrast : float
        Mean and standard deviation of luma within the face (see `part_mask`), where white is 1.

    Returns
    -------
    ndarray [height, width, 3], uint8
        Both are met to the rounding of grey levels: mostly to a tenth of one, at worst to a half.

    Raises
    ------
    StimulusError
        If that cannot be: the face is uniform, or too much is cut off at black and white.

    References
    ----------
    See `facebench.stimuli.matching`.
    """
    picture = checked_picture(image)
    for name, value in (("mean", mean), ("contrast", contrast)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            msg = f"The {name!r} must lie between 0 and 1, which is white. Got {value!r} instead."
            raise StimulusError(msg)
    within = _within(picture, landmarks)
    values = picture.astype(np.float64)
    middle = luma(values)[within].mean()
    gain, shift = 1.0, 255 * mean - middle
    for _ in range(_TRIALS):
        matched = np.clip(middle + gain * (values - middle) + shift, 0, 255)
        reached = luma(matched)[within] / 255
        spread = float(reached.std())
        off = mean - float(reached.mean())
        if not spread or (abs(off) < _CLOSE and abs(spread - contrast) < _CLOSE):
            break
        gain *= contrast / spread
        shift += 255 * off
    result = rounded(matched)
    reached = luma(result)[within] / 255
    if abs(reached.mean() - mean) > _TOLERANCE or abs(reached.std() - contrast) > _TOLERANCE:
        msg = (
            f"The face cannot be brought to a mean luminance of {mean:.3f} and a contrast of "
            f"{contrast:.3f}: it reaches {reached.mean():.3f} and {reached.std():.3f}."
        )
        raise StimulusError(msg)
    return result


def match_histogram(image: ArrayLike, landmarks: ArrayLike, quantiles: ArrayLike) -> Picture:
    """Bring a face, in grey, to a distribution of luminance.

    Exact histogram specification: pixels are ordered by luma, equal ones by the mean of 3 × 3 and
    of 5 × 5 pixels around them, and take the values of the target in that order. Outside of the
    face, values follow the same curve.

    Parameters
    ----------
    image : array_like [height, width, 3], uint8
    landmarks : array_like [68, 2]
        In the order of dlib's 68-point predictor.
    quantiles : array_like [k]
        Luma from the darkest to the brightest pixel at evenly spaced quantiles, where white is 1;
        such as `Luminance.quantiles`.

    Returns
    -------
    ndarray [height, width, 3], uint8
        Grey.

    Raises
    ------
    StimulusError
        If quantiles are not two or more rising numbers from 0 to 1.

    References
    ----------
    See `facebench.stimuli.matching`.
    """
    picture = checked_picture(image)
    target = np.asarray(quantiles, np.float64)
    rising = target.ndim == 1 and len(target) > 1 and bool((np.diff(target) >= 0).all())
    if not rising or target[0] < 0 or target[-1] > 1:
        msg = (
            "The 'quantiles' must be two or more rising numbers from 0 to 1. "
            f"Got an array of shape {target.shape} instead."
        )
        raise StimulusError(msg)
    within = _within(picture, landmarks)
    grey = luma(picture)
    finer = [uniform_filter(grey, size, mode="nearest")[within] for size in (5, 3)]
    own = grey[within]
    order = np.lexsort((*finer, own))
    places = (np.arange(len(target)) + 0.5) / len(target)
    wanted = 255 * np.interp((np.arange(len(order)) + 0.5) / len(order), places, target)
    result = np.interp(grey, own[order], wanted)
    inside = np.empty(len(order))
    inside[order] = wanted
    result[within] = inside
    return rounded(np.repeat(result[..., None], 3, axis=2))


def clipped_share(before: Picture, after: Picture, landmarks: ArrayLike) -> float:
    """Return the share of the face's pixels that became black or white in a channel."""
    ends = [((picture == 0) | (picture == 255)) for picture in (before, after)]
    new = (ends[1] & ~ends[0]).any(axis=2)
    return float(new[_within(before, landmarks)].mean())


def _within(picture: Picture, landmarks: ArrayLike) -> NDArray[np.bool_]:
    within = part_mask(landmarks, "face", picture.shape) > _HALF
    if not within.any():
        msg = "The face must lie within the picture. Got landmarks beyond its edge."
        raise StimulusError(msg)
    return within
