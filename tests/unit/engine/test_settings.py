"""The budget is what was asked for, else half of what is free."""

from __future__ import annotations

import pytest

from facebench.engine import settings
from facebench.engine.settings import Settings


def test_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "free_memory", lambda: 1001)
    assert Settings().budget == 500
    assert Settings(max_memory=7).budget == 7
