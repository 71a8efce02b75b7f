"""Seeded draws of identities and views, and of one feature in exchange for another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from facebench.errors import StimulusError
from facebench.stimuli.rendered.parameters import (
    BACKGROUNDS,
    FEATURES,
    HAIR_STYLES,
    LIMIT,
    TRAIT_BY_NAME,
    TRAITS,
    Identity,
    View,
    require_feature,
    require_seed,
    require_trait,
    standardised,
    unstandardised,
)

# How often masculine and feminine faces wear each style, in the order of HAIR_STYLES.
_MASCULINE_STYLES = (0.07, 0.09, 0.12, 0.22, 0.17, 0.12, 0.12, 0.0, 0.03, 0.0, 0.02, 0.02, 0.02)
_FEMININE_STYLES = (0.0, 0.0, 0.01, 0.03, 0.04, 0.04, 0.10, 0.10, 0.16, 0.15, 0.11, 0.14, 0.12)

# Each kind of draw has its own stream: identity 7 and view 7 must not share their random numbers.
_IDENTITY_STREAM, _VIEW_STREAM, _CHANGE_STREAM = 101, 102, 103


def sample_identity(seed: int) -> Identity:
    """Draw one person from the population.

    Sex and age are drawn first; they move the means of the other traits by the amounts declared
    with each field. Light skin, hair and eyes go together, as they do in people.

    Parameters
    ----------
    seed : int
        From 0 up. The same seed gives the same person everywhere.
    """
    require_seed("draw", "seed", seed)
    rng = np.random.default_rng([_IDENTITY_STREAM, seed])
    masculine = bool(rng.random() < 0.5)
    masculinity = (1.0 if masculine else -1.0) + 0.3 * rng.standard_normal()
    age = float(np.clip(19.0 + rng.gamma(2.2, 9.5), 19.0, 75.0))
    years = (age - 40.0) / 14.0
    scores = {}
    for trait in TRAITS:
        draw = rng.standard_normal()
        scores[trait.name] = (
            draw + trait.metadata["sex"] * masculinity + trait.metadata["age"] * years
        )
    # Melanin is spread flat rather than bell-shaped: the whole range of skin should be common.
    scores["melanin"] = melanin = float(rng.uniform(-1.9, 1.8))
    scores["hair_lightness"] = 0.7 * scores["hair_lightness"] - 0.75 * melanin - 0.3
    scores["iris_lightness"] = 0.8 * scores["iris_lightness"] - 0.8 * melanin
    scores["hair_redness"] *= 0.6 if melanin > 0 else 1.0
    values: dict[str, Any] = {
        name: unstandardised(TRAIT_BY_NAME[name], s) for name, s in scores.items()
    }
    values["masculinity"] = float(np.clip(masculinity, -2.0, 2.0))
    values["age"] = age
    if not masculine:
        values["beard"] = min(values["beard"], 0.0)
    style_odds = _MASCULINE_STYLES if masculine else _FEMININE_STYLES
    values["hair_style"] = str(rng.choice(HAIR_STYLES, p=style_odds))
    values["texture_seed"] = int(rng.integers(2**31))
    return Identity(**values)


def sample_view(seed: int, max_yaw: float = 15.0) -> View:
    """Draw one way of looking at a face: pose, light, expression, background and noise.

    Parameters
    ----------
    seed : int
        From 0 up.
    max_yaw : float
        Largest turn of the head to either side, in degrees, 0 … 60.
    """
    require_seed("draw", "seed", seed)
    if not 0 <= max_yaw <= 60:
        msg = f"The 'max_yaw' must lie within 0 and 60 degrees. Got {max_yaw!r} instead."
        raise StimulusError(msg)
    rng = np.random.default_rng([_VIEW_STREAM, seed])
    return View(
        yaw=float(rng.uniform(-max_yaw, max_yaw)),
        pitch=float(np.clip(4.0 * rng.standard_normal(), -9, 9)),
        roll=float(np.clip(4.0 * rng.standard_normal(), -10, 10)),
        light_azimuth=float(rng.uniform(-78, 78)),
        light_elevation=float(rng.uniform(-5, 60)),
        light_intensity=float(np.exp(0.28 * rng.standard_normal())),
        light_warmth=float(np.clip(0.6 * rng.standard_normal(), -1.5, 1.5)),
        ambient=float(rng.uniform(0.18, 0.7)),
        smile=float(np.clip(rng.uniform(-0.35, 1.1), -0.3, 1.0)),
        mouth_open=float(max(0.0, rng.uniform(-0.6, 0.6))),
        brow_raise=float(np.clip(0.4 * rng.standard_normal(), -0.8, 1.0)),
        shift_x=float(0.6 * rng.standard_normal()),
        shift_y=float(0.5 * rng.standard_normal()),
        zoom=float(np.exp(0.05 * rng.standard_normal())),
        background=str(rng.choice(BACKGROUNDS)),
        scene_seed=int(rng.integers(2**31)),
        noise=float(rng.uniform(0.004, 0.022)),
        noise_seed=int(rng.integers(2**31)),
    )


def change_feature(identity: Identity, feature: str, seed: int) -> Identity:
    """Exchange one feature of a face for a clearly different one; leave all else as it is.

    Each of the feature's traits moves by 1.5 to 2.5 standard deviations, to the side where there is
    more room, so that the result stays within the human range. Hair also changes its style.

    Parameters
    ----------
    identity : Identity
        The face to start from.
    feature : {'eyes', 'brows', 'nose', 'mouth', 'jaw', 'hair'}
        What to exchange.
    seed : int
        From 0 up; different seeds give different exchanges.

    Raises
    ------
    StimulusError
        If ``feature`` is not one of `FEATURES`.
    """
    require_feature(feature)
    require_seed("draw", "seed", seed)
    rng = np.random.default_rng([_CHANGE_STREAM, FEATURES.index(feature), seed])
    values: dict[str, Any] = {}
    for trait in TRAITS:
        if trait.metadata["feature"] != feature:
            continue
        score = standardised(trait, getattr(identity, trait.name))
        up = rng.random() < 0.5 if abs(score) < 0.3 else score < 0
        step = rng.uniform(1.5, 2.2) + 0.3 * rng.random()
        values[trait.name] = unstandardised(trait, score + (step if up else -step))
    if feature == "hair":
        masculine = identity.masculinity > 0
        odds = np.array(_MASCULINE_STYLES if masculine else _FEMININE_STYLES)
        odds[HAIR_STYLES.index(identity.hair_style)] = 0.0
        values["hair_style"] = str(rng.choice(HAIR_STYLES, p=odds / odds.sum()))
    return replace(identity, **values)


def change_trait(identity: Identity, trait: str, amount: float = 2.0) -> Identity:
    """Change one parameter of a face; leave all else as it is.

    Parameters
    ----------
    identity : Identity
        The face to start from.
    trait : str
        One of `TRAIT_NAMES`, for example ``"nose_width"``.
    amount : float
        By how many standard deviations, up to 2.5. Traits stay within 2.5 standard deviations of
        the mean, so the change goes to the side where there is more room. It is also the
        `identity_distance` of the two.

    Raises
    ------
    StimulusError
        If there is no such trait, or the amount is out of its range.

    Examples
    --------
    >>> round(change_trait(Identity(), "nose_width", 2.0).score("nose_width"), 6)
    2.0
    """
    require_trait(trait)
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount <= LIMIT:
        msg = (
            f"The 'amount' of a change must be above 0 and at most {LIMIT} standard deviations. "
            f"Got {amount!r} instead."
        )
        raise StimulusError(msg)
    declared = TRAIT_BY_NAME[trait]
    score = standardised(declared, getattr(identity, trait))
    step = -amount if score > 0 else amount
    values: dict[str, Any] = {trait: unstandardised(declared, score + step)}
    return replace(identity, **values)


__all__ = ["change_feature", "change_trait", "sample_identity", "sample_view"]
