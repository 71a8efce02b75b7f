"""Faces drawn once for all tests of the stimuli."""

from __future__ import annotations

import numpy as np
import pytest

from facebench.faces.chips import face_landmarks_68
from facebench.stimuli import (
    RenderedFace,
    RenderedSet,
    make_rendered_faces,
    render_face,
    sample_identity,
    sample_view,
)
from facebench.stimuli.catalogue import LandmarkedFace


@pytest.fixture(scope="session")
def faces() -> list[RenderedFace]:
    """Return four people at full size, each in their own view."""
    return [render_face(sample_identity(k), sample_view(k)) for k in range(4)]


@pytest.fixture(scope="session")
def found(faces: list[RenderedFace]) -> list[LandmarkedFace]:
    """Return the same pictures with the 68 landmarks that the predictor finds in them."""
    pytest.importorskip("dlib", reason="dlib is not installed")
    landmarks = [face_landmarks_68(face.image) for face in faces]
    return [
        LandmarkedFace(face.image, points.astype(np.float64))
        for face, points in zip(faces, landmarks, strict=True)
        if points is not None
    ]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> RenderedSet:
    """Draw four people twice, with a nose of one changed."""
    return make_rendered_faces(
        tmp_path_factory.mktemp("rendered") / "faces",
        n_people=4,
        n_images=2,
        changes=["nose_width", "mouth"],
        size=160,
        seed=3,
        workers=1,
    )
