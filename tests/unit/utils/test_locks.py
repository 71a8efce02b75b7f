"""A lock has one holder, and is free again when the file is closed."""

from __future__ import annotations

import os
from pathlib import Path

from facebench.utils.locks import lock, try_lock


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert try_lock(first)
    assert not try_lock(second)
    assert not lock(second, timeout=0.0)
    os.close(first)
    assert lock(second, timeout=0.0)
    os.close(second)
