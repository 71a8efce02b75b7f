"""Rendered faces: parametric people, drawn as lit surfaces, and manipulations of their pictures.

Every image comes with the parameters that made it and with its landmarks, and the same seeds give
the same bytes everywhere. The faces stand in for photographs in the demo and in the tests, and make
controlled experiments possible (change only the nose; turn the head but not the light).

Examples
--------
>>> from facebench.stimuli import render_face, sample_identity, sample_view
>>> face = render_face(sample_identity(1), sample_view(1), size=64)
>>> face.image.shape, sorted(face.landmarks)[:2]
((64, 64, 3), ['chin', 'five_points'])
"""

from __future__ import annotations

from facebench.stimuli.manipulate import aligned_chip, invert, thatcherise
from facebench.stimuli.parameters import (
    BACKGROUNDS,
    FEATURES,
    HAIR_STYLES,
    Identity,
    View,
    feature_indices,
    identity_distance,
)
from facebench.stimuli.rendering import RenderedFace, render_face
from facebench.stimuli.sampling import change_feature, sample_identity, sample_view

__all__ = [
    "BACKGROUNDS",
    "FEATURES",
    "HAIR_STYLES",
    "Identity",
    "RenderedFace",
    "View",
    "aligned_chip",
    "change_feature",
    "feature_indices",
    "identity_distance",
    "invert",
    "render_face",
    "sample_identity",
    "sample_view",
    "thatcherise",
]
