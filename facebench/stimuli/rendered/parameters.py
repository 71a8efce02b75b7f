"""What a rendered face is made of: who it is (`Identity`) and how it was seen (`View`).

Every continuous identity trait is one dataclass field, declared by `_trait` with its population
mean, standard deviation and the feature it belongs to. Lengths are centimetres on an adult head, so
the numbers can be compared with anthropometric tables; colours are unitless scores. The default
`Identity()` is the mean face.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facebench.errors import StimulusError
from facebench.utils.suggestions import did_you_mean

FEATURES = ("eyes", "brows", "nose", "mouth", "jaw", "hair")
"""The features `change_feature` can exchange."""

HAIR_STYLES = (
    "bald",
    "receding",
    "buzz",
    "short",
    "side_part",
    "swept_back",
    "curly",
    "pixie",
    "tied_back",
    "bob",
    "fringe",
    "long",
    "wavy",
)
"""The hair styles a face can have, roughly from none to much."""

BACKGROUNDS = ("plain", "gradient", "blurred", "room")
"""The kinds of background a view can have; ``scene_seed`` picks their colours."""

LIMIT = 2.5  # traits are truncated this many standard deviations from the mean
_STYLE_WEIGHT = 1.5  # how far apart (in SD) two different hair styles count along their own axes


def _trait(feature: str, mean: float, sd: float, *, sex: float = 0.0, age: float = 0.0) -> Any:
    """Declare an identity trait; ``sex`` and ``age`` are the SDs it moves per unit of those two."""
    return field(
        default=mean, metadata={"feature": feature, "mean": mean, "sd": sd, "sex": sex, "age": age}
    )


@dataclass(frozen=True)
class Identity:
    """Everything that stays the same about a person from one image to the next.

    Lengths are in centimetres, angles in degrees, heights are measured from the line through the
    pupils (upwards). Scores have mean 0 and SD 1 unless a field says otherwise.

    Examples
    --------
    >>> Identity().nose_width
    3.6
    >>> float(abs(Identity().vector()).max())  # the mean face, wearing no particular hair
    1.5
    """

    masculinity: float = _trait("general", 0.0, 0.8)
    age: float = _trait("general", 40.0, 14.0)  # years

    head_width: float = _trait("head", 15.2, 0.5, sex=0.4)
    forehead_height: float = _trait("head", 11.2, 0.4)
    forehead_bulge: float = _trait("head", 0.0, 1.0, sex=-0.4)
    cheekbones: float = _trait("head", 0.0, 1.0)
    cheek_fullness: float = _trait("head", 0.0, 1.0, sex=-0.3, age=-0.2)
    asymmetry: float = _trait("head", 0.0, 1.0)
    ear_size: float = _trait("head", 6.1, 0.45, sex=0.4, age=0.4)
    ear_angle: float = _trait("head", 26.0, 8.0)

    face_width: float = _trait("jaw", 13.7, 0.62, sex=0.3)
    jaw_width: float = _trait("jaw", 11.7, 0.75, sex=0.5)
    jaw_drop: float = _trait("jaw", 4.9, 0.75, sex=-0.4)
    chin_width: float = _trait("jaw", 0.0, 1.0, sex=0.5)
    chin_length: float = _trait("jaw", 11.5, 0.55, sex=0.4)
    chin_projection: float = _trait("jaw", 0.0, 1.0, sex=0.4)

    brow_height: float = _trait("brows", 2.05, 0.27, sex=-0.6)
    brow_thickness: float = _trait("brows", 0.78, 0.18, sex=0.5)
    brow_arch: float = _trait("brows", 0.34, 0.17, sex=-0.5)
    brow_tilt: float = _trait("brows", 3.0, 4.0, sex=-0.1)
    brow_gap: float = _trait("brows", 2.4, 0.5, sex=-0.2)
    brow_length: float = _trait("brows", 4.6, 0.35)
    brow_density: float = _trait("brows", 0.0, 1.0, sex=0.3)
    brow_ridge: float = _trait("brows", 0.0, 1.0, sex=0.8)

    eye_spacing: float = _trait("eyes", 6.25, 0.34, sex=0.1)
    eye_width: float = _trait("eyes", 2.72, 0.2)
    eye_opening: float = _trait("eyes", 1.06, 0.17, sex=-0.3, age=-0.3)
    eye_tilt: float = _trait("eyes", 3.5, 3.0, sex=-0.2)
    eye_depth: float = _trait("eyes", 0.0, 1.0, sex=0.3, age=0.2)
    lid_fold: float = _trait("eyes", 0.0, 1.0, sex=-0.2, age=-0.3)
    iris_lightness: float = _trait("eyes", 0.0, 1.0)
    iris_hue: float = _trait("eyes", 0.0, 1.0)

    nose_length: float = _trait("nose", 4.2, 0.42, sex=0.2, age=0.2)
    nose_width: float = _trait("nose", 3.6, 0.42, sex=0.4, age=0.2)
    nose_projection: float = _trait("nose", 1.98, 0.29, sex=0.3)
    nose_bridge_width: float = _trait("nose", 0.0, 1.0, sex=0.3)
    nose_bridge_height: float = _trait("nose", 0.0, 1.0, sex=0.3)
    nose_hump: float = _trait("nose", 0.0, 1.0, sex=0.3)
    nose_tip_size: float = _trait("nose", 0.0, 1.0, sex=0.1, age=0.2)
    nose_tip_lift: float = _trait("nose", 0.0, 1.0, sex=-0.3, age=-0.2)

    mouth_height: float = _trait("mouth", -6.95, 0.3)
    mouth_width: float = _trait("mouth", 5.0, 0.48, sex=0.2)
    upper_lip: float = _trait("mouth", 0.68, 0.22, sex=-0.3, age=-0.4)
    lower_lip: float = _trait("mouth", 0.95, 0.25, sex=-0.2, age=-0.3)
    cupid_bow: float = _trait("mouth", 0.0, 1.0)
    mouth_tilt: float = _trait("mouth", 0.0, 1.0, age=-0.3)
    lip_fullness: float = _trait("mouth", 0.0, 1.0, age=-0.3)
    lip_redness: float = _trait("mouth", 0.0, 1.0, sex=-0.7)

    melanin: float = _trait("skin", 0.0, 1.0)
    skin_redness: float = _trait("skin", 0.0, 1.0)
    skin_warmth: float = _trait("skin", 0.0, 1.0)
    freckles: float = _trait("skin", 0.0, 1.0)
    beard: float = _trait("skin", 0.0, 1.0, sex=0.8)  # visible above 0.3, full above 1.6
    mole_x: float = _trait("skin", 0.0, 3.0)
    mole_y: float = _trait("skin", -4.0, 3.0)
    mole_size: float = _trait("skin", 0.0, 1.0)  # visible above 0.4

    hair_lightness: float = _trait("hair", 0.0, 1.0)
    hair_redness: float = _trait("hair", 0.0, 1.0)
    hair_greyness: float = _trait("hair", 0.0, 1.0, age=0.9)
    hair_volume: float = _trait("hair", 0.0, 1.0, age=-0.2)
    hair_length: float = _trait("hair", 0.0, 1.0, sex=-0.1)
    hair_parting: float = _trait("hair", 0.0, 1.0)
    hairline: float = _trait("hair", 6.7, 0.5, sex=0.2)
    hair_style: str = field(default="short", metadata={"feature": "hair"})

    texture_seed: int = 0
    """Draws freckle places and single hairs; too fine to count as a difference of identity."""

    def __post_init__(self) -> None:
        for trait in TRAITS or _traits_of(type(self)):
            _require_finite("Identity", trait.name, getattr(self, trait.name))
        if self.hair_style not in HAIR_STYLES:
            msg = (
                f"The 'hair_style' of an Identity must be one of {', '.join(HAIR_STYLES)}. "
                f"Got {self.hair_style!r} instead."
            )
            raise StimulusError(msg)
        require_seed("Identity", "texture_seed", self.texture_seed)

    def score(self, name: str) -> float:
        """Return a continuous trait as its distance from the mean in standard deviations."""
        return standardised(TRAIT_BY_NAME[name], getattr(self, name))

    def vector(self) -> NDArray[np.float64]:
        """Return the identity as a float64 vector of standardised parameters.

        The continuous traits come first (in SDs from the population mean, in field order), then one
        indicator per hair style. Euclidean distance between two vectors is the identity distance.
        """
        traits = [standardised(trait, getattr(self, trait.name)) for trait in TRAITS]
        style = [_STYLE_WEIGHT * (self.hair_style == name) for name in HAIR_STYLES]
        return np.array(traits + style, dtype=np.float64)

    def to_dict(self) -> dict[str, float | int | str]:
        """Return the fields as a dict that ``json.dumps`` accepts."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build an identity from what `to_dict` returned (possibly through JSON)."""
        _require_known_fields(cls, values)
        return cls(**values)


def _traits_of(cls: type[Identity]) -> tuple[Field[Any], ...]:
    return tuple(f for f in fields(cls) if "sd" in f.metadata)


TRAITS: tuple[Field[Any], ...] = ()
TRAITS = _traits_of(Identity)
TRAIT_BY_NAME = {trait.name: trait for trait in TRAITS}
TRAIT_NAMES = tuple(TRAIT_BY_NAME)
"""The continuous parameters of an identity that `change_trait` can change, one at a time."""


def feature_indices(feature: str) -> NDArray[np.intp]:
    """Return the positions in `Identity.vector` that belong to one feature.

    Examples
    --------
    >>> len(feature_indices("nose"))
    8
    """
    require_feature(feature)
    own = [i for i, trait in enumerate(TRAITS) if trait.metadata["feature"] == feature]
    if feature == "hair":
        own += range(len(TRAITS), len(TRAITS) + len(HAIR_STYLES))
    return np.array(own, dtype=np.intp)


@dataclass(frozen=True)
class View:
    """Everything that differs between two images of one person.

    Angles are in degrees. Positive yaw turns the nose to the image's right, positive pitch lifts
    it, positive roll tilts the head clockwise. The light comes from ``light_azimuth`` (0 is the
    camera, positive from the image's right) and ``light_elevation`` (positive from above).
    ``mouth_open`` runs from 0 to 1, ``smile`` and ``brow_raise`` from about -1 to 1.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    light_azimuth: float = 20.0
    light_elevation: float = 30.0
    light_intensity: float = 1.0
    light_warmth: float = 0.0
    ambient: float = 0.45
    smile: float = 0.0
    mouth_open: float = 0.0
    brow_raise: float = 0.0
    shift_x: float = 0.0  # centimetres
    shift_y: float = 0.0
    zoom: float = 1.0
    background: str = "plain"
    scene_seed: int = 0
    noise: float = 0.012  # standard deviation of the sensor noise, as a share of full scale
    noise_seed: int = 0

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.type == "float":
                _require_finite("View", item.name, getattr(self, item.name))
        if max(abs(self.yaw), abs(self.pitch)) > 60:
            msg = (
                "The 'yaw' and 'pitch' of a View must lie within -60 and 60 degrees: the head is "
                f"modelled from the front. Got yaw={self.yaw}, pitch={self.pitch} instead."
            )
            raise StimulusError(msg)
        if self.background not in BACKGROUNDS:
            msg = (
                f"The 'background' of a View must be one of {', '.join(BACKGROUNDS)}. "
                f"Got {self.background!r} instead."
            )
            raise StimulusError(msg)
        if self.zoom <= 0 or self.noise < 0:
            msg = (
                "The 'zoom' of a View must be positive and its 'noise' must not be negative. "
                f"Got zoom={self.zoom}, noise={self.noise} instead."
            )
            raise StimulusError(msg)
        require_seed("View", "scene_seed", self.scene_seed)
        require_seed("View", "noise_seed", self.noise_seed)

    def to_dict(self) -> dict[str, float | int | str]:
        """Return the fields as a dict that ``json.dumps`` accepts."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a view from what `to_dict` returned (possibly through JSON)."""
        _require_known_fields(cls, values)
        return cls(**values)


def identity_distance(a: Identity, b: Identity) -> float:
    """Return the Euclidean distance between two identities, in standard deviations.

    Examples
    --------
    >>> from dataclasses import replace
    >>> round(identity_distance(Identity(), replace(Identity(), chin_width=2.0)), 6)
    2.0
    """
    return float(np.linalg.norm(a.vector() - b.vector()))


def standardised(trait: Field[Any], value: float) -> float:
    return float((value - trait.metadata["mean"]) / trait.metadata["sd"])


def unstandardised(trait: Field[Any], score: float) -> float:
    score = min(max(score, -LIMIT), LIMIT)
    return float(trait.metadata["mean"] + trait.metadata["sd"] * score)


def _require_finite(owner: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        msg = f"The {name!r} of the {owner} must be a finite number. Got {value!r} instead."
        raise StimulusError(msg)


def require_seed(owner: str, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"The {name!r} of the {owner} must be an integer from 0 up. Got {value!r} instead."
        raise StimulusError(msg)


def require_feature(feature: str) -> None:
    if feature not in FEATURES:
        msg = f"The 'feature' must be one of {', '.join(FEATURES)}. Got {feature!r} instead."
        raise StimulusError(msg)


def require_trait(trait: str) -> None:
    if trait not in TRAIT_BY_NAME:
        hint = did_you_mean(trait, TRAIT_NAMES)
        msg = f"An Identity has no continuous parameter {trait!r}.{hint}"
        raise StimulusError(msg)


def _require_known_fields(cls: type[Any], values: Mapping[str, Any]) -> None:
    known = [item.name for item in fields(cls)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        msg = (
            f"A saved {cls.__name__} must have only the fields {', '.join(known)}. "
            f"Got {', '.join(map(repr, unknown))} as well."
        )
        raise StimulusError(msg)


__all__ = [
    "BACKGROUNDS",
    "FEATURES",
    "HAIR_STYLES",
    "TRAIT_NAMES",
    "Identity",
    "View",
    "feature_indices",
    "identity_distance",
]
