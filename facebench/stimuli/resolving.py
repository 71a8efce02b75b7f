"""Completing and checking the conditions that a user asks for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

from facebench.data.made_stimuli import UPRIGHT
from facebench.errors import StimulusError, UnknownNameError
from facebench.stimuli.catalogue import CONDITIONS, Condition
from facebench.stimuli.series import SERIES
from facebench.utils.files import safe_name
from facebench.utils.suggestions import did_you_mean

__all__ = ["GROUPS", "resolve"]

# What is appended to the label of averages of persons for those of groups.
GROUPS = "-of-groups"
_RESERVED = (UPRIGHT, "verification", "critical-features", "contact-sheets")
_RANGES: dict[str, tuple[float, float]] = {
    "angle": (-360, 360), "aperture": (0.1, 1), "sigma": (0, 1), "gain": (0, 1), "nose": (0, 1),
    "level": (0, 1), "exaggeration": (-1, 5), "mean": (0.01, 0.99),
}  # fmt: skip
_POSITIVE = frozenset({"cycles_per_face", "pixels_across", "snr", "contrast"})
_OPTIONAL = frozenset({"contrast", "mean", "aperture"})
_WITH_LEVEL = re.compile(r"(.+)_([-+]?(?:\d+\.?\d*|\.\d+))")


def resolve(conditions: str | Condition | Iterable[str | Condition]) -> list[Condition]:
    """Complete and check conditions as a user gives them; 'upright' is always made."""
    given = [conditions] if isinstance(conditions, str | Condition) else list(conditions)
    resolved = [
        _completed(_named(item) if isinstance(item, str) else item)
        for item in given
        if item != UPRIGHT
    ]
    kinds = {condition.kind for condition in resolved}
    if "thatcherised" in kinds and "inverted" not in kinds:
        # The pairs of thatcherised faces need normal ones turned over.
        resolved.append(Condition("inverted", label="inverted"))
    resolved += _baselines(resolved)
    if not resolved:
        msg = f"The 'conditions' must name at least one of {', '.join(CONDITIONS)}. Got none."
        raise StimulusError(msg)
    _refuse_reserved(resolved, kinds)
    folders = [*_RESERVED]
    for condition in resolved:
        beside = {condition.label, *condition.folders}
        if CONDITIONS[condition.kind].design == "average":
            beside.add(condition.label + GROUPS)
        for folder in beside:
            if folder.casefold() in folders:
                msg = (
                    f"The labels of 'conditions' must differ, also from {', '.join(_RESERVED)}. "
                    f"Got {folder!r} twice; give one of them another 'label'."
                )
                raise StimulusError(msg)
            folders.append(folder.casefold())
    return resolved


def _refuse_reserved(conditions: Iterable[Condition], kinds: Iterable[str]) -> None:
    tables = tuple(f"{kind}{SERIES}" for kind in kinds)
    for condition in conditions:
        if condition.label.casefold().startswith(tables):
            msg = (
                f"The 'label' {condition.label!r} is taken: so are the tables of series named. "
                "Give another one."
            )
            raise StimulusError(msg)


def _named(name: str) -> Condition:
    """Take a name, or a name with a level: rotated_30."""
    found = _WITH_LEVEL.fullmatch(name)
    if name in CONDITIONS or found is None or found[1] not in CONDITIONS:
        # A misspelt one is told, with the closest name, whatever its level.
        return Condition(name if found is None else found[1])
    kind, level = found[1], float(found[2]) + 0.0  # no -0
    if not CONDITIONS[kind].level:
        ordered = ", ".join(name for name, one in CONDITIONS.items() if one.level)
        msg = f"The condition {kind!r} has no level: {name!r}. These have one: {ordered}."
        raise StimulusError(msg)
    return Condition(kind, {CONDITIONS[kind].level: level}, label=f"{kind}_{level:g}")


def _baselines(conditions: Iterable[Condition]) -> list[Condition]:
    """Return what is compared with: rotated faces with those of 0 degrees, shown alike."""
    added: list[Condition] = []
    for condition in conditions:
        kind = CONDITIONS[condition.kind]
        if kind.baseline is None:
            continue
        parameters = {**condition.parameters, kind.level: kind.baseline}
        if not any(
            other.kind == condition.kind and other.parameters == parameters
            for other in [*conditions, *added]
        ):
            label = f"{condition.kind}_{kind.baseline:g}"
            if any(other.label == label for other in [*conditions, *added]):
                label = f"{condition.label}-baseline"
            added.append(Condition(condition.kind, parameters, label))
    return added


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
        least, most = _RANGES.get(name, (-math.inf, math.inf))
        fits = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
            and least <= value <= most
            and (value > 0 or name not in _POSITIVE)
        )
        if not fits:
            msg = (
                f"The {name!r} of condition {label!r} must be {_expected(name)}. "
                f"Got {value!r} instead."
            )
            raise StimulusError(msg)
    return replace(condition, label=label, parameters={**defaults, **condition.parameters})


def _expected(name: str) -> str:
    if name in _RANGES:
        least, most = _RANGES[name]
        return f"a number from {least:g} to {most:g}"
    return "a positive number" if name in _POSITIVE else "a finite number"
