"""What room there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from facebench.engine.memory import free_disk, peak_memory


def test_a_folder_yet_to_be_made_has_the_room_of_where_it_will_be(tmp_path: Path) -> None:
    assert free_disk(tmp_path / "not" / "yet") == pytest.approx(free_disk(tmp_path), rel=0.05)


def test_the_peak_is_never_below_what_is_held() -> None:
    held = bytearray(b"x" * 2**20)
    assert peak_memory() > len(held)
