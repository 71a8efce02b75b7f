"""Faces drawn once for all tests of the stimuli."""

from __future__ import annotations

import pytest

from facebench.stimuli import RenderedFace, render_face, sample_identity, sample_view


@pytest.fixture(scope="session")
def faces() -> list[RenderedFace]:
    """Return four people at full size, each in their own view."""
    return [render_face(sample_identity(k), sample_view(k)) for k in range(4)]
