"""The conditions that `make_conditions` knows, and what each of them needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from facebench.data.made_stimuli import UPRIGHT
from facebench.errors import StimulusError, UnknownNameError
from facebench.faces.pictures import Field, Picture
from facebench.stimuli.blending import Ellipse
from facebench.stimuli.composites import composite
from facebench.stimuli.exchange import exchange_feature
from facebench.stimuli.geometry import feature_outlines
from facebench.stimuli.manipulate import invert, thatcherise
from facebench.stimuli.parts import show_only
from facebench.stimuli.spacing import change_eye_distance, move_mouth
from facebench.stimuli.spectrum import high_pass, low_pass, scramble_phase
from facebench.stimuli.tones import add_noise, negate, pixelate, set_contrast, to_grey
from facebench.utils.files import safe_name
from facebench.utils.suggestions import did_you_mean

RESERVED = (UPRIGHT, "verification", "critical-features", "contact-sheets")
_POSITIVE = frozenset({"cycles_per_face", "pixels_across", "snr", "contrast"})
_OPTIONAL = frozenset({"contrast"})
_CONTRAST = 0.12  # RMS, that all frequencies can be brought to without much cut off
_NOT_PROFILE, _FRONTAL = 40.0, 30.0  # degrees, see head_yaw
Design = Literal["verification", "thatcher", "composite", "feature"]


@dataclass(frozen=True)
class Face:
    """A picture and its 68 landmarks."""

    picture: Picture
    landmarks: Field


Maker = Callable[..., list[Picture]]


@dataclass(frozen=True)
class Kind:
    """One way of manipulating faces.

    Attributes
    ----------
    design : str
        Which pairs it needs, see `facebench.stimuli.pair_tables`.
    make : callable
        ``make(face, donors, seed, **parameters)`` gives a picture per variant.
    parameters : dict
        The defaults.
    variants : tuple of str
        What is appended to the label to name each folder.
    donors : int
        How many other people's faces it takes.
    max_yaw : float
        By how many degrees heads may be turned, see `facebench.stimuli.head_yaw`: what is cut out
        of a face near profile holds background, and its far eye has no room to be turned in.
    """

    design: Design
    make: Maker
    parameters: Mapping[str, float | None] = field(default_factory=dict)
    variants: tuple[str, ...] = ("",)
    donors: int = 0
    max_yaw: float = math.inf


@dataclass(frozen=True)
class Condition:
    """A condition with parameters of its own, and a name to tell it from others of its kind.

    Parameters
    ----------
    kind : str
        One of `CONDITIONS`.
    parameters : dict, optional
        What differs from the defaults in `CONDITIONS`. A 'contrast' of None leaves it as it is.
    label : str, optional
        Names its folder, its table and its rows there; by default the kind.

    Examples
    --------
    >>> Condition("low-pass", {"cycles_per_face": 4.0}, label="low-pass-4").label
    'low-pass-4'
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

    def make(self, face: Face, donors: Sequence[Face], seed: int) -> list[Picture]:
        """Make one picture per variant."""
        return CONDITIONS[self.kind].make(face, donors, seed, **self.parameters)


def _alone(function: Callable[..., Picture]) -> Maker:
    return lambda face, _donors, _seed: [function(face.picture)]


def _measured(function: Callable[..., Picture], **fixed: Any) -> Maker:
    return lambda face, _donors, _seed, **parameters: [
        function(face.picture, face.landmarks, **fixed, **parameters)
    ]


def _random(function: Callable[..., Picture]) -> Maker:
    return lambda face, _donors, seed, **parameters: [
        function(face.picture, seed=seed, **parameters)
    ]


def _thatcherised(face: Face, _donors: Sequence[Face], _seed: int) -> list[Picture]:
    outlines = feature_outlines(face.landmarks)
    if not all(Ellipse.around(part).is_inside(face.picture.shape) for part in outlines):
        msg = "The eyes and the mouth must lie within the picture. They reach beyond it."
        raise StimulusError(msg)
    turned = thatcherise(face.picture, face.landmarks)
    return [turned, invert(turned)]


def _composites(
    face: Face, donors: Sequence[Face], _seed: int, *, misalignment: float
) -> list[Picture]:
    return [
        composite(
            face.picture, face.landmarks, other.picture, other.landmarks, shift, abs(misalignment)
        )
        for shift in (0.0, misalignment)
        for other in donors[:2]
    ]


def _exchanged(feature: str) -> Maker:
    return lambda face, donors, _seed: [
        exchange_feature(
            face.picture, face.landmarks, donors[0].picture, donors[0].landmarks, feature
        )
    ]


CONDITIONS: Mapping[str, Kind] = {
    "inverted": Kind("verification", _alone(invert)),
    "thatcherised": Kind(
        "thatcher", _thatcherised, variants=("", "-inverted"), max_yaw=_NOT_PROFILE
    ),
    "negated": Kind("verification", _alone(negate)),
    "grey": Kind("verification", _alone(to_grey)),
    "low-pass": Kind(
        "verification", _measured(low_pass), {"cycles_per_face": 8.0, "contrast": _CONTRAST}
    ),
    "high-pass": Kind(
        "verification", _measured(high_pass), {"cycles_per_face": 16.0, "contrast": _CONTRAST}
    ),
    "equal-contrast": Kind("verification", _measured(set_contrast), {"contrast": _CONTRAST}),
    "pixelated": Kind("verification", _measured(pixelate), {"pixels_across": 16.0}),
    "phase-scrambled": Kind("verification", _random(scramble_phase)),
    "noise": Kind("verification", _random(add_noise), {"snr": 1.0}),
    "eyes-only": Kind("verification", _measured(show_only, part="eyes"), max_yaw=_FRONTAL),
    "mouth-only": Kind("verification", _measured(show_only, part="mouth"), max_yaw=_FRONTAL),
    "internal-only": Kind("verification", _measured(show_only, part="internal"), max_yaw=_FRONTAL),
    "external-only": Kind("verification", _measured(show_only, part="external"), max_yaw=_FRONTAL),
    "composite": Kind(
        "composite",
        _composites,
        {"misalignment": 0.35},
        variants=("-aligned-1", "-aligned-2", "-misaligned-1", "-misaligned-2"),
        donors=2,
        max_yaw=_FRONTAL,
    ),
    "eye-distance": Kind(
        "feature", _measured(change_eye_distance), {"change": 0.12}, max_yaw=_FRONTAL
    ),
    "mouth-height": Kind("feature", _measured(move_mouth), {"shift": 0.1}, max_yaw=_FRONTAL),
    "eyes-replaced": Kind("feature", _exchanged("eyes"), donors=1, max_yaw=_FRONTAL),
    "mouth-replaced": Kind("feature", _exchanged("mouth"), donors=1, max_yaw=_FRONTAL),
}
"""What `make_conditions` can make, by name."""


def resolve(conditions: str | Condition | Iterable[str | Condition]) -> list[Condition]:
    """Complete and check conditions as a user gives them; 'upright' is always made."""
    given = [conditions] if isinstance(conditions, str | Condition) else list(conditions)
    resolved = [
        _completed(Condition(item) if isinstance(item, str) else item)
        for item in given
        if item != UPRIGHT
    ]
    kinds = {condition.kind for condition in resolved}
    if "thatcherised" in kinds and "inverted" not in kinds:
        # The pairs of thatcherised faces need normal ones turned over.
        resolved.append(Condition("inverted", label="inverted"))
    if not resolved:
        msg = f"The 'conditions' must name at least one of {', '.join(CONDITIONS)}. Got none."
        raise StimulusError(msg)
    folders = [*RESERVED]
    for condition in resolved:
        for folder in {condition.label, *condition.folders}:
            if folder.casefold() in folders:
                msg = (
                    f"The labels of 'conditions' must differ, also from {', '.join(RESERVED)}. "
                    f"Got {folder!r} twice; give one of them another 'label'."
                )
                raise StimulusError(msg)
            folders.append(folder.casefold())
    return resolved


def _completed(condition: Condition) -> Condition:
    if not isinstance(condition, Condition):
        msg = f"Each of the 'conditions' must be a name or a Condition. Got {condition!r} instead."
        raise StimulusError(msg)
    if condition.kind not in CONDITIONS:
        msg = (
            f"There is no condition {condition.kind!r}.{did_you_mean(condition.kind, CONDITIONS)} "
            f"The conditions are: {', '.join(CONDITIONS)}."
        )
        raise UnknownNameError(msg)
    label = condition.label or condition.kind
    if safe_name(label) != label:
        msg = (
            f"The 'label' of a condition names a folder. Got {label!r}; "
            f"{safe_name(label)!r} would do."
        )
        raise StimulusError(msg)
    defaults = CONDITIONS[condition.kind].parameters
    for name, value in condition.parameters.items():
        if name not in defaults:
            has = ", ".join(defaults) or "none"
            msg = (
                f"The condition {condition.kind!r} has no parameter {name!r} (it has: {has})."
                f"{did_you_mean(name, defaults)}"
            )
            raise StimulusError(msg)
        if value is None and name in _OPTIONAL:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            wrong = True
        else:
            wrong = not math.isfinite(value) or (name in _POSITIVE and value <= 0)
        if wrong:
            expected = "a positive number" if name in _POSITIVE else "a finite number"
            msg = f"The {name!r} of condition {label!r} must be {expected}. Got {value!r} instead."
            raise StimulusError(msg)
    return replace(condition, label=label, parameters={**defaults, **condition.parameters})
