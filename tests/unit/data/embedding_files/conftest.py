"""Files of tests are sound, or damaged in ways that crash nothing: one process is enough."""

from __future__ import annotations

from typing import Any

import pytest

from facebench.data.embedding_files import opening


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read files at once; gives what would read them in another process first."""
    elsewhere = opening.try_elsewhere
    monkeypatch.setattr(opening, "try_elsewhere", lambda *arguments: None)
    return elsewhere
