"""The conditions that `make_conditions` knows, and what each of them needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from facebench.errors import StimulusError
from facebench.faces.pictures import Field, Picture
from facebench.stimuli.blending import Ellipse
from facebench.stimuli.composites import composite
from facebench.stimuli.exchange import exchange_feature
from facebench.stimuli.geometry import feature_outlines
from facebench.stimuli.manipulate import invert, rotate, thatcherise
from facebench.stimuli.matching import Luminance, match_histogram, match_luminance
from facebench.stimuli.occluders import cover_with_mask, cover_with_sunglasses
from facebench.stimuli.parts import show_only
from facebench.stimuli.spacing import change_eye_distance, move_mouth
from facebench.stimuli.spectrum import blur, high_pass, low_pass, scramble_phase
from facebench.stimuli.tones import (
    add_noise,
    negate,
    pixelate,
    reduce_contrast,
    set_contrast,
    to_grey,
)
from facebench.stimuli.warping import average_face, caricature, morph

_CONTRAST = 0.12  # RMS, that all frequencies can be brought to without much cut off
_NOT_PROFILE, _FRONTAL = 40.0, 30.0  # degrees, see head_yaw
_MEMBERS = 20  # of the photographs of a person, so many make an average
Design = Literal["verification", "thatcher", "composite", "feature", "morph", "average"]


@dataclass(frozen=True)
class LandmarkedFace:
    """A picture and its 68 landmarks."""

    picture: Picture
    landmarks: Field


@dataclass(frozen=True)
class Around:
    """What a condition of one face takes of the others.

    Attributes
    ----------
    donors : sequence of LandmarkedFace
        Faces of other people, the most similar first.
    others : sequence of LandmarkedFace
        Other photographs of the same person.
    shape : ndarray [68, 2] or None
        The mean landmarks of all people.
    target : Luminance or None
        The luminance to be matched.
    """

    donors: Sequence[LandmarkedFace] = ()
    others: Sequence[LandmarkedFace] = ()
    shape: Field | None = None
    target: Luminance | None = None


Maker = Callable[..., list[Picture]]


@dataclass(frozen=True)
class Manipulation:
    """One way of manipulating faces.

    Attributes
    ----------
    design : str
        Which pairs it needs, see `facebench.stimuli.pair_tables`.
    make : callable
        ``make(face, around, seed, **parameters)`` gives a picture per variant; see `Around`.
    parameters : dict
        The defaults.
    variants : tuple of str
        What is appended to the label to name each folder.
    donors : int
        How many other people's faces it takes.
    max_yaw : float
        By how many degrees heads may be turned, see `facebench.stimuli.head_yaw`: what is cut out
        of a face near profile holds background, and its far eye has no room to be turned in.
    level : str
        The parameter by which such conditions are ordered, and which ``KIND_NUMBER`` sets.
    level_of_upright : float or None
        At which level nothing is done, so that the upright faces belong to a series.
    baseline : float or None
        A level that is always made along and compared with, instead of the upright faces.
    others : int
        How many other photographs of the same person it takes, at most.
    reads : str
        What is read of all faces first: their mean ``'shape'``, or their ``'luminance'``.
    """

    design: Design
    make: Maker
    parameters: Mapping[str, float | None] = field(default_factory=dict)
    variants: tuple[str, ...] = ("",)
    donors: int = 0
    max_yaw: float = math.inf
    level: str = ""
    level_of_upright: float | None = None
    baseline: float | None = None
    others: int = 0
    reads: Literal["", "shape", "luminance"] = ""


@dataclass(frozen=True)
class Condition:
    """A condition with parameters of its own, and a name to tell it from others of its kind.

    Parameters
    ----------
    kind : str
        One of `CONDITIONS`.
    parameters : dict, optional
        What differs from the defaults in `CONDITIONS`. A 'contrast' of None leaves it as it is, or,
        where luminance is matched, takes the mean of all faces, as a 'mean' of None does. An
        'aperture' of None shows the whole picture.
    label : str, optional
        Names its folder, its table and its rows there; by default the kind.

    Examples
    --------
    >>> Condition("low-pass", {"cycles_per_face": 4.0}, label="low-pass-4").label
    'low-pass-4'

    A name with a number stands for a condition with that level: ``"rotated_-45"`` for

    >>> Condition("rotated", {"angle": -45.0}, label="rotated_-45").level
    -45.0
    """

    kind: str
    parameters: Mapping[str, float | None] = field(default_factory=dict)
    label: str = ""

    @property
    def folders(self) -> list[str]:
        """The folder of each variant."""
        return [self.label + variant for variant in CONDITIONS[self.kind].variants]

    @property
    def max_yaw(self) -> float:
        """By how many degrees heads may be turned, unless another limit is given."""
        return CONDITIONS[self.kind].max_yaw

    @property
    def needs_frontal_face(self) -> bool:
        """Whether there is such a limit."""
        return math.isfinite(self.max_yaw)

    @property
    def level(self) -> float | None:
        """Where it stands in an ordered series of its kind; None if there is no order."""
        name = CONDITIONS[self.kind].level
        return self.parameters.get(name) if name else None

    def make(self, face: LandmarkedFace, around: Around, seed: int) -> list[Picture]:
        """Make one picture per variant."""
        return CONDITIONS[self.kind].make(face, around, seed, **self.parameters)


def _alone(function: Callable[..., Picture]) -> Maker:
    return lambda face, _around, _seed, **parameters: [function(face.picture, **parameters)]


def _measured(function: Callable[..., Picture], **fixed: Any) -> Maker:
    return lambda face, _around, _seed, **parameters: [
        function(face.picture, face.landmarks, **fixed, **parameters)
    ]


def _random(function: Callable[..., Picture]) -> Maker:
    return lambda face, _around, seed, **parameters: [
        function(face.picture, seed=seed, **parameters)
    ]


def _thatcherised(face: LandmarkedFace, _around: Around, _seed: int) -> list[Picture]:
    outlines = feature_outlines(face.landmarks)
    if not all(Ellipse.around(part).is_inside(face.picture.shape) for part in outlines):
        msg = "The eyes and the mouth must lie within the picture. They reach beyond it."
        raise StimulusError(msg)
    turned = thatcherise(face.picture, face.landmarks)
    return [turned, invert(turned)]


def _composites(
    face: LandmarkedFace, around: Around, _seed: int, *, misalignment: float
) -> list[Picture]:
    return [
        composite(
            face.picture, face.landmarks, other.picture, other.landmarks, shift, abs(misalignment)
        )
        for shift in (0.0, misalignment)
        for other in around.donors[:2]
    ]


def _exchanged(feature: str) -> Maker:
    return lambda face, around, _seed: [
        exchange_feature(
            face.picture,
            face.landmarks,
            around.donors[0].picture,
            around.donors[0].landmarks,
            feature,
        )
    ]


def _morphed(face: LandmarkedFace, around: Around, _seed: int, *, level: float) -> list[Picture]:
    other = around.donors[0]
    return [morph(face.picture, face.landmarks, other.picture, other.landmarks, level)]


def _averaged(_face: LandmarkedFace, around: Around, _seed: int) -> list[Picture]:
    if not around.others:
        msg = (
            "An average needs two photographs of the person or more, seen from the front. "
            "There is one."
        )
        raise StimulusError(msg)
    others = around.others
    return [average_face([one.picture for one in others], [one.landmarks for one in others])]


def _caricatured(
    face: LandmarkedFace, around: Around, _seed: int, *, exaggeration: float
) -> list[Picture]:
    if around.shape is None:
        msg = "A caricature needs the mean shape of all faces. Got none."
        raise StimulusError(msg)
    return [caricature(face.picture, face.landmarks, around.shape, exaggeration)]


def _matched(
    face: LandmarkedFace, around: Around, _seed: int, **_given: float | None
) -> list[Picture]:
    target = _target(around)
    return [match_luminance(face.picture, face.landmarks, target.mean, target.contrast)]


def _equalised(face: LandmarkedFace, around: Around, _seed: int) -> list[Picture]:
    return [match_histogram(face.picture, face.landmarks, _target(around).quantiles)]


def _target(around: Around) -> Luminance:
    if around.target is None:
        msg = "Matched faces need the luminance of all faces. Got none."
        raise StimulusError(msg)
    return around.target


CONDITIONS: Mapping[str, Manipulation] = {
    "inverted": Manipulation("verification", _alone(invert)),
    "rotated": Manipulation(
        "verification",
        _alone(rotate),
        {"angle": 90.0, "aperture": 1.0},
        level="angle",
        baseline=0.0,
    ),
    "thatcherised": Manipulation(
        "thatcher", _thatcherised, variants=("", "-inverted"), max_yaw=_NOT_PROFILE
    ),
    "negated": Manipulation("verification", _alone(negate)),
    "grey": Manipulation("verification", _alone(to_grey)),
    "low-pass": Manipulation(
        "verification",
        _measured(low_pass),
        {"cycles_per_face": 8.0, "contrast": _CONTRAST},
        level="cycles_per_face",
    ),
    "high-pass": Manipulation(
        "verification",
        _measured(high_pass),
        {"cycles_per_face": 16.0, "contrast": _CONTRAST},
        level="cycles_per_face",
    ),
    "blurred": Manipulation(
        "verification", _measured(blur), {"sigma": 0.02}, level="sigma", level_of_upright=0.0
    ),
    "equal-contrast": Manipulation(
        "verification", _measured(set_contrast), {"contrast": _CONTRAST}, level="contrast"
    ),
    "reduced-contrast": Manipulation(
        "verification",
        _measured(reduce_contrast),
        {"gain": 0.5},
        level="gain",
        level_of_upright=1.0,
    ),
    "matched-luminance": Manipulation(
        "verification", _matched, {"mean": None, "contrast": None}, reads="luminance"
    ),
    "matched-histogram": Manipulation("verification", _equalised, reads="luminance"),
    "pixelated": Manipulation(
        "verification", _measured(pixelate), {"pixels_across": 16.0}, level="pixels_across"
    ),
    "phase-scrambled": Manipulation("verification", _random(scramble_phase)),
    "noise": Manipulation("verification", _random(add_noise), {"snr": 1.0}, level="snr"),
    "eyes-only": Manipulation("verification", _measured(show_only, part="eyes"), max_yaw=_FRONTAL),
    "mouth-only": Manipulation(
        "verification", _measured(show_only, part="mouth"), max_yaw=_FRONTAL
    ),
    "internal-only": Manipulation(
        "verification", _measured(show_only, part="internal"), max_yaw=_FRONTAL
    ),
    "external-only": Manipulation(
        "verification", _measured(show_only, part="external"), max_yaw=_FRONTAL
    ),
    "composite": Manipulation(
        "composite",
        _composites,
        {"misalignment": 0.35},
        variants=("-aligned-1", "-aligned-2", "-misaligned-1", "-misaligned-2"),
        donors=2,
        max_yaw=_FRONTAL,
    ),
    "masked": Manipulation(
        "verification",
        _measured(cover_with_mask),
        {"nose": 0.6},
        max_yaw=_NOT_PROFILE,
        level="nose",
    ),
    "sunglasses": Manipulation(
        "verification", _measured(cover_with_sunglasses), max_yaw=_NOT_PROFILE
    ),
    "caricature": Manipulation(
        "verification",
        _caricatured,
        {"exaggeration": 0.5},
        max_yaw=_FRONTAL,
        level="exaggeration",
        level_of_upright=0.0,
        reads="shape",
    ),
    "average": Manipulation(
        "average", _averaged, variants=("-of-others",), max_yaw=_FRONTAL, others=_MEMBERS
    ),
    "morph": Manipulation(
        "morph", _morphed, {"level": 0.5}, donors=1, max_yaw=_FRONTAL, level="level"
    ),
    "eye-distance": Manipulation(
        "feature",
        _measured(change_eye_distance),
        {"change": 0.12},
        max_yaw=_FRONTAL,
        level="change",
    ),
    "mouth-height": Manipulation(
        "feature", _measured(move_mouth), {"shift": 0.1}, max_yaw=_FRONTAL, level="shift"
    ),
    "eyes-replaced": Manipulation("feature", _exchanged("eyes"), donors=1, max_yaw=_FRONTAL),
    "mouth-replaced": Manipulation("feature", _exchanged("mouth"), donors=1, max_yaw=_FRONTAL),
}
"""What `make_conditions` can make, by name."""
