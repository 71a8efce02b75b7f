"""Stimuli for experiments on face perception: made of photographs, or rendered.

Manipulations are pure functions of a picture (and its 68 landmarks): inversion, the Thatcher
illusion, composites, spatial frequencies, parts, spacing, exchanged features, contrast and noise.
`make_conditions` applies them to a folder of photographs and writes the pairs that tasks read.

Rendered faces are parametric people, drawn as lit surfaces. Every image comes with the parameters
that made it and with its landmarks, and the same seeds give the same bytes everywhere. They stand
in for photographs in the demo and in the tests, and make controlled experiments possible (change
only the nose; turn the head but not the light); `make_rendered_faces` writes a folder of them with
the true distances between people.

Public names load when first used, so that importing the package stays fast.

Examples
--------
>>> from facebench.stimuli import render_face, sample_identity, sample_view
>>> face = render_face(sample_identity(1), sample_view(1), size=64)
>>> face.image.shape, sorted(face.landmarks)[:2]
((64, 64, 3), ['chin', 'five_points'])

From a folder of photographs, ``NAME/*.jpg``, to the Thatcher effect (here the photographs are
rendered ones):

>>> import tempfile
>>> from pathlib import Path
>>> from facebench.stimuli import Condition, make_conditions, make_rendered_faces
>>> folder = Path(tempfile.mkdtemp())
>>> rendered = make_rendered_faces(folder / "photographs", n_people=3, n_images=2, workers=1)
>>> coarse = Condition("low-pass", {"cycles_per_face": 4.0}, label="low-pass-4")
>>> stimuli = make_conditions(
...     rendered.images_path, folder / "stimuli", ["inverted", "thatcherised", coarse], workers=1
... )
>>> stimuli.made
{'upright': 6, 'inverted': 6, 'thatcherised': 6, 'low-pass-4': 6}
>>> sorted(stimuli.tables)
['inverted', 'low-pass-4', 'thatcherised', 'thatcherised-factorial', 'verification']
>>> stimuli.tables["thatcherised"].read_text().splitlines()[0]
'img1,img2,same,condition,identity1,identity2'
>>> stimuli.left_out
()

and, in a run of its own:

>>> from facebench import RelativeDifferenceTask
>>> task = RelativeDifferenceTask(
...     "Thatcher", stimuli.tables["thatcherised"], stimuli.images_path, group_column="condition"
... )
>>> [str(group) for group in task.groups]
['upright', 'inverted']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facebench.faces.landmarks import find_landmarks
    from facebench.stimuli.catalogue import CONDITIONS, Condition
    from facebench.stimuli.composites import composite
    from facebench.stimuli.condition_set import ConditionSet, LeftOut
    from facebench.stimuli.conditions import make_conditions
    from facebench.stimuli.exchange import exchange_feature
    from facebench.stimuli.geometry import face_width, feature_outlines, head_yaw
    from facebench.stimuli.manipulate import aligned_chip, invert, thatcherise
    from facebench.stimuli.parts import part_mask, show_only
    from facebench.stimuli.rendered.camera import RenderedFace, render_face
    from facebench.stimuli.rendered.parameters import (
        BACKGROUNDS,
        FEATURES,
        HAIR_STYLES,
        TRAIT_NAMES,
        Identity,
        View,
        feature_indices,
        identity_distance,
    )
    from facebench.stimuli.rendered.sampling import (
        change_feature,
        change_trait,
        sample_identity,
        sample_view,
    )
    from facebench.stimuli.rendered.sets import RenderedSet, make_rendered_faces
    from facebench.stimuli.spacing import change_eye_distance, move_mouth
    from facebench.stimuli.spectrum import high_pass, low_pass, scramble_phase
    from facebench.stimuli.tones import (
        add_noise,
        negate,
        pixelate,
        rms_contrast,
        set_contrast,
        to_grey,
    )

__all__ = [
    "BACKGROUNDS",
    "CONDITIONS",
    "FEATURES",
    "HAIR_STYLES",
    "TRAIT_NAMES",
    "Condition",
    "ConditionSet",
    "Identity",
    "LeftOut",
    "RenderedFace",
    "RenderedSet",
    "View",
    "add_noise",
    "aligned_chip",
    "change_eye_distance",
    "change_feature",
    "change_trait",
    "composite",
    "exchange_feature",
    "face_width",
    "feature_indices",
    "feature_outlines",
    "find_landmarks",
    "head_yaw",
    "high_pass",
    "identity_distance",
    "invert",
    "low_pass",
    "make_conditions",
    "make_rendered_faces",
    "move_mouth",
    "negate",
    "part_mask",
    "pixelate",
    "render_face",
    "rms_contrast",
    "sample_identity",
    "sample_view",
    "scramble_phase",
    "set_contrast",
    "show_only",
    "thatcherise",
    "to_grey",
]

_NAMES = {
    "catalogue": ("CONDITIONS", "Condition"),
    "composites": ("composite",),
    "condition_set": ("ConditionSet", "LeftOut"),
    "conditions": ("make_conditions",),
    "exchange": ("exchange_feature",),
    "geometry": ("face_width", "feature_outlines", "head_yaw"),
    "manipulate": ("aligned_chip", "invert", "thatcherise"),
    "rendered.parameters": (
        "BACKGROUNDS",
        "FEATURES",
        "HAIR_STYLES",
        "TRAIT_NAMES",
        "Identity",
        "View",
        "feature_indices",
        "identity_distance",
    ),
    "parts": ("part_mask", "show_only"),
    "rendered.sets": ("RenderedSet", "make_rendered_faces"),
    "rendered.camera": ("RenderedFace", "render_face"),
    "rendered.sampling": ("change_feature", "change_trait", "sample_identity", "sample_view"),
    "spacing": ("change_eye_distance", "move_mouth"),
    "spectrum": ("high_pass", "low_pass", "scramble_phase"),
    "tones": ("add_noise", "negate", "pixelate", "rms_contrast", "set_contrast", "to_grey"),
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}
_HOMES["find_landmarks"] = "facebench.faces.landmarks"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
